// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  createFanOut,
  type FanOutAnswer,
  type FanOutContext,
  type FanOutEntry,
  type FanOutFailure,
  type FanOutOptions,
  type FanOutQueue,
  kvQueue,
} from "./fan_out.ts";

interface Subscription {
  endpoint: string;
  id: number;
}

const DELIVERED = { outcome: "delivered" };
const GONE = { outcome: "gone" };
const QUICK = { backoff: (failures: number) => failures };

function subscriptions(
  count: number,
  origin = (_id: number) => "https://push.example",
): Subscription[] {
  return Array.from({ length: count }, (_, id) => ({
    endpoint: `${origin(id)}/${String(id).padStart(6, "0")}`,
    id,
  }));
}

/** A queue in memory, and a fan-out over it that records what it sends. */
async function bed(
  answer: (
    subscription: Subscription,
    attempt: number,
    context: FanOutContext,
  ) => Promise<FanOutAnswer> | FanOutAnswer = () => DELIVERED,
  options: FanOutOptions<Subscription> = {},
  wrap: (queue: FanOutQueue) => FanOutQueue = (queue) => queue,
) {
  const kv = await Deno.openKv(":memory:");
  const queue = wrap(kvQueue(kv));
  const sent = new Map<number, number>();
  const gone: number[] = [];
  const failed: [id: number, failure: FanOutFailure][] = [];
  const make = (own: FanOutOptions<Subscription> = {}) =>
    createFanOut<Subscription, unknown>(
      queue,
      (subscription, _message, context) => {
        const attempt = (sent.get(subscription.id) ?? 0) + 1;
        sent.set(subscription.id, attempt);
        return Promise.resolve(answer(subscription, attempt, context));
      },
      {
        ...QUICK,
        onGone: ({ id }) => gone.push(id),
        onFailed: ({ id }, failure) => failed.push([id, failure]),
        ...options,
        ...own,
      },
    );
  return {
    kv,
    queue,
    sent,
    gone,
    failed,
    make,
    fanOut: make(),
    async keys() {
      const keys: string[] = [];
      for await (const { key } of kv.list({ prefix: ["fan-out"] })) {
        keys.push(String(key[1]).split("/")[2] ?? "");
      }
      return [...new Set(keys)];
    },
    [Symbol.dispose]: () => kv.close(),
  };
}

Deno.test("flush() sends the message of a job to each subscription once", async () => {
  const messages = new Set<unknown>();
  const kv = await Deno.openKv(":memory:");
  const sent: string[] = [];
  const fanOut = createFanOut(
    kvQueue(kv),
    ({ endpoint }: Subscription, message: { title: string }, { id }) => {
      sent.push(endpoint);
      messages.add(`${id} ${message.title}`);
      return Promise.resolve(DELIVERED);
    },
  );
  const all = subscriptions(2_500, (id) => `https://push${id % 3}.example`);
  assertEquals(await fanOut.add(all, { title: "Seven" }, { id: "7" }), "7");
  const counts = await fanOut.flush();
  assertEquals(counts, { delivered: 2_500, gone: 0, failed: {}, retried: 0 });
  assertEquals(sent.toSorted(), all.map(({ endpoint }) => endpoint).toSorted());
  assertEquals(messages, new Set(["7 Seven"]));
  assertEquals(await fanOut.status("7"), {
    ...counts,
    added: 2_500,
    complete: true,
    left: 0,
  });
  kv.close();
});

Deno.test("flush() has the caller forget what is gone or none", async () => {
  using test = await bed(({ id }) =>
    id === 1 ? GONE : id === 2 ? { outcome: "invalid" } : DELIVERED
  );
  await test.fanOut.add(subscriptions(4), null);
  const { delivered, gone } = await test.fanOut.flush();
  assertEquals([delivered, gone], [2, 2]);
  assertEquals(test.gone.toSorted(), [1, 2]);
});

Deno.test("flush() sends again to a subscription that is not forgotten yet", async () => {
  let calls = 0;
  using test = await bed(() => GONE, {
    onGone() {
      if (++calls < 3) throw new Error("the database is away");
    },
  });
  await test.fanOut.add(subscriptions(1), null);
  const { gone, retried } = await test.fanOut.flush();
  assertEquals([gone, retried, calls], [1, 2, 3]);
});

Deno.test("flush() gives up what failed for good, and goes on", async () => {
  using test = await bed(({ id }) => {
    if (id === 1) return { outcome: "misconfigured", body: "BadJwtToken" };
    if (id === 2) throw new TypeError("poison");
    if (id === 3) return { outcome: "unavailable" };
    return DELIVERED;
  }, { attempts: 3 });
  await test.fanOut.add(subscriptions(300), null, { id: "a" });
  const { delivered, failed } = await test.fanOut.flush();
  assertEquals(delivered, 297);
  const wanted = { misconfigured: 1, rejected: 1, unavailable: 1 };
  assertEquals(failed, wanted);
  assertEquals((await test.fanOut.status("a"))?.failed, wanted);
  assertEquals([1, 2, 3].map((id) => test.sent.get(id)), [1, 3, 3]);
  const reasons = new Map(test.failed);
  assertEquals(String(reasons.get(2)?.error), "TypeError: poison");
  assertEquals(reasons.get(1)?.answer, {
    outcome: "misconfigured",
    body: "BadJwtToken",
  } as FanOutAnswer);
});

