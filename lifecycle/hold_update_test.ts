// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { createHost, type HostWindow } from "../testing/host.ts";
import { holdUpdate, type UpdateHold } from "./hold_update.ts";
import { reloadOnUpdate } from "./reload_on_update.ts";

const NAME = "@serviceworker/std/update https://example.test/";

async function open() {
  const host = createHost();
  await host.register(() => {});
  const page = await host.openWindow("/");
  return { host, page, [Symbol.dispose]: () => host.close() };
}

function hold(page: HostWindow, signal?: AbortSignal): UpdateHold {
  const { serviceWorker, locks } = page.navigator;
  return holdUpdate(serviceWorker, { locks, signal });
}

async function heldBy({ navigator }: HostWindow): Promise<string[]> {
  const { held } = await navigator.locks.query();
  return held.map(({ name, mode }) => `${mode} ${name}`);
}

Deno.test("holdUpdate() shares a lock of the scope until it is released", async () => {
  using test = await open();
  const { host, page } = test;
  const holds = [hold(page), hold(page)];
  await host.idle();
  assertEquals(await heldBy(page), [`shared ${NAME}`, `shared ${NAME}`]);
  holds[0]?.release();
  holds[0]?.release();
  await host.idle();
  assertEquals(await heldBy(page), [`shared ${NAME}`]);
  holds[1]?.release();
  await host.idle();
  assertEquals(await heldBy(page), []);
});

Deno.test("holdUpdate() answers who asks, and nothing else", async () => {
  using test = await open();
  const { host, page } = test;
  const { release } = hold(page);
  await host.idle();
  const channel = new BroadcastChannel(NAME);
  const answers: unknown[] = [];
  const answered = new Promise<void>((resolve) => {
    channel.onmessage = ({ data }) => resolve(void answers.push(data));
  });
  for (const message of [null, "?", {}, { "@serviceworker/std": 1 }]) {
    channel.postMessage(message);
  }
  channel.postMessage({ "@serviceworker/std": { isUpdateHeld: true } });
  await answered;
  assertEquals(answers, [{ "@serviceworker/std": { updateHeld: true } }]);
  channel.close();
  release();
});

Deno.test("holdUpdate() does not answer once it is released", async () => {
  using test = await open();
  const { host, page } = test;
  const { release } = hold(page);
  await host.idle();
  const asking = new BroadcastChannel(NAME);
  const other = new BroadcastChannel(NAME);
  const heard = new Promise<void>((resolve) => {
    other.onmessage = () => {
      release();
      resolve();
    };
  });
  // Were it posted to a channel that is closed, that would be an error.
  asking.onmessage = () => {};
  asking.postMessage({ "@serviceworker/std": { isUpdateHeld: true } });
  await heard;
  await new Promise((resolve) => setTimeout(resolve));
  asking.close();
  other.close();
});

Deno.test("holdUpdate() is released before there is a worker", async () => {
  const host = createHost();
  const page = await host.openWindow("/");
  hold(page).release();
  const { release } = hold(page);
  await host.register(() => {});
  await host.idle();
  assertEquals(await heldBy(page), [`shared ${NAME}`]);
  release();
  host.close();
});

Deno.test("holdUpdate() waits for an update that is being applied", async () => {
  using test = await open();
  const { host, page } = test;
  const { promise, resolve } = Promise.withResolvers<void>();
  const applied = page.navigator.locks.request(NAME, () => promise);
  const given = hold(page);
  const taken = hold(page);
  given.release();
  await host.idle();
  assertEquals(await heldBy(page), [`exclusive ${NAME}`]);
  resolve();
  await applied;
  await host.idle();
  assertEquals(await heldBy(page), [`shared ${NAME}`]);
  taken.release();
});

Deno.test("holdUpdate() ends by its signal", async () => {
  using test = await open();
  const { host, page } = test;
  const controller = new AbortController();
  hold(page, AbortSignal.abort());
  await host.idle();
  assertEquals(await heldBy(page), []);
  hold(page, controller.signal);
  await host.idle();
  assertEquals((await heldBy(page)).length, 1);
  controller.abort();
  await host.idle();
  assertEquals(await heldBy(page), []);
});

Deno.test("holdUpdate() ends with its tab", async () => {
  using test = await open();
  const { host, page } = test;
  const other = await host.openWindow("/");
  const { release } = hold(other);
  await host.idle();
  assertEquals((await heldBy(page)).length, 1);
  other.close();
  await host.idle();
  assertEquals(await heldBy(page), []);
  release();
});

Deno.test("holdUpdate() keeps its own page from reloading until the last is released", () => {
  const container = Object.assign(new EventTarget(), {
    controller: {},
    getRegistration: () => Promise.resolve(undefined),
    ready: new Promise<never>(() => {}),
  });
  let reloads = 0;
  reloadOnUpdate(container, { reload: () => reloads++ });
  // There are no locks here.
  const holds = [holdUpdate(container), holdUpdate(container)];
  container.controller = {};
  container.dispatchEvent(new Event("controllerchange"));
  assertEquals(reloads, 0);
  holds[0]?.release();
  assertEquals(reloads, 0);
  holds[1]?.release();
  assertEquals(reloads, 1);
  holds[1]?.release();
  assertEquals(reloads, 1);
});

Deno.test("holdUpdate() keeps its own page where the lock is refused", async () => {
  const container = Object.assign(new EventTarget(), {
    ready: Promise.resolve({ scope: "https://example.test/" }),
  });
  const refused = new DOMException("No", "SecurityError");
  const locks = { request: () => Promise.reject(refused) };
  const hold = holdUpdate(container, { locks });
  await new Promise((resolve) => setTimeout(resolve));
  const reload = () =>
    container.dispatchEvent(
      new Event("@serviceworker/std:reload", { cancelable: true }),
    );
  assertEquals(reload(), false);
  hold.release();
  assertEquals(reload(), true);
});

Deno.test("holdUpdate() holds nothing where there are no service workers", () => {
  holdUpdate(undefined).release();
});
