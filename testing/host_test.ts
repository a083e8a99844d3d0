// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { IDBFactory } from "fake-indexeddb";
import process from "node:process";
import { memoryStore } from "../storage/memory_store.ts";
import {
  createHost,
  type HostExtendableEvent,
  type HostOptions,
  type HostScope,
  type HostWindow,
} from "./host.ts";

// Deno delivers messages amid the microtasks of others once this was called.
process.getBuiltinModule("node:async_hooks");

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Runs a test with a host, which it closes. */
async function withHost<P extends object>(
  options: HostOptions<P>,
  test: (host: ReturnType<typeof createHost<P>>) => Promise<void>,
): Promise<void> {
  const host = createHost(options);
  try {
    await test(host);
  } catch (error) {
    host.errors.length = 0;
    host.close();
    throw error;
  }
  host.close();
}

/** A script that answers each message with what `work` returns. */
function answering(
  work: (scope: HostScope, data: unknown) => unknown,
): (scope: HostScope) => void {
  return (scope) =>
    scope.addEventListener("message", (event) => {
      const answered = (async () => await work(scope, event.data))()
        .catch((error) => `${error.name}: ${error.message}`);
      event.waitUntil(
        answered.then((answer) => event.source?.postMessage(answer)),
      );
    });
}

/** The URL of a module with this text. */
function moduleOf(text: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}

/** Posts a message and resolves with the next one that comes back. */
function ask(page: HostWindow, message: unknown = null): Promise<unknown> {
  return new Promise((resolve) => {
    page.serviceWorker.onmessage = ({ data }) => resolve(data);
    page.postMessage(message);
  });
}

function script(text: string, headers: Record<string, string> = {}) {
  return new Response(text, {
    headers: { "content-type": "text/javascript", ...headers },
  });
}

// Registration

Deno.test("register() puts a function at /sw.js and resolves when it is active", () =>
  withHost({}, async (host) => {
    const registration = await host.register(() => {});
    assertEquals(registration.active?.state, "activated");
    assertEquals(registration.active?.scriptURL, "https://example.test/sw.js");
    assertEquals(registration.scope, "https://example.test/");
    assertEquals(registration.installing, null);
  }));

Deno.test("register() rejects with the worker's own reason", () =>
  withHost({}, async (host) => {
    const reason = new Error("a file is missing");
    const error = await assertRejects(
      () =>
        host.register((scope) => {
          scope.addEventListener("install", (event) => {
            event.waitUntil(Promise.reject(reason));
          });
        }),
      Error,
      "a file is missing",
    );
    assertStrictEquals(error.cause, reason);
  }));

Deno.test("register() rejects when the script throws, or is a module", () =>
  withHost({
    scripts: {
      "/module.js": 'import "./a.js";',
      "/broken.js": "undefinedName",
    },
  }, async (host) => {
    const thrown = await assertRejects(
      () =>
        host.register(() => {
          throw new Error("at once");
        }),
      TypeError,
      "at once",
    );
    assertInstanceOf(thrown.cause, Error);
    await assertRejects(
      () => host.register("/broken.js"),
      TypeError,
      "undefinedName is not defined",
    );
    await assertRejects(() => host.register("/module.js"), TypeError, "bundle");
  }));

Deno.test("register() resolves when a new version waits", () =>
  withHost({}, async (host) => {
    await host.register(() => {});
    const page = await host.openWindow("/");
    const registration = await host.register(() => {});
    assertEquals(registration.waiting?.state, "installed");
    page.close();
    await host.idle();
    assertEquals([registration.waiting, registration.active?.state], [
      null,
      "activated",
    ]);
  }));

Deno.test("register() fetches a script from the network", () =>
  withHost({
    network(request) {
      const { pathname } = new URL(request.url);
      assertEquals(request.headers.get("service-worker"), "script");
      switch (pathname) {
        case "/a/sw.js":
          return script("");
        case "/a/allowed.js":
          return script("", { "service-worker-allowed": "/" });
        case "/text.js":
          return new Response("");
        case "/moved.js":
          return Response.redirect("https://example.test/a/sw.js");
      }
      return new Response(null, { status: 404 });
    },
  }, async (host) => {
    const name = async (url: string, scope?: string) =>
      await host.register(url, { scope }).then(() => "ok", ({ name }) => name);
    assertEquals(await name("/a/sw.js"), "ok");
    assertEquals(await name("/a/sw.js", "/"), "SecurityError");
    assertEquals(await name("/a/allowed.js", "/"), "ok");
    assertEquals(await name("/text.js"), "SecurityError");
    assertEquals(await name("/moved.js"), "TypeError");
    assertEquals(await name("/missing.js"), "TypeError");
    assertEquals(await name("https://other.test/sw.js"), "SecurityError");
    host.network.offline = true;
    assertEquals(await name("/b.js"), "TypeError");
  }));

Deno.test("deploy() is found by update(), by a navigation, and after a day", () =>
  withHost({ time: 0 }, async (host) => {
    const versions: number[] = [];
    const version = (number: number) => (scope: HostScope) => {
      versions.push(number);
      scope.addEventListener("install", () => void scope.skipWaiting());
      scope.addEventListener("message", () => {});
      scope.addEventListener("fetch", () => {});
    };
    const registration = await host.register(version(1));
    await registration.update();
    assertEquals(versions, [1]);
    host.deploy("/sw.js", version(2));
    await registration.update();
    await host.idle();
    assertEquals(versions, [1, 2]);
    host.deploy("/sw.js", version(3));
    const page = await host.openWindow("/");
    await host.idle();
    assertEquals(versions, [1, 2, 3]);
    host.deploy("/sw.js", version(4));
    await page.fetch("/");
    await host.idle();
    assertEquals(versions, [1, 2, 3]);
    await host.clock.advance(25 * HOUR);
    await page.fetch("/");
    await host.idle();
    assertEquals(versions, [1, 2, 3, 3, 4]);
    host.deploy("/sw.js", version(5));
    await host.clock.advance(25 * HOUR);
    await host.deliverPushMessage();
    await host.idle();
    assertEquals(versions, [1, 2, 3, 3, 4, 4, 5]);
  }));

Deno.test("update() rejects when the script cannot be had, and the worker stays", () =>
  withHost({ network: () => script("") }, async (host) => {
    const registration = await host.register("/sw.js");
    host.network.offline = true;
    await assertRejects(() => registration.update(), TypeError, "offline");
    assertEquals(registration.active?.state, "activated");
    host.deploy("/sw.js", "broken(");
    await assertRejects(() => registration.update(), TypeError, "offline");
    host.network.offline = false;
    await assertRejects(() => registration.update(), TypeError, "evaluate");
    await registration.unregister();
    await assertRejects(() => registration.update(), TypeError, "unregistered");
  }));

Deno.test("a reload does not activate the worker that waits", () =>
  withHost({}, async (host) => {
    const registration = await host.register(() => {});
    const page = await host.openWindow("/");
    const old = page.serviceWorker.controller;
    host.deploy("/sw.js", () => {});
    await page.reload();
    await host.idle();
    await page.reload();
    await host.idle();
    assertEquals(registration.waiting?.state, "installed");
    assertStrictEquals(page.serviceWorker.controller, old);
    await page.navigate("/elsewhere");
    assertEquals(registration.waiting?.state, "installed");
  }));

Deno.test("unregister() frees the worker once its page is gone", () =>
  withHost({}, async (host) => {
    const registration = await host.register(() => {});
    const page = await host.openWindow("/");
    const worker = page.serviceWorker.controller;
    assertEquals(await registration.unregister(), true);
    assertEquals(await page.serviceWorker.getRegistrations(), []);
    await host.idle();
    assertEquals(worker?.state, "activated");
    await page.reload();
    await host.idle();
    assertEquals(page.serviceWorker.controller, null);
    assertEquals(registration.active, null);
  }));

Deno.test("the longest scope wins", () =>
  withHost({ scripts: { "/a.js": "", "/b.js": "" } }, async (host) => {
    await host.register("/a.js");
    await host.register("/b.js", { scope: "/b/" });
    const path = async (url: string) => {
      const page = await host.openWindow(url);
      return new URL(page.serviceWorker.controller?.scriptURL ?? "").pathname;
    };
    assertEquals(await path("/"), "/a.js");
    assertEquals(await path("/b/page"), "/b.js");
    assertEquals(await path("/bb"), "/a.js");
  }));

Deno.test("a page's register() and getRegistration() see the worker", () =>
  withHost({ scripts: { "/sw.js": "" } }, async (host) => {
    const page = await host.openWindow("/");
    const registration = await page.serviceWorker.register("/sw.js");
    assertEquals(registration.installing?.state, "installing");
    assertStrictEquals(await page.serviceWorker.ready, registration);
    assertStrictEquals(
      await page.serviceWorker.getRegistration("/any"),
      registration,
    );
    await assertRejects(
      () => page.serviceWorker.getRegistration("https://other.test/"),
      DOMException,
      "origin",
    );
    await assertRejects(
      () => page.serviceWorker.register("https://:0"),
      TypeError,
    );
  }));

// Scripts

Deno.test("a text finds its globals as in a browser", () =>
  withHost({
    scripts: {
      "/lib.js": "self.lib = typeof self;",
      "/sw.js": `"use strict";
        importScripts("/lib.js");
        const seen = [
          lib, typeof window, typeof Deno, typeof process, typeof localStorage,
          self === globalThis, this === self, typeof crypto.randomUUID,
          new Request("/x").url, location.pathname, origin,
          self instanceof ServiceWorkerGlobalScope, typeof self.structuredClone,
        ];
        onmessage = ({ source }) => source.postMessage(seen);`,
    },
  }, async (host) => {
    await host.register("/sw.js");
    const page = await host.openWindow("/");
    assertEquals(await ask(page), [
      "object",
      "undefined",
      "undefined",
      "undefined",
      "undefined",
      true,
      true,
      "function",
      "https://example.test/x",
      "/sw.js",
      "https://example.test",
      true,
      "function",
    ]);
  }));

