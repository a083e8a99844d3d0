// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { memoryStore } from "./memory_store.ts";
import type { Store } from "./open_store.ts";
import { persist } from "./persist.ts";

const NOTHING = {
  persisted: false,
  usage: undefined,
  quota: undefined,
  available: undefined,
};

/** A `navigator.storage` whose user answers `answer`. */
function storageOf(
  answer: boolean | Promise<boolean>,
  persisted: boolean = false,
) {
  return {
    asked: 0,
    persisted: () => Promise.resolve(persisted),
    async persist() {
      this.asked++;
      return persisted = await answer;
    },
    estimate: () => Promise.resolve({ usage: 30, quota: 100 }),
  };
}

/** Never called: it compiles as long as the platform's own types fit. */
async function _inPage(store: Store): Promise<boolean> {
  const { storage, permissions } = navigator;
  return (await persist(storage, { permissions, store })).persisted;
}

function permissionsOf(state: string) {
  return {
    query({ name }: { name: string }) {
      assertEquals(name, "persistent-storage");
      return Promise.resolve({ state });
    },
  };
}

Deno.test("persist() asks, and measures", async () => {
  assertEquals(await persist(storageOf(true)), {
    persisted: true,
    usage: 30,
    quota: 100,
    available: 70,
  });
  const refused = storageOf(false);
  assertEquals((await persist(refused)).persisted, false);
  assertEquals(refused.asked, 1);
});

Deno.test("persist() resolves with false where the API is missing", async () => {
  assertEquals(await persist(undefined), NOTHING);
  assertEquals(await persist(null), NOTHING);
  assertEquals(await persist({}), NOTHING);
});

Deno.test("persist() tells in a worker what was decided", async () => {
  const { persisted, estimate } = storageOf(true, true);
  assertEquals((await persist({ persisted, estimate })).persisted, true);
  assertEquals((await persist({ estimate })).persisted, false);
});

Deno.test("persist() tells what is left when more is used than may be", async () => {
  const estimate = () => Promise.resolve({ usage: 120, quota: 100 });
  assertEquals((await persist({ estimate })).available, 0);
});

Deno.test("persist() does not ask for what it has", async () => {
  const storage = storageOf(true, true);
  assertEquals((await persist(storage)).persisted, true);
  assertEquals(storage.asked, 0);
});

Deno.test("persist() does not ask a user who refused", async () => {
  const storage = storageOf(true);
  const permissions = permissionsOf("denied");
  assertEquals((await persist(storage, { permissions })).persisted, false);
  assertEquals(storage.asked, 0);
});

Deno.test("persist() asks where the permission is not known", async () => {
  const storage = storageOf(true);
  const permissions = { query: () => Promise.reject(new TypeError("No")) };
  assertEquals((await persist(storage, { permissions })).persisted, true);
});

Deno.test("persist() asks once in an interval, in whatever tab", async () => {
  using time = new FakeTime();
  const store = memoryStore();
  const storage = storageOf(false);
  const options = { store, permissions: permissionsOf("prompt") };
  await Promise.all([persist(storage, options), persist(storage, options)]);
  assertEquals(storage.asked, 1);
  time.tick(29 * 24 * 60 * 60 * 1000);
  await persist(storage, options);
  assertEquals(storage.asked, 1);
  await persist(storage, { ...options, interval: 1000 });
  assertEquals(storage.asked, 2);
  time.tick(31 * 24 * 60 * 60 * 1000);
  await persist(storage, options);
  assertEquals(storage.asked, 3);
});

Deno.test("persist() asks again when the clock was set back", async () => {
  using time = new FakeTime();
  const store = memoryStore();
  const storage = storageOf(false);
  await persist(storage, { store });
  time.restore();
  const { now } = Date;
  try {
    Date.now = () => now() - 1e9;
    await persist(storage, { store });
  } finally {
    Date.now = now;
  }
  assertEquals(storage.asked, 2);
});

Deno.test("persist() asks at any time where it was granted", async () => {
  const store = memoryStore();
  await persist(storageOf(false), { store });
  const permissions = permissionsOf("granted");
  const storage = storageOf(true);
  const { persisted } = await persist(storage, { store, permissions });
  assert(persisted);
});

Deno.test("persist() takes no answer within a minute for a refusal", async () => {
  using time = new FakeTime();
  const asked = Promise.withResolvers<void>();
  const never = {
    persist() {
      asked.resolve();
      return new Promise<boolean>(() => {});
    },
  };
  const result = persist(never);
  await asked.promise;
  time.tick(60_000);
  assertEquals(await result, NOTHING);
});

Deno.test("persist() passes on why the browser cannot answer", async () => {
  const error = new TypeError("An opaque origin has no storage");
  const storage = { persist: () => Promise.reject(error) };
  const thrown = await assertRejects(() => persist(storage));
  assertStrictEquals(thrown, error);
});

Deno.test("persist() rejects with the reason of an already aborted signal", async () => {
  const storage = storageOf(true);
  const reason = new Error("Cannot wait: gone");
  const signal = AbortSignal.abort(reason);
  const thrown = await assertRejects(() => persist(storage, { signal }));
  assertStrictEquals(thrown, reason);
  assertEquals(storage.asked, 0);
});

Deno.test("persist() rejects with the reason of a signal aborted later", async () => {
  const controller = new AbortController();
  const reason = new Error("Cannot wait: gone");
  const storage = storageOf(new Promise(() => {}));
  const result = persist(storage, controller);
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => result), reason);
});

Deno.test("persist() removes its abort listener when it settles", async () => {
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  signal.addEventListener = (
    type: string,
    listener: EventListener,
    options: AddEventListenerOptions,
  ) => {
    listeners.add(listener);
    options.signal?.addEventListener("abort", () => listeners.delete(listener));
    add(type, listener, options);
  };
  await persist(storageOf(true), { signal });
  assertEquals(listeners.size, 0);
});

Deno.test("persist() rejects only the call whose signal is aborted", async () => {
  const controller = new AbortController();
  const answer = Promise.withResolvers<boolean>();
  const first = persist(storageOf(answer.promise), controller);
  const second = persist(storageOf(answer.promise));
  controller.abort();
  await assertRejects(() => first);
  answer.resolve(true);
  assertEquals((await second).persisted, true);
});
