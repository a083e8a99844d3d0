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
  createSchedule,
  type Schedule,
  type ScheduleAddOptions,
  type ScheduleLocks,
  type ScheduleRun,
} from "./schedule.ts";

const MINUTE = 60_000;
const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
const NOON = Date.UTC(2030, 5, 1, 12);

/** A schedule with a name of its own, hence a lock of its own, at noon. */
function bed(
  work: (run: ScheduleRun) => unknown = () => {},
  start = NOON,
) {
  const time = new FakeTime(start);
  const store = memoryStore();
  const runs: ScheduleRun[] = [];
  const name = crypto.randomUUID();
  const open = () =>
    createSchedule(store.reopen(), (run) => {
      runs.push(run);
      return work(run);
    }, { name });
  return {
    time,
    store,
    runs,
    name,
    open,
    schedule: open(),
    [Symbol.dispose]: () => time[Symbol.dispose](),
  };
}

/** The dates for which it ran, in minutes after noon. */
function dates(runs: readonly ScheduleRun[]): number[] {
  return runs.map(({ at }) => (at - NOON) / MINUTE);
}

async function ran(schedule: Schedule): Promise<(number | undefined)[]> {
  const { ran, failed, skipped, next } = await schedule.run();
  return [
    ran,
    failed,
    skipped,
    next === undefined ? undefined : (next - NOON) / MINUTE,
  ];
}

Deno.test("run() runs a job once, at its date", async () => {
  using test = bed();
  const { schedule, runs, time } = test;
  const id = await schedule.add({
    at: new Date(NOON + 5 * MINUTE),
    data: { text: "Hello" },
  });
  assertEquals(await ran(schedule), [0, 0, 0, 5]);
  await time.tickAsync(5 * MINUTE);
  assertEquals(await ran(schedule), [1, 0, 0, undefined]);
  assertEquals(await ran(schedule), [0, 0, 0, undefined]);
  const [{ signal, ...run } = {} as ScheduleRun, ...others] = runs;
  assertEquals(others, []);
  assert(signal instanceof AbortSignal);
  assertEquals(run, {
    id,
    at: NOON + 5 * MINUTE,
    every: undefined,
    missed: "once",
    data: { text: "Hello" },
    attempts: 0,
    failure: undefined,
    missedDates: 0,
  });
});

Deno.test("run() runs jobs in the order of their dates", async () => {
  using test = bed();
  for (const at of [3, 1, 2]) await test.schedule.add({ at, data: at });
  await test.schedule.run();
  assertEquals(test.runs.map(({ data }) => data), [1, 2, 3]);
});

Deno.test("run() runs a job again and again", async () => {
  using test = bed();
  const { schedule, runs, time } = test;
  await schedule.add({ at: NOON, every: 10 * MINUTE });
  for (const next of [10, 20, 30]) {
    assertEquals(await ran(schedule), [1, 0, 0, next]);
    await time.tickAsync(10 * MINUTE);
  }
  assertEquals(dates(runs), [0, 10, 20]);
});

Deno.test("run() does what is said of dates that were missed", async () => {
  const cases: [
    Pick<ScheduleAddOptions, "missed" | "every">,
    minutes: number,
    result: (number | undefined)[],
    dates: number[],
    missedDates: number[],
  ][] = [
    [{ missed: "once" }, 35, [1, 0, 0, undefined], [0], [0]],
    [{ missed: "all" }, 35, [1, 0, 0, undefined], [0], [0]],
    [{ missed: "skip" }, 35, [0, 0, 1, undefined], [], []],
    [{ missed: "skip" }, 1, [1, 0, 0, undefined], [0], [0]],
    [{ every: 10 }, 35, [1, 0, 0, 40], [30], [3]],
    [{ every: 10, missed: "all" }, 35, [4, 0, 0, 40], [0, 10, 20, 30], [
      0,
      0,
      0,
      0,
    ]],
    [{ every: 10, missed: "skip" }, 35, [0, 0, 4, 40], [], []],
    [{ every: 10, missed: "skip" }, 30, [1, 0, 3, 40], [30], [0]],
  ];
  for (const [{ missed, every }, minutes, result, on, missedDates] of cases) {
    using test = bed();
    const { schedule, runs, time } = test;
    await schedule.add({ at: NOON, missed, every: every && every * MINUTE });
    await time.tickAsync(minutes * MINUTE);
    const what = `${missed} ${every} ${minutes}`;
    assertEquals(await ran(schedule), result, what);
    assertEquals(dates(runs), on, what);
    assertEquals(runs.map((run) => run.missedDates), missedDates, what);
  }
});

