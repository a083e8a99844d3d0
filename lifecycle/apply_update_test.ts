// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { createHost, type Host, type HostWindow } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import { applyUpdate, type ApplyUpdateOptions } from "./apply_update.ts";
import { holdUpdate } from "./hold_update.ts";
import { reloadOnUpdate } from "./reload_on_update.ts";
import { skipWaiting } from "./skip_waiting.ts";

type Script = Parameters<Host["register"]>[0];

const listening: Script = (scope) => {
  scope.addEventListener("message", skipWaiting(scope));
};
const byWorkbox: Script = (scope) => {
  scope.addEventListener("message", (event) => {
    const { type } = event.data as { type: string };
    if (type === "SKIP_WAITING") scope.skipWaiting();
  });
};
const deaf: Script = () => {};

/** A page of one worker, and another worker that waits. */
async function waiting(script: Script = listening) {
  const host = createHost();
  await host.register(() => {});
  const page = await host.openWindow("/");
  await host.register(script);
  const registration = await registrationOf(page);
  return { host, page, registration, [Symbol.dispose]: () => host.close() };
}

async function registrationOf(page: HostWindow) {
  const registration = await page.serviceWorker.getRegistration();
  assert(registration);
  return registration;
}

/** Applies the update as a page does. */
async function apply(page: HostWindow, options: ApplyUpdateOptions = {}) {
  const { serviceWorker: container, locks } = page.navigator;
  return await applyUpdate(await registrationOf(page), {
    container,
    locks,
    ...options,
  });
}

function hold({ navigator }: HostWindow) {
  const { serviceWorker, locks } = navigator;
  return holdUpdate(serviceWorker, { locks });
}

/** What stands for a registration: its worker does what the test says. */
function fake(
  listen: (message: unknown, port?: MessagePort) => void = () => {},
) {
  let listeners = 0;
  class Worker extends EventTarget {
    state = "installed";
    asked = 0;
    postMessage(message: unknown, transfer: Transferable[]): void {
      this.asked++;
      const [port] = transfer as MessagePort[];
      listen(message, port);
      port?.close();
    }
    become(state: string): void {
      this.state = state;
      this.dispatchEvent(new Event("statechange"));
    }
    override addEventListener(
      type: string,
      listener: () => void,
      options: AddEventListenerOptions = {},
    ): void {
      listeners++;
      options.signal?.addEventListener("abort", () => listeners--);
      super.addEventListener(type, listener, options);
    }
  }
  const worker = new Worker();
  return {
    scope: "https://example.test/",
    waiting: worker,
    listeners: () => listeners,
  };
}

Deno.test("applyUpdate() resolves with false when nothing waits", async () => {
  const host = createHost();
  await host.register(listening);
  const page = await host.openWindow("/");
  assertEquals(await apply(page), false);
  host.close();
});

Deno.test("applyUpdate() resolves when the worker controls the page", async () => {
  using test = await waiting((scope) => {
    scope.addEventListener("message", skipWaiting(scope));
    scope.addEventListener("activate", (event) => {
      event.waitUntil(new Promise((resolve) => scope.setTimeout(resolve, 500)));
    });
  });
  const { page, registration } = test;
  const worker = registration.waiting;
  assertEquals(await apply(page), true);
  assert(page.serviceWorker.controller === worker);
  assertEquals(worker?.state, "activating");
});

Deno.test("applyUpdate() resolves when the worker is activated, if the page has none", async () => {
  using test = await waiting();
  const { page, registration } = test;
  const worker = registration.waiting;
  const container = Object.assign(new EventTarget(), { controller: null });
  assertEquals(await apply(page, { container }), true);
  assertEquals(worker?.state, "activated");
});

Deno.test("applyUpdate() moves on to a worker built by Workbox", async () => {
  using test = await waiting(byWorkbox);
  assertEquals(await apply(test.page), true);
});

Deno.test("applyUpdate() asks with the message of workbox-window, and a key", async () => {
  const messages: unknown[] = [];
  const registration = fake((message) => {
    messages.push(message);
    registration.waiting.become("activated");
  });
  assertEquals(await applyUpdate(registration), true);
  assertEquals(messages, [
    { type: "SKIP_WAITING", "@serviceworker/std": { skipWaiting: {} } },
  ]);
});

Deno.test("applyUpdate() in all tabs at once reloads each once", async () => {
  using test = await waiting();
  const { host, page } = test;
  const pages = [page, await host.openWindow("/"), await host.openWindow("/")];
  const reloads: string[] = [];
  for (const { id, serviceWorker } of pages) {
    reloadOnUpdate(serviceWorker, { reload: () => reloads.push(id) });
  }
  const applied = await Promise.all(pages.map((page) => apply(page)));
  await host.idle();
  assertEquals(applied, [true, true, true]);
  assertEquals(reloads.toSorted(), pages.map(({ id }) => id).toSorted());
});