Deno.test("a scope has what the language has, and nothing of a page", async () => {
  const text = `
    globalThis.kept = [
      self.Promise === Promise, globalThis.Math === Math, typeof self.Intl,
      typeof self.TextDecoderStream, "document" in self, "Deno" in globalThis,
      "fetch" in self, typeof self.clients,
    ];
    self.Intl = "mine";
    self.addEventListener("message", ({ source }) =>
      source.postMessage([...self.kept, self.Intl]));`;
  for (const script of [text, moduleOf(text)]) {
    await withHost({ scripts: { "/sw.js": script } }, async (host) => {
      await host.register("/sw.js");
      const page = await host.openWindow("/");
      assertEquals(await ask(page), [
        true,
        true,
        "object",
        "function",
        false,
        false,
        true,
        "object",
        "mine",
      ]);
    });
    assertEquals(typeof Intl, "object");
  }
});

Deno.test("a text that is evaluated again has new globals", () =>
  withHost({
    scripts: {
      "/sw.js": `
        var count = 0; self.more ??= 0;
        addEventListener("message", ({ source }) =>
          source.postMessage([++count, ++self.more]));`,
    },
  }, async (host) => {
    await host.register("/sw.js");
    const page = await host.openWindow("/");
    assertEquals(await ask(page), [1, 1]);
    assertEquals(await ask(page), [2, 2]);
    host.stopWorker();
    assertEquals(await ask(page), [1, 1]);
  }));

Deno.test("importScripts() throws when the host has no such text", () =>
  withHost(
    { scripts: { "/sw.js": 'importScripts("/gone.js");' } },
    async (host) => {
      await assertRejects(() => host.register("/sw.js"), TypeError, "/gone.js");
    },
  ));

Deno.test("a module finds its globals, and the test keeps its own", () => {
  const text = `
    let count = 0;
    self.addEventListener("fetch", (event) => event.respondWith(answer()));
    async function answer() {
      const cache = await caches.open("v1");
      await cache.put("/count", new Response(String(++count)));
      await new Promise((resolve) => setTimeout(resolve, 1));
      const response = await fetch("/data", { signal: AbortSignal.timeout(1000) });
      const { port1, port2 } = new MessageChannel();
      return new Response([
        await response.text(), count, new URL(registration.scope).pathname,
        Date.now() > 0, performance.now() >= 0, typeof Deno,
        response.constructor === Response, navigator.onLine,
        new Request("/here").url, globalThis === self,
      ].join());
    }`;
  const { fetch: ownFetch, setTimeout: ownTimeout } = globalThis;
  const network = () => new Response("data");
  return withHost({ network }, async (host) => {
    await host.register(moduleOf(text));
    const page = await host.openWindow("/");
    const expected =
      "data,1,/,true,true,undefined,true,true,https://example.test/here,true";
    assertEquals(await page.response.text(), expected);
    assertStrictEquals(globalThis.fetch, ownFetch);
    assertEquals(typeof Deno, "object");
    host.stopWorker();
    const again = await page.reload();
    assertEquals(await again.text(), expected);
    host.close();
    assertStrictEquals(globalThis.setTimeout, ownTimeout);
    assert(!("registration" in globalThis));
  });
});

Deno.test("a module is evaluated anew in every host, and is the same version in one", async () => {
  const url = moduleOf(`
    let count = 0;
    addEventListener("fetch", (event) => {
      event.respondWith(new Response(String(++count)));
    });
  `);
  for (let hosts = 0; hosts < 2; hosts++) {
    await withHost({}, async (host) => {
      const { active } = await host.register(url);
      const again = await host.register(new URL(url));
      assertStrictEquals(again.active, active);
      assertEquals(again.waiting, null);
      const page = await host.openWindow("/");
      assertEquals(await page.response.text(), "1");
    });
  }
});

Deno.test("createHost() throws when globals come without a context", () => {
  assertThrows(
    () => createHost({ globals: globalThis }),
    TypeError,
    "context",
  );
});

Deno.test("a host is closed at the end of its block", async () => {
  let kept: ReturnType<typeof createHost>;
  {
    using host = createHost();
    await host.openWindow("/");
    kept = host;
  }
  assertEquals(kept.windows, []);
});

Deno.test("what a listener throws is told by the method that waits for it, once", () =>
  withHost({}, async (host) => {
    const registration = await host.register((scope) => {
      for (const type of ["message", "sync", "notificationclick"] as const) {
        scope.addEventListener(type, () => {
          throw new Error(`in ${type}`);
        });
      }
    });
    const page = await host.openWindow("/");
    page.postMessage(1);
    page.postMessage(2);
    const error = await assertRejects(
      () => host.idle(),
      Error,
      "Cannot go on: the worker threw what nobody caught, Error: in message, and 1 more",
    );
    assertInstanceOf(error.cause, Error);
    await host.idle();
    await assertRejects(
      () => host.dispatchSyncEvent("x"),
      Error,
      "in sync",
    );
    await registration.showNotification("title");
    await assertRejects(
      () => host.notifications[0]?.click() ?? Promise.resolve(),
      Error,
      "in notificationclick",
    );
  }));

Deno.test("what a listener throws fails the test at its end, unless it was expected", async () => {
  for (const expected of [false, true]) {
    const host = createHost();
    const registration = await host.register((scope) => {
      scope.addEventListener("message", () => {
        throw new Error("in a listener");
      });
    });
    registration.active?.postMessage(null);
    await host.clock.advance(0);
    assertEquals(host.errors.map(String), ["Error: in a listener"]);
    if (expected) host.errors.length = 0;
    else assertThrows(() => host.close(), Error, "in a listener");
    host.close();
  }
});

Deno.test("an error event of the scope can prevent that", () =>
  withHost({
    scripts: {
      "/sw.js": `
        addEventListener("error", (event) => event.preventDefault());
        addEventListener("message", () => { throw new Error("handled"); });`,
    },
  }, async (host) => {
    await host.register("/sw.js");
    const page = await host.openWindow("/");
    page.postMessage(1);
    await host.idle();
    assertEquals(host.errors, []);
  }));

Deno.test("importScripts() finds after the installation what it found before", () =>
  withHost({
    scripts: {
      "/lib.js": "self.lib = 1;",
      "/late.js": "",
      "/sw.js": `
        importScripts("/lib.js");
        addEventListener("message", ({ data, source }) => {
          try {
            importScripts(data);
            source.postMessage(lib);
          } catch ({ name, message }) {
            source.postMessage(name + ": " + message);
          }
        });`,
    },
  }, async (host) => {
    await host.register("/sw.js");
    const page = await host.openWindow("/");
    host.deploy("/lib.js", "self.lib = 2;");
    host.stopWorker();
    assertEquals(await ask(page, "/lib.js"), 1);
    assertEquals(
      await ask(page, "/late.js"),
      "NetworkError: Cannot import https://example.test/late.js: it was not imported before the worker was activated",
    );
    // What a script imports is part of its version.
    const { waiting } = await host.register("/sw.js");
    assertEquals(waiting?.state, "installed");
    page.close();
    await host.idle();
    assertEquals(await ask(await host.openWindow("/"), "/lib.js"), 2);
  }));

Deno.test("a text finds what the texts that it imports declare", () =>
  withHost({
    scripts: {
      "/lib.js": `"use strict";
const version = 1;
var count = 0;
function next() { return ++count; }
class Kept { }
async function *later() {
var inner = 1;
  yield inner;
}
/*
class in a comment
*/ // The end`,
      "/sw.js": `
        importScripts("/lib.js");
        addEventListener("message", ({ source }) =>
          source.postMessage([version, next(), self.count, typeof Kept,
            typeof later, typeof inner, typeof self.next]));`,
    },
  }, async (host) => {
    await host.register("/sw.js");
    const page = await host.openWindow("/");
    const first = [1, 1, 1, "function", "function", "undefined", "function"];
    assertEquals(await ask(page), first);
    host.stopWorker();
    assertEquals(await ask(page), first);
  }));

Deno.test("a listener that is added too late is told of", () =>
  withHost({}, async (host) => {
    await host.register(async (scope) => {
      scope.addEventListener("message", () => {});
      await undefined;
      scope.addEventListener("message", () => {});
      scope.addEventListener("fetch", (event) => {
        event.respondWith(new Response("late"));
      });
    });
    const page = await host.openWindow("/");
    assertEquals(page.response.status, 404);
    assertEquals(host.log.filter((line) => line.startsWith("too late")), [
      "too late to listen for fetch: the script had been evaluated",
    ]);
  }));

Deno.test("what a script throws when it is evaluated again is an error", () =>
  withHost({}, async (host) => {
    let lives = 0;
    await host.register((scope) => {
      if (++lives === 2) throw new Error("the second time");
      scope.addEventListener("message", () => {});
    });
    const page = await host.openWindow("/");
    host.stopWorker();
    page.postMessage(null);
    page.postMessage(null);
    await assertRejects(
      () => host.idle(),
      Error,
      "nobody caught, Error: the second time",
    );
    assertStringIncludes(
      host.log.join("\n"),
      "message was not dispatched: Error: the second time",
    );
    page.postMessage(null);
    await host.idle();
    assertEquals(lives, 3);
  }));

// Stops

Deno.test("a worker that is stopped while its script is evaluated starts again", () =>
  withHost({}, async (host) => {
    const worker = (scope: HostScope) => {
      scope.caches.open("at once");
      scope.addEventListener("sync", () => {});
    };
    host.stopAtStep(1);
    await assertRejects(() => host.register(worker), TypeError, "stopped");
    await host.register(worker);
    host.stopWorker();
    host.stopAtStep(1);
    assertEquals(await host.dispatchSyncEvent("x"), false);
    assertEquals(host.stoppedAt, 'caches.open "at once"');
    assertEquals(await host.dispatchSyncEvent("x"), true);
  }));