Deno.test("run() runs no more than a thousand missed dates", async () => {
  using test = bed();
  const { schedule, runs, time } = test;
  await schedule.add({ at: NOON, every: MINUTE, missed: "all" });
  time.now = NOON + YEAR;
  const { ran, skipped } = await schedule.run();
  assertEquals([ran, skipped], [1_000, 365 * 24 * 60 + 1 - 1_000]);
  assertEquals(runs.at(-1)?.at, NOON + YEAR);
});

Deno.test("run() tries again what failed, later each time, for the same date", async () => {
  using test = bed(({ attempts }) => {
    if (attempts < 3) throw new Error("offline");
  });
  const { schedule, runs, time } = test;
  await schedule.add({ at: NOON, missed: "skip" });
  for (const next of [1, 3, 7]) {
    assertEquals(await ran(schedule), [0, 1, 0, next]);
    assertEquals(await ran(schedule), [0, 0, 0, next]);
    const [job] = await schedule.list();
    assertEquals(job?.failure, "Error: offline");
    await time.tickAsync(NOON + next * MINUTE - Date.now());
  }
  assertEquals(await ran(schedule), [1, 0, 0, undefined]);
  assertEquals(dates(runs), [0, 0, 0, 0]);
});

Deno.test("run() forgets a failure at the next date", async () => {
  using test = bed(({ at }) => {
    if (at === NOON) throw new Error("offline");
  });
  const { schedule, runs, time } = test;
  await schedule.add({ at: NOON, every: HOUR });
  await schedule.run();
  await time.tickAsync(HOUR);
  assertEquals(await ran(schedule), [1, 0, 0, 120]);
  assertEquals(runs.at(-1)?.missedDates, 1);
  assertEquals((await schedule.list())[0]?.attempts, 0);
});

Deno.test("run() skips a date that was missed, though it failed for the one before", async () => {
  using test = bed(() => {
    throw new Error("offline");
  });
  const { schedule, time } = test;
  await schedule.add({ at: NOON, every: 10 * MINUTE, missed: "skip" });
  assertEquals(await ran(schedule), [0, 1, 0, 1]);
  await time.tickAsync(15 * MINUTE);
  assertEquals(await ran(schedule), [0, 0, 2, 20]);
});

Deno.test("run() runs jobs in one context at a time", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  using test = bed(() => promise);
  const { open, runs, time } = test;
  const [page, worker] = [open(), open()];
  await page.add({ at: NOON });
  const first = page.run();
  while (runs.length === 0) await time.tickAsync(0);
  assertEquals(await ran(worker), [0, 0, 0, 1 / 6]);
  resolve();
  assertEquals((await first).ran, 1);
  assertEquals(runs.length, 1);
});

Deno.test("run() runs a job again whose context was stopped", async () => {
  using test = bed();
  const { store, open, runs, name } = test;
  // The platform releases the locks of what it stops.
  const locks: ScheduleLocks = {
    request: (_, __, callback) => callback({}),
  };
  const stopped = createSchedule(store, () => new Promise(() => {}), {
    name,
    locks,
  });
  await stopped.add({ at: NOON });
  const controller = new AbortController();
  const { signal } = controller;
  const ended = stopped.run({ signal }).catch(() => {});
  await test.time.tickAsync(0);
  assertEquals((await open().run()).ran, 1);
  assertEquals(runs.length, 1);
  controller.abort();
  await ended;
});

Deno.test("run() is not kept from repeating by a clock that is put back", async () => {
  using test = bed(undefined, NOON + YEAR);
  const { schedule, runs, time } = test;
  await schedule.add({ at: NOON + YEAR, every: HOUR });
  await schedule.run();
  time[Symbol.dispose]();
  using _ = new FakeTime(NOON);
  assertEquals(await ran(schedule), [1, 0, 0, 60]);
  assertEquals([dates(runs).at(-1), runs.at(-1)?.missedDates], [0, 0]);
});

Deno.test("run() is not kept from trying again by a clock that is put back", async () => {
  using test = bed(() => {
    throw new Error("offline");
  }, NOON + YEAR);
  const { schedule, runs, time } = test;
  await schedule.add({ at: NOON });
  await schedule.run();
  time[Symbol.dispose]();
  using _ = new FakeTime(NOON);
  assertEquals(await ran(schedule), [0, 1, 0, 2]);
  assertEquals(runs.length, 2);
});

Deno.test("run() waits for a date that is far away", async () => {
  using test = bed();
  await test.schedule.add({ at: NOON + YEAR, every: HOUR });
  assertEquals(await ran(test.schedule), [0, 0, 0, YEAR / MINUTE]);
});

Deno.test("run() keeps what a job does to itself", async () => {
  using test = bed(async ({ id, data }) => {
    if (data === "cancel") await test.schedule.cancel(id);
    else await test.schedule.add({ id, at: NOON + HOUR, data: "new" });
  });
  const { schedule } = test;
  await schedule.add({ id: "a", at: NOON, every: HOUR, data: "cancel" });
  await schedule.add({ id: "b", at: NOON, every: HOUR, data: "replace" });
  assertEquals(await ran(schedule), [2, 0, 0, 60]);
  const jobs = await schedule.list();
  assertEquals(jobs.map(({ id, data }) => [id, data]), [["b", "new"]]);
});