Deno.test("applyUpdate() rejects while tabs hold the update, and says how many", async () => {
  using test = await waiting();
  const { host, page, registration } = test;
  const other = await host.openWindow("/");
  const holds = [hold(page), hold(page), hold(other)];
  await host.idle();
  const error = await assertRejects(() => apply(page), DOMException);
  assertEquals(error.name, "HeldError");
  assertEquals(error.message, "Cannot apply the update: 2 tabs hold it");
  holds[0]?.release();
  holds[1]?.release();
  await host.idle();
  await assertRejects(() => apply(page), DOMException, "1 tab holds it");
  assert(registration.waiting);
  holds[2]?.release();
  await host.idle();
  assertEquals(await apply(page), true);
});

Deno.test("applyUpdate() is not kept by holds of another scope", async () => {
  using test = await waiting();
  const { host, page } = test;
  const { locks } = page.navigator;
  const other = Object.assign(new EventTarget(), {
    ready: Promise.resolve({ scope: "https://example.test/other/" }),
  });
  const { release } = holdUpdate(other, { locks });
  await host.idle();
  assertEquals(await apply(page), true);
  release();
});

Deno.test("applyUpdate() overrides who holds the update", async () => {
  using test = await waiting();
  const { host, page } = test;
  const { release } = hold(page);
  await host.idle();
  assertEquals(await apply(page, { override: true }), true);
  release();
});

Deno.test("applyUpdate() lets nobody hold the update while it is under way", async () => {
  using test = await waiting(deaf);
  const { host, page } = test;
  const controller = new AbortController();
  const { signal } = controller;
  const applied = apply(page, { signal }).catch((reason) => reason);
  await host.idle();
  const { release } = hold(page);
  await host.idle();
  const { held, pending } = await page.navigator.locks.query();
  assertEquals(held.map(({ mode }) => mode), ["exclusive"]);
  assertEquals(pending.map(({ mode }) => mode), ["shared"]);
  release();
  controller.abort("Enough");
  assertEquals(await applied, "Enough");
});

Deno.test("applyUpdate() sees no hold where locks are refused", async () => {
  const registration = fake(() => registration.waiting.become("activated"));
  const refuse = () => Promise.reject(new DOMException("No", "SecurityError"));
  const locks = { request: refuse, query: refuse };
  assertEquals(await applyUpdate(registration, { locks }), true);
});

Deno.test("applyUpdate() asks at once when another tab applies it", async () => {
  const registration = fake();
  const applied = applyUpdate(registration, { locks: taken("exclusive") });
  await tasks();
  assertEquals(registration.waiting.asked, 1);
  registration.waiting.become("activated");
  assertEquals(await applied, true);
});

Deno.test("applyUpdate() does not wait for a tab that is frozen", async () => {
  using time = new FakeTime();
  const registration = fake(() => registration.waiting.become("activated"));
  const locks = taken("shared");
  const applied = applyUpdate(registration, { locks });
  await time.tickAsync(4_999);
  assertEquals(registration.waiting.asked, 0);
  await time.tickAsync(1);
  assertEquals(await applied, true);
});

Deno.test("applyUpdate() rejects when the worker becomes redundant", async () => {
  using test = await waiting(deaf);
  const { host, page } = test;
  const applied = apply(page);
  applied.catch(() => {});
  await host.idle();
  await host.register(listening);
  const error = await assertRejects(() => applied, DOMException);
  assertEquals(error.name, "DisconnectedError");
  assertEquals(await apply(page), true);
});

Deno.test("applyUpdate() rejects when the worker is redundant", async () => {
  const registration = fake();
  registration.waiting.state = "redundant";
  const error = await assertRejects(
    () => applyUpdate(registration),
    DOMException,
  );
  assertEquals(error.name, "DisconnectedError");
});

Deno.test("applyUpdate() rejects when the registration is removed", async () => {
  using test = await waiting(deaf);
  const { host, page, registration } = test;
  const applied = apply(page, { container: undefined });
  applied.catch(() => {});
  await host.idle();
  await registration.unregister();
  await page.navigate("https://example.test/elsewhere");
  await host.idle();
  const error = await assertRejects(() => applied, DOMException);
  assertEquals(error.name, "DisconnectedError");
});

Deno.test("applyUpdate() rejects when the worker cannot be asked", async () => {
  const registration = fake(() => {
    throw new DOMException("No", "InvalidStateError");
  });
  const { locks } = await lone();
  for (const options of [{}, { locks }]) {
    const error = await assertRejects(
      () => applyUpdate(registration, options),
      DOMException,
    );
    assertEquals(error.name, "InvalidStateError");
  }
});

Deno.test("applyUpdate() gives a worker that does not listen 30 seconds", async () => {
  using time = new FakeTime();
  const registration = fake();
  const applied = assertRejects(() => applyUpdate(registration), DOMException);
  await time.tickAsync(30_000);
  const { name, message } = await applied;
  assertEquals(name, "TimeoutError");
  assertEquals(
    message,
    "Cannot apply the update: the worker did not take over within 30 seconds",
  );
});