Deno.test("a worker that was stopped does not take the next one with it", () =>
  withHost({ time: 0 }, async (host) => {
    const done: unknown[] = [];
    const registration = await host.register((scope) => {
      scope.addEventListener("message", (event) => {
        event.waitUntil(
          new Promise((resolve) => scope.setTimeout(resolve, 40_000))
            .then(() => done.push(event.data)),
        );
      });
    });
    registration.active?.postMessage("stopped");
    await host.clock.advance(1000);
    host.stopWorker();
    await host.clock.advance(1000);
    registration.active?.postMessage("whole");
    await host.clock.advance(50_000);
    assertEquals(done, ["whole"]);
  }));

Deno.test("stopWorker() silences ports, channels and timers", () =>
  withHost({ time: 0 }, async (host) => {
    await host.register((scope) => {
      scope.addEventListener("message", ({ ports: [port] }) => {
        const channel = new scope.BroadcastChannel("news");
        const say = (text: string) => {
          channel.postMessage(text);
          port?.postMessage(text);
        };
        if (port) port.onmessage = () => say("port");
        channel.onmessage = () => say("channel");
        scope.setInterval(() => say("timer"), 10);
      });
    });
    const page = await host.openWindow("/");
    const heard: unknown[] = [];
    const channel = new page.BroadcastChannel("news");
    const { port1, port2 } = new MessageChannel();
    channel.onmessage = port1.onmessage = ({ data }) => heard.push(data);
    page.postMessage(null, [port2]);
    await host.idle();
    port1.postMessage(null);
    channel.postMessage(null);
    await host.clock.advance(10);
    assertEquals(heard.sort(), [
      "channel",
      "channel",
      "port",
      "port",
      "timer",
      "timer",
    ]);
    host.stopWorker();
    port1.postMessage(null);
    channel.postMessage(null);
    await host.clock.advance(100);
    assertEquals(heard.length, 6);
    port1.close();
  }));

Deno.test("stopWorker() releases locks and aborts requests", () => {
  const signals: AbortSignal[] = [];
  return withHost({
    network: (request) => {
      if (!request.url.endsWith("/never")) return new Response();
      signals.push(request.signal);
      return new Promise<Response>(() => {});
    },
  }, async (host) => {
    const registration = await host.register((scope) => {
      scope.addEventListener("message", (event) => {
        event.waitUntil(
          scope.navigator.locks.request("lock", () => scope.fetch("/never")),
        );
      });
    });
    registration.active?.postMessage(null);
    await host.clock.advance(0);
    assertEquals(signals.map(({ aborted }) => aborted), [false]);
    host.stopWorker();
    assertEquals(signals.map(({ aborted }) => aborted), [true]);
    const { locks } = (await host.openWindow("/")).navigator;
    assertEquals((await locks.query()).held, []);
  });
});

Deno.test("a worker that was stopped leaves its callers with an error", () =>
  withHost({ network: () => new Response("x".repeat(10)) }, async (host) => {
    let reads = 0;
    await host.register((scope) => {
      scope.addEventListener("fetch", (event) => {
        if (event.request.url.endsWith("/never")) {
          event.respondWith(new Promise<Response>(() => {}));
        }
        if (event.request.url.endsWith("/body")) {
          const body = new ReadableStream({
            pull(controller) {
              if (reads++ === 0) controller.enqueue(new Uint8Array(1));
              else return new Promise<void>(() => {});
            },
          });
          event.respondWith(new Response(body));
        }
      });
    });
    const page = await host.openWindow("/");
    const never = assertRejects(
      () => page.fetch("/never"),
      TypeError,
      "the worker was stopped",
    );
    const body = (await page.fetch("/body")).text();
    const cut = assertRejects(() => body, TypeError, "the worker was stopped");
    await host.clock.advance(0);
    host.stopWorker();
    await never;
    await cut;
  }));

Deno.test("stopAtStep() has the call of that step not happen, and never return", () =>
  withHost({}, async (host) => {
    const happened: string[] = [];
    await host.register((scope) => {
      happened.push("start");
      const work = async () => {
        const cache = await scope.caches.open("v1");
        happened.push("opened");
        await cache.put("/a", new Response());
        happened.push("put a");
        await cache.put("/b", new Response());
        happened.push("put b");
      };
      scope.addEventListener("sync", (event) => event.waitUntil(work()));
    });
    happened.length = 0;
    host.stopAtStep(4);
    assertEquals(await host.dispatchSyncEvent("x"), false);
    assertStringIncludes(host.stoppedAt ?? "", "Cache.put");
    assertEquals(happened, ["opened", "put a"]);
    const paths = async () =>
      (await (await host.caches.open("v1")).keys()).map(({ url }) => url);
    assertEquals(await paths(), ["https://example.test/a"]);
    assertEquals(await host.dispatchSyncEvent("x"), true);
    assertEquals(happened.slice(2), ["start", "opened", "put a", "put b"]);
    assertEquals((await paths()).length, 2);
  }));

Deno.test("a worker that is stopped during a call does not hear its outcome", () =>
  withHost({ network: () => new Response("text") }, async (host) => {
    const heard: string[] = [];
    const registration = await host.register((scope) => {
      scope.addEventListener("message", (event) => {
        const hear = (name: string) => () => heard.push(name);
        scope.caches.open("a").then(hear("opened"));
        scope.caches.match("http://:0").catch(hear("rejected"));
        scope.fetch("/").then(hear("fetched"), hear("failed"));
        scope.navigator.locks.request("a", hear("locked"));
        event.source?.postMessage("sent");
        scope.setTimeout(hear("rang"), 0);
        host.stopWorker();
      });
    });
    registration.active?.postMessage(null);
    await host.idle();
    await host.clock.advance(1000);
    assertEquals(heard, []);
    assertEquals(await host.caches.keys(), ["a"]);
  }));

Deno.test("stopAtStep() can stop before an event, and before its end is known", () =>
  withHost({}, async (host) => {
    let events = 0;
    await host.register((scope) => {
      scope.addEventListener("sync", () => {
        events++;
      });
    });
    host.stopAtStep(1);
    assertEquals(await host.dispatchSyncEvent("x"), false);
    assertEquals([events, host.stoppedAt], [0, 'dispatch sync "x"']);
    host.stopAtStep(2);
    assertEquals(await host.dispatchSyncEvent("x"), false);
    assertEquals([events, host.stoppedAt], [1, 'end sync "x"']);
    assertThrows(() => host.stopAtStep(0), RangeError, "step 0");
  }));

Deno.test("stopAtStep() can stop at a timer, and at a read of a response", () =>
  withHost({
    time: 0,
    network: () =>
      new Response(ReadableStream.from([new Uint8Array(1), new Uint8Array(1)])),
  }, async (host) => {
    const seen: unknown[] = [];
    await host.register((scope) => {
      scope.addEventListener("sync", (event) => {
        scope.setTimeout(() => seen.push("timer"), 10);
        event.waitUntil((async () => {
          const response = await scope.fetch("/");
          seen.push((await response.bytes()).length);
        })());
      });
    });
    host.stopAtStep(4);
    assertEquals(await host.dispatchSyncEvent("x"), false);
    assertEquals(host.stoppedAt, "read https://example.test/");
    host.stopAtStep(7);
    assertEquals(await host.dispatchSyncEvent("x"), true);
    await host.clock.advance(10);
    assertEquals([host.stoppedAt, seen], ["timer", [2]]);
  }));

Deno.test("a stop during install fails it, a stop during activate does not", () =>
  withHost({}, async (host) => {
    const events: string[] = [];
    const worker = (scope: HostScope) => {
      for (const type of ["install", "activate"] as const) {
        scope.addEventListener(type, (event: HostExtendableEvent) => {
          events.push(type);
          event.waitUntil(scope.caches.open(type));
        });
      }
    };
    host.stopAtStep(2);
    await assertRejects(() => host.register(worker), Error, "stopped");
    host.stopAtStep(5);
    const registration = await host.register(worker);
    assertEquals(events, ["install", "install", "activate"]);
    assertEquals(registration.active?.state, "activated");
    assertEquals(await host.caches.keys(), ["install"]);
  }));

Deno.test("a worker that was stopped runs on to its next await, without effect", () =>
  withHost({}, async (host) => {
    const after: unknown[] = [];
    await host.register((scope) => {
      scope.addEventListener("message", (event) => {
        event.waitUntil((async () => {
          const { source } = event;
          source?.postMessage("stopped here");
          after.push("ran on");
          source?.postMessage("lost");
          scope.caches.delete("kept");
          await scope.caches.open("new");
          after.push("never");
        })());
      });
    });
    await host.caches.open("kept");
    const page = await host.openWindow("/");
    const heard: unknown[] = [];
    page.serviceWorker.onmessage = ({ data }) => heard.push(data);
    host.stopAtStep(2);
    page.postMessage(null);
    await host.idle();
    assertEquals(after, ["ran on"]);
    assertEquals(heard, []);
    assertEquals(await host.caches.keys(), ["kept"]);
  }));

Deno.test("an idle worker is stopped after 30 seconds, a busy one after 5 minutes", () =>
  withHost({ time: 0 }, async (host) => {
    let lives = 0;
    await host.register((scope) => {
      lives++;
      scope.addEventListener("message", (event) => {
        if (event.data === "work") event.waitUntil(new Promise(() => {}));
      });
    });
    const page = await host.openWindow("/");
    const post = async (message: string) => {
      page.postMessage(message);
      await host.clock.advance(0);
    };
    await host.clock.advance(29_000);
    await post("short");
    await host.clock.advance(29_000);
    await post("short");
    assertEquals(lives, 1);
    await host.clock.advance(30_000);
    await post("work");
    assertEquals(lives, 2);
    await host.clock.advance(5 * MINUTE - 1);
    await post("short");
    assertEquals(lives, 2);
    await host.clock.advance(1);
    await post("short");
    assertEquals(lives, 3);
  }));

