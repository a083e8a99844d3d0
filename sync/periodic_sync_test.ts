// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { memoryStore } from "../storage/memory_store.ts";
import {
  createPeriodicSync,
  type PeriodicSyncContext,
} from "./periodic_sync.ts";

const HOUR = 3_600_000;

class Manager {
  readonly tags = new Map<string, number>();
  refusal: Error | undefined;

  register(tag: string, { minInterval }: { minInterval: number }) {
    if (this.refusal) return Promise.reject(this.refusal);
    this.tags.set(tag, minInterval);
    return Promise.resolve();
  }

  unregister(tag: string) {
    this.tags.delete(tag);
    return Promise.resolve();
  }

  getTags() {
    return Promise.resolve([...this.tags.keys()]);
  }
}

function permissions(state: string) {
  return { query: () => Promise.resolve({ state }) };
}

function event(tag: string) {
  const promises: Promise<unknown>[] = [];
  return {
    tag,
    waitUntil: (promise: Promise<unknown>) => void promises.push(promise),
    promises,
  };
}

/** Work that counts, under a tag of its own, hence a lock of its own. */
function bed(
  work: (context: PeriodicSyncContext) => unknown = () => {},
  state = "granted",
) {
  const tag = crypto.randomUUID();
  const store = memoryStore();
  const contexts: PeriodicSyncContext[] = [];
  const open = () =>
    createPeriodicSync(store, (context) => {
      contexts.push(context);
      return work(context);
    }, { tag, minInterval: HOUR, permissions: permissions(state) });
  return { tag, store, contexts, open, periodic: open() };
}

Deno.test("register() has the browser fire events, and unregister() no more", async () => {
  const { tag, periodic } = bed();
  const periodicSync = new Manager();
  const registration = { active: {}, periodicSync };
  assertEquals(await periodic.isRegistered(registration), false);
  assertEquals(await periodic.register(registration), "registered");
  assertEquals(periodicSync.tags.get(tag), HOUR);
  assertEquals(await periodic.isRegistered(registration), true);
  assertEquals(await periodic.unregister(registration), true);
  assertEquals(await periodic.unregister(registration), true);
  assertEquals(await periodic.isRegistered(registration), false);
});

Deno.test("register() resolves with why the browser will not", async () => {
  const periodicSync = new Manager();
  for (const state of ["denied", "prompt"]) {
    const { periodic } = bed(undefined, state);
    assertEquals(await periodic.register({ active: {}, periodicSync }), state);
  }
  assertEquals(periodicSync.tags.size, 0);
  const { periodic } = bed();
  periodicSync.refusal = new DOMException("no", "NotAllowedError");
  assertEquals(await periodic.register({ active: {}, periodicSync }), "denied");
  periodicSync.refusal = new DOMException("no", "InvalidStateError");
  assertEquals(
    await periodic.register({ active: {}, periodicSync }),
    "refused",
  );
  const inactive = { active: null, periodicSync };
  assertEquals(await periodic.register(inactive), "refused");
  assertEquals(await periodic.register({ active: {} }), "unsupported");
  assertEquals(await periodic.unregister({ active: {} }), false);
  assertEquals(await periodic.isRegistered({ active: {} }), false);
});

Deno.test("register() tries where permissions cannot be asked", async () => {
  const periodicSync = new Manager();
  const work = () => {};
  const without = createPeriodicSync(memoryStore(), work, {
    permissions: null,
  });
  assertEquals(
    await without.register({ active: {}, periodicSync }),
    "registered",
  );
  const unknown = createPeriodicSync(memoryStore(), work, {
    permissions: { query: () => Promise.reject(new TypeError("unknown")) },
  });
  assertEquals(
    await unknown.register({ active: {}, periodicSync }),
    "registered",
  );
});

Deno.test("catchUp() does the work if it was last done too long ago", async () => {
  using time = new FakeTime();
  const { periodic, contexts } = bed();
  const start = Date.now();
  assertEquals(await periodic.lastRun(), undefined);
  assertEquals(await periodic.catchUp(), "done");
  assertEquals(await periodic.lastRun(), start);
  await time.tickAsync(HOUR - 1);
  assertEquals(await periodic.catchUp(), "fresh");
  await time.tickAsync(1);
  assertEquals(await periodic.catchUp(), "done");
  assertEquals(contexts.map(({ lastRun }) => lastRun), [undefined, start]);
});

Deno.test("catchUp() does the work if the clock was put back", async () => {
  const { periodic, store, tag } = bed();
  await store.set(`periodic-sync/${tag}`, Date.now() + 365 * 24 * HOUR);
  assertEquals(await periodic.catchUp(), "done");
  assertEquals(await periodic.catchUp(), "fresh");
});

Deno.test("catchUp() leaves work that failed to be done", async () => {
  const error = new Error("offline");
  let fails = true;
  const { periodic } = bed(() => fails ? Promise.reject(error) : undefined);
  assertStrictEquals(await assertRejects(() => periodic.catchUp()), error);
  assertEquals(await periodic.lastRun(), undefined);
  fails = false;
  assertEquals(await periodic.catchUp(), "done");
});

Deno.test("catchUp() does not do the work twice at once", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { open, tag, contexts } = bed(() => promise);
  const [page, other, worker] = [open(), open(), open()];
  const first = page.catchUp();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(await other.catchUp(), "running");
  const fired = event(tag);
  worker(fired);
  assertEquals(await fired.promises[0], "running");
  resolve();
  assertEquals(await first, "done");
  assertEquals(contexts.length, 1);
});

Deno.test("catchUp() rejects when the work does not end", async () => {
  using time = new FakeTime();
  const { periodic, contexts } = bed(() => new Promise(() => {}));
  const done = periodic.catchUp();
  const rejected = assertRejects(() => done, DOMException);
  while (contexts.length === 0) await time.tickAsync(0);
  await time.tickAsync(240_000);
  assertEquals((await rejected).name, "TimeoutError");
  assert(contexts[0]?.signal.aborted);
});

Deno.test("catchUp() rejects where there are no locks", async () => {
  const { navigator } = globalThis;
  try {
    Object.defineProperty(globalThis, "navigator", {
      value: {},
      configurable: true,
      writable: true,
    });
    const periodic = createPeriodicSync(memoryStore(), () => {});
    const error = await assertRejects(() => periodic.catchUp(), DOMException);
    assertEquals(error.name, "NotSupportedError");
  } finally {
    Object.defineProperty(globalThis, "navigator", {
      value: navigator,
      configurable: true,
      writable: true,
    });
  }
});

Deno.test("createPeriodicSync() does the work in an event, however fresh it is", async () => {
  const { periodic, tag, contexts } = bed();
  await periodic.catchUp();
  const fired = event(tag);
  periodic(fired);
  assertEquals(await fired.promises[0], "done");
  assertEquals(contexts.length, 2);
});

Deno.test("createPeriodicSync() leaves events with another tag alone", () => {
  const { periodic, contexts } = bed();
  const fired = event("other");
  periodic(fired);
  assertEquals([fired.promises.length, contexts.length], [0, 0]);
});