Deno.test("flush() leaves alone only the service that limits the rate", async () => {
  let asked = 0;
  let others = 0;
  using test = await bed(({ endpoint }) => {
    if (new URL(endpoint).host === "fast.example") {
      others++;
      return DELIVERED;
    }
    asked++;
    return others < 200
      ? { outcome: "rate-limited", retryAfter: 100 }
      : DELIVERED;
  }, { concurrency: 10, attempts: 1 });
  const all = subscriptions(
    400,
    (id) => `https://${id % 2 ? "slow" : "fast"}.example`,
  );
  await test.fanOut.add(all, null);
  const { delivered, retried, failed } = await test.fanOut.flush();
  assertEquals([delivered, failed], [400, {}]);
  assert(retried >= 1);
  assertEquals(asked, 200 + retried);
});

Deno.test("flush() asks a service that is down no more than now and then", async () => {
  let asked = 0;
  const start = Date.now();
  using test = await bed(() => {
    asked++;
    return Date.now() - start < 500 ? { outcome: "unavailable" } : DELIVERED;
  }, { concurrency: 20, backoff: () => 50 });
  await test.fanOut.add(subscriptions(2_000), null);
  const { delivered, failed } = await test.fanOut.flush();
  assertEquals([delivered, failed], [2_000, {}]);
  assert(asked < 2_100, `${asked}`);
});

Deno.test("flush() has no more on their way to a service than allowed", async () => {
  let most = 0;
  const flying = new Map<string, number>();
  using test = await bed(async ({ endpoint }) => {
    const { host } = new URL(endpoint);
    const now = (flying.get(host) ?? 0) + 1;
    flying.set(host, now);
    most = Math.max(most, now);
    await new Promise((resolve) => setTimeout(resolve, 1));
    flying.set(host, (flying.get(host) ?? 0) - 1);
    return DELIVERED;
  }, { concurrency: 5 });
  const all = subscriptions(100, (id) => `https://push${id % 2}.example`);
  await test.fanOut.add(all, null);
  await test.fanOut.flush();
  assert(most <= 5, `${most}`);
});

Deno.test("flush() keeps a service from nobody for those that want to be left alone", async () => {
  const asked: string[] = [];
  using test = await bed(({ endpoint }) => {
    const { host } = new URL(endpoint);
    asked.push(host);
    const isFirst = asked.filter((one) => one === host).length === 1;
    return isFirst && host !== "zzz.example"
      ? { outcome: "rate-limited", retryAfter: 1_500 }
      : DELIVERED;
  }, { concurrency: 1 });
  const origin = (id: number) =>
    `https://${id < 140 ? id >> 1 : "zzz"}.example`;
  await test.fanOut.add(subscriptions(141, origin), null);
  assertEquals((await test.fanOut.flush()).delivered, 141);
  // Before any of the others was asked again.
  assert(asked.indexOf("zzz.example") <= 70, String(asked));
});

Deno.test("flush() gives up what it is told to ask again at no time", async () => {
  using test = await bed(() => ({ outcome: "unavailable", retryAfter: NaN }));
  await test.fanOut.add(subscriptions(3), null);
  assertEquals((await test.fanOut.flush()).failed, { unavailable: 3 });
});

Deno.test("flush() rejects with what 'backoff' throws", async () => {
  const error = new Error("no number");
  using test = await bed(() => ({ outcome: "unavailable" }), {
    backoff() {
      throw error;
    },
  });
  await test.fanOut.add(subscriptions(3), null, { id: "a" });
  assertStrictEquals(await assertRejects(() => test.fanOut.flush()), error);
  assertEquals((await test.fanOut.status("a"))?.left, 3);
});

Deno.test("flush() gives up what is too old", async () => {
  using test = await bed(() => ({ outcome: "rate-limited", retryAfter: 1e6 }));
  await test.fanOut.add(subscriptions(300), null, { maxAge: 200 });
  const { failed } = await test.fanOut.flush();
  assertEquals(failed, { expired: 300 });
  assertEquals(test.failed.length, 300);
});

Deno.test("flush() leaves nothing behind but the job and its counts", async () => {
  using test = await bed(({ id }, attempt) =>
    id % 7 || attempt > 1 ? DELIVERED : { outcome: "unavailable" }
  );
  await test.fanOut.add(subscriptions(500), null, { id: "a" });
  await test.fanOut.flush();
  assertEquals((await test.keys()).toSorted(), ["count", "job"]);
  assertEquals(await test.fanOut.cancel("a"), true);
  assertEquals(await test.keys(), []);
});

Deno.test("flush() shares the work with others", async () => {
  using test = await bed(async () => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    return DELIVERED;
  }, { concurrency: 8 });
  await test.fanOut.add(subscriptions(3_000), null, { id: "a" });
  const all = await Promise.all([1, 2, 3].map(() => test.make().flush()));
  const total = all.reduce((sum, { delivered }) => sum + delivered, 0);
  assertEquals(total, 3_000);
  assertEquals((await test.fanOut.status("a"))?.delivered, 3_000);
  assertEquals([...test.sent.values()], Array(3_000).fill(1));
});

Deno.test("flush() rejects with the reason of an already aborted signal", async () => {
  using test = await bed();
  await test.fanOut.add(subscriptions(3), null);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => test.fanOut.flush({ signal }), Error, "enough");
  assertEquals(test.sent.size, 0);
});

Deno.test("flush() ends what is on its way before it rejects, and leaves the rest", async () => {
  const controller = new AbortController();
  using test = await bed(async ({ id }) => {
    if (id === 150) controller.abort(new Error("enough"));
    await new Promise((resolve) => setTimeout(resolve, 5));
    return DELIVERED;
  }, { concurrency: 10 });
  await test.fanOut.add(subscriptions(1_000), null, { id: "a" });
  const { signal } = controller;
  await assertRejects(() => test.fanOut.flush({ signal }), Error, "enough");
  const { left = 0 } = await test.fanOut.status("a") ?? {};
  assertEquals(left, 1_000 - test.sent.size);
  assert(left > 0);
  await test.fanOut.flush();
  assertEquals([...test.sent.values()], Array(1_000).fill(1));
});

