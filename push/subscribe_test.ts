// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { AsyncLocalStorage } from "node:async_hooks";
import { memoryStore } from "../storage/memory_store.ts";
import { createOutbox } from "../sync/outbox.ts";
import { createHost, type HostScope } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import {
  renew,
  subscribe,
  type Subscription,
  type SubscriptionChange,
  unsubscribe,
} from "./subscribe.ts";

const KEY = Uint8Array.of(4, ...Array(64).keys());
const OTHER = KEY.toReversed().with(0, 4);

/** A browser's push manager, with a user who answers as told. */
class Manager {
  state = "granted";
  /** What the user says when asked. */
  answer = "granted";
  online = true;
  current: Endpoint | null = null;
  /** How often the user was asked. */
  asked = 0;
  last = 0;

  permissionState = () => Promise.resolve(this.state);
  getSubscription = () => Promise.resolve(this.current);
  subscribe = async (
    { applicationServerKey: key }: { applicationServerKey: Uint8Array },
  ) => {
    if (this.state === "prompt") {
      this.asked++;
      this.state = this.answer;
    }
    await undefined;
    const refuse = (name: string) => {
      throw new DOMException("refused", name);
    };
    if (this.state !== "granted") refuse("NotAllowedError");
    if (!this.online) refuse("AbortError");
    const { current } = this;
    if (current && String(current.key) !== String(key)) {
      refuse("InvalidStateError");
    }
    return this.current ??= new Endpoint(this, key, ++this.last);
  };

  get pushManager() {
    return this;
  }

  /** Browsers lose subscriptions, and do not always say so. */
  lose() {
    this.current = null;
  }
}

class Endpoint implements Subscription {
  expirationTime: number | null = null;
  options: { applicationServerKey: ArrayBuffer | null };
  readonly #manager: Manager;

  constructor(
    manager: Manager,
    readonly key: Uint8Array,
    readonly number: number,
  ) {
    this.#manager = manager;
    this.options = { applicationServerKey: new Uint8Array(key).buffer };
  }

  toJSON() {
    return { endpoint: `https://push.test/${this.number}`, keys: {} };
  }