Deno.test("applyUpdate() gives a worker that listens six minutes", async () => {
  const answered = Promise.withResolvers<void>();
  const registration = fake((_message, port) => {
    port?.postMessage("something else");
    port?.postMessage({ "@serviceworker/std": { skippingWaiting: true } });
    // The answer is under way when this comes back.
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = () => {
      port2.close();
      answered.resolve();
    };
    port1.postMessage(0);
    port1.close();
  });
  using time = new FakeTime();
  const applied = applyUpdate(registration);
  let settled = false;
  const end = () => settled = true;
  applied.then(end, end);
  await answered.promise;
  await time.tickAsync(359_000);
  assertEquals(settled, false);
  await time.tickAsync(1_000);
  const { name } = await assertRejects(() => applied, DOMException);
  assertEquals(name, "TimeoutError");
});

Deno.test("applyUpdate() rejects with the reason of an already aborted signal", async () => {
  const registration = fake();
  const signal = AbortSignal.abort("No");
  assertEquals(
    await applyUpdate(registration, { signal }).catch((reason) => reason),
    "No",
  );
  assertEquals(registration.waiting.asked, 0);
});

Deno.test("applyUpdate() rejects with the reason of a signal aborted later", async () => {
  using test = await waiting(deaf);
  const { host, page, registration } = test;
  const controller = new AbortController();
  const { signal } = controller;
  const applied = apply(page, { signal }).catch((reason) => reason);
  await host.idle();
  controller.abort("Enough");
  assertEquals(await applied, "Enough");
  await host.idle();
  assertEquals(await page.navigator.locks.query(), { held: [], pending: [] });
  assert(registration.waiting);
});

Deno.test("applyUpdate() asks nobody after its signal was aborted", async () => {
  const registration = fake();
  const controller = new AbortController();
  const { signal } = controller;
  const locks = taken("shared");
  const applied = applyUpdate(registration, { locks, signal });
  await tasks();
  controller.abort("Enough");
  assertEquals(await applied.catch((reason) => reason), "Enough");
  await tasks();
  assertEquals(registration.waiting.asked, 0);
});

Deno.test("applyUpdate() has no deadline but its signal", async () => {
  using time = new FakeTime();
  const registration = fake();
  const { signal } = new AbortController();
  const applied = applyUpdate(registration, { signal });
  await time.tickAsync(3_600_000);
  registration.waiting.become("activated");
  assertEquals(await applied, true);
});

Deno.test("applyUpdate() removes its listeners when it settles", async () => {
  const registration = fake(() => registration.waiting.become("activated"));
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  signal.addEventListener = (
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: AddEventListenerOptions | boolean,
  ) => {
    listeners++;
    const until = typeof options === "object" ? options.signal : undefined;
    until?.addEventListener("abort", () => listeners--);
    add(type, listener, options);
  };
  assertEquals(await applyUpdate(registration, { signal }), true);
  assertEquals([listeners, registration.listeners()], [0, 0]);
});

Deno.test("applyUpdate() rejects only the call whose signal is aborted", async () => {
  const registration = fake();
  const controller = new AbortController();
  const { signal } = controller;
  const first = applyUpdate(registration, { signal });
  const second = applyUpdate(registration);
  controller.abort("Mine");
  assertEquals(await first.catch((reason) => reason), "Mine");
  registration.waiting.become("activated");
  assertEquals(await second, true);
});

Deno.test("applyUpdate() leaves the worker waiting or has it applied, wherever it is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    using test = await waiting();
    const { host, page, registration } = test;
    let reloads = 0;
    reloadOnUpdate(page.serviceWorker, { reload: () => reloads++ });
    arm(host);
    // A worker that was stopped before it skipped says nothing.
    const controller = new AbortController();
    const applied = apply(page, { signal: controller.signal })
      .catch((reason) => reason);
    await host.idle();
    controller.abort("silent");
    if (await applied === "silent") {
      assert(registration.waiting);
      assertEquals(reloads, 0);
      assertEquals(await apply(page), true);
    }
    await host.idle();
    assertEquals(registration.waiting, null);
    assertEquals(registration.active?.state, "activated");
    assert(page.serviceWorker.controller === registration.active);
    assertEquals(reloads, 1);
  });
  assert(stops > 0);
});

/** The locks of others, one of whom has the lock and does not answer. */
function taken(mode: string) {
  const name = "@serviceworker/std/update https://example.test/";
  return {
    request: (
      _name: string,
      _options: object,
      callback: (lock: null) => Promise<void>,
    ) => callback(null),
    query: () => Promise.resolve({ held: [{ name, mode }] }),
  };
}

/** Lets run what is about to. */
function tasks(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** The locks of a page of its own. */
async function lone() {
  const host = createHost();
  const { navigator } = await host.openWindow("/");
  return navigator;
}
