// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { memoryStore } from "../storage/memory_store.ts";
import { backgroundSync, handleSync } from "./background_sync.ts";
import { createOutbox } from "./outbox.ts";

/** A page that goes to sleep and comes back. */
class Page extends EventTarget {
  readonly document = Object.assign(new EventTarget(), {
    visibilityState: "visible",
  });

  see(visible: boolean): void {
    this.document.visibilityState = visible ? "visible" : "hidden";
    this.document.dispatchEvent(new Event("visibilitychange"));
  }
}

class Registration {
  active: object | null = {};
  readonly tags: string[] = [];
  readonly sync = {
    register: (tag: string) => {
      if (this.refusal) return Promise.reject(this.refusal);
      this.tags.push(tag);
      return Promise.resolve();
    },
  };
  refusal: Error | undefined;
}

function event(tag = "outbox", lastChance = false) {
  const promises: Promise<unknown>[] = [];
  return {
    tag,
    lastChance,
    waitUntil: (promise: Promise<unknown>) => void promises.push(promise),
    promises,
  };
}

function turns(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("backgroundSync() runs the work for every reason there is", async () => {
  const scope = new Page();
  let runs = 0;
  const sync = backgroundSync(undefined, () => void runs++, { scope });
  const reasons: Record<string, () => unknown> = {
    start: () => {},
    online: () => scope.dispatchEvent(new Event("online")),
    pageshow: () => scope.dispatchEvent(new Event("pageshow")),
    visible: () => scope.see(true),
    request: () => sync.request(),
    run: () => sync.run(),
  };
  for (const [reason, act] of Object.entries(reasons)) {
    runs = reason === "start" ? runs : 0;
    await act();
    await turns();
    assertEquals(runs, 1, reason);
  }
  runs = 0;
  scope.see(false);
  await turns();
  assertEquals(runs, 0);
  sync.close();
});

Deno.test("backgroundSync() runs the work in a worker, which has no document", async () => {
  const scope = new EventTarget();
  let runs = 0;
  const sync = backgroundSync(undefined, () => void runs++, { scope });
  scope.dispatchEvent(new Event("online"));
  await turns();
  assertEquals(runs, 2);
  sync.close();
});

Deno.test("backgroundSync() runs the work once more, not twice at once", async () => {
  const scope = new Page();
  let running = 0;
  let runs = 0;
  const sync = backgroundSync(undefined, async () => {
    assertEquals(++running, 1);
    await turns(5);
    running--;
    runs++;
  }, { scope });
  for (let i = 0; i < 5; i++) scope.dispatchEvent(new Event("online"));
  await Promise.all([sync.run(), sync.run()]);
  await turns(20);
  assertEquals(runs, 2);
  sync.close();
});

Deno.test("backgroundSync() runs the work again when there is more to do", async () => {
  using time = new FakeTime();
  const scope = new Page();
  const nexts = [5_000, 0, undefined];
  let runs = 0;
  const sync = backgroundSync(undefined, () => {
    const next = nexts[runs++];
    return Promise.resolve(
      next === undefined ? { next } : { next: Date.now() + next },
    );
  }, { scope });
  await time.tickAsync(4_999);
  assertEquals(runs, 1);
  await time.tickAsync(1);
  assertEquals(runs, 2);
  // Never so soon that it keeps the page busy.
  await time.tickAsync(999);
  assertEquals(runs, 2);
  await time.tickAsync(1);
  assertEquals(runs, 3);
  await time.tickAsync(1e10);
  assertEquals(runs, 3);
  sync.close();
});

Deno.test("backgroundSync() does not run at once what is due in a month", async () => {
  const delays: (number | undefined)[] = [];
  const start = setTimeout;
  try {
    globalThis.setTimeout = Object.assign(
      (run: () => void, delay?: number) => {
        delays.push(delay);
        return start(run, delay);
      },
      start,
    );
    const sync = backgroundSync(undefined, () => ({
      next: Date.now() + 30 * 86_400_000,
    }), { scope: new Page() });
    await sync.run();
    sync.close();
  } finally {
    globalThis.setTimeout = start;
  }
  // Browsers take a longer one for none.
  assertEquals(new Set(delays), new Set([2 ** 31 - 1]));
});

Deno.test("backgroundSync() runs work that rejected again after a minute", async () => {
  using time = new FakeTime();
  let runs = 0;
  const error = new Error("lost");
  const sync = backgroundSync(undefined, () => {
    runs++;
    return Promise.reject(error);
  }, { scope: new Page() });
  await time.tickAsync(59_999);
  assertEquals(runs, 1);
  await time.tickAsync(1);
  assertEquals(runs, 2);
  await time.runMicrotasks();
  assertStrictEquals(await assertRejects(() => sync.run()), error);
  sync.close();
});

Deno.test("run() runs the work once more though it rejects", async () => {
  let runs = 0;
  const sync = backgroundSync(undefined, async () => {
    await turns();
    if (++runs === 1) throw new Error("lost");
  }, { scope: new Page() });
  await sync.run();
  assertEquals(runs, 2);
  sync.close();
});

Deno.test("request() resolves with whether the browser takes it", async () => {
  const scope = new Page();
  const registration = new Registration();
  const work = () => Promise.resolve();
  const sync = backgroundSync(registration, work, { scope, tag: "t" });
  assertEquals(await sync.request(), "registered");
  assertEquals(registration.tags, ["t"]);
  for (const name of ["NotAllowedError", "InvalidAccessError"]) {
    registration.refusal = new DOMException("no", name);
    assertEquals(await sync.request(), "refused");
  }
  registration.refusal = undefined;
  registration.active = null;
  assertEquals(await sync.request(), "refused");
  sync.close();
  const without = { active: {} };
  for (const missing of [undefined, without, Promise.resolve(without)]) {
    const sync = backgroundSync(missing, work, { scope });
    assertEquals(await sync.request(), "unsupported");
    sync.close();
  }
});

Deno.test("request() does not wait for a registration that never is", async () => {
  using time = new FakeTime();
  const never = new Promise<Registration>(() => {});
  const sync = backgroundSync(never, () => Promise.resolve(), {
    scope: new Page(),
  });
  const how = sync.request();
  await time.tickAsync(10_000);
  assertEquals(await how, "refused");
  sync.close();
});

Deno.test("close() aborts the work, and leaves no listener and no timer", async () => {
  const scope = new Page();
  let runs = 0;
  let signal: AbortSignal | undefined;
  const sync = backgroundSync(new Promise(() => {}), (options) => {
    runs++;
    signal = options.signal;
    return Promise.resolve({ next: Date.now() + 1_000_000 });
  }, { scope });
  const requested = assertRejects(() => sync.request(), DOMException);
  await turns();
  sync.close();
  assert(signal?.aborted);
  assertEquals((await requested).name, "AbortError");
  const before = runs;
  scope.dispatchEvent(new Event("online"));
  scope.see(true);
  await assertRejects(() => sync.run(), DOMException);
  assertEquals(runs, before);
  const registration = new Registration();
  const other = backgroundSync(registration, () => {}, { scope });
  other.close();
  await assertRejects(() => other.request(), DOMException);
  assertEquals(registration.tags, []);
});

Deno.test("backgroundSync() aborts the work when the page goes, and runs it when it is back", async () => {
  const scope = new Page();
  const signals: AbortSignal[] = [];
  const sync = backgroundSync(undefined, ({ signal }) => {
    signals.push(signal);
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  }, { scope });
  await turns();
  // The first one comes when the page is loaded.
  scope.dispatchEvent(new Event("pageshow"));
  scope.dispatchEvent(new Event("pagehide"));
  await turns();
  assertEquals(signals.map(({ aborted }) => aborted), [true]);
  scope.dispatchEvent(new Event("pageshow"));
  await turns();
  assertEquals(signals.map(({ aborted }) => aborted), [true, false]);
  sync.close();
});

Deno.test("backgroundSync() ends with the reason of its signal", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const options = { scope: new Page(), signal: controller.signal };
  let runs = 0;
  const work = () => void runs++;
  const sync = backgroundSync(undefined, work, options);
  await turns();
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => sync.run()), reason);
  backgroundSync(undefined, work, options);
  await turns();
  assertEquals(runs, 1);
});