Deno.test("provide: calls of a store are steps, and its transactions roll back", () =>
  withHost({ provide: { store: memoryStore() } }, async (host) => {
    const stores: unknown[] = [];
    await host.register((scope) => {
      const { store } = scope;
      stores.push(store);
      scope.addEventListener("sync", (event) => {
        event.waitUntil((async () => {
          await store.set("before", 1);
          await store.transact(async (transaction) => {
            const count = Number(await transaction.get("count") ?? 0);
            transaction.set("count", count + 1);
            transaction.set("other", await transaction.get("before"));
          });
        })());
      });
    });
    const steps = [
      'store.set "before"',
      "store.transact",
      'get "count"',
      'set "count"',
    ];
    for (const [index, step] of steps.entries()) {
      host.stopAtStep(index + 2);
      assertEquals(await host.dispatchSyncEvent("x"), false);
      assertStringIncludes(host.stoppedAt ?? "", step);
    }
    assertEquals(await host.dispatchSyncEvent("x"), true);
    assertEquals(stores.length, 5);
  }));

Deno.test("provide: a store outlives the worker, as it was left", async () => {
  const store = memoryStore();
  await withHost({ provide: { store } }, async (host) => {
    await host.register((scope) => {
      scope.addEventListener("sync", (event) => {
        event.waitUntil(scope.store.transact(async (transaction) => {
          transaction.set("a", 1);
          await transaction.get("a");
          transaction.set("b", 2);
        }));
      });
    });
    host.stopAtStep(4);
    await host.dispatchSyncEvent("x");
    assertEquals(await store.list(), []);
    await host.dispatchSyncEvent("x");
    assertEquals(await store.list(), [["a", 1], ["b", 2]]);
  });
  store.close();
});

Deno.test("provide: IndexedDB rolls back what a stopped worker had not committed", () =>
  withHost({
    provide: { indexedDB: new IDBFactory() as unknown as IDBFactory },
  }, async (host) => {
    const script = (scope: HostScope & { indexedDB: IDBFactory }) => {
      const done = <T>(request: IDBRequest<T>) =>
        new Promise<T>((resolve, reject) => {
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
      const open = async () => {
        const request = scope.indexedDB.open("db", 1);
        request.onupgradeneeded = () => {
          request.result.createObjectStore("s");
        };
        return await done(request);
      };
      scope.addEventListener("sync", (event) => {
        event.waitUntil((async () => {
          const db = await open();
          const transaction = db.transaction("s", "readwrite");
          const store = transaction.objectStore("s");
          const count = Number(await done(store.get("count")) ?? 0);
          await done(store.put(count + 1, "count"));
          await done(store.put(count + 1, "again"));
          db.close();
        })());
      });
      scope.addEventListener("message", (event) => {
        event.waitUntil((async () => {
          const db = await open();
          const store = db.transaction("s").objectStore("s");
          const values = [
            await done(store.get("count")),
            await done(store.get("again")),
          ];
          db.close();
          event.source?.postMessage(values);
        })());
      });
    };
    await host.register(script);
    const page = await host.openWindow("/");
    let stops = 0;
    const read = async () => await ask(page) as [number, number];
    await host.dispatchSyncEvent("x");
    while (true) {
      const [before] = await read();
      host.stopAtStep(++stops);
      const ended = await host.dispatchSyncEvent("x");
      if (ended) break;
      const [count, again] = await read();
      assertEquals(count, again, `after ${host.stoppedAt}`);
      assert(count === before || count === before + 1, `${host.stoppedAt}`);
    }
    assert(stops > 5, String(stops));
  }));

// Windows and clients

Deno.test("a window that is closed while it loads does not come back", () => {
  const { promise: held, resolve: release } = Promise.withResolvers<Response>();
  return withHost({
    network: ({ url }) => url.endsWith("/held") ? held : new Response(url),
  }, async (host) => {
    await host.register((scope) => {
      scope.addEventListener("fetch", (event) => {
        event.respondWith(scope.fetch(event.request));
      });
    });
    const page = await host.openWindow("/");
    const loading = assertRejects(
      () => page.navigate("/held"),
      DOMException,
      "it was closed",
    );
    await host.clock.advance(0);
    page.close();
    assertEquals((await loading).name, "AbortError");
    release(new Response());
    await host.idle();
    assertEquals(host.windows, []);
  });
});

Deno.test("a window that goes elsewhere gives up what it was loading", () => {
  const { promise: held, resolve: release } = Promise.withResolvers<Response>();
  return withHost({
    network: ({ url }) => url.endsWith("/held") ? held : new Response(url),
  }, async (host) => {
    const page = await host.openWindow("/");
    const { response } = page;
    const given = assertRejects(
      () => page.navigate("/held"),
      DOMException,
      "it goes to https://example.test/next instead",
    );
    await page.navigate("/next");
    await given;
    release(new Response());
    await host.idle();
    assertEquals(page.url, "https://example.test/next");
    // What a test holds of the first page can still be read.
    assertEquals(await response.text(), "https://example.test/");
  });
});

Deno.test("a page that is left fetches no more", () => {
  const signals: AbortSignal[] = [];
  return withHost({
    network: ({ url, signal }) => {
      if (!url.endsWith("/never")) return new Response();
      signals.push(signal);
      return new Promise<Response>(() => {});
    },
  }, async (host) => {
    const cancelled: unknown[] = [];
    await host.register((scope) => {
      scope.addEventListener("fetch", (event) => {
        if (!event.request.url.endsWith("/stream")) return;
        const body = new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array(1)),
          cancel: () => void cancelled.push(event.clientId),
        });
        event.respondWith(new Response(body));
      });
    });
    for (const leave of ["close", "reload"] as const) {
      const page = await host.openWindow("/");
      const { id } = page;
      const reader = (await page.fetch("/stream")).body?.getReader();
      await reader?.read();
      const never = page.fetch("/never");
      await host.clock.advance(0);
      await page[leave]();
      await assertRejects(() => never, DOMException, "was left");
      await assertRejects(
        () => reader?.read() ?? Promise.resolve(),
        DOMException,
        "was left",
      );
      assertEquals(cancelled.splice(0), [id]);
      assertEquals(signals.splice(0).map(({ aborted }) => aborted), [true]);
    }
  });
});

Deno.test("navigate() of a client refuses about:blank and what is no URL", () =>
  withHost({}, async (host) => {
    await host.register(answering(async ({ clients }, data) => {
      const [client] = await clients.matchAll();
      await client?.navigate(String(data));
    }));
    const page = await host.openWindow("/");
    for (const url of ["about:blank", "https://:0"]) {
      assertStringIncludes(String(await ask(page, url)), "TypeError");
    }
    assertEquals(page.url, "https://example.test/");
  }));

Deno.test("matchAll() puts the window that had the focus last first", () =>
  withHost({}, async (host) => {
    await host.register(answering(async ({ clients }) => {
      const all = await clients.matchAll();
      return all.map(({ url, focused, visibilityState }) =>
        [new URL(url).pathname, focused, visibilityState].join(" ")
      );
    }));
    const a = await host.openWindow("/a");
    await host.openWindow("/b", { focused: false });
    await host.openWindow("/c", { focused: false });
    const d = await host.openWindow("/d");
    a.focus();
    d.hide();
    assertEquals(await ask(a), [
      "/a true visible",
      "/d false hidden",
      "/b false visible",
      "/c false visible",
    ]);
  }));

Deno.test("a frozen window gets its messages when it is resumed", () =>
  withHost({}, async (host) => {
    await host.register(answering(() => "hello"));
    const page = await host.openWindow("/");
    const happened: unknown[] = [];
    for (const type of ["freeze", "resume", "visibilitychange", "blur"]) {
      page.addEventListener(type, () => happened.push(type));
    }
    page.serviceWorker.onmessage = ({ data }) => happened.push(data);
    page.postMessage(null);
    page.freeze();
    await host.idle();
    assertEquals(happened, ["blur", "visibilitychange", "freeze"]);
    page.resume();
    await host.idle();
    assertEquals(happened.slice(3), ["resume", "hello"]);
  }));

Deno.test("a window that was closed is no client, and hears nothing", () => {
  const { promise: free, resolve: release } = Promise.withResolvers<Response>();
  return withHost({
    network: ({ url }) => url.endsWith("/held") ? free : new Response(),
  }, async (host) => {
    await host.register((scope) => {
      scope.addEventListener("message", (event) => {
        event.waitUntil((async () => {
          await scope.fetch("/held");
          event.source?.postMessage("late");
          const found = await scope.clients.get(event.source?.id ?? "");
          for (const client of await scope.clients.matchAll()) {
            client.postMessage(found === undefined);
          }
        })());
      });
    });
    const other = await host.openWindow("/other");
    const page = await host.openWindow("/");
    const heard: unknown[] = [];
    page.serviceWorker.onmessage = () => heard.push("page");
    other.serviceWorker.onmessage = ({ data }) => heard.push(data);
    page.postMessage(null);
    await host.clock.advance(0);
    page.close();
    release(new Response());
    await host.idle();
    assertEquals(heard, [true]);
    assertEquals([page.closed, host.windows.length], [true, 1]);
    assertThrows(() => page.postMessage(null), DOMException, "closed");
  });
});

Deno.test("a message that comes early is delivered once the page listens", () =>
  withHost({}, async (host) => {
    await host.register((scope) => {
      scope.addEventListener("activate", (event) => {
        event.waitUntil(scope.clients.claim());
      });
      scope.addEventListener("fetch", (event) => {
        event.waitUntil((async () => {
          await event.handled;
          const client = await scope.clients.get(event.resultingClientId);
          client?.postMessage("early");
        })());
      });
    });
    const page = await host.openWindow("/");
    const heard: unknown[] = [];
    page.serviceWorker.addEventListener(
      "message",
      ({ data }) => heard.push(data),
    );
    await host.idle();
    assertEquals(heard, ["early"]);
  }));

