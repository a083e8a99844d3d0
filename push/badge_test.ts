// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { AsyncLocalStorage } from "node:async_hooks";
import { memoryStore } from "../storage/memory_store.ts";
import { createHost } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import { createBadge } from "./badge.ts";

/** A browser's badge, which takes its time. */
class Navigator {
  readonly locks = navigator.locks;
  shown: number | undefined;

  async setAppBadge(count: number) {
    await pause();
    this.shown = count;
  }

  async clearAppBadge() {
    await pause();
    this.shown = undefined;
  }
}

Deno.test("createBadge() counts and shows", async () => {
  const target = new Navigator();
  const badge = createBadge(target, memoryStore());
  assertEquals(await badge.get(), 0);
  assertEquals(await badge.add(), true);
  assertEquals(await badge.add(4), true);
  assertEquals([await badge.get(), target.shown], [5, 5]);
  assertEquals(await badge.add(-2), true);
  assertEquals([await badge.get(), target.shown], [3, 3]);
  assertEquals(await badge.set(7), true);
  assertEquals([await badge.get(), target.shown], [7, 7]);
  assertEquals(await badge.clear(), true);
  assertEquals([await badge.get(), target.shown], [0, undefined]);
});

Deno.test("createBadge() takes the badge away at 0, and does not fall below", async () => {
  const target = new Navigator();
  const store = memoryStore();
  const badge = createBadge(target, store);
  await badge.set(2);
  await badge.add(-5);
  assertEquals([await badge.get(), target.shown], [0, undefined]);
  await badge.add(1);
  await badge.set(0);
  assertEquals([await badge.get(), target.shown], [0, undefined]);
  assertEquals(await store.list(), []);
});

Deno.test("createBadge() keeps the count where there is no badge", async () => {
  const host = createHost({ without: ["setAppBadge"] });
  const page = await host.openWindow("/");
  const badge = createBadge(page.navigator, memoryStore());
  assertEquals(await badge.add(3), false);
  assertEquals(await badge.show(), false);
  assertEquals(await badge.get(), 3);
  assertEquals(await badge.clear(), false);
  assertEquals(await badge.get(), 0);
  assertEquals(await createBadge({}, memoryStore()).set(1), false);
  host.close();
});

Deno.test("createBadge() keeps the count where the browser refuses a badge", async () => {
  const refuse = () =>
    Promise.reject(new DOMException("not installed", "NotAllowedError"));
  const target = { setAppBadge: refuse, clearAppBadge: refuse };
  const badge = createBadge(target, memoryStore());
  assertEquals(await badge.add(3), false);
  assertEquals(await badge.get(), 3);
});

Deno.test("createBadge() refuses what is no count", async () => {
  const store = memoryStore();
  const badge = createBadge(new Navigator(), store);
  for (const count of [-1, 1.5, NaN, Infinity]) {
    await assertRejects(() => badge.set(count), RangeError, `got ${count}`);
  }
  for (const count of [1.5, NaN, Infinity]) {
    await assertRejects(() => badge.add(count), RangeError, `got ${count}`);
  }
  assertEquals(await store.list(), []);
});

Deno.test("createBadge() reads no count out of what is none", async () => {
  const store = memoryStore();
  for (const value of ["7", -1, 1.5, null, {}]) {
    await store.set("badge/count", value);
    assertEquals(await createBadge({}, store).get(), 0);
  }
});

Deno.test("createBadge() in page and worker at once loses no count", async () => {
  const store = memoryStore();
  const target = new Navigator();
  const badges = [1, 2, 3].map(() => createBadge(target, store.reopen()));
  const adding = badges.flatMap((badge) => [badge.add(), badge.add(2)]);
  assertEquals(await Promise.all(adding), Array(6).fill(true));
  assertEquals([await badges[0]?.get(), target.shown], [9, 9]);
});

Deno.test("createBadge() shows what is stored, whichever was set last", async () => {
  const store = memoryStore();
  const target = new Navigator();
  const [page, worker] = [
    createBadge(target, store),
    createBadge(target, store),
  ];
  for (let round = 0; round < 10; round++) {
    await Promise.all([
      page.clear(),
      worker.add(),
      page.set(round),
      worker.add(),
    ]);
    assertEquals(target.shown ?? 0, await page.get());
  }
});

Deno.test("createBadge() shows the right count wherever its worker is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const store = memoryStore();
    const host = createHost({
      globals: globalThis,
      context: new AsyncLocalStorage(),
      provide: { store },
    });
    await host.register((scope) => {
      const badge = createBadge(scope.navigator, scope.store);
      scope.addEventListener("push", (event) => event.waitUntil(badge.add()));
    });
    const page = await host.openWindow("/");
    const badge = createBadge(page.navigator, store);
    await badge.set(5);

    arm(host);
    const counted = await host.deliverPushMessage();
    // As a page does when it starts; the worker's lock is free.
    assertEquals(await badge.show(), true);
    const count = await badge.get();
    assertEquals(host.badge, count);
    assert(count === 6 || count === 5 && !counted, `the count is ${count}`);
    host.close();
  });
  assert(stops > 4, `it was stopped ${stops} times`);
});

for (const name of ["set", "add", "clear", "show"] as const) {
  const call = (signal?: AbortSignal, store = memoryStore()) => {
    const badge = createBadge(new Navigator(), store);
    return name === "set" || name === "add"
      ? badge[name](1, { signal })
      : badge[name]({ signal });
  };

  Deno.test(`${name}() of a badge rejects with the reason of an already aborted signal`, async () => {
    const reason = new Error("over");
    const store = memoryStore();
    const error = await assertRejects(() =>
      call(AbortSignal.abort(reason), store)
    );
    assertStrictEquals(error, reason);
    assertEquals(await store.list(), []);
  });

  Deno.test(`${name}() of a badge rejects with the reason of a signal aborted later`, async () => {
    const held = Promise.withResolvers<void>();
    const holding = hold(held.promise);
    const controller = new AbortController();
    const reason = new Error("over");
    const rejected = assertRejects(() => call(controller.signal));
    const other = call(new AbortController().signal);
    await pause();
    controller.abort(reason);
    assertStrictEquals(await rejected, reason);
    held.resolve();
    await holding;
    // Only the call whose signal is aborted.
    assertEquals(await other, true);
  });
}

Deno.test("createBadge() waits for others no longer than 30 seconds", async () => {
  using time = new FakeTime();
  const target = {
    locks: {
      request: <T>(
        _name: string,
        { signal }: { signal: AbortSignal },
      ): Promise<T> =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    },
  };
  const rejected = assertRejects(() =>
    createBadge(target, memoryStore()).add()
  );
  await time.tickAsync(30_000);
  assertEquals((await rejected as Error).name, "TimeoutError");
});

/** Holds the lock of badges. */
function hold(until: Promise<void>): Promise<void> {
  return navigator.locks.request(
    "@serviceworker/std badge/count",
    () => until,
  );
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