Deno.test("flush() sends on after the queue has failed, and repeats only what was on its way", async () => {
  for (let step = 1; step < 30; step += 2) {
    let commits = -Infinity;
    using test = await bed(
      () => DELIVERED,
      { concurrency: 20, lease: 100 },
      (queue) => ({
        ...queue,
        async commit(change) {
          if (++commits === step) throw new Error("killed");
          // What is after it never comes to be, as if the process was gone.
          if (commits > step) throw new Error("killed");
          return await queue.commit(change);
        },
      }),
    );
    await test.fanOut.add(subscriptions(400), null, { id: "a" });
    commits = 0;
    await test.fanOut.flush().catch(() => {});
    commits = -Infinity;
    await test.make().flush();
    const twice = [...test.sent.values()].filter((count) => count > 1);
    assertEquals(test.sent.size, 400, `step ${step}`);
    assert(twice.length <= 20, `step ${step}: ${twice.length}`);
    const { delivered, left } = await test.fanOut.status("a") ?? {};
    assertEquals([delivered, left], [400, 0], `step ${step}`);
  }
});

Deno.test("flush() goes on with its counts when it takes over from another", async () => {
  using test = await bed(({ id }) => id % 10 ? DELIVERED : GONE);
  await test.fanOut.add(subscriptions(200), null, { id: "a" });
  await test.fanOut.flush();
  const { delivered, gone } = await test.make().status("a") ?? {};
  assertEquals([delivered, gone], [180, 20]);
});

Deno.test("add() goes on after the last subscription that was stored", async () => {
  using test = await bed();
  const all = subscriptions(8_000).map((subscription) => ({
    ...subscription,
    keys: "k".repeat(150),
  }));
  const asked: (number | undefined)[] = [];
  let broken = true;
  async function* source(after: Subscription | undefined) {
    asked.push(after?.id);
    for (const subscription of all.slice((after?.id ?? -1) + 1)) {
      if (broken && subscription.id === 7_000) throw new Error("killed");
      yield subscription;
    }
    await undefined;
  }
  const add = () => test.fanOut.add(source, null, { id: "a" });
  await assertRejects(add, Error, "killed");
  assertEquals((await test.fanOut.status("a"))?.complete, false);
  broken = false;
  await add();
  await add();
  assertEquals(asked.length, 2);
  assert((asked[1] ?? 0) > 1_000, `${asked[1]}`);
  await test.fanOut.flush();
  assertEquals(test.sent.size, 8_000);
  assertEquals([...test.sent.values()], Array(8_000).fill(1));
});

Deno.test("add() rejects when it cannot go on with a list", async () => {
  using test = await bed();
  function* source() {
    yield* subscriptions(9_000);
    throw new Error("killed");
  }
  await assertRejects(
    () => test.fanOut.add(source(), null, { id: "a" }),
    Error,
    "killed",
  );
  const error = await assertRejects(
    () => test.fanOut.add(source(), null, { id: "a" }),
    DOMException,
    'Cannot add to the job "a": some were added before',
  );
  assertEquals(error.name, "InvalidStateError");
});

Deno.test("add() rejects a message that cannot be stored", async () => {
  using test = await bed();
  for (const message of [() => {}, "x".repeat(50_000)]) {
    await assertRejects(
      () => test.fanOut.add([], message),
      TypeError,
      "Cannot add the message",
    );
  }
});

Deno.test("add() lets a message live for ever, but not for no time", async () => {
  using test = await bed();
  await test.fanOut.add(subscriptions(1), null, { maxAge: Infinity });
  assertEquals((await test.fanOut.flush()).delivered, 1);
  for (const maxAge of [0, NaN]) {
    await assertRejects(
      () => test.fanOut.add([], null, { maxAge }),
      RangeError,
      `'maxAge' must be positive, current value is ${maxAge}`,
    );
  }
});

Deno.test("add() rejects with the reason of a signal aborted later", async () => {
  using test = await bed();
  const controller = new AbortController();
  const { signal } = controller;
  async function* source(): AsyncGenerator<Subscription> {
    yield { endpoint: "https://push.example/1", id: 1 };
    controller.abort(new Error("enough"));
    await new Promise(() => {});
  }
  await assertRejects(
    () => test.fanOut.add(source(), null, { signal }),
    Error,
    "enough",
  );
});

Deno.test("add() counts as gone what is too large to be a subscription", async () => {
  using test = await bed();
  const huge = {
    endpoint: `https://push.example/${"x".repeat(20_000)}`,
    id: 9,
  };
  await test.fanOut.add([huge, ...subscriptions(2)], null, { id: "a" });
  await test.fanOut.flush();
  const { delivered, gone, left } = await test.fanOut.status("a") ?? {};
  assertEquals([delivered, gone, left], [2, 1, 0]);
  assertEquals(test.gone, [9]);
});

Deno.test("add() takes what is no endpoint, and text in any script", async () => {
  using test = await bed(({ endpoint }) =>
    endpoint.includes("漢") ? DELIVERED : { outcome: "invalid" }
  );
  const text = "漢".repeat(1_000);
  const all = subscriptions(200).map(({ id }) => ({
    id,
    endpoint: id ? `https://push.example/${text}` : "nonsense",
  }));
  await test.fanOut.add(all, null);
  const { delivered, gone } = await test.fanOut.flush();
  assertEquals([delivered, gone], [199, 1]);
});