Deno.test("postMessage() of a page needs a controller", () =>
  withHost({}, async (host) => {
    const page = await host.openWindow("/");
    const error = assertThrows(
      () => page.postMessage(null),
      DOMException,
      "none controls",
    );
    assertEquals(error.name, "InvalidStateError");
  }));

Deno.test("navigate() of a client goes to a URL, and leaves for another origin", () =>
  withHost({}, async (host) => {
    await host.register(answering(async ({ clients }, data) => {
      const [client] = await clients.matchAll();
      const moved = await client?.navigate(String(data));
      return moved ? moved.url : null;
    }));
    const page = await host.openWindow("/");
    page.postMessage("/next");
    await host.idle();
    assertEquals(page.url, "https://example.test/next");
    page.postMessage("https://other.test/");
    await host.idle();
    assertEquals(page.url, "https://other.test/");
    assertEquals(page.serviceWorker.controller, null);
  }));

Deno.test("a navigation follows redirects, and fails without a network", () =>
  withHost({
    network: ({ url }) =>
      url.endsWith("/old")
        ? Response.redirect("https://example.test/new", 301)
        : url.endsWith("/round")
        ? Response.redirect("https://example.test/round")
        : new Response(url),
  }, async (host) => {
    const page = await host.openWindow("/old#part");
    assertEquals(page.url, "https://example.test/new#part");
    assertEquals(await page.response.text(), "https://example.test/new");
    await assertRejects(() => page.navigate("/round"), TypeError, "redirected");
    host.network.offline = true;
    await assertRejects(() => page.reload(), TypeError, "offline");
    await assertRejects(() => host.openWindow("/"), TypeError, "offline");
    assertEquals(host.windows.length, 1);
  }));

// Network

Deno.test("network: offline, back, and what arrived", () =>
  withHost({ network: () => new Response("text") }, async (host) => {
    const page = await host.openWindow("/");
    const heard: string[] = [];
    for (const type of ["offline", "online"]) {
      page.addEventListener(type, () => heard.push(type));
    }
    host.network.offline = true;
    assertEquals(page.navigator.onLine, false);
    await assertRejects(() => page.fetch("/a"), TypeError, "offline");
    host.network.offline = false;
    assertEquals(await (await page.fetch("/b")).text(), "text");
    await host.idle();
    assertEquals(heard, ["offline", "online"]);
    assertEquals(
      host.network.requests.map(({ url }) => new URL(url).pathname),
      ["/", "/b"],
    );
  }));

Deno.test("network: latency and speed are by the host's clock", () =>
  withHost({
    time: 0,
    network: () => new Response("x".repeat(1000)),
  }, async (host) => {
    const page = await host.openWindow("/");
    host.network.latency = 100;
    host.network.bytesPerSecond = 1000;
    let state = "waiting";
    const done = page.fetch("/").then(async (response) => {
      state = "headers";
      await response.text();
      state = "body";
    });
    await host.clock.advance(99);
    assertEquals(state, "waiting");
    await host.clock.advance(1);
    assertEquals(state, "headers");
    await host.clock.advance(999);
    assertEquals(state, "headers");
    await host.clock.advance(1);
    assertEquals(state, "body");
    await done;
  }));

Deno.test("network: a body breaks off after so many bytes", () =>
  withHost({ network: () => new Response("0123456789") }, async (host) => {
    const page = await host.openWindow("/");
    host.network.cutAfter = 4;
    const response = await page.fetch("/");
    const reader = response.body?.getReader();
    const first = await reader?.read();
    assertEquals(new TextDecoder().decode(first?.value), "0123");
    await assertRejects(
      () => reader?.read() ?? Promise.resolve(),
      TypeError,
      "4 bytes",
    );
    host.network.cutAfter = 10;
    assertEquals(await (await page.fetch("/")).text(), "0123456789");
  }));

Deno.test("network: a body breaks off when the network goes offline", () => {
  let server: ReadableStreamDefaultController | undefined;
  const bytes = new Uint8Array(1);
  return withHost({
    network: () =>
      new Response(
        new ReadableStream({
          start(controller) {
            server = controller;
            controller.enqueue(bytes);
          },
        }),
      ),
  }, async (host) => {
    const page = await host.openWindow("/");
    const reader = (await page.fetch("/")).body?.getReader();
    assertEquals((await reader?.read())?.value, bytes);
    host.network.offline = true;
    server?.enqueue(bytes);
    await assertRejects(
      () =>
        reader?.read().then(({ value }) => {
          if (value?.length) throw new Error("a byte got through");
          return reader.read();
        }) ?? Promise.resolve(),
      TypeError,
      "1 bytes",
    );
  });
});

Deno.test("network: a server that throws, hangs up or returns nothing is a network error", () =>
  withHost({
    network({ url }) {
      if (url.endsWith("/throws")) throw new Error("bug");
      if (url.endsWith("/error")) return Response.error();
      if (url.endsWith("/nothing")) return undefined as unknown as Response;
      return new Response();
    },
  }, async (host) => {
    const page = await host.openWindow("/");
    const error = await assertRejects(() => page.fetch("/throws"), TypeError);
    assertInstanceOf(error.cause, Error);
    await assertRejects(() => page.fetch("/error"), TypeError, "hung up");
    await assertRejects(() => page.fetch("/nothing"), TypeError, "undefined");
  }));

Deno.test("network: redirects change method and body as they must", () =>
  withHost({
    async network(request) {
      const { pathname } = new URL(request.url);
      const status = Number(pathname.slice(1));
      return status
        ? new Response(null, { status, headers: { location: "/end" } })
        : new Response(`${request.method} ${await request.text()}`);
    },
  }, async (host) => {
    const page = await host.openWindow("/");
    const post = async (status: number) =>
      await (await page.fetch(`/${status}`, { method: "POST", body: "b" }))
        .text();
    assertEquals(await post(302), "GET ");
    assertEquals(await post(303), "GET ");
    assertEquals(await post(307), "POST b");
    assertEquals(await post(308), "POST b");
  }));

Deno.test("network: a request is aborted with its reason", () =>
  withHost({ network: () => new Promise<Response>(() => {}) }, async (host) => {
    await host.register(answering(async ({ fetch, AbortSignal }) => {
      await fetch("/", { signal: AbortSignal.abort(new Error("mine")) });
    }));
    const registration = await host.register("/sw.js");
    registration.active?.postMessage(null);
    await host.idle();
    assertEquals(host.network.requests.length, 0);
  }));

Deno.test("network: what is on its way is lost when the network goes offline", () =>
  withHost({
    network: ({ url }) =>
      url.endsWith("/never") ? new Promise<Response>(() => {}) : new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array(3)),
        }),
      ),
  }, async (host) => {
    const page = await host.openWindow("/");
    const never = page.fetch("/never");
    host.network.latency = 1000;
    const late = page.fetch("/late");
    host.network.latency = 0;
    const reader = (await page.fetch("/silent")).body?.getReader();
    await reader?.read();
    const read = reader?.read() ?? Promise.resolve();
    host.network.offline = true;
    host.network.offline = false;
    await assertRejects(() => never, TypeError, "went offline");
    await assertRejects(() => late, TypeError, "went offline");
    await assertRejects(() => read, TypeError, "broke off after 3 bytes");
  }));

Deno.test("network: an integrity is compared with what came", () =>
  withHost({
    network: () =>
      new Response("text", { headers: { "access-control-allow-origin": "*" } }),
  }, async (host) => {
    const bytes = new TextEncoder().encode("text");
    const hash = async (algorithm: string) => {
      const digest = await crypto.subtle.digest(algorithm, bytes);
      return btoa(String.fromCharCode(...new Uint8Array(digest)));
    };
    const good = `sha256-${await hash("SHA-256")}`;
    const best = `sha384-${await hash("SHA-384")}`;
    const bad = `sha256-${"A".repeat(43)}=`;
    await host.register((scope) => {
      scope.addEventListener("fetch", (event) => {
        if (event.request.url.endsWith("/made")) {
          event.respondWith(new Response("text"));
        }
        if (event.request.url.endsWith("/passed")) {
          event.respondWith(scope.fetch(event.request));
        }
      });
    });
    const page = await host.openWindow("/");
    const read = async (path: string, init: RequestInit) =>
      await (await page.fetch(path, init)).text();
    for (const path of ["/network", "/made", "/passed"]) {
      for (
        const integrity of [good, best, `${bad} ${good}`, `${bad} ${best}`, "?"]
      ) {
        assertEquals(await read(path, { integrity }), "text");
      }
      for (const integrity of [bad, `${good} sha512-${"A".repeat(86)}==`]) {
        await assertRejects(() => read(path, { integrity }), TypeError);
      }
    }
    await assertRejects(
      () => read("/network", { integrity: bad }),
      TypeError,
      `its integrity is not "${bad}", but "${good}"`,
    );
    await assertRejects(
      () => read("https://other.test/", { integrity: good, mode: "no-cors" }),
      TypeError,
    );
  }));

Deno.test("network: a redirect leaves what it must of a request", () =>
  withHost({
    network({ url, method, headers }) {
      const status = Number(new URL(url).pathname.slice(1));
      return status
        ? new Response(null, { status, headers: { location: "/end" } })
        : new Response(`${method} ${headers.get("content-type")}`);
    },
  }, async (host) => {
    const page = await host.openWindow("/");
    const { requests } = host.network;
    const head = await page.fetch("/303", { method: "HEAD" });
    assertEquals(requests.at(-1)?.method, "HEAD");
    assertEquals(await head.text(), "");
    const post = async (status: number) => {
      const init = { method: "POST", body: "text" };
      return await (await page.fetch(`/${status}`, init)).text();
    };
    assertEquals(await post(302), "GET null");
    assertEquals(await post(307), "POST text/plain;charset=UTF-8");
  }));