Deno.test("handleSync() leaves events with another tag alone", () => {
  const other = event("other");
  let runs = 0;
  assertEquals(handleSync(other, () => void runs++), false);
  assertEquals([runs, other.promises.length], [0, 0]);
  assertEquals(
    handleSync(other, () => void runs++, { tag: "other" }),
    true,
  );
  assertEquals([runs, other.promises.length], [1, 1]);
});

Deno.test("handleSync() resolves when nothing is left", async () => {
  const sync = event();
  handleSync(sync, () => Promise.resolve({ next: undefined }));
  await sync.promises[0];
});

Deno.test("handleSync() waits for what is due within seconds", async () => {
  using time = new FakeTime();
  const sync = event();
  let runs = 0;
  handleSync(sync, () => {
    const next = ++runs < 3 ? Date.now() + 10_000 : undefined;
    return Promise.resolve({ next });
  });
  await time.tickAsync(10_000);
  await time.tickAsync(10_000);
  await sync.promises[0];
  assertEquals(runs, 3);
});

Deno.test("handleSync() has the browser try again if something is left", async () => {
  const sync = event();
  handleSync(sync, () => Promise.resolve({ next: Date.now() + 20_000 }));
  const [promise = Promise.resolve()] = sync.promises;
  const error = await assertRejects(() => promise, DOMException, "is left");
  assertEquals(error.name, "AbortError");
  const failed = event();
  handleSync(failed, () => Promise.reject(new Error("lost")));
  await assertRejects(() => failed.promises[0] ?? Promise.resolve(), Error);
});