Deno.test("add() takes as many services as subscriptions", async () => {
  using test = await bed();
  await test.fanOut.add(
    subscriptions(1_000, (id) => `https://push${id}.example`),
    null,
  );
  assertEquals((await test.fanOut.flush()).delivered, 1_000);
});

Deno.test("cancel() keeps what is left from being sent", async () => {
  using test = await bed();
  await test.fanOut.add(subscriptions(300), null, { id: "a" });
  await test.fanOut.add(subscriptions(5), null, { id: "b" });
  assertEquals(await test.fanOut.cancel("a"), true);
  assertEquals(await test.fanOut.cancel("a"), false);
  assertEquals(await test.fanOut.status("a"), undefined);
  assertEquals((await test.fanOut.flush()).delivered, 5);
  await test.fanOut.cancel("b");
  assertEquals(await test.keys(), []);
});

Deno.test("cancel() leaves nothing behind of a job that is being sent", async () => {
  const half = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<void>();
  using test = await bed(async ({ id }) => {
    if (id >= 150) {
      half.resolve();
      await cancelled.promise;
    }
    return id % 2 ? DELIVERED : { outcome: "rate-limited" };
  });
  await test.fanOut.add(subscriptions(300), null, { id: "a" });
  const flushing = test.fanOut.flush();
  await half.promise;
  assertEquals(await test.fanOut.cancel("a"), true);
  cancelled.resolve();
  await flushing;
  assertEquals(await test.keys(), []);
});

Deno.test("watch() follows a job to its end", async () => {
  using test = await bed();
  await test.fanOut.add(subscriptions(300), null, { id: "a" });
  const seen: number[] = [];
  for await (const { left } of test.fanOut.watch("a")) {
    if (seen.push(left) === 1) await test.fanOut.flush();
  }
  assertEquals(seen, [300, 0]);
});

Deno.test("watch() rejects with the reason of a signal aborted later", async () => {
  using test = await bed();
  await test.fanOut.add(subscriptions(1), null, { id: "a" });
  const controller = new AbortController();
  const { signal } = controller;
  const states = test.fanOut.watch("a", { signal });
  await states.next();
  const next = states.next();
  controller.abort(new Error("enough"));
  await assertRejects(() => next, Error, "enough");
});

Deno.test("createFanOut() rejects numbers that are none", () => {
  const queue = {} as FanOutQueue;
  for (const name of ["concurrency", "attempts", "lease"]) {
    assertThrows(
      () => createFanOut(queue, () => Promise.reject(), { [name]: 0 }),
      RangeError,
      `'${name}' must be a positive integer, current value is 0`,
    );
  }
});

/** A queue that takes no time. */
function memoryQueue(): FanOutQueue {
  const table = new Map<string, FanOutEntry>();
  let versions = 0;
  return {
    get: (keys) => Promise.resolve(keys.map((key) => table.get(key))),
    list({ start, end, limit }) {
      const found = [...table.values()]
        .filter(({ key }) => key >= start && key < end)
        .sort((a, b) => a.key < b.key ? -1 : 1);
      return Promise.resolve(found.slice(0, limit));
    },
    commit({ check, delete: removed, set }) {
      const isAsSaid = check.every(([key, version]) =>
        (table.get(key)?.version ?? null) === version
      );
      if (!isAsSaid) return Promise.resolve(undefined);
      const version = String(++versions);
      for (const key of removed) table.delete(key);
      for (const [key, value] of set) table.set(key, { key, value, version });
      return Promise.resolve(version);
    },
  };
}

/** Lets time pass until a promise settles. */
async function during<T>(time: FakeTime, promise: Promise<T>): Promise<T> {
  let isOver = false;
  const ended = () => void (isOver = true);
  promise.then(ended, ended);
  await time.runMicrotasks();
  while (!isOver) await time.nextAsync();
  return await promise;
}

function after<R>(milliseconds: number, result: R): Promise<R> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, result));
}

Deno.test("flush() keeps from others what it is sending, however long that takes", async () => {
  using time = new FakeTime();
  const queue = memoryQueue();
  const sent: string[] = [];
  const make = () =>
    createFanOut<Subscription>(queue, ({ endpoint }) => {
      sent.push(endpoint);
      return after(50_000, DELIVERED);
    });
  const [one, other] = [make(), make()];
  await one.add(subscriptions(10), null);
  const flushing = Promise.all([one.flush(), other.flush()]);
  const [{ delivered }, counts] = await during(time, flushing);
  assertEquals(delivered + counts.delivered, 10);
  assertEquals(sent.length, 10);
});

Deno.test("flush() leaves to others what they have taken over, and that alone", async () => {
  using time = new FakeTime();
  const queue = memoryQueue();
  const gate = Promise.withResolvers<void>();
  const sent: string[] = [];
  const fanOut = createFanOut<Subscription>(queue, async ({ endpoint }) => {
    sent.push(endpoint);
    await gate.promise;
    return DELIVERED;
  }, { concurrency: 200 });
  await fanOut.add(subscriptions(200), null, { id: "a" });
  const flushing = fanOut.flush();
  while (sent.length < 200) await time.nextAsync();
  // Another takes one of the two batches, and is never heard of again.
  const range = { start: "fan-out/default/at/", end: "fan-out/default/at0" };
  const [taken] = await queue.list({ ...range, limit: 1 });
  assert(taken);
  const { key, value } = taken;
  await queue.commit({ check: [], delete: [], set: [[key, value]] });
  gate.resolve();
  const { delivered } = await during(time, flushing);
  assertEquals([delivered, sent.length, new Set(sent).size], [200, 300, 200]);
  const status = await fanOut.status("a");
  assertEquals([status?.delivered, status?.left], [200, 0]);
});

