// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { createHost, type HostRegistration } from "../testing/host.ts";
import { reportInstall } from "./report_install.ts";
import {
  watchUpdates,
  type WatchUpdatesContainer,
  type WatchUpdatesOptions,
  type WatchUpdatesRegistration,
  type WatchUpdatesWorker,
} from "./watch_updates.ts";

class FakeWorker extends EventTarget implements WatchUpdatesWorker {
  readonly scriptURL = "https://example.test/sw.js";
  state = "installing";

  become(state: string): void {
    this.state = state;
    this.dispatchEvent(new Event("statechange"));
  }
}

class FakeRegistration extends EventTarget
  implements WatchUpdatesRegistration<FakeWorker> {
  readonly scope = "https://example.test/";
  installing: FakeWorker | null = null;
  waiting: FakeWorker | null = null;
  active: FakeWorker | null = null;

  find(): FakeWorker {
    this.installing = new FakeWorker();
    this.dispatchEvent(new Event("updatefound"));
    return this.installing;
  }

  wait(): void {
    const { installing } = this;
    this.waiting?.become("redundant");
    this.waiting = installing;
    this.installing = null;
    installing?.become("installed");
  }
}

/** `navigator.serviceWorker`, with what a worker posts. */
class FakeContainer implements WatchUpdatesContainer {
  receive!: (data: unknown, source: object | null) => void;

  getRegistration(): Promise<unknown> {
    return Promise.resolve();
  }

  addEventListener(
    _type: "message",
    listener: (event: { data: unknown; source: object | null }) => void,
  ): void {
    this.receive = (data, source) => listener({ data, source });
  }
}

/** Reads facts as text; the workers are numbered as they appear. */
function reader<W extends WatchUpdatesWorker>(
  registration: WatchUpdatesRegistration<W>,
  options?: WatchUpdatesOptions,
  letPass?: () => Promise<void>,
) {
  const workers: W[] = [];
  const updates = watchUpdates(registration, options)[Symbol.asyncIterator]();
  return {
    workers,
    async read(count: number): Promise<string[]> {
      const facts: string[] = [];
      while (facts.length < count) {
        const next = updates.next();
        let isTold = false;
        next.then(() => isTold = true);
        for (let tries = 0; tries < 9 && !isTold; tries++) await letPass?.();
        const { value } = await next;
        const { state, first, worker } = value;
        if (!workers.includes(worker)) workers.push(worker);
        facts.push(
          [
            first ? "first" : workers.indexOf(worker) + 1,
            state,
            ...(state === "failed"
              ? [value.reason.name, value.reason.message]
              : []),
          ].join(" "),
        );
      }
      return facts;
    },
    next: () => updates.next(),
    close: async () => void await updates.return?.(),
  };
}

/** A browser with a page at `/` and, unless it is the first visit, a worker. */
async function openPage({ visited = true } = {}) {
  const host = createHost({ scripts: { "/sw.js": "// 1" } });
  if (visited) await host.register("/sw.js");
  const page = await host.openWindow("/");
  const time = new FakeTime();
  const letPass = async () => {
    await host.idle();
    await time.tickAsync(1_000);
  };
  const watch = (registration: HostRegistration) => {
    const options = { container: page.serviceWorker, page };
    return reader(registration, options, letPass);
  };
  const leave = () => {
    time.restore();
    host.close();
  };
  return { host, page, watch, letPass, leave };
}

Deno.test("watchUpdates() tells a first installation from an update", async () => {
  const { host, page, watch, leave } = await openPage({ visited: false });
  const registration = await page.serviceWorker.register("/sw.js");
  const { read, close } = watch(registration);
  assertEquals(await read(2), ["first installing", "first active"]);
  host.deploy("/sw.js", "skipWaiting();");
  registration.update();
  assertEquals(await read(2), ["2 installing", "2 active"]);
  await close();
  leave();
});

Deno.test("watchUpdates() tells every update of a page's life", async () => {
  const { host, page, watch, leave } = await openPage();
  const registration = await page.serviceWorker.ready;
  const { read, workers, close } = watch(registration);
  const script = `addEventListener("message", () => skipWaiting());`;
  for (const number of [1, 2, 3]) {
    host.deploy("/sw.js", `${script} // ${number}`);
    registration.update();
    assertEquals(await read(2), [`${number} installing`, `${number} waiting`]);
    workers.at(-1)?.postMessage("skip");
    assertEquals(await read(1), [`${number} active`]);
  }
  await close();
  leave();
});

Deno.test("watchUpdates() goes on to the newest when one that waits is replaced", async () => {
  const { host, page, watch, leave } = await openPage();
  const registration = await page.serviceWorker.ready;
  const { read, workers, close } = watch(registration);
  host.deploy("/sw.js", "// 2");
  registration.update();
  assertEquals(await read(2), ["1 installing", "1 waiting"]);
  host.deploy("/sw.js", "// 3");
  registration.update();
  assertEquals(await read(2), ["2 installing", "2 waiting"]);
  assertEquals(workers.map(({ state }) => state), ["redundant", "installed"]);
  await close();
  leave();
});