Deno.test("handleSync() waits longer at the last chance", async () => {
  using time = new FakeTime();
  const sync = event("outbox", true);
  let runs = 0;
  handleSync(sync, () => {
    const next = ++runs < 2 ? Date.now() + 100_000 : undefined;
    return Promise.resolve({ next });
  });
  await time.tickAsync(100_000);
  await sync.promises[0];
  assertEquals(runs, 2);
});

Deno.test("handleSync() waits no longer than the browser allows", async () => {
  using time = new FakeTime();
  const { now } = performance;
  try {
    performance.now = () => Date.now();
    const sync = event("outbox", true);
    handleSync(sync, async () => {
      await turns(200_000);
      return { next: Date.now() + 100_000 };
    });
    const [promise = Promise.resolve()] = sync.promises;
    const rejected = assertRejects(() => promise, DOMException, "is left");
    await time.tickAsync(200_000);
    await rejected;
  } finally {
    performance.now = now;
  }
});

Deno.test("handleSync() aborts work that takes longer than the browser allows", async () => {
  using time = new FakeTime();
  const sync = event();
  handleSync(sync, ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    }));
  const [promise = Promise.resolve()] = sync.promises;
  const rejected = assertRejects(() => promise, DOMException);
  await time.tickAsync(239_999);
  await time.tickAsync(1);
  assertEquals((await rejected).name, "TimeoutError");
});

Deno.test("handleSync() does not wait for work that ignores its signal", async () => {
  using time = new FakeTime();
  const sync = event();
  handleSync(sync, () => new Promise(() => {}));
  const [promise = Promise.resolve()] = sync.promises;
  const rejected = assertRejects(() => promise, DOMException);
  await time.tickAsync(240_000);
  assertEquals((await rejected).name, "TimeoutError");
});

Deno.test("handleSync() drops nothing at the last chance", async () => {
  using time = new FakeTime();
  const outbox = createOutbox(memoryStore(), {
    name: crypto.randomUUID(),
    send: () => {
      throw new TypeError("Failed to fetch");
    },
  });
  await outbox.add(new Request("https://a.test", { method: "POST" }));
  const sync = event("outbox", true);
  handleSync(sync, outbox.flush);
  const [promise = Promise.resolve()] = sync.promises;
  const rejected = assertRejects(() => promise, DOMException);
  let ended = false;
  promise.catch(() => {}).finally(() => ended = true);
  while (!ended) await time.tickAsync(1_000);
  await rejected;
  assertEquals((await outbox.list()).length, 1);
});