Deno.test("flush() ends where nobody can be told of a failure", async () => {
  using time = new FakeTime();
  const fanOut = createFanOut<Subscription>(
    memoryQueue(),
    () => Promise.resolve({ outcome: "rate-limited", retryAfter: 1_000 }),
    { onFailed: () => Promise.reject(new Error("away")) },
  );
  await fanOut.add(subscriptions(3), null, { maxAge: 10_000 });
  const { failed } = await during(time, fanOut.flush());
  assertEquals(failed, { expired: 3 });
});

Deno.test("flush() leaves a service alone for failures in a row, not for many in all", async () => {
  using time = new FakeTime();
  const begin = Date.now();
  const asked = new Map<number, number>();
  const fanOut = createFanOut<Subscription>(memoryQueue(), ({ id }) => {
    const isFirst = !asked.has(id);
    if (isFirst) asked.set(id, Date.now() - begin);
    const isBad = isFirst && id % 10 === 9;
    return after(5, isBad ? { outcome: "unavailable" } : DELIVERED);
  }, { concurrency: 10, backoff: () => 60_000 });
  await fanOut.add(subscriptions(400), null);
  const { delivered, retried } = await during(time, fanOut.flush());
  assertEquals([delivered, retried], [400, 40]);
  assert(Math.max(...asked.values()) < 60_000);
});

Deno.test("flush() has services that never answer keep out no others for long", async () => {
  using time = new FakeTime();
  const begin = Date.now();
  const controller = new AbortController();
  const askedAfter = new Map<string, number>();
  const fanOut = createFanOut<Subscription>(memoryQueue(), ({ endpoint }) => {
    const { host } = new URL(endpoint);
    if (!host.startsWith("z")) return new Promise(() => {});
    askedAfter.set(host, Date.now() - begin);
    if (askedAfter.size === 2) controller.abort();
    return Promise.resolve(DELIVERED);
  });
  const origin = (id: number) =>
    `https://${id < 200 ? id : id === 200 ? "z-one" : "z-many"}.example`;
  await fanOut.add(subscriptions(211, origin), null);
  const { signal } = controller;
  const flushing = fanOut.flush({ signal }).catch(() => {});
  await during(time, flushing);
  const [many = 0, one = 0] = ["z-many", "z-one"]
    .map((name) => askedAfter.get(`${name}.example`));
  assert(many < 2_000, `${many}`);
  // Each of the 64 places is free after a minute.
  assert(one < 250_000, `${one}`);
});

Deno.test("flush() halves what is on its way once for what is limited at once, and remembers that", async () => {
  using time = new FakeTime();
  const begin = Date.now();
  let [flying, most] = [0, 0];
  const fanOut = createFanOut<Subscription>(memoryQueue(), async () => {
    const isEarly = Date.now() === begin;
    flying++;
    if (!isEarly) most = Math.max(most, flying);
    const limited = { outcome: "rate-limited", retryAfter: 1_000 };
    const answer = await after(50, isEarly ? limited : DELIVERED);
    flying--;
    return answer;
  }, { concurrency: 64, backoff: () => 1 });
  await fanOut.add(subscriptions(100), null);
  const { delivered } = await during(time, fanOut.flush());
  assertEquals(delivered, 100);
  assert(most >= 32 && most < 64, `${most}`);
});

Deno.test("flush() gives what is on its way five seconds when its signal is aborted", async () => {
  using time = new FakeTime();
  const reasons: unknown[] = [];
  const fanOut = createFanOut<Subscription>(
    memoryQueue(),
    (_subscription, _message, { signal }) => {
      signal.addEventListener("abort", () => reasons.push(signal.reason));
      return new Promise(() => {});
    },
  );
  await fanOut.add(subscriptions(3), null, { id: "a" });
  const controller = new AbortController();
  const flushing = fanOut.flush({ signal: controller.signal });
  await time.runMicrotasks();
  const reason = new Error("enough");
  controller.abort(reason);
  const begin = Date.now();
  const error = await assertRejects(() => during(time, flushing));
  assertStrictEquals(error, reason);
  const passed = Date.now() - begin;
  assert(passed >= 5_000 && passed < 6_000, `${passed}`);
  assertEquals(reasons, [reason, reason, reason]);
  const { left, retried } = await fanOut.status("a") ?? {};
  // No attempt is used up.
  assertEquals([left, retried], [3, 0]);
});

/** Who is killed at which step of all, and whether what it asked for last is done. */
interface Death {
  who: readonly string[];
  at: number;
  isDone: boolean;
}

/** Gives each process its queue, and counts the steps of all. */
function mortals(
  queue: FanOutQueue,
  { who, at, isDone }: Death,
  onStep: (step: number) => void = () => {},
) {
  let steps = 0;
  return {
    /** Whether somebody is dead. */
    get hasDied() {
      return steps >= at;
    },
    queueOf(name: string): FanOutQueue {
      const step = async <R>(work: () => Promise<R>): Promise<R> => {
        const now = ++steps;
        onStep(now);
        if (now < at || !who.includes(name)) return await work();
        // Nobody is told.
        if (now === at && isDone) await work();
        throw new Error("killed");
      };
      return {
        get: (keys) => step(() => queue.get(keys)),
        list: (range) => step(() => queue.list(range)),
        commit: (change) => step(() => queue.commit(change)),
      };
    },
  };
}

/** All deaths at the steps from one on, up to some. */
function deaths(who: readonly string[], from: number, to: number): Death[] {
  return Array.from({ length: 2 * (to - from) }, (_, index) => ({
    who,
    at: from + (index >> 1),
    isDone: index % 2 === 1,
  }));
}