Deno.test("network: a body that nobody wants is cancelled, and nobody waits for it", () => {
  let cancelled = 0;
  let server: ReadableStreamDefaultController | undefined;
  return withHost({
    async network(request) {
      await request.body?.cancel();
      return new Response(
        new ReadableStream({
          start: (controller) => void (server = controller),
          cancel: () => void cancelled++,
        }),
      );
    },
  }, async (host) => {
    await host.register((scope) => {
      scope.addEventListener("fetch", (event) => {
        if (!event.request.url.endsWith("/worker")) return;
        event.respondWith((async () => {
          await event.request.body?.cancel();
          return new Response("answer");
        })());
      });
    });
    const page = await host.openWindow("/");
    const post = { method: "POST", body: "text" };
    await page.fetch("https://other.test/", { ...post, mode: "no-cors" });
    assertEquals(cancelled, 1);
    await assertRejects(() => page.fetch("https://other.test/", post));
    assertEquals(cancelled, 2);
    const answer = await page.fetch("/worker", post);
    assertEquals(await answer.text(), "answer");
    const broken = await page.fetch("/broken", post);
    server?.error(new Error("broken"));
    // Of this, nobody hears.
    await broken.body?.cancel();
  });
});

// The clock

Deno.test("clock: stands still until it is advanced, and rings in order", () =>
  withHost({ time: Date.UTC(2026, 0, 1) }, async (host) => {
    const rang: string[] = [];
    await host.register((scope) => {
      const ring = (name: string) => () =>
        rang.push(`${name} ${new scope.Date().toISOString().slice(17, 23)}`);
      scope.setTimeout(ring("b"), 200);
      scope.setTimeout(ring("a"), 100);
      const id = scope.setInterval(() => {
        ring("i")();
        if (rang.length > 3) scope.clearInterval(id);
      }, 90);
      scope.clearTimeout(scope.setTimeout(ring("never"), 1));
      scope.AbortSignal.timeout(150).addEventListener("abort", ring("signal"));
    });
    assertEquals(host.clock.now(), Date.UTC(2026, 0, 1));
    await host.clock.advance(50);
    assertEquals(rang, []);
    await host.clock.advance(250);
    assertEquals(rang, [
      "i 00.090",
      "a 00.100",
      "signal 00.150",
      "i 00.180",
      "b 00.200",
    ]);
    await assertRejects(() => host.clock.advance(-1), RangeError, "-1");
  }));

Deno.test("clock: gets past timers that set themselves again at once", () =>
  withHost({ time: 0 }, async (host) => {
    let intervals = 0;
    let timeouts = 0;
    await host.register((scope) => {
      scope.setInterval(() => intervals++, 0);
      const again = () => {
        timeouts++;
        scope.setTimeout(again);
      };
      again();
    });
    await host.clock.advance(5);
    assertEquals([intervals, timeouts], [5, 6]);
  }));

Deno.test("clock: a date that is set moves no timer", () =>
  withHost({ time: 0 }, async (host) => {
    let rang = 0;
    await host.register((scope) => {
      scope.setTimeout(() => rang++, 1000);
    });
    host.clock.set(new Date("2027-01-01"));
    assertEquals(host.clock.now(), Date.parse("2027-01-01"));
    await host.clock.advance(999);
    assertEquals(rang, 0);
    await host.clock.advance(1);
    assertEquals(rang, 1);
  }));

Deno.test("clock: runs by itself without a time", () =>
  withHost({}, async (host) => {
    await host.register(
      answering(({ setTimeout, Date }) =>
        new Promise((resolve) => {
          const start = Date.now();
          setTimeout(() => resolve(Date.now() - start >= 4), 5);
        })
      ),
    );
    const page = await host.openWindow("/");
    assertEquals(await ask(page), true);
    assert(Math.abs(host.clock.now() - Date.now()) < 1000);
  }));

// Sync

Deno.test("sync: fires when the network is there", () =>
  withHost({}, async (host) => {
    const fired: string[] = [];
    const registration = await host.register((scope) => {
      scope.addEventListener("sync", ({ tag }) => {
        fired.push(tag);
      });
    });
    await host.openWindow("/");
    host.network.offline = true;
    await registration.sync.register("a");
    await registration.sync.register("b");
    await registration.sync.register("a");
    await host.idle();
    assertEquals(fired, []);
    assertEquals(await registration.sync.getTags(), ["a", "b"]);
    host.stopWorker();
    host.network.offline = false;
    await host.idle();
    assertEquals(fired, ["a", "b"]);
    assertEquals(await registration.sync.getTags(), []);
  }));

Deno.test("sync: is tried three times, the last with lastChance", () =>
  withHost({ time: 0 }, async (host) => {
    const chances: boolean[] = [];
    const registration = await host.register((scope) => {
      scope.addEventListener("sync", (event) => {
        chances.push(event.lastChance);
        event.waitUntil(Promise.reject(new Error("no")));
      });
    });
    await host.openWindow("/");
    await registration.sync.register("a");
    await host.idle();
    assertEquals(chances, [false]);
    await host.clock.advance(5 * MINUTE);
    assertEquals(chances, [false, false]);
    host.network.offline = true;
    await host.clock.advance(15 * MINUTE);
    assertEquals(chances, [false, false]);
    host.network.offline = false;
    await host.idle();
    assertEquals(chances, [false, false, true]);
    await host.clock.advance(24 * HOUR);
    assertEquals(chances.length, 3);
    assertEquals(await registration.sync.getTags(), []);
  }));

Deno.test("sync: one that is registered while it fires fires again", () =>
  withHost({}, async (host) => {
    let fired = 0;
    const registration = await host.register((scope) => {
      scope.addEventListener("sync", (event) => {
        if (++fired === 1) {
          event.waitUntil(scope.registration.sync.register("a"));
        }
      });
    });
    await host.openWindow("/");
    await registration.sync.register("a");
    await host.idle();
    assertEquals(fired, 2);
  }));

Deno.test("a registration that is gone leaves no sync and no subscription", () =>
  withHost({ time: 0 }, async (host) => {
    const registration = await host.register(() => {});
    const page = await host.openWindow("/");
    host.network.offline = true;
    await registration.sync.register("a");
    await registration.periodicSync.register("b", { minInterval: HOUR });
    await registration.pushManager.subscribe({ userVisibleOnly: true });
    host.network.offline = false;
    await registration.unregister();
    page.close();
    const fired: string[] = [];
    const { pushManager } = await host.register((scope) => {
      for (const type of ["sync", "periodicsync", "push"] as const) {
        scope.addEventListener(type, () => void fired.push(type));
      }
    });
    await host.clock.advance(2 * HOUR);
    assertEquals(await pushManager.getSubscription(), null);
    assertEquals(fired, []);
    // The test fires what it likes.
    await host.deliverPushMessage();
    await host.dispatchSyncEvent("a");
    await host.dispatchPeriodicSyncEvent("b");
    assertEquals(fired, ["push", "sync", "periodicsync"]);
  }));

Deno.test("an event needs an active worker", () =>
  withHost({}, async (host) => {
    for (
      const dispatch of [
        () => host.dispatchSyncEvent("a"),
        () => host.dispatchPeriodicSyncEvent("a"),
        () => host.deliverPushMessage(),
      ]
    ) {
      const error = await assertRejects(
        dispatch,
        DOMException,
        "no worker is active",
      );
      assertEquals(error.name, "InvalidStateError");
    }
  }));

Deno.test("sync: is refused without permission, worker or window", () =>
  withHost({}, async (host) => {
    const name = (work: Promise<unknown>) =>
      work.then(() => "ok", ({ name }) => name);
    const early: Promise<string>[] = [];
    const registration = await host.register((scope) => {
      early.push(name(scope.registration.sync.register("a")));
    });
    assertEquals(await early[0], "InvalidStateError");
    assertEquals(
      await name(registration.sync.register("a")),
      "InvalidAccessError",
    );
    await host.openWindow("/");
    host.permissions.set("background-sync", "denied");
    assertEquals(
      await name(registration.sync.register("a")),
      "NotAllowedError",
    );
    await registration.unregister();
    await assertRejects(
      () => host.dispatchSyncEvent("a"),
      DOMException,
      "active",
    );
  }));

Deno.test("periodicSync: fires by the clock until it is unregistered", () =>
  withHost({ time: 0 }, async (host) => {
    const fired: string[] = [];
    const registration = await host.register((scope) => {
      scope.addEventListener("periodicsync", ({ tag }) => {
        fired.push(tag);
      });
    });
    const { periodicSync } = registration;
    await periodicSync.register("news", { minInterval: HOUR });
    assertEquals(await periodicSync.getTags(), ["news"]);
    await host.clock.advance(2 * HOUR + MINUTE);
    assertEquals(fired, ["news", "news"]);
    assertEquals(await host.dispatchPeriodicSyncEvent("other"), true);
    assertEquals(fired.pop(), "other");
    host.network.offline = true;
    await host.clock.advance(2 * HOUR);
    assertEquals(fired.length, 2);
    host.network.offline = false;
    await periodicSync.unregister("news");
    await periodicSync.unregister("unknown");
    await host.clock.advance(2 * HOUR);
    assertEquals(fired.length, 2);
    host.permissions.set("periodic-background-sync", "prompt");
    await assertRejects(
      () => periodicSync.register("news"),
      DOMException,
      "prompt",
    );
  }));

// Push and notifications

Deno.test("push: data arrives in every form, or not at all", () =>
  withHost({}, async (host) => {
    const seen: unknown[] = [];
    await host.register((scope) => {
      scope.addEventListener("push", ({ data }) => {
        if (!data) seen.push(null);
        else {
          seen.push([data.json(), data.text(), data.bytes().length]);
          assertEquals(data.arrayBuffer().byteLength, data.blob().size);
        }
      });
    });
    assertEquals(await host.deliverPushMessage('{"a":1}'), true);
    await host.deliverPushMessage(new TextEncoder().encode("[]"));
    await host.deliverPushMessage();
    assertEquals(seen, [[{ a: 1 }, '{"a":1}', 7], [[], "[]", 2], null]);
  }));

