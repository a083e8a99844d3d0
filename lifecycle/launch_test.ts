// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import {
  createHost,
  type Host,
  type HostScope,
  type HostWindow,
} from "../testing/host.ts";
import { launch, type LaunchOptions } from "./launch.ts";
import { setLaunchConsumer } from "./set_launch_consumer.ts";

const ORIGIN = "https://example.test";

/** What the worker did, of which the window is told by its URL. */
interface Outcome {
  url?: string | undefined;
  clientMode?: string;
  focused?: boolean;
  consumed?: boolean;
  error?: string;
}

/** A host whose worker launches what a click on a notification, or a message, says. */
async function setUp(options: LaunchOptions = {}) {
  const host = createHost({ network: () => new Response("page") });
  const outcomes: Outcome[] = [];

  async function run(scope: HostScope, url: string): Promise<void> {
    const { client, ...rest } = await launch(scope, url, options);
    outcomes.push({ url: client?.url, ...rest });
  }
  await host.register((scope) => {
    const note = (error: Error) => void outcomes.push({ error: error.name });
    scope.addEventListener("notificationclick", (event) => {
      event.waitUntil(run(scope, String(event.notification.data)).catch(note));
    });
    scope.addEventListener("message", (event) => {
      event.waitUntil(run(scope, String(event.data)).catch(note));
    });
    scope.addEventListener("push", (event) => {
      const data = event.data?.text();
      event.waitUntil(scope.registration.showNotification("new", { data }));
    });
  }, { scope: "/app/" });
  host.permissions.set("notifications", "granted");
  return { host, outcomes, [Symbol.dispose]: () => host.close() };
}

/** Clicks a notification about a URL. */
async function click(host: Host, url: string): Promise<void> {
  await host.deliverPushMessage(url);
  await host.notifications.at(-1)?.click();
}

/** Sets a consumer in a page of the host, and returns what it gets. */
function consume(page: HostWindow, signal?: AbortSignal): string[] {
  const consumed: string[] = [];
  setLaunchConsumer(
    {
      location: { origin: ORIGIN },
      navigator: { serviceWorker: page.serviceWorker as never },
    },
    ({ targetURL }) => consumed.push(String(targetURL)),
    { signal },
  );
  return consumed;
}

/** Closes, in the end, the ports of messages that nobody listened to. */
function collectPorts(page: HostWindow): Disposable {
  const all: MessagePort[] = [];
  page.serviceWorker.addEventListener("message", (event) => {
    all.push(...(event as MessageEvent).ports);
  });
  return {
    [Symbol.dispose]() {
      for (const port of all) port.close();
    },
  };
}

Deno.test("launch() focuses the last window, and its consumer gets the URL", async () => {
  using test = await setUp();
  const first = await test.host.openWindow("/app/");
  const last = await test.host.openWindow("/app/list");
  const [before, got] = [consume(first), consume(last)];
  last.hide();
  await click(test.host, "episodes/7#notes");
  assertEquals(test.outcomes, [{
    url: `${ORIGIN}/app/list`,
    clientMode: "focus-existing",
    focused: true,
    consumed: true,
  }]);
  assertEquals(got, [`${ORIGIN}/app/episodes/7#notes`]);
  assertEquals(before, []);
  assertEquals(last.focused, true);
});

Deno.test("launch() reaches a consumer that is set late, once", async () => {
  using time = new FakeTime();
  using test = await setUp();
  const page = await test.host.openWindow("/app/");
  using _ports = collectPorts(page);
  const clicked = click(test.host, "episodes/7");
  for (let second = 0; second < 3; second++) {
    await time.tickAsync(1_000);
    await tick();
  }
  const got = consume(page);
  await pass(time, clicked, 1_000);
  // What was repeated may be on its way, with a port.
  await test.host.idle();
  assertEquals(test.outcomes.map(({ consumed }) => consumed), [true]);
  assertEquals(got, [`${ORIGIN}/app/episodes/7`]);
  assertEquals(page.url, `${ORIGIN}/app/`);
});