Deno.test("cancel() leaves nothing behind wherever a process is killed", async () => {
  using time = new FakeTime();
  const deliver = () => after(5, DELIVERED);
  const options = { concurrency: 3, lease: 3_000 };
  const last = 28;
  let unharmed = 0;
  const run = async (cancelsAt: number, death: Death) => {
    const queue = memoryQueue();
    let cancelling: Promise<unknown> | undefined;
    const processes = mortals(queue, death, (step) => {
      if (step !== cancelsAt) return;
      cancelling = createFanOut(processes.queueOf("cancels"), deliver)
        .cancel("a").catch(() => {});
    });
    const fanOut = createFanOut(queue, deliver, options);
    const origin = (id: number) => `https://push${id % 2}.example`;
    await fanOut.add(subscriptions(9, origin), null, { id: "a" });
    await createFanOut(processes.queueOf("sends"), deliver, options)
      .flush().catch(() => {});
    await cancelling;
    // It may have come no further than to ask whether there is such a job.
    if (!cancelling || processes.hasDied) await fanOut.cancel("a");
    if (processes.hasDied) await fanOut.flush();
    else unharmed++;
    const left = await queue.list({ start: "", end: "~", limit: 100 });
    const what =
      `${death.who} killed at ${death.at}, cancelled at ${cancelsAt}`;
    assertEquals(left.map(({ key }) => key), [], what);
  };
  for (const who of [["sends"], ["cancels"], ["sends", "cancels"]]) {
    for (let cancelsAt = 1; cancelsAt < last; cancelsAt++) {
      const runs = deaths(who, cancelsAt + 1, last + 1)
        .map((death) => run(cancelsAt, death));
      await during(time, Promise.all(runs));
    }
  }
  // The last step was among them.
  assert(unharmed > 0);
});

Deno.test("flush() removes what a killed cancel() has left, though it is killed as well", async () => {
  using time = new FakeTime();
  const deliver = () => after(5, DELIVERED);
  let unharmed = 0;
  const run = async (death: Death) => {
    const queue = memoryQueue();
    const fanOut = createFanOut<Subscription>(queue, deliver);
    await fanOut.add(subscriptions(3), null, { id: "a" });
    await fanOut.flush();
    // It was looked for, and is cancelled.
    const atOnce = { who: ["cancels"], at: 2, isDone: true };
    const cancels = mortals(queue, atOnce).queueOf("cancels");
    await createFanOut(cancels, deliver).cancel("a").catch(() => {});
    assertEquals(await fanOut.status("a"), undefined);
    const range = { start: "", end: "~", limit: 10 };
    assertEquals((await queue.list(range)).length, 3);
    const processes = mortals(queue, death);
    await createFanOut(processes.queueOf("sends"), deliver)
      .flush().catch(() => {});
    if (processes.hasDied) await fanOut.flush();
    else unharmed++;
    assertEquals(await queue.list(range), [], `killed at ${death.at}`);
  };
  await during(time, Promise.all(deaths(["sends"], 1, 14).map(run)));
  assert(unharmed > 0);
});

Deno.test("cancel() keeps a process from sending what it has taken", async () => {
  using time = new FakeTime();
  const hour = 3_600_000;
  let asked = 0;
  const fanOut = createFanOut<Subscription>(memoryQueue(), () => {
    asked++;
    return Promise.resolve({ outcome: "rate-limited", retryAfter: hour });
  }, { concurrency: 2 });
  await fanOut.add(subscriptions(50), null, { id: "a" });
  const begin = Date.now();
  const flushing = fanOut.flush();
  while (asked < 2) await time.nextAsync();
  await fanOut.cancel("a");
  await during(time, flushing);
  assertEquals(asked, 2);
  // It asks after each third of its lease.
  const passed = Date.now() - begin;
  assert(passed < 12_000, `${passed}`);
});

Deno.test("cancel() forgets what was added again meanwhile", async () => {
  const stored = memoryQueue();
  const deliver = () => Promise.resolve(DELIVERED);
  const other = createFanOut<Subscription>(stored, deliver);
  await other.add(subscriptions(3), 1, { id: "a" });
  let isFirst = true;
  const fanOut = createFanOut<Subscription>({
    ...stored,
    async get(keys) {
      const found = await stored.get(keys);
      if (isFirst) {
        isFirst = false;
        await other.cancel("a");
        await other.add(subscriptions(3), 2, { id: "a" });
        await other.flush();
      }
      return found;
    },
  }, deliver);
  assertEquals(await fanOut.cancel("a"), true);
  const range = { start: "", end: "~", limit: 10 };
  assertEquals(await stored.list(range), []);
});

Deno.test("cancel() forgets a job that was sent in very many calls", async () => {
  using test = await bed();
  await test.fanOut.add(subscriptions(1), null, { id: "a" });
  await test.fanOut.flush();
  const range = { start: "fan-out/default/count/", end: "fan-out/default/d" };
  const [count] = await test.queue.list({ ...range, limit: 1 });
  assert(count);
  for (let round = 0; round < 12; round++) {
    const set = Array.from(
      { length: 100 },
      (_, index) =>
        [`${count.key}-${round}-${index}`, "{}"] as [string, string],
    );
    await test.queue.commit({ check: [], delete: [], set });
  }
  assertEquals(await test.fanOut.cancel("a"), true);
  assertEquals(await test.keys(), []);
});