Deno.test("push: the permission is that of notifications", () =>
  withHost({}, async (host) => {
    const { pushManager } = await host.register(() => {});
    for (const state of ["denied", "prompt", "granted"] as const) {
      host.permissions.set("notifications", state);
      assertEquals(await pushManager.permissionState(), state);
    }
    host.permissions.set("push", "denied");
    assertEquals(await pushManager.permissionState(), "denied");
  }));

Deno.test("push: subscribe() follows the rules", () =>
  withHost({}, async (host) => {
    const key = Uint8Array.of(4, ...new Array(64).fill(7));
    const other = Uint8Array.of(4, ...new Array(64).fill(8));
    const changes: unknown[] = [];
    const { pushManager } = await host.register((scope) => {
      scope.addEventListener("pushsubscriptionchange", (event) => {
        changes.push([
          event.oldSubscription?.endpoint,
          event.newSubscription,
        ]);
      });
    });
    const name = (options: Parameters<typeof pushManager.subscribe>[0]) =>
      pushManager.subscribe(options).then(() => "ok", ({ name }) => name);
    const visible = { userVisibleOnly: true };
    assertEquals(await pushManager.getSubscription(), null);
    assertEquals(await name({ applicationServerKey: key }), "NotAllowedError");
    assertEquals(
      await name({ ...visible, applicationServerKey: "AAAA" }),
      "InvalidAccessError",
    );
    assertEquals(
      await name({ ...visible, applicationServerKey: "not base64!" }),
      "InvalidCharacterError",
    );
    host.permissions.set("push", "denied");
    assertEquals(
      await name({ ...visible, applicationServerKey: key }),
      "NotAllowedError",
    );
    assertEquals(await pushManager.permissionState(), "denied");
    host.permissions.delete("push");

    const subscription = await pushManager.subscribe({
      ...visible,
      applicationServerKey: key,
    });
    const text = btoa(String.fromCharCode(...key));
    const same = await pushManager.subscribe({
      ...visible,
      applicationServerKey: text.replaceAll("=", ""),
    });
    assertEquals(same.endpoint, subscription.endpoint);
    assertEquals(
      await name({ ...visible, applicationServerKey: other.buffer }),
      "InvalidStateError",
    );
    assertEquals(subscription.getKey("auth")?.byteLength, 16);
    assertEquals(Object.keys(subscription.toJSON().keys).sort(), [
      "auth",
      "p256dh",
    ]);
    await host.expirePushSubscription();
    assertEquals(changes, [[subscription.endpoint, null]]);
    assertEquals(await pushManager.getSubscription(), null);
    assertEquals(await subscription.unsubscribe(), false);
    await assertRejects(() => host.expirePushSubscription(), DOMException);
  }));

Deno.test("notifications: are shown, replaced by tag, and closed", () =>
  withHost({}, async (host) => {
    const registration = await host.register(() => {});
    await registration.showNotification("one", { tag: "t", body: "b" });
    await registration.showNotification("two", { tag: "t", data: { a: 1 } });
    await registration.showNotification("three");
    assertEquals(
      host.notifications.map(({ title, data }) => [title, data]),
      [["two", { a: 1 }], ["three", null]],
    );
    const [found] = await registration.getNotifications({ tag: "t" });
    found?.close();
    assertEquals(host.notifications.map(({ title }) => title), ["three"]);
    assertEquals((await registration.getNotifications()).length, 1);
    await assertRejects(
      () => registration.showNotification("x", { renotify: true }),
      TypeError,
      "tag",
    );
    host.permissions.set("notifications", "denied");
    await assertRejects(
      () => registration.showNotification("x"),
      TypeError,
      "denied",
    );
  }));

Deno.test("notifications: a click lets the worker open or focus one window", () =>
  withHost({ time: 0 }, async (host) => {
    const outcomes: string[] = [];
    await host.register((scope) => {
      scope.addEventListener("notificationclick", (event) => {
        event.notification.close();
        event.waitUntil((async () => {
          const [open] = await scope.clients.matchAll();
          if (event.action === "late") {
            await new Promise((resolve) => scope.setTimeout(resolve, 11_000));
          }
          const work = open && event.action !== "late"
            ? open.focus()
            : scope.clients.openWindow(`/${event.action}`);
          outcomes.push(await work.then(() => "ok", ({ name }) => name));
          const more = scope.clients.openWindow("/more");
          outcomes.push(await more.then(() => "ok", ({ name }) => name));
        })());
      });
      scope.addEventListener("notificationclose", ({ notification }) => {
        outcomes.push(`closed ${notification.title}`);
      });
    });
    const registration = await host.register("/sw.js");
    const show = async (title: string) => {
      await registration.showNotification(title, {
        actions: [{ action: "open", title: "Open" }],
      });
      return host.notifications.at(-1);
    };
    assertEquals(await (await show("a"))?.click("open"), true);
    assertEquals(host.windows.map(({ url }) => url), [
      "https://example.test/open",
    ]);
    const page = await host.openWindow("/other");
    assertEquals(page.focused, true);
    await (await show("b"))?.click();
    const late = (await show("c"))?.click("late");
    await host.clock.advance(11_000);
    await late;
    await (await show("d"))?.close();
    assertEquals(outcomes, [
      "ok",
      "InvalidAccessError",
      "ok",
      "InvalidAccessError",
      "InvalidAccessError",
      "InvalidAccessError",
      "closed d",
    ]);
    assertEquals(host.notifications, []);
  }));

// Background fetch

Deno.test("backgroundFetch: downloads without the worker, and waits for the network", () =>
  withHost({
    time: 0,
    network: ({ url }) => new Response(url.endsWith("/b") ? "bbb" : "a"),
  }, async (host) => {
    const registration = await host.register((scope) => {
      scope.addEventListener("backgroundfetchsuccess", (event) => {
        event.waitUntil((async () => {
          const cache = await scope.caches.open("downloads");
          for (const record of await event.registration.matchAll()) {
            await cache.put(record.request, await record.responseReady);
          }
          await event.updateUI({ title: "Done" });
        })());
      });
    });
    host.network.latency = 1000;
    const fetching = await registration.backgroundFetch.fetch("id", [
      "/a",
      "/b",
    ], { title: "Episode", downloadTotal: 4 });
    let progress = 0;
    fetching.onprogress = () => progress++;
    assertEquals(await registration.backgroundFetch.getIds(), ["id"]);
    host.stopWorker();
    await host.clock.advance(500);
    host.network.offline = true;
    await host.clock.advance(HOUR);
    assertEquals(host.backgroundFetches.map(({ title }) => title), ["Episode"]);
    assertEquals(await host.caches.keys(), []);
    host.network.offline = false;
    await host.clock.advance(1000);
    await host.idle();
    const cached = await host.caches.match("/b");
    assertEquals(await cached?.text(), "bbb");
    assertEquals([fetching.result, fetching.downloaded], ["success", 4]);
    assert(progress > 1);
    assertEquals(fetching.recordsAvailable, false);
    await assertRejects(() => fetching.matchAll(), DOMException, "gone");
    assertEquals(await registration.backgroundFetch.get("id"), undefined);
  }));

Deno.test("backgroundFetch: what broke off begins again", () => {
  let answers = 0;
  return withHost({
    time: 0,
    network: () => {
      answers++;
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new Uint8Array(3));
          controller.enqueue(new Uint8Array(3));
          controller.close();
        },
      });
      return new Response(body);
    },
  }, async (host) => {
    const registration = await host.register(() => {});
    host.network.bytesPerSecond = 3;
    const fetching = await registration.backgroundFetch.fetch("id", "/a", {
      downloadTotal: 6,
    });
    await host.clock.advance(1500);
    assertEquals(fetching.downloaded, 3);
    host.network.offline = true;
    await host.clock.advance(HOUR);
    host.network.offline = false;
    await host.clock.advance(HOUR);
    assertEquals([answers, fetching.downloaded, fetching.result], [
      2,
      6,
      "success",
    ]);
  });
});

Deno.test("backgroundFetch: what one request has is not lost with another", () =>
  withHost({
    time: 0,
    network: ({ url }) =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new Uint8Array(3));
            if (url.endsWith("/whole")) controller.close();
            else controller.enqueue(new Uint8Array(30));
          },
        }),
      ),
  }, async (host) => {
    const { backgroundFetch } = await host.register(() => {});
    host.network.bytesPerSecond = 3;
    const fetching = await backgroundFetch.fetch("id", ["/whole", "/broken"]);
    await host.clock.advance(2000);
    assertEquals(fetching.downloaded, 6);
    host.network.offline = true;
    await host.clock.advance(0);
    host.network.offline = false;
    await host.clock.advance(2000);
    assertEquals(fetching.downloaded, 6);
    await fetching.abort();
  }));

Deno.test("backgroundFetch: updateUI() is for as long as the event is, and once", () =>
  withHost({ network: () => new Response() }, async (host) => {
    const outcomes: string[] = [];
    const { backgroundFetch } = await host.register((scope) => {
      scope.addEventListener("backgroundfetchsuccess", (event) => {
        const update = async () =>
          outcomes.push(
            await event.updateUI().then(() => "ok", (error) => error.message),
          );
        if (event.registration.id === "late") scope.setTimeout(update, 0);
        else event.waitUntil(update().then(update));
      });
    });
    await backgroundFetch.fetch("twice", "/");
    await host.idle();
    await backgroundFetch.fetch("late", "/");
    await host.idle();
    await host.clock.advance(1);
    assertEquals(outcomes, [
      "ok",
      'Cannot update the UI of "twice": it has been updated',
      'Cannot update the UI of "late": the event has ended',
    ]);
  }));