Deno.test("launch() navigates an existing window, which then gets the URL", async () => {
  using test = await setUp({ clientMode: "navigate-existing" });
  const page = await test.host.openWindow("/app/");
  const got = consume(page);
  await click(test.host, "episodes/7");
  assertEquals(test.outcomes, [{
    url: `${ORIGIN}/app/episodes/7`,
    clientMode: "navigate-existing",
    focused: true,
    consumed: true,
  }]);
  assertEquals(got, [`${ORIGIN}/app/episodes/7`]);
  assertEquals(test.host.windows.length, 1);
});

Deno.test("launch() opens a window if there is none of the app", async () => {
  for (const clientMode of ["focus-existing", "navigate-existing"] as const) {
    using test = await setUp({
      clientMode,
      signal: new AbortController().signal,
    });
    const other = await test.host.openWindow("/other/");
    const clicked = click(test.host, "episodes/7");
    while (test.host.windows.length < 2) await tick();
    const opened = test.host.windows.find((page) => page !== other);
    const got = opened && consume(opened);
    await clicked;
    assertEquals(test.outcomes, [{
      url: `${ORIGIN}/app/episodes/7`,
      clientMode: "navigate-new",
      focused: true,
      consumed: true,
    }]);
    assertEquals(got, [`${ORIGIN}/app/episodes/7`]);
    assertEquals(other.url, `${ORIGIN}/other/`);
  }
});

Deno.test("launch() opens a window beside others if asked to", async () => {
  using test = await setUp({ clientMode: "navigate-new" });
  const page = await test.host.openWindow("/app/");
  const got = consume(page);
  const clicked = click(test.host, "episodes/7");
  while (test.host.windows.length < 2) await tick();
  for (const opened of test.host.windows) if (opened !== page) consume(opened);
  await clicked;
  assertEquals(test.outcomes.map(({ clientMode }) => clientMode), [
    "navigate-new",
  ]);
  assertEquals(got, []);
});

Deno.test("launch() does not take a frame for a window", async () => {
  using test = await setUp();
  const page = await test.host.openWindow("/app/");
  const frame = await test.host.openWindow("/app/frame", {
    frameType: "nested",
  });
  const [got, none] = [consume(page), consume(frame)];
  await click(test.host, "episodes/7");
  assertEquals(got, [`${ORIGIN}/app/episodes/7`]);
  assertEquals(none, []);
});

Deno.test("launch() tells a window without the focus if there was no click", async () => {
  using test = await setUp();
  const page = await test.host.openWindow("/app/");
  const got = consume(page);
  page.hide();
  page.postMessage("episodes/7");
  await test.host.idle();
  assertEquals(test.outcomes, [{
    url: `${ORIGIN}/app/`,
    clientMode: "focus-existing",
    focused: false,
    consumed: true,
  }]);
  assertEquals(got, [`${ORIGIN}/app/episodes/7`]);
  assertEquals(page.focused, false);
});

Deno.test("launch() rejects if a window were to be opened without a click", async () => {
  using test = await setUp({ clientMode: "navigate-new" });
  const page = await test.host.openWindow("/app/");
  page.postMessage("episodes/7");
  await test.host.idle();
  assertEquals(test.outcomes, [{ error: "InvalidAccessError" }]);
});

Deno.test("launch() refuses what is outside of the scope", async () => {
  using test = await setUp();
  const page = await test.host.openWindow("/app/");
  const got = consume(page);
  const urls = [
    "https://evil.test/app/",
    `https://user:word@example.test/app/`,
    "//evil.test/app/",
    "/other",
    "../other",
    "javascript:alert(1)",
    `blob:${ORIGIN}/app/1`,
    "http://example.test/app/",
  ];
  for (const url of urls) await click(test.host, url);
  assertEquals(test.outcomes, urls.map(() => ({ error: "SecurityError" })));
  await click(test.host, "https://:/");
  assertEquals(test.outcomes.at(-1), { error: "TypeError" });
  assertEquals(got, []);
  assertEquals(page.url, `${ORIGIN}/app/`);
});