Deno.test("flush() sends once what is added meanwhile", async () => {
  using time = new FakeTime();
  const sent = new Map<number, number>();
  const fanOut = createFanOut<Subscription>(memoryQueue(), ({ id }) => {
    sent.set(id, (sent.get(id) ?? 0) + 1);
    return after(1, DELIVERED);
  });
  const padding = "x".repeat(8_000);
  async function* source() {
    for (const subscription of subscriptions(1_000)) {
      if (subscription.id % 10 === 0) await after(1, null);
      yield { ...subscription, padding };
    }
  }
  let isAdding = true;
  const adding = fanOut.add(source(), null, { id: "a" })
    .finally(() => isAdding = false);
  const flushing = (async () => {
    while (isAdding) {
      await fanOut.flush();
      await after(1, null);
    }
    await fanOut.flush();
  })();
  await during(time, Promise.all([adding, flushing]));
  assertEquals([...sent.values()], Array(1_000).fill(1));
  const { delivered, left } = await fanOut.status("a") ?? {};
  assertEquals([delivered, left], [1_000, 0]);
});

Deno.test("flush() reaches all wherever a process is killed, and repeats only what was on its way", async () => {
  using time = new FakeTime();
  const options = { concurrency: 3, lease: 3_000, ...QUICK };
  const last = 45;
  let unharmed = 0;
  const run = async (death: Death) => {
    const sent = new Map<number, number>();
    const queue = memoryQueue();
    const processes = mortals(queue, death);
    const make = (queue: FanOutQueue) =>
      createFanOut<Subscription>(queue, ({ id }) => {
        const attempt = (sent.get(id) ?? 0) + 1;
        if (id !== 7) sent.set(id, attempt);
        return after(5, id === 7 ? { outcome: "misconfigured" } : DELIVERED);
      }, options);
    const origin = (id: number) => `https://push${id % 2}.example`;
    await make(queue).add(subscriptions(30, origin), null, { id: "a" });
    await make(processes.queueOf("sends")).flush().catch(() => {});
    if (processes.hasDied) await make(queue).flush();
    else unharmed++;
    const what = `killed at ${death.at}`;
    assertEquals(sent.size, 29, what);
    const twice = [...sent.values()].filter((count) => count > 1);
    assert(twice.length <= 6, `${what}: ${twice.length}`);
    const { delivered, failed, left } = await make(queue).status("a") ?? {};
    assertEquals(
      [delivered, failed, left],
      [29, { misconfigured: 1 }, 0],
      what,
    );
  };
  await during(time, Promise.all(deaths(["sends"], 1, last).map(run)));
  assert(unharmed > 0);
});

Deno.test("add() stores each once wherever a process is killed", async () => {
  using time = new FakeTime();
  const padding = "x".repeat(8_000);
  const all = subscriptions(120).map((one) => ({ ...one, padding }));
  let unharmed = 0;
  const run = async (death: Death) => {
    const sent = new Map<number, number>();
    const queue = memoryQueue();
    const processes = mortals(queue, death);
    const make = (queue: FanOutQueue) =>
      createFanOut<Subscription>(queue, ({ id }) => {
        sent.set(id, (sent.get(id) ?? 0) + 1);
        return Promise.resolve(DELIVERED);
      });
    const source = (last?: Subscription) => all.slice((last?.id ?? -1) + 1);
    await make(processes.queueOf("adds"))
      .add(source, null, { id: "a" }).catch(() => {});
    if (!processes.hasDied) unharmed++;
    await make(queue).add(source, null, { id: "a" });
    await make(queue).flush();
    const what = `killed at ${death.at}`;
    assertEquals([...sent.values()], Array(120).fill(1), what);
    const { added, left } = await make(queue).status("a") ?? {};
    assertEquals([added, left], [120, 0], what);
  };
  await during(time, Promise.all(deaths(["adds"], 1, 8).map(run)));
  assert(unharmed > 0);
});

Deno.test("flush() forgets a time that was none", async () => {
  using time = new FakeTime();
  const asked: number[] = [];
  const fanOut = createFanOut<Subscription>(memoryQueue(), ({ id }) => {
    asked.push(id);
    return Promise.resolve(
      id === 0
        ? { outcome: "rate-limited", retryAfter: NaN }
        : asked.length < 4
        ? { outcome: "unavailable" }
        : DELIVERED,
    );
  }, { concurrency: 1, ...QUICK });
  await fanOut.add(subscriptions(3), null);
  const { delivered, failed } = await during(time, fanOut.flush());
  assertEquals([delivered, failed], [2, { expired: 1 }]);
});

Deno.test("flush() ends though a callback does not", async () => {
  using time = new FakeTime();
  for (const answer of [GONE, { outcome: "misconfigured" }]) {
    const never = () => new Promise<never>(() => {});
    const fanOut = createFanOut<Subscription>(
      memoryQueue(),
      () => Promise.resolve(answer),
      { onGone: never, onFailed: never },
    );
    await fanOut.add(subscriptions(3), null, { id: "a" });
    const controller = new AbortController();
    const flushing = fanOut.flush({ signal: controller.signal });
    await time.runMicrotasks();
    const reason = new Error("enough");
    controller.abort(reason);
    const begin = Date.now();
    let passed = 0;
    const ended = flushing.catch((error) => {
      passed = Date.now() - begin;
      return error;
    });
    const limit = after(60_000, "still there");
    const first = await during(time, Promise.race([ended, limit]));
    assertStrictEquals(first, reason);
    assert(passed >= 5_000 && passed < 6_000, `${passed}`);
    assertEquals((await fanOut.status("a"))?.left, 3);
  }
});