Deno.test("run() does not run a job that another one has cancelled", async () => {
  using test = bed(() => test.schedule.cancel("b"));
  await test.schedule.add({ id: "a", at: NOON - 1 });
  await test.schedule.add({ id: "b", at: NOON });
  assertEquals(await ran(test.schedule), [1, 0, 0, undefined]);
});

Deno.test("run() fails a job that does not end", async () => {
  using test = bed(() => new Promise(() => {}));
  const { schedule, runs, time } = test;
  await schedule.add({ at: NOON });
  const result = schedule.run();
  while (runs.length === 0) await time.tickAsync(0);
  await time.tickAsync(4 * MINUTE);
  assertEquals((await result).failed, 1);
  assert(runs[0]?.signal.aborted);
});

Deno.test("run() rejects with the reason of its signal, and runs the job again", async () => {
  const reason = new Error("enough");
  using test = bed(({ attempts, signal }) => {
    if (test.runs.length > 1) return;
    assertEquals(attempts, 0);
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(new Error("ended")))
    );
  });
  const { schedule, runs, time } = test;
  await schedule.add({ at: NOON });
  assertStrictEquals(
    await assertRejects(() =>
      schedule.run({ signal: AbortSignal.abort(reason) })
    ),
    reason,
  );
  assertEquals(runs.length, 0);
  const controller = new AbortController();
  const result = schedule.run({ signal: controller.signal });
  while (runs.length === 0) await time.tickAsync(0);
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => result), reason);
  assertEquals(await ran(schedule), [1, 0, 0, undefined]);
});

Deno.test("run() begins no other job when its signal is aborted between two", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  using test = bed(() => controller.abort(reason));
  const { schedule, runs } = test;
  await schedule.add({ id: "a", at: NOON - 1 });
  await schedule.add({ id: "b", at: NOON });
  assertStrictEquals(
    await assertRejects(() => schedule.run(controller)),
    reason,
  );
  assertEquals(runs.map(({ id }) => id), ["a"]);
  assertEquals((await schedule.list()).map(({ id }) => id), ["b"]);
});

Deno.test("run() removes its abort listener when it settles", async () => {
  using test = bed();
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  signal.addEventListener = (_: string, listener: unknown) =>
    void listeners.add(listener);
  signal.removeEventListener = (_: string, listener: unknown) =>
    void listeners.delete(listener);
  await test.schedule.add({ at: NOON });
  assertEquals((await test.schedule.run({ signal })).ran, 1);
  assertEquals(listeners.size, 0);
});

Deno.test("run() leaves what another version of the code stored", async () => {
  using test = bed();
  const { schedule, store, name } = test;
  await store.set(`schedule/${name}/old`, { format: 0, when: NOON });
  assertEquals(await ran(schedule), [0, 0, 0, undefined]);
  assertEquals(await schedule.list(), []);
  assertEquals((await store.list()).length, 1);
});

Deno.test("run() rejects where there are no locks", async () => {
  const { navigator } = globalThis;
  const set = (value: unknown) =>
    Object.defineProperty(globalThis, "navigator", {
      value,
      configurable: true,
      writable: true,
    });
  try {
    set({});
    const schedule = createSchedule(memoryStore(), () => {});
    const error = await assertRejects(() => schedule.run(), DOMException);
    assertEquals(error.name, "NotSupportedError");
  } finally {
    set(navigator);
  }
});

Deno.test("add() replaces a job that has the same identifier", async () => {
  using test = bed();
  const { schedule } = test;
  await schedule.add({ id: "a", at: NOON, data: 1 });
  await schedule.add({ id: "a", at: NOON, data: 2 });
  assertEquals((await schedule.list()).map(({ data }) => data), [2]);
});

Deno.test("add() refuses what is no date, and what does not repeat", async () => {
  using test = bed();
  for (const at of [NaN, Infinity, new Date("never")]) {
    await assertRejects(() => test.schedule.add({ at }), RangeError, "'at'");
  }
  for (const every of [0, -1, NaN, Infinity]) {
    await assertRejects(
      () => test.schedule.add({ at: NOON, every }),
      RangeError,
      "'every'",
    );
  }
  assertEquals(await test.schedule.list(), []);
});

Deno.test("cancel() removes a job", async () => {
  using test = bed();
  const { schedule } = test;
  const id = await schedule.add({ at: NOON });
  assertEquals(await schedule.cancel(id), true);
  assertEquals(await schedule.cancel(id), false);
  assertEquals(await ran(schedule), [0, 0, 0, undefined]);
});
