// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { createHost, type HostScope } from "../testing/host.ts";
import {
  handleUnregister,
  unregister,
  type UnregisterRegistration,
} from "./unregister.ts";

/** A worker that leaves when it is asked to. */
function leavingWorker(self: HostScope): void {
  const left = new AbortController();
  const { signal } = left;
  self.addEventListener("message", handleUnregister(self, left));
  self.addEventListener("fetch", (event) => {
    if (signal.aborted || event.request.mode === "navigate") return;
    event.respondWith(self.fetch(event.request, { signal }));
  });
}

/** A registration whose worker says nothing. */
function silent(state = "activated") {
  const worker = Object.assign(new EventTarget(), {
    state,
    posted: 0,
    postMessage: () => void worker.posted++,
  });
  const registration: UnregisterRegistration = {
    active: worker,
    unregister: () => Promise.resolve(true),
  };
  return { registration, worker };
}

Deno.test("unregister() leaves open pages controlled", async () => {
  const host = createHost();
  const registration = await host.register(leavingWorker);
  const page = await host.openWindow("/");
  assertEquals(await unregister(registration), "unregistered");
  await host.idle();
  assertNotEquals(page.serviceWorker.controller, null);
  assertEquals(await page.serviceWorker.getRegistrations(), []);
  assertEquals(await unregister(registration), "none");
  host.close();
});

Deno.test("unregister() makes way for a new registration", async () => {
  const host = createHost();
  await host.register(leavingWorker);
  const page = await host.openWindow("/");
  const before = await page.serviceWorker.ready;
  await unregister(before);
  const after = await page.serviceWorker.register("/sw.js");
  assert(before !== after);
  await host.idle();
  host.close();
});

Deno.test("unregister() ends at once what is being answered, and reloads each page", async () => {
  const held = Promise.withResolvers<Response>();
  const host = createHost({
    network: ({ url }) =>
      url.endsWith("/slow") ? held.promise : new Response("page"),
  });
  const registration = await host.register(leavingWorker);
  const pages = [await host.openWindow("/#a"), await host.openWindow("/other")];
  const ids = pages.map(({ id }) => id);
  const slow = pages[0]?.fetch("/slow").catch(({ name }) => name);
  assertEquals(
    await unregister(registration, { immediate: true }),
    "immediate",
  );
  assertEquals(await slow, "TypeError");
  await host.idle();
  for (const page of pages) {
    assertEquals(page.serviceWorker.controller, null);
    assert(!ids.includes(page.id));
  }
  held.resolve(new Response());
  host.close();
});

Deno.test("unregister() takes a worker that is gone for one that left", async () => {
  const { registration, worker } = silent("redundant");
  assertEquals(
    await unregister(registration, { immediate: true }),
    "immediate",
  );
  assertEquals(worker.posted, 0);
});

Deno.test("unregister() notices that the worker goes without a word", async () => {
  const { registration, worker } = silent();
  const left = unregister(registration, { immediate: true });
  await Promise.resolve().then(() => {}).then(() => {});
  worker.state = "redundant";
  worker.dispatchEvent(new Event("statechange"));
  assertEquals(await left, "immediate");
});

Deno.test("unregister() leaves a worker alone that does not reply", async () => {
  using time = new FakeTime();
  const { registration, worker } = silent();
  const left = unregister(registration, { immediate: true });
  await time.tickAsync(10_000);
  assertEquals(await left, "unregistered");
  assertEquals(worker.posted, 1);
});

Deno.test("unregister() needs no active worker", async () => {
  const registration = {
    active: null,
    unregister: () => Promise.resolve(true),
  };
  assertEquals(
    await unregister(registration, { immediate: true }),
    "unregistered",
  );
});

Deno.test("unregister() rejects with the reason of an already aborted signal", async () => {
  const reason = new Error("stop");
  let calls = 0;
  const registration = {
    active: null,
    unregister: () => Promise.resolve(++calls > 0),
  };
  const signal = AbortSignal.abort(reason);
  assertStrictEquals(
    await assertRejects(() => unregister(registration, { signal })),
    reason,
  );
  assertEquals(calls, 0);
});

Deno.test("unregister() rejects with the reason of a signal aborted later", async () => {
  const reason = new Error("stop");
  const { registration } = silent();
  for (
    const waiting of [registration, {
      active: null,
      unregister: () => new Promise<boolean>(() => {}),
    }]
  ) {
    const controller = new AbortController();
    const { signal } = controller;
    const left = unregister(waiting, { immediate: true, signal });
    await new Promise((resolve) => setTimeout(resolve));
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => left), reason);
  }
});

Deno.test("unregister() ignores replies that are not ours", async () => {
  using time = new FakeTime();
  const { registration, worker } = silent();
  Object.assign(worker, {
    postMessage: (_: unknown, [port]: [MessagePort]) => {
      for (
        const reply of [null, "unregistered", {
          "@serviceworker/std": { unregistered: true },
        }]
      ) port.postMessage(reply);
    },
  });
  const left = unregister(registration, { immediate: true });
  await time.tickAsync(10_000);
  assertEquals(await left, "unregistered");
});

Deno.test("handleUnregister() removes the registration itself, and replies", async () => {
  const done: unknown[] = [];
  const client = {
    url: "https://example.test/a#b",
    navigate(url: string) {
      done.push(url);
      return Promise.reject(new TypeError("It is gone"));
    },
  };
  const left = new AbortController();
  const listener = handleUnregister({
    clients: { matchAll: () => Promise.resolve([client]) },
    registration: {
      unregister: () => Promise.resolve(done.push("unregistered") > 0),
    },
  }, left);
  const { port1, port2 } = new MessageChannel();
  const reply = new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
  });
  let extended: Promise<unknown> | undefined;
  listener({
    data: { "@serviceworker/std": { unregister: {} } },
    ports: [port2],
    waitUntil: (promise) => void (extended = promise),
  });
  await extended;
  assertEquals(await reply, { "@serviceworker/std": { unregistered: {} } });
  assertEquals(done, ["unregistered", "https://example.test/a"]);
  assertEquals(left.signal.reason.name, "AbortError");
  port1.close();
});

Deno.test("handleUnregister() leaves other messages alone", () => {
  const left = new AbortController();
  const listener = handleUnregister({
    clients: { matchAll: () => Promise.resolve([]) },
    registration: { unregister: () => Promise.resolve(true) },
  }, left);
  for (
    const data of [undefined, null, "unregister", {}, {
      "@serviceworker/std": {},
    }, { "@serviceworker/std": { unregister: true } }]
  ) {
    listener({
      data,
      ports: [],
      waitUntil() {
        throw new Error("It was answered");
      },
    });
  }
  assertEquals(left.signal.aborted, false);
});