Deno.test("flush() calls again after a minute what does not end", async () => {
  using time = new FakeTime();
  let calls = 0;
  const fanOut = createFanOut<Subscription>(
    memoryQueue(),
    () => Promise.resolve(GONE),
    { onGone: () => ++calls === 1 ? new Promise(() => {}) : undefined },
  );
  await fanOut.add(subscriptions(1), null);
  const limit = after(120_000, undefined);
  const ended = Promise.race([fanOut.flush(), limit]);
  assertEquals((await during(time, ended))?.gone, 1);
  assertEquals(calls, 2);
});

Deno.test("status() counts no more than was added", async () => {
  const stored = memoryQueue();
  const deliver = () => Promise.resolve(DELIVERED);
  const other = createFanOut<Subscription>(stored, deliver);
  const padding = "x".repeat(8_000);
  const all = subscriptions(100).map((one) => ({ ...one, padding }));
  let isBroken = true;
  function* source(last?: Subscription) {
    for (const one of all.slice((last?.id ?? -1) + 1)) {
      if (isBroken && one.id === 90) throw new Error("killed");
      yield one;
    }
  }
  const add = () => other.add(source, null, { id: "a" });
  await assertRejects(add, Error, "killed");
  await other.flush();
  isBroken = false;
  const { status } = createFanOut<Subscription>({
    ...stored,
    async list(range) {
      await add();
      await other.flush();
      return await stored.list(range);
    },
  }, deliver);
  const { added, delivered, left } = await status("a") ?? {};
  assertEquals([added, delivered, left], [100, 100, 0]);
});

Deno.test("add() holds nothing of what it has stored", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const fanOut = createFanOut<Subscription>(
    memoryQueue(),
    () => Promise.resolve(DELIVERED),
  );
  const padding = "x".repeat(8_000);
  let first: WeakRef<Subscription> | undefined;
  async function* source() {
    for (const subscription of subscriptions(100)) {
      const padded = { ...subscription, padding };
      first ??= new WeakRef(padded);
      yield padded;
    }
    await new Promise((resolve) => setTimeout(resolve));
    collect();
    assertEquals(first?.deref(), undefined);
  }
  await fanOut.add(source(), null, { signal: new AbortController().signal });
});

Deno.test("add() rejects where another adds to the same job", async () => {
  const fanOut = createFanOut<Subscription>(
    memoryQueue(),
    () => Promise.resolve(DELIVERED),
  );
  const add = () => fanOut.add(subscriptions(3), null, { id: "a" });
  const [first, second] = await Promise.allSettled([add(), add()]);
  assertEquals(first?.status, "fulfilled");
  assert(second?.status === "rejected");
  assertEquals(second.reason.name, "InvalidStateError");
  assertEquals((await fanOut.status("a"))?.added, 3);
  assertEquals((await fanOut.flush()).delivered, 3);
});

Deno.test("flush() waits longer after each failure of a subscription", async () => {
  using time = new FakeTime();
  const asked: number[] = [];
  const fanOut = createFanOut<Subscription>(memoryQueue(), () => {
    asked.push(Date.now());
    return Promise.resolve({ outcome: "unavailable" });
  });
  await fanOut.add(subscriptions(1), null);
  const { failed } = await during(time, fanOut.flush());
  assertEquals(failed, { unavailable: 1 });
  assertEquals(asked.length, 8);
  for (let i = 1; i < asked.length; i++) {
    const waited = (asked[i] ?? 0) - (asked[i - 1] ?? 0);
    const most = 1_000 * 2 ** (i - 1);
    // It looks each second.
    assert(waited >= most / 2 && waited <= most + 2_000, `${i}: ${waited}`);
  }
});

Deno.test("flush() asks nobody again before the time that was asked for", async () => {
  using time = new FakeTime();
  const asked = new Map<number, number[]>();
  const fanOut = createFanOut<Subscription>(memoryQueue(), ({ id }) => {
    const times = asked.get(id) ?? [];
    asked.set(id, [...times, Date.now()]);
    // The second comes during the pause that the first has made.
    const retryAfter = id === 0 ? 1_000 : 10_000;
    const limited = { outcome: "rate-limited", retryAfter };
    return after(1 + id, times.length === 0 ? limited : DELIVERED);
  }, QUICK);
  await fanOut.add(subscriptions(2), null);
  const { delivered } = await during(time, fanOut.flush());
  assertEquals(delivered, 2);
  const [first = 0, second = 0] = asked.get(1) ?? [];
  assert(second - first >= 10_000, `${second - first}`);
});

Deno.test("watch() gives what has changed alone", async () => {
  using time = new FakeTime();
  const fanOut = createFanOut<Subscription>(
    memoryQueue(),
    () => Promise.resolve(DELIVERED),
  );
  await fanOut.add(subscriptions(3), null, { id: "a" });
  const states = fanOut.watch("a");
  assertEquals((await states.next()).value?.left, 3);
  const next = states.next();
  const begin = Date.now();
  while (Date.now() < begin + 3_000) await time.nextAsync();
  await during(time, fanOut.flush());
  assertEquals((await during(time, next)).value?.left, 0);
  assertEquals((await during(time, states.next())).done, true);
});

Deno.test("kvQueue() tries again while another process writes to the file, and only then", async () => {
  const kv = await Deno.openKv(":memory:");
  const errors = [new Error("database is locked"), new Error("other")];
  const queue = kvQueue({
    getMany: (keys) => {
      const error = errors.shift();
      return error ? Promise.reject(error) : kv.getMany(keys);
    },
    list: (selector, options) => kv.list(selector, options),
    atomic: () => kv.atomic(),
  });
  await assertRejects(() => queue.get(["a"]), Error, "other");
  errors.push(new Error("database is locked"));
  assertEquals(await queue.get(["a"]), [undefined]);
  kv.close();
});