Deno.test("backgroundFetch: fails for a status, a length, or an abort", () =>
  withHost({
    network: ({ url }) =>
      url.endsWith("/missing")
        ? new Response(null, { status: 404 })
        : url.endsWith("/never")
        ? new Promise<Response>(() => {})
        : new Response("long"),
  }, async (host) => {
    const events: unknown[] = [];
    const { backgroundFetch } = await host.register((scope) => {
      scope.addEventListener("backgroundfetchfail", ({ registration }) => {
        events.push([registration.id, registration.failureReason]);
      });
      scope.addEventListener("backgroundfetchabort", ({ registration }) => {
        events.push([registration.id, registration.failureReason]);
      });
      scope.addEventListener("backgroundfetchclick", (event) => {
        events.push([event.registration.id, event.registration.result]);
        event.waitUntil(scope.clients.openWindow("/downloads"));
      });
    });
    await backgroundFetch.fetch("status", "/missing");
    await host.idle();
    await backgroundFetch.fetch("length", "/long", { downloadTotal: 2 });
    await host.idle();
    const never = await backgroundFetch.fetch("abort", "/never");
    const [shown] = host.backgroundFetches;
    const clicked = shown?.click();
    await host.clock.advance(0);
    assertEquals(await never.abort(), true);
    assertEquals(await never.abort(), false);
    await host.idle();
    assertEquals([await clicked, host.windows.length], [true, 1]);
    assertEquals(events, [
      ["status", "bad-status"],
      ["length", "download-total-exceeded"],
      ["abort", ""],
      ["abort", "aborted"],
    ]);
  }));

Deno.test("backgroundFetch: is refused as the specification says", () =>
  withHost({
    quota: 100,
    network: () => new Promise<Response>(() => {}),
  }, async (host) => {
    const { backgroundFetch } = await host.register(() => {});
    const name = (...args: Parameters<typeof backgroundFetch.fetch>) =>
      backgroundFetch.fetch(...args).then(() => "ok", ({ name }) => name);
    assertEquals(await name("a", []), "TypeError");
    assertEquals(
      await name("a", "/a", { downloadTotal: 101 }),
      "QuotaExceededError",
    );
    assertEquals(await name("a", "/a"), "ok");
    assertEquals(await name("a", "/b"), "TypeError");
    host.permissions.set("background-fetch", "denied");
    assertEquals(await name("b", "/a"), "NotAllowedError");
    await host.backgroundFetches[0]?.abort();
    await host.idle();
  }));

// The rest of the platform

Deno.test("without: leaves out what an engine lacks", () =>
  withHost({
    without: ["sync", "self.serviceWorker", "navigationPreload", "setAppBadge"],
  }, async (host) => {
    let own: unknown;
    const registration = await host.register((scope) => {
      own = scope.serviceWorker;
    });
    assertEquals(own, undefined);
    assertEquals("sync" in registration, false);
    assertEquals("navigationPreload" in registration, false);
    assertEquals("periodicSync" in registration, true);
    const page = await host.openWindow("/");
    assertEquals("setAppBadge" in page.navigator, false);
  }));

Deno.test("navigator: quota, persistence, permissions and badge", () =>
  withHost({ quota: 1000 }, async (host) => {
    const page = await host.openWindow("/");
    const { storage, permissions } = page.navigator;
    await (await host.caches.open("a")).put("/", new Response("text"));
    const { usage, quota } = await storage.estimate();
    assertEquals([usage > 4, quota], [true, 1000]);
    assertEquals(await storage.persisted(), false);
    host.permissions.set("persistent-storage", "denied");
    assertEquals(await storage.persist(), false);
    host.permissions.set("persistent-storage", "granted");
    assertEquals(await storage.persist(), true);
    assertEquals(await storage.persisted(), true);
    assertEquals((await permissions.query({ name: "push" })).state, "granted");
    await page.navigator.setAppBadge(3);
    assertEquals(host.badge, 3);
    await page.navigator.clearAppBadge();
    assertEquals(host.badge, undefined);
  }));

Deno.test("locks: are granted in order, shared, stolen and aborted", () =>
  withHost({}, async (host) => {
    const { locks } = (await host.openWindow("/")).navigator;
    const order: string[] = [];
    const { promise: free, resolve: release } = Promise.withResolvers<void>();
    const held = locks.request("a", async () => {
      order.push("exclusive");
      await free;
    });
    const readers = ["one", "two"].map((name) =>
      locks.request("a", { mode: "shared" }, () => order.push(name))
    );
    const controller = new AbortController();
    const aborted = assertRejects(
      () => locks.request("a", { signal: controller.signal }, () => {}),
      Error,
      "mine",
    );
    const last = locks.request("a", () => order.push("last"));
    assertEquals(
      await locks.request("a", { ifAvailable: true }, String),
      "null",
    );
    assertEquals(await locks.request("b", (lock) => lock?.name), "b");
    const { held: now, pending } = await locks.query();
    assertEquals([now.length, pending.length], [1, 4]);
    controller.abort(new Error("mine"));
    await aborted;
    release();
    await Promise.all([held, ...readers, last]);
    assertEquals(order, ["exclusive", "one", "two", "last"]);

    const stolen = assertRejects(
      () => locks.request("a", () => new Promise(() => {})),
      DOMException,
      "stolen",
    );
    await locks.query();
    assertEquals(await locks.request("a", { steal: true }, () => 1), 1);
    await stolen;
    for (
      const [name, options] of [
        ["-a", {}],
        ["a", { steal: true, ifAvailable: true }],
        ["a", { steal: true, mode: "shared" }],
        ["a", { ifAvailable: true, signal: controller.signal }],
      ] as const
    ) {
      await assertRejects(
        () => locks.request(name, options, () => {}),
        DOMException,
        "Cannot request lock",
      );
    }
    await assertRejects(
      () => locks.request("a", { signal: controller.signal }, () => {}),
      Error,
      "mine",
    );
    await assertRejects(
      () => locks.request("a", () => Promise.reject(new Error("inside"))),
      Error,
      "inside",
    );
  }));

Deno.test("idle() says what is going on when it takes too long", async () => {
  const host = createHost();
  const registration = await host.register((scope) => {
    scope.addEventListener("message", (event) => {
      event.waitUntil(new Promise(() => {}));
    });
  });
  registration.active?.postMessage(null);
  const controller = new AbortController();
  const idle = host.idle({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => idle, Error, "enough");
  await assertRejects(
    () => host.idle({ signal: AbortSignal.abort(new Error("before")) }),
    Error,
    "before",
  );
  host.close();
});

Deno.test("idle() resolves for everybody who waits", async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<Response>();
  const host = createHost({ network: () => held });
  const registration = await host.register((scope) => {
    scope.addEventListener("message", (event) => {
      event.waitUntil(scope.fetch("/"));
    });
  });
  registration.active?.postMessage(null);
  const all = [host.idle(), host.idle()];
  await host.clock.advance(0);
  release(new Response());
  await Promise.all(all);
  host.close();
});

Deno.test("idle() can be given up while a worker never rests", async () => {
  const host = createHost();
  const registration = await host.register((scope) => {
    scope.addEventListener("message", (event) => {
      const work = async () => {
        while (true) await scope.caches.open("again");
      };
      event.waitUntil(work());
    });
  });
  registration.active?.postMessage(null);
  const controller = new AbortController();
  const idle = host.idle({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => idle, Error, "enough");
  host.close();
});

Deno.test("idle() rejects after ten seconds, with what is going on", async () => {
  const host = createHost({ time: 0 });
  const registration = await host.register((scope) => {
    scope.addEventListener("message", (event) => {
      event.waitUntil(scope.fetch("/never"));
    });
  });
  host.network.latency = HOUR;
  registration.active?.postMessage(null);
  await host.clock.advance(0);
  using time = new FakeTime();
  const rejected = assertRejects(
    () => host.idle(),
    DOMException,
    "busy with message, and its last step is step 2: fetch GET https://example.test/never; the clock stands still, with a timer due in 3600000 ms",
  );
  await time.tickAsync(10_000);
  assertEquals((await rejected).name, "TimeoutError");
  host.close();
});

Deno.test("log tells that nobody listens", () =>
  withHost({}, async (host) => {
    await host.register(() => {});
    await host.dispatchPeriodicSyncEvent("x");
    assertEquals(host.log, [
      "start https://example.test/sw.js, life 1",
      "https://example.test/sw.js listens for nothing",
      'step 1: dispatch periodicsync "x"',
      "nobody listens for periodicsync",
      'step 2: end periodicsync "x"',
    ]);
  }));

Deno.test("log tells every start, step, stop and rejection", () =>
  withHost({}, async (host) => {
    await host.register((scope) => {
      scope.addEventListener("sync", (event) => {
        event.waitUntil(
          scope.caches.open("a").then(() => Promise.reject(new Error("no"))),
        );
      });
    });
    await host.dispatchSyncEvent("x");
    host.stopWorker();
    assertEquals(host.log, [
      "start https://example.test/sw.js, life 1",
      'step 1: dispatch sync "x"',
      'step 2: caches.open "a"',
      'sync "x" was rejected: Error: no',
      'step 3: end sync "x"',
      "stop https://example.test/sw.js, life 1",
    ]);
    assertEquals(host.steps, 3);
  }));

Deno.test("an activate event finds the worker active, and none that waits", () =>
  withHost({}, async (host) => {
    const registration = await host.register(() => {});
    await host.openWindow("/");
    const seen: unknown[] = [];
    host.deploy("/sw.js", (self) => {
      self.addEventListener("install", () => void self.skipWaiting());
      self.addEventListener("activate", () => {
        const { waiting, active } = self.registration;
        seen.push(waiting, active?.state);
      });
    });
    await registration.update();
    await host.idle();
    assertEquals(seen, [null, "activating"]);
  }));