Deno.test("watchUpdates() tells once what waited before", async () => {
  const { host, page, watch, leave } = await openPage();
  const registration = await page.serviceWorker.ready;
  host.deploy("/sw.js", "// 2");
  await registration.update();
  await host.idle();
  const { read, close } = watch(registration);
  assertEquals(await read(1), ["1 waiting"]);
  page.dispatchEvent(new Event("pageshow"));
  host.deploy("/sw.js", "// 3");
  registration.update();
  assertEquals(await read(2), ["2 installing", "2 waiting"]);
  await close();
  leave();
});

Deno.test("watchUpdates() does not say that a worker waits which skips it", async () => {
  const { host, page, watch, leave } = await openPage();
  const registration = await page.serviceWorker.ready;
  const { read, close } = watch(registration);
  const skipping = `addEventListener("install", () => skipWaiting());`;
  host.deploy("/sw.js", skipping);
  registration.update();
  assertEquals(await read(2), ["1 installing", "1 active"]);
  await close();
  leave();
});

Deno.test("watchUpdates() tells a page without controller of an update", async () => {
  const { host, page, watch, leave } = await openPage({ visited: false });
  // As a page that was loaded with the shift key held down.
  await page.serviceWorker.register("/sw.js");
  await host.idle();
  assertEquals(page.serviceWorker.controller, null);
  host.deploy("/sw.js", "// 2");
  const registration = await page.serviceWorker.register("/sw.js");
  const { read, close } = watch(registration);
  registration.update();
  assertEquals(await read(2), ["1 installing", "1 active"]);
  await close();
  leave();
});

Deno.test("watchUpdates() has the reason that the worker reports", async () => {
  const { host, page, watch, leave } = await openPage();
  const registration = await page.serviceWorker.ready;
  const { read, workers, close } = watch(registration);
  host.deploy("/sw.js", (scope) => {
    scope.addEventListener("install", (event) => {
      const work = () => {
        throw new RangeError("too much");
      };
      event.waitUntil(reportInstall(scope.clients, work));
    });
  });
  registration.update();
  assertEquals(await read(2), ["1 installing", "1 failed RangeError too much"]);
  host.deploy("/sw.js", "// 3");
  registration.update();
  assertEquals(await read(2), ["2 installing", "2 waiting"]);
  assertEquals(workers[0]?.state, "redundant");
  await close();
  leave();
});

Deno.test("watchUpdates() says that there is no room for the new version", async () => {
  const { host, page, watch, leave } = await openPage();
  const registration = await page.serviceWorker.ready;
  const { read, close } = watch(registration);
  host.caches.quota = host.caches.usage;
  host.deploy("/sw.js", (scope) => {
    const precache = async () => {
      const cache = await scope.caches.open("2");
      await cache.put("/app.js", new Response("x".repeat(1_000)));
    };
    scope.addEventListener("install", (event) => {
      event.waitUntil(reportInstall(scope.clients, precache));
    });
  });
  registration.update();
  const [, failed] = await read(2);
  assert(failed?.startsWith("1 failed QuotaExceededError"), failed);
  await close();
  leave();
});

Deno.test("watchUpdates() has a reason of its own when none is reported", async () => {
  using time = new FakeTime();
  const registration = new FakeRegistration();
  const { read, close } = reader(registration);
  registration.find().become("redundant");
  assertEquals(await read(1), ["first installing"]);
  const failed = read(1);
  await time.tickAsync(1_000);
  assertEquals(await failed, [
    "first failed UnknownError Cannot install https://example.test/sw.js: it became redundant without a report of why",
  ]);
  registration.find();
  assertEquals(await read(1), ["first installing"]);
  await close();
});

Deno.test("watchUpdates() takes a report before and after the failure", async () => {
  const registration = new FakeRegistration();
  const container = new FakeContainer();
  const { read, close } = reader(registration, { container });
  const failed = (name: string) => ({
    "@serviceworker/std": { installFailed: { name, message: "no" } },
  });
  const late = registration.find();
  late.become("redundant");
  container.receive(failed("QuotaExceededError"), late);
  assertEquals(await read(2), [
    "first installing",
    "first failed QuotaExceededError no",
  ]);
  const early = registration.find();
  container.receive(failed("TypeError"), early);
  early.become("redundant");
  assertEquals(await read(2), [
    "first installing",
    "first failed TypeError no",
  ]);
  await close();
});