/** A scope with windows that do what they are told to. */
function scopeOf(...windows: Partial<FakeClient>[]) {
  const calls: string[] = [];
  const all = windows.map((own, index): FakeClient => ({
    id: String(index),
    controlled: true,
    url: `${ORIGIN}/${index}`,
    frameType: "top-level",
    focus: () => Promise.resolve(void calls.push(`focus ${index}`)),
    navigate: () => {
      calls.push(`navigate ${index}`);
      return Promise.resolve(null);
    },
    postMessage: (_message, [port]) => {
      calls.push(`post ${index}`);
      (port as MessagePort).postMessage(null);
      (port as MessagePort).close();
    },
    ...own,
  }));
  return {
    all,
    calls,
    clients: {
      matchAll: ({ includeUncontrolled }: { includeUncontrolled: boolean }) =>
        Promise.resolve(
          all.filter(({ controlled }) => controlled || includeUncontrolled),
        ),
      openWindow: (url: string) => {
        calls.push(`open ${url}`);
        return Promise.resolve<FakeClient | null>(null);
      },
    },
    registration: { scope: `${ORIGIN}/` },
  };
}

interface FakeClient {
  id: string;
  controlled: boolean;
  url: string;
  frameType: string;
  focus(): Promise<unknown>;
  navigate(url: string): Promise<FakeClient | null>;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

const gone = () => Promise.reject(new TypeError("gone"));
const closePorts = (_: unknown, ports: Transferable[]) => {
  for (const port of ports) if (port instanceof MessagePort) port.close();
};

Deno.test("launch() navigates a window of which no consumer is set", async () => {
  using time = new FakeTime();
  const scope = scopeOf({ postMessage: closePorts });
  const launched = launch(scope, "/7");
  await pass(time, launched, 6_000);
  const { clientMode, focused, consumed } = await launched;
  assertEquals(clientMode, "navigate-existing");
  assertEquals([focused, consumed], [true, false]);
  assertEquals(scope.calls, ["focus 0", "navigate 0"]);
});

Deno.test("launch() tells a window that no worker controls", async () => {
  const scope = scopeOf({ controlled: false });
  const { clientMode, consumed } = await launch(scope, "/7");
  assertEquals([clientMode, consumed], ["focus-existing", true]);
  assertEquals(scope.calls, ["focus 0", "post 0"]);
});

Deno.test("launch() navigates a window that this worker controls", async () => {
  const scope = scopeOf({ controlled: false }, {});
  const options = { clientMode: "navigate-existing" } as const;
  const { clientMode } = await launch(scope, "/7", options);
  assertEquals(clientMode, "navigate-existing");
  assertEquals(scope.calls, ["focus 1", "navigate 1"]);
});

Deno.test("launch() finds the page that was loaded, if the browser gives the old one", async () => {
  const scope = scopeOf({ controlled: false, url: `${ORIGIN}/7` }, {});
  const [, left] = await scope.clients.matchAll({ includeUncontrolled: true });
  if (!left) throw new Error("There is no window");
  const loaded = { ...left, id: "loaded", url: `${ORIGIN}/7` };
  left.navigate = () => {
    scope.all[1] = loaded;
    scope.all.unshift({ ...left, id: "other" });
    return Promise.resolve(left);
  };
  const options = { clientMode: "navigate-existing" } as const;
  const { client, consumed } = await launch(scope, "/7", options);
  assertEquals(client?.id, "loaded");
  assertEquals(consumed, true);
});

Deno.test("launch() removes its abort listener when it settles", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  for (const name of ["addEventListener", "removeEventListener"] as const) {
    const method = signal[name];
    Object.defineProperty(signal, name, {
      value(...args: Parameters<typeof method>) {
        listeners += name === "addEventListener" ? 1 : -1;
        method.apply(signal, args);
      },
    });
  }
  const launched = launch(scopeOf({}), "/7", { signal });
  assertEquals(listeners, 1);
  await launched;
  assertEquals(listeners, 0);
});

Deno.test("launch() takes the next window when one has gone", async () => {
  using _time = new FakeTime(); // Which stands still.
  const scope = scopeOf({ focus: gone }, {});
  const { consumed } = await launch(scope, "/7");
  assertEquals(consumed, true);
  assertEquals(scope.calls, ["focus 1", "post 1"]);
});