  unsubscribe() {
    if (this.#manager.current === this) this.#manager.current = null;
    return Promise.resolve(true);
  }
}

/** A page or worker, with what its server was told. */
function setUp(state = "granted") {
  const manager = Object.assign(new Manager(), { state });
  const store = memoryStore();
  const told: string[] = [];
  const report = (change: SubscriptionChange) => {
    const { oldSubscription, newSubscription } = change;
    const number = (url = "none") => url.split("/").at(-1);
    told.push(
      `${number(oldSubscription?.endpoint)} -> ${
        number(newSubscription?.endpoint)
      }`,
    );
  };
  return { manager, store, told, push: { store, report, locks: null } };
}

Deno.test("subscribe() subscribes, and reports that once", async () => {
  const { manager, told, push } = setUp();
  const options = { ...push, applicationServerKey: KEY };
  assertEquals(await subscribe(manager, options), {
    status: "subscribed",
    subscription: manager.current,
    changed: true,
  });
  assertEquals(manager.current?.key, KEY);
  assertEquals((await subscribe(manager, options)).changed, false);
  assertEquals(told, ["none -> 1"]);
});

Deno.test("subscribe() takes a key as text, bytes or JWK", async () => {
  const text = btoa(String.fromCharCode(...KEY));
  const url = text.replaceAll("+", "-").replaceAll("/", "_");
  const part = (start: number) =>
    KEY.slice(start, start + 32).toBase64({
      alphabet: "base64url",
      omitPadding: true,
    });
  const keys = [
    text,
    url,
    url.replaceAll("=", ""),
    KEY,
    KEY.buffer,
    new DataView(Uint8Array.of(0, ...KEY, 0).buffer, 1, 65),
    { kty: "EC", crv: "P-256", x: part(1), y: part(33) },
  ];
  for (const applicationServerKey of keys) {
    const { manager, push } = setUp();
    await subscribe(manager, { ...push, applicationServerKey });
    assertEquals(manager.current?.key, KEY);
  }
});

Deno.test("subscribe() takes the key that Web Crypto exports", async () => {
  const { publicKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign"],
  );
  const raw = await crypto.subtle.exportKey("raw", publicKey);
  const jwk = await crypto.subtle.exportKey("jwk", publicKey);
  for (const applicationServerKey of [raw, jwk]) {
    const { manager, push } = setUp();
    await subscribe(manager, { ...push, applicationServerKey });
    assertEquals(manager.current?.key, new Uint8Array(raw));
  }
});

Deno.test("subscribe() refuses what is no key, before anybody is asked", async () => {
  const { manager, store, push } = setUp("prompt");
  const point = "BDEF";
  const wrong: [string | Uint8Array<ArrayBuffer> | JsonWebKey, string][] = [
    ["", "got 0, the first of them undefined"],
    [KEY.slice(1), "got 64, the first of them 0"],
    [new Uint8Array(65), "got 65, the first of them 0"],
    [Uint8Array.of(2, ...KEY.slice(1, 33)), "got 33, the first of them 2"],
    ["not a key!", 'must be in base64url, got "not a key!"'],
    [{ kty: "EC", crv: "P-384", x: point, y: point }, '"EC" on "P-384"'],
    [{ kty: "EC", crv: "P-256", x: point }, "a JWK on P-256"],
    [{ kty: "EC", crv: "P-256", x: point, y: point }, "got 7"],
  ];
  for (const [applicationServerKey, fact] of wrong) {
    await assertRejects(
      () => subscribe(manager, { ...push, applicationServerKey }),
      TypeError,
      fact,
    );
  }
  assertEquals(manager.asked, 0);
  assertEquals(await store.list(), []);
});

Deno.test("subscribe() says that the browser has no push", async () => {
  const { push } = setUp();
  const options = { ...push, applicationServerKey: KEY };
  assertEquals((await subscribe({}, options)).status, "unsupported");
  assertEquals((await renew({}, options)).status, "unsupported");
  assertEquals(await unsubscribe({}, options), false);
});

Deno.test("subscribe() does not ask a user who has said no", async () => {
  const { manager, store, told, push } = setUp("denied");
  manager.subscribe = () => Promise.reject(new Error("It was called"));
  const options = { ...push, applicationServerKey: KEY };
  assertEquals(await subscribe(manager, options), {
    status: "denied",
    subscription: null,
    changed: false,
  });
  assertEquals(told, []);
  assertEquals(await store.list(), []);
});

Deno.test("subscribe() does not ask without a click", async () => {
  const { manager, push } = setUp("prompt");
  const options = { ...push, applicationServerKey: KEY };
  const click = (isActive: boolean) => ({ userActivation: { isActive } });
  const { status } = await subscribe(manager, { ...options, ...click(false) });
  assertEquals(status, "needs-gesture");
  assertEquals(manager.asked, 0);
  const next = await subscribe(manager, { ...options, ...click(true) });
  assertEquals(next.status, "subscribed");
  assertEquals(manager.asked, 1);
});

Deno.test("subscribe() needs no click where the permission is granted", async () => {
  const { manager, push } = setUp();
  const { status } = await subscribe(manager, {
    ...push,
    applicationServerKey: KEY,
    userActivation: { isActive: false },
  });
  assertEquals(status, "subscribed");
});

Deno.test("subscribe() says how the user has answered", async () => {
  for (const answer of ["denied", "prompt"]) {
    const { manager, store, told, push } = setUp("prompt");
    manager.answer = answer;
    const options = { ...push, applicationServerKey: KEY };
    assertEquals((await subscribe(manager, options)).status, answer);
    assertEquals(told, []);
    // It is not wanted, should it be permitted for another reason.
    assertEquals(await store.list(), []);
  }
});

Deno.test("subscribe() replaces a subscription with another key", async () => {
  const { manager, told, push } = setUp();
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  const { status, changed } = await subscribe(manager, {
    ...push,
    applicationServerKey: OTHER,
  });
  assertEquals([status, changed], ["subscribed", true]);
  assertEquals(manager.current?.key, OTHER);
  assertEquals(told, ["none -> 1", "1 -> 2"]);
});

Deno.test("subscribe() replaces a subscription of which the key is hidden", async () => {
  const { manager, push } = setUp();
  manager.current = new Endpoint(manager, OTHER, 7);
  manager.current.options.applicationServerKey = null;
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  assertEquals(manager.current?.key, KEY);
});

Deno.test("subscribe() has the user asked where a subscription is left over", async () => {
  const { manager, push } = setUp("prompt");
  manager.current = new Endpoint(manager, OTHER, 7);
  const { status } = await subscribe(manager, {
    ...push,
    applicationServerKey: KEY,
  });
  assertEquals([status, manager.asked], ["subscribed", 1]);
  assertEquals(manager.current?.key, KEY);
});

Deno.test("subscribe() rejects as the push service does, and renew() goes on", async () => {
  const { manager, told, push } = setUp();
  manager.online = false;
  const options = { ...push, applicationServerKey: KEY };
  const error = await assertRejects(() => subscribe(manager, options));
  assertEquals((error as Error).name, "AbortError");
  manager.online = true;
  assertEquals((await renew(manager, push)).status, "subscribed");
  assertEquals(told, ["none -> 1"]);
});

Deno.test("subscribe() rejects as the report does, and renew() reports again", async () => {
  const { manager, told, push } = setUp();
  const reason = new Error("not saved");
  const options = { ...push, applicationServerKey: KEY };
  const report = () => Promise.reject(reason);
  assertStrictEquals(
    await assertRejects(() => subscribe(manager, { ...options, report })),
    reason,
  );
  assertEquals((await renew(manager, push)).changed, true);
  assertEquals(told, ["none -> 1"]);
});

Deno.test("renew() does nothing where nobody has subscribed", async () => {
  for (const state of ["granted", "prompt", "denied"]) {
    const { manager, store, told, push } = setUp(state);
    const { status } = await renew(manager, push);
    assertEquals(status, state === "granted" ? "unsubscribed" : state);
    assertEquals([manager.asked, manager.current, told], [0, null, []]);
    assertEquals(await store.list(), []);
  }
});

Deno.test("renew() subscribes again with the key that was used", async () => {
  const { manager, told, push } = setUp();
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  manager.lose();
  const { status, changed } = await renew(manager, push);
  assertEquals([status, changed], ["subscribed", true]);
  assertEquals(manager.current?.key, KEY);
  assertEquals(told, ["none -> 1", "1 -> 2"]);
});

Deno.test("renew() reports what the browser has subscribed itself", async () => {
  const { manager, told, push } = setUp();
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  const oldSubscription = manager.current;
  const newSubscription = new Endpoint(manager, KEY, 7);
  manager.current = newSubscription;
  const event = { oldSubscription, newSubscription };
  assertEquals((await renew(manager, { ...push, event })).changed, true);
  assertEquals(told, ["none -> 1", "1 -> 7"]);
});

Deno.test("renew() reports other keys of the same endpoint", async () => {
  const { manager, told, push } = setUp();
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  const { current } = manager;
  assert(current);
  const { endpoint } = current.toJSON();
  current.toJSON = () => ({ endpoint, keys: { p256dh: "another" } });
  assertEquals((await renew(manager, push)).changed, true);
  assertEquals((await renew(manager, push)).changed, false);
  assertEquals(told, ["none -> 1", "1 -> 1"]);
});

Deno.test("renew() understands an event that tells nothing", async () => {
  const { manager, told, push } = setUp();
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  manager.lose();
  for (const event of [{ oldSubscription: null }, {}]) {
    await renew(manager, { ...push, event });
  }
  assertEquals(told, ["none -> 1", "1 -> 2"]);
});

Deno.test("renew() takes key and endpoint from the event where the store was lost", async () => {
  const { manager, told, push } = setUp();
  const event = { oldSubscription: new Endpoint(manager, KEY, 7) };
  assertEquals((await renew(manager, { ...push, event })).status, "subscribed");
  assertEquals(manager.current?.key, KEY);
  assertEquals(told, ["7 -> 1"]);
});

Deno.test("renew() adopts a subscription that was made by other means", async () => {
  const { manager, told, push } = setUp();
  manager.current = new Endpoint(manager, KEY, 7);
  assertEquals((await renew(manager, push)).status, "subscribed");
  manager.lose();
  await renew(manager, push);
  assertEquals(told, ["none -> 7", "7 -> 1"]);
  assertEquals(manager.current?.key, KEY);
});

Deno.test("renew() leaves a subscription alone of which the key is hidden", async () => {
  const { manager, told, push } = setUp();
  const hidden = new Endpoint(manager, KEY, 7);
  hidden.options.applicationServerKey = null;
  manager.current = hidden;
  for (const changed of [true, false]) {
    const result = await renew(manager, push);
    assertEquals([result.status, result.changed], ["subscribed", changed]);
    assertStrictEquals(result.subscription, hidden);
  }
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  const { subscription } = await renew(manager, push);
  Object.assign(subscription?.options ?? {}, { applicationServerKey: null });
  assertStrictEquals((await renew(manager, push)).subscription, subscription);
  assertEquals(told, ["none -> 7", "7 -> 1"]);
});

Deno.test("renew() says that a subscription is lost that it cannot make again", async () => {
  const { manager, told, push } = setUp();
  manager.current = new Endpoint(manager, KEY, 7);
  manager.current.options.applicationServerKey = null;
  await renew(manager, push);
  manager.lose();
  assertEquals((await renew(manager, push)).status, "unsubscribed");
  assertEquals(told, ["none -> 7", "7 -> none"]);
});

Deno.test("unsubscribe() reports the end of what was made by other means", async () => {
  const { manager, told, push } = setUp();
  manager.current = new Endpoint(manager, KEY, 7);
  const report = () => Promise.reject(new Error("not saved"));
  await assertRejects(() => unsubscribe(manager, { ...push, report }));
  assertEquals(manager.current, null);
  assertEquals(await unsubscribe(manager, push), true);
  assertEquals(told, ["7 -> none"]);
});

Deno.test("renew() replaces a subscription that has expired", async () => {
  const { manager, told, push } = setUp();
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  Object.assign(manager.current ?? {}, { expirationTime: Date.now() - 1 });
  await renew(manager, push);
  assertEquals(told, ["none -> 1", "1 -> 2"]);
});

Deno.test("renew() reports that the permission was withdrawn, and that it is back", async () => {
  for (const state of ["denied", "prompt"]) {
    const { manager, told, push } = setUp();
    await subscribe(manager, { ...push, applicationServerKey: KEY });
    manager.state = state;
    for (const changed of [true, false]) {
      const { subscription, ...result } = await renew(manager, push);
      assertEquals(result, { status: state as "denied" | "prompt", changed });
      assertEquals(subscription, null);
    }
    manager.state = "granted";
    assertEquals((await renew(manager, push)).status, "subscribed");
    assertEquals(told, ["none -> 1", "1 -> none", "none -> 1"]);
  }
});

Deno.test("renew() ends what the user has ended, if that failed", async () => {
  const { manager, told, push } = setUp();
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  const { current } = manager;
  const own = current?.unsubscribe.bind(current);
  Object.assign(current ?? {}, {
    unsubscribe: () => Promise.reject(new DOMException("", "NetworkError")),
  });
  assertEquals(await unsubscribe(manager, push), true);
  assertEquals(manager.current, current);
  Object.assign(current ?? {}, { unsubscribe: own });
  assertEquals((await renew(manager, push)).status, "unsubscribed");
  assertEquals(manager.current, null);
  assertEquals(told, ["none -> 1", "1 -> none"]);
});

Deno.test("unsubscribe() ends the subscription for good", async () => {
  const { manager, told, push } = setUp();
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  assertEquals(await unsubscribe(manager, push), true);
  assertEquals(await unsubscribe(manager, push), false);
  assertEquals((await renew(manager, push)).status, "unsubscribed");
  assertEquals(manager.current, null);
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  assertEquals(told, ["none -> 1", "1 -> none", "none -> 2"]);
});

Deno.test("unsubscribe() works offline, and the server is told later", async () => {
  const host = createHost({ network: () => new Response() });
  const registration = await host.register(() => {});
  const store = memoryStore();
  const page = await host.openWindow("/");
  const outbox = createOutbox<Request>(store, {
    locks: null,
    send: (request) => page.fetch(request),
  });
  const report = (change: SubscriptionChange) => {
    const body = JSON.stringify(change);
    const url = "https://example.test/subscriptions";
    return outbox.add(new Request(url, { method: "POST", body }), {
      key: "subscription",
    });
  };
  const push = { store, report };
  await subscribe(registration, { ...push, applicationServerKey: KEY });
  await outbox.flush();
  const before = await registration.pushManager.getSubscription();

  host.network.offline = true;
  await unsubscribe(registration, push);
  assertEquals(await registration.pushManager.getSubscription(), null);
  await outbox.flush();
  host.network.offline = false;
  const [entry] = await outbox.list();
  await outbox.retry(String(entry?.id));
  await outbox.flush();
  assertEquals(await host.network.requests.at(-1)?.json(), {
    oldSubscription: before?.toJSON(),
    newSubscription: null,
  });
  host.close();
});

Deno.test("renew() in two tabs reports a change once", async () => {
  const { manager, told, push: { store, report } } = setUp();
  const push = { store, report }; // With the locks of the runtime.
  const start = () => [renew(manager, push), renew(manager, push)];
  await subscribe(manager, { ...push, applicationServerKey: KEY });
  manager.lose();
  const results = await Promise.all(start());
  assertEquals(told, ["none -> 1", "1 -> 2"]);
  assertEquals(results.map(({ changed }) => changed), [true, false]);
});

Deno.test("subscribe() waits for the user without the lock", async () => {
  const { manager, push: { store, report } } = setUp("prompt");
  const { promise, resolve } = Promise.withResolvers<void>();
  const asking = Promise.withResolvers<void>();
  const own = manager.subscribe;
  manager.subscribe = async (options) => {
    asking.resolve();
    await promise;
    return await own(options);
  };
  const options = { store, report, applicationServerKey: KEY };
  const subscribing = subscribe(manager, options);
  await asking.promise;
  assertEquals((await renew(manager, { store, report })).status, "prompt");
  resolve();
  assertEquals((await subscribing).status, "subscribed");
});

Deno.test("subscribe() leaves the lock to others when it is aborted", async () => {
  const { manager, told, push: { store, report } } = setUp();
  const controller = new AbortController();
  const reporting = Promise.withResolvers<void>();
  const subscribing = subscribe(manager, {
    store,
    applicationServerKey: KEY,
    signal: controller.signal,
    report: () => {
      reporting.resolve();
      return new Promise(() => {});
    },
  });
  const rejected = assertRejects(() => subscribing);
  await reporting.promise;
  const renewing = renew(manager, { store, report });
  controller.abort(new Error("over"));
  await rejected;
  assertEquals((await renewing).changed, true);
  assertEquals(told, ["none -> 1"]);
});

for (const [name, call] of Object.entries({ subscribe, renew, unsubscribe })) {
  const setUpCall = () => {
    const { manager, told, store, push } = setUp();
    const run = (signal: AbortSignal) =>
      call(manager, { ...push, applicationServerKey: KEY, signal });
    return { manager, told, store, run };
  };
  const never = () => new Promise<never>(() => {});

  Deno.test(`${name}() rejects with the reason of an already aborted signal`, async () => {
    const { manager, store, run } = setUpCall();
    const reason = new Error("over");
    const error = await assertRejects(() => run(AbortSignal.abort(reason)));
    assertStrictEquals(error, reason);
    assertEquals(manager.current, null);
    assertEquals(await store.list(), []);
  });

  Deno.test(`${name}() rejects with the reason of a signal aborted later`, async () => {
    const { manager, run } = setUpCall();
    manager.permissionState = never;
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error("over");
    const rejected = assertRejects(() => run(signal));
    controller.abort(reason);
    assertStrictEquals(await rejected, reason);
  });

  Deno.test(`${name}() removes its abort listener when it settles`, async () => {
    const { run } = setUpCall();
    const { signal } = new AbortController();
    let listeners = 0;
    for (const method of ["addEventListener", "removeEventListener"] as const) {
      const own = signal[method];
      Object.defineProperty(signal, method, {
        value(...args: Parameters<typeof own>) {
          listeners += method === "addEventListener" ? 1 : -1;
          own.apply(signal, args);
        },
      });
    }
    const running = run(signal);
    assertEquals(listeners, 1);
    await running;
    assertEquals(listeners, 0);
  });

  Deno.test(`${name}() rejects only the call whose signal is aborted`, async () => {
    const { run } = setUpCall();
    const controller = new AbortController();
    const rejected = assertRejects(() => run(controller.signal));
    const other = run(new AbortController().signal);
    controller.abort(new Error("over"));
    await rejected;
    assertNotEquals(await other, undefined);
  });

  Deno.test(`${name}() rejects after a minute`, async () => {
    using time = new FakeTime();
    const { manager, push } = setUp();
    manager.permissionState = never;
    const rejected = assertRejects(
      () => call(manager, { ...push, applicationServerKey: KEY }),
      DOMException,
      "a minute has passed",
    );
    await time.tickAsync(60_000);
    assertEquals((await rejected).name, "TimeoutError");
  });
}

Deno.test("renew() makes a change known after a late answer of the user", async () => {
  const { manager, told, push } = setUp("prompt");
  const { promise, resolve } = Promise.withResolvers<void>();
  const own = manager.subscribe;
  manager.subscribe = async (options) => {
    await promise;
    return await own(options);
  };
  const controller = new AbortController();
  const rejected = assertRejects(() =>
    subscribe(manager, {
      ...push,
      applicationServerKey: KEY,
      locks: navigator.locks,
      signal: controller.signal,
    })
  );
  controller.abort(new Error("over"));
  await rejected;
  resolve();
  while (!manager.current) await undefined;
  assertEquals(told, []);
  assertEquals((await renew(manager, push)).status, "subscribed");
  assertEquals(told, ["none -> 1"]);
});

/** A host of which the worker keeps its server in step through an outbox. */
function setUpWorker() {
  const store = memoryStore();
  /** The endpoints that the server sends to. */
  const endpoints = new Set<string>();
  const host = createHost({
    globals: globalThis,
    context: new AsyncLocalStorage(),
    provide: { store },
    network: async (request) => {
      if (request.method !== "POST") return new Response();
      const { oldSubscription, newSubscription } = await request.json();
      if (oldSubscription) endpoints.delete(oldSubscription.endpoint);
      if (newSubscription) endpoints.add(newSubscription.endpoint);
      return new Response();
    },
  });

  function pushOf(scope: { store: typeof store }) {
    const outbox = createOutbox<Request>(scope.store);
    const report = (change: SubscriptionChange) => {
      const body = JSON.stringify(change);
      const url = "https://example.test/subscriptions";
      const request = new Request(url, { method: "POST", body });
      return outbox.add(request, { key: "subscription" });
    };
    return { outbox, push: { store: scope.store, report } };
  }
  const script = (scope: HostScope & { store: typeof store }) => {
    const { outbox, push } = pushOf(scope);
    scope.addEventListener("pushsubscriptionchange", (event) => {
      event.waitUntil(renew(scope.registration, { ...push, event }));
    });
    // What a page asks for when it starts.
    scope.addEventListener("message", (event) => {
      const run = async () => {
        const { registration } = scope;
        const key = event.data as Uint8Array<ArrayBuffer> | null;
        await (key
          ? subscribe(registration, { ...push, applicationServerKey: key })
          : renew(registration, push));
        await outbox.flush();
      };
      event.waitUntil(run());
    });
  };
  return { host, endpoints, script };
}

Deno.test("renew() loses no change wherever its worker is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const { host, endpoints, script } = setUpWorker();
    const { pushManager } = await host.register(script);
    const page = await host.openWindow("/");
    page.postMessage(KEY);
    await host.idle();
    assertEquals(endpoints.size, 1);

    arm(host);
    await host.expirePushSubscription();
    page.postMessage(null);
    await host.idle();
    page.postMessage(null);
    await host.idle();
    const current = await pushManager.getSubscription();
    assertEquals([...endpoints], [current?.endpoint]);
    host.close();
  });
  assert(stops > 20, `it was stopped ${stops} times`);
});

Deno.test("subscribe() loses no change of the key wherever its worker is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const { host, endpoints, script } = setUpWorker();
    const { pushManager } = await host.register(script);
    const page = await host.openWindow("/");
    page.postMessage(KEY);
    await host.idle();

    arm(host);
    page.postMessage(OTHER);
    await host.idle();
    page.postMessage(OTHER);
    await host.idle();
    page.postMessage(null);
    await host.idle();
    const current = await pushManager.getSubscription();
    assertEquals([...endpoints], [current?.endpoint]);
    const { applicationServerKey } = current?.options ?? {};
    assertEquals(new Uint8Array(applicationServerKey ?? []), OTHER);
    host.close();
  });
  assert(stops > 20, `it was stopped ${stops} times`);
});