Deno.test("watchUpdates() ignores other messages and those of others", async () => {
  using time = new FakeTime();
  const registration = new FakeRegistration();
  const container = new FakeContainer();
  const { read, close } = reader(registration, { container });
  const worker = registration.find();
  for (
    const data of [
      null,
      "text",
      { "@serviceworker/std": null },
      { "@serviceworker/std": { installFailed: "text" } },
    ]
  ) container.receive(data, worker);
  const report = { installFailed: { name: "Error", message: "no" } };
  container.receive({ "@serviceworker/std": report }, new FakeWorker());
  container.receive({ "@serviceworker/std": report }, null);
  worker.become("redundant");
  await time.tickAsync(1_000);
  const [, fact] = await read(2);
  assert(fact?.startsWith("first failed UnknownError"), fact);
  await close();
});

Deno.test("watchUpdates() keeps facts while the loop is busy", async () => {
  const { host, page, watch, letPass, leave } = await openPage();
  const registration = await page.serviceWorker.ready;
  const { read, workers, close } = watch(registration);
  host.deploy("/sw.js", `addEventListener("message", () => skipWaiting());`);
  registration.update();
  assertEquals(await read(1), ["1 installing"]);
  await letPass();
  workers[0]?.postMessage("skip");
  await letPass();
  host.deploy("/sw.js", "// 3");
  await registration.update();
  await letPass();
  assertEquals(await read(4), [
    "1 waiting",
    "1 active",
    "2 installing",
    "2 waiting",
  ]);
  await close();
  leave();
});

Deno.test("watchUpdates() looks again when the page is shown again", async () => {
  const registration = new FakeRegistration();
  registration.active = new FakeWorker();
  registration.active.state = "activated";
  using time = new FakeTime();
  const page = new EventTarget();
  const letPass = () => time.tickAsync(1_000);
  const { read, close } = reader(registration, { page }, letPass);
  registration.waiting = new FakeWorker();
  registration.waiting.state = "installed";
  page.dispatchEvent(new Event("pageshow"));
  assertEquals(await read(1), ["1 waiting"]);
  registration.active = registration.waiting;
  registration.active.state = "activated";
  registration.waiting = null;
  page.dispatchEvent(new Event("pageshow"));
  page.dispatchEvent(new Event("pageshow"));
  registration.find();
  assertEquals(await read(2), ["1 active", "2 installing"]);
  await close();
});

Deno.test("watchUpdates() rejects with the reason of an already aborted signal", async () => {
  const registration = new FakeRegistration();
  registration.find();
  const signal = AbortSignal.abort("over");
  const { next } = reader(registration, { signal });
  assertEquals(await next().catch((reason) => reason), "over");
});

Deno.test("watchUpdates() rejects with the reason of a signal aborted later", async () => {
  const registration = new FakeRegistration();
  const abort = new AbortController();
  const { next } = reader(registration, { signal: abort.signal });
  const fact = next();
  abort.abort(new Error("over"));
  await assertRejects(() => fact, Error, "over");
});

Deno.test("watchUpdates() tells nothing once it is aborted, whatever was on its way", async () => {
  using time = new FakeTime();
  const registration = new FakeRegistration();
  registration.active = new FakeWorker();
  registration.active.state = "activated";
  const answer = Promise.withResolvers<unknown>();
  const container = new FakeContainer();
  container.getRegistration = () => answer.promise;
  const abort = new AbortController();
  const { read, next } = reader(registration, {
    container,
    signal: abort.signal,
  });
  registration.find();
  registration.wait();
  assertEquals(await read(1), ["1 installing"]);
  await time.tickAsync(1_000);
  abort.abort("over");
  answer.resolve(undefined);
  await time.tickAsync(0);
  assertEquals(await next().catch((reason) => reason), "over");
});

Deno.test("watchUpdates() ends only the iterator that is left", async () => {
  const registration = new FakeRegistration();
  const abort = new AbortController();
  const one = reader(registration, { signal: abort.signal });
  const other = reader(registration);
  abort.abort("over");
  registration.find();
  assertEquals(await one.next().catch((reason) => reason), "over");
  assertEquals(await other.read(1), ["first installing"]);
  await other.close();
});

Deno.test("watchUpdates() removes its listeners when the loop is left", async () => {
  const signals: AbortSignal[] = [];
  const spy = {
    addEventListener: (
      _type: string,
      _listener: unknown,
      { signal }: { signal: AbortSignal },
    ) => void signals.push(signal),
  };
  const installing = { ...spy, scriptURL: "/sw.js", state: "installing" };
  const registration = {
    ...spy,
    scope: "/",
    installing,
    waiting: null,
    active: null,
  };
  const container = { ...spy, getRegistration: () => Promise.resolve() };
  const updates = watchUpdates(registration, { container, page: spy });
  for await (const { state } of updates) {
    assertEquals(state, "installing");
    break;
  }
  assertEquals(signals.map(({ aborted }) => aborted), [true, true, true, true]);
});

Deno.test("watchUpdates() keeps no timer when the loop is left", async () => {
  const registration = new FakeRegistration();
  const { read, close } = reader(registration);
  registration.find().become("redundant");
  await read(1);
  await close();
});