Deno.test("launch() opens a window when all have gone", async () => {
  const scope = scopeOf({ focus: gone }, { navigate: gone });
  const { client, clientMode, consumed } = await launch(scope, "/7", {
    clientMode: "navigate-existing",
  });
  assertEquals([client, clientMode, consumed], [null, "navigate-new", false]);
  assertEquals(scope.calls, ["focus 1", `open ${ORIGIN}/7`]);
});

Deno.test("launch() says that nobody got it in a window of another worker", async () => {
  using time = new FakeTime();
  const scope = scopeOf({ navigate: gone, postMessage: closePorts });
  const launched = launch(scope, "/7");
  await pass(time, launched, 6_000);
  const { clientMode, focused, consumed } = await launched;
  assertEquals([clientMode, focused, consumed], [
    "focus-existing",
    true,
    false,
  ]);
  assertEquals(scope.calls, ["focus 0"]);
});

Deno.test("launch() rejects after 30 seconds", async () => {
  using time = new FakeTime();
  const scope = scopeOf({ focus: () => new Promise(() => {}) });
  const launched = assertRejects(
    () => launch(scope, "/7"),
    DOMException,
    `Cannot launch ${ORIGIN}/7: it took more than 30 seconds`,
  );
  await time.tickAsync(30_000);
  assertEquals((await launched).name, "TimeoutError");
});

Deno.test("launch() rejects with the reason of an already aborted signal", async () => {
  const scope = scopeOf({});
  const reason = new Error("over");
  const signal = AbortSignal.abort(reason);
  assertStrictEquals(
    await assertRejects(() => launch(scope, "/7", { signal })),
    reason,
  );
  assertEquals(scope.calls, []);
});

Deno.test("launch() rejects with the reason of a signal aborted later", async () => {
  const controller = new AbortController();
  const reason = new Error("over");
  const scope = scopeOf({
    postMessage(message, ports) {
      closePorts(message, ports);
      controller.abort(reason);
    },
  });
  assertStrictEquals(
    await assertRejects(() => launch(scope, "/7", controller)),
    reason,
  );
  await tick();
  assertEquals(scope.calls, ["focus 0"]);
});

Deno.test("launch() does nothing more once its signal is aborted", async () => {
  for (const verb of ["focus", "navigate"] as const) {
    const controller = new AbortController();
    const scope = scopeOf({
      async [verb]() {
        controller.abort();
        return await Promise.resolve(null);
      },
    });
    const { signal } = controller;
    await assertRejects(() => {
      return launch(scope, "/7", { clientMode: "navigate-existing", signal });
    });
    await tick();
    assertEquals(scope.calls, verb === "focus" ? [] : ["focus 0"]);
  }
});

Deno.test("launch() takes no other window once its signal is aborted", async () => {
  for (const others of [[], [{}]]) {
    const controller = new AbortController();
    const focus = () => {
      controller.abort();
      return gone();
    };
    const scope = scopeOf({ focus }, ...others);
    await assertRejects(() => launch(scope, "/7", controller));
    await tick();
    assertEquals(scope.calls, []);
  }
});

Deno.test("launch() tells no window once its signal is aborted", async () => {
  const controller = new AbortController();
  const focus = () => Promise.resolve(controller.abort());
  const scope = scopeOf({ focus });
  await assertRejects(() => launch(scope, "/7", controller));
  await tick();
  assertEquals(scope.calls, []);
});

Deno.test("launch() rejects only the call whose signal is aborted", async () => {
  const controller = new AbortController();
  const aborted = launch(
    scopeOf({ focus: () => new Promise(() => {}) }),
    "/7",
    controller,
  );
  const other = launch(scopeOf({}), "/7");
  controller.abort();
  await assertRejects(() => aborted);
  assertEquals((await other).consumed, true);
});

/** Lets time pass until a promise settles, or so many milliseconds have. */
async function pass(
  time: FakeTime,
  promise: Promise<unknown>,
  milliseconds: number,
): Promise<void> {
  let settled = false;
  promise.finally(() => settled = true).catch(() => {});
  for (let passed = 0; !settled && passed < milliseconds; passed += 100) {
    await time.tickAsync(100);
    await tick();
  }
  await promise;
}

/** One turn of the event loop, in which ports deliver. */
function tick(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(null);
  port2.close();
  return promise;
}
