// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { sharedSource, type SharedSourceOptions } from "./shared_source.ts";

const realTimeout = setTimeout;

/** A source whose values the test gives out by hand. */
class Source {
  readonly name = crypto.randomUUID();
  /** What each start of the source was given, and what it waits for. */
  readonly starts: { signal: AbortSignal; give: ReturnType<typeof gate> }[] =
    [];

  produce = async function* (
    this: Source,
    signal: AbortSignal,
  ): AsyncGenerator<unknown> {
    const give = gate();
    signal.addEventListener("abort", () => give.end());
    this.starts.push({ signal, give });
    while (true) {
      const step = await give.next();
      if (step === undefined) return;
      if ("error" in step) throw step.error;
      yield step.value;
    }
  }.bind(this);

  /** Follows it in a page of its own. */
  open(options: SharedSourceOptions & { follow?: boolean } = {}) {
    const { follow = false, ...rest } = options;
    const page = new EventTarget();
    const values = sharedSource(
      this.name,
      follow ? undefined : this.produce,
      { page, ...rest },
    )[Symbol.asyncIterator]();
    return {
      next: async () => (await values.next()).value,
      values,
      /** Dispatches what the browser dispatches to the page. */
      dispatch: (type: string) => page.dispatchEvent(new Event(type)),
      close: async () => void await values.return?.(),
    };
  }

  /** How many locks of it are held and waited for; other test files have some too. */
  async locks() {
    const { held = [], pending = [] } = await navigator.locks.query();
    const ours = ({ name }: LockInfo) => name?.endsWith(this.name);
    return {
      held: held.filter(ours).length,
      pending: pending.filter(ours).length,
    };
  }

  /** Resolves once the source was started `count` times. */
  async started(count: number) {
    while (this.starts.length < count) await tick();
    const { signal, give } = this.starts[count - 1]!;
    return { signal, ...give };
  }
}

type Step = { value: unknown } | { error: unknown } | undefined;

/** A queue between the test and a producer. */
function gate() {
  const steps: Step[] = [];
  let wake = () => {};
  const push = (step: Step) => {
    steps.push(step);
    wake();
  };
  return {
    value: (value: unknown) => push({ value }),
    error: (error: unknown) => push({ error }),
    end: () => push(undefined),
    async next(): Promise<Step> {
      while (steps.length === 0) {
        await new Promise<void>((resolve) => wake = resolve);
      }
      return steps.shift();
    },
  };
}

/** Lets pending messages and lock requests come through. */
function tick(): Promise<void> {
  return new Promise((resolve) => realTimeout(resolve, 5));
}

Deno.test("sharedSource() does nothing before it is iterated over", async () => {
  const source = new Source();
  sharedSource(source.name, source.produce);
  await tick();
  assertEquals(source.starts.length, 0);
});

Deno.test("sharedSource() produces once for all who follow", async () => {
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const { value } = await source.started(1);
  const values = Promise.all([a.next(), b.next()]);
  value({ n: 1 });
  assertEquals(await values, [{ n: 1 }, { n: 1 }]);
  assertEquals(source.starts.length, 1);
  await a.close();
  await b.close();
});

Deno.test("sharedSource() gives a late joiner the last value at once", async () => {
  const source = new Source();
  const a = source.open();
  const { value } = await source.started(1);
  value(1);
  assertEquals(await a.next(), 1);
  const b = source.open();
  assertEquals(await b.next(), 1);
  await a.close();
  await b.close();
});

Deno.test("sharedSource() gives every value once", async () => {
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const { value } = await source.started(1);
  value(1);
  assertEquals([await a.next(), await b.next()], [1, 1]);
  // The producer repeats its last value for the third.
  const c = source.open();
  assertEquals(await c.next(), 1);
  const next = Promise.all([a.next(), b.next(), c.next()]);
  value(2);
  assertEquals(await next, [2, 2, 2]);
  for (const page of [a, b, c]) await page.close();
});

Deno.test("sharedSource() keeps only the latest value for a busy consumer", async () => {
  const source = new Source();
  const [a, b, c] = [source.open(), source.open(), source.open()];
  const { value } = await source.started(1);
  for (const latest of [3, 6]) {
    for (const n of [latest - 2, latest - 1, latest]) {
      const next = c.next();
      value(n);
      assertEquals(await next, n);
    }
    assertEquals([await a.next(), await b.next()], [latest, latest]);
  }
  for (const page of [a, b, c]) await page.close();
});

Deno.test("sharedSource() answers several calls of next() in order", async () => {
  const source = new Source();
  const a = source.open();
  const { value } = await source.started(1);
  const values = Promise.all([a.next(), a.next()]);
  value(1);
  value(2);
  assertEquals(await values, [1, 2]);
  await a.close();
});

Deno.test("sharedSource() never produces without a producer of its own", async () => {
  const source = new Source();
  const worker = source.open({ follow: true });
  const next = worker.next();
  await tick();
  assertEquals(await source.locks(), { held: 0, pending: 0 });
  const page = source.open();
  const { value } = await source.started(1);
  value(1);
  assertEquals(await next, 1);
  await page.close();
  await worker.close();
});

Deno.test("sharedSource() hands over when its producer leaves", async () => {
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const first = await source.started(1);
  first.value(1);
  assertEquals(await b.next(), 1);
  await a.close();
  assert(first.signal.aborted);
  const second = await source.started(2);
  second.value(2);
  assertEquals(await b.next(), 2);
  await b.close();
});

Deno.test("sharedSource() gives the last value on after a hand-over", async () => {
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const { value } = await source.started(1);
  value(1);
  assertEquals(await b.next(), 1);
  await a.close();
  await source.started(2);
  const c = source.open();
  assertEquals(await c.next(), 1);
  await b.close();
  await c.close();
});

for (const [sleep, wake] of [["freeze", "resume"], ["pagehide", "pageshow"]]) {
  Deno.test(`sharedSource() hands over on ${sleep} and follows again on ${wake}`, async () => {
    const source = new Source();
    const [a, b] = [source.open(), source.open()];
    const first = await source.started(1);
    a.dispatch(sleep!);
    assert(first.signal.aborted);
    const second = await source.started(2);
    second.value(1);
    assertEquals(await b.next(), 1);
    a.dispatch(wake!);
    assertEquals(await a.next(), 1);
    // It waits for its turn again.
    await b.close();
    const third = await source.started(3);
    third.value(2);
    assertEquals(await a.next(), 2);
    await a.close();
  });

  Deno.test(`sharedSource() gives up its turn on ${sleep}`, async () => {
    const source = new Source();
    const [a, b, c] = [source.open(), source.open(), source.open()];
    await source.started(1);
    b.dispatch(sleep!);
    await a.close();
    const { value } = await source.started(2);
    const next = c.next();
    value(1);
    assertEquals(await next, 1);
    await b.close();
    await c.close();
  });
}

Deno.test("sharedSource() joins once where a page is resumed and shown", async () => {
  const source = new Source();
  const a = source.open();
  await source.started(1);
  for (const type of ["pagehide", "freeze", "resume", "pageshow"]) {
    a.dispatch(type);
  }
  const { value } = await source.started(2);
  value(1);
  assertEquals(await a.next(), 1);
  assertEquals(await source.locks(), { held: 1, pending: 0 });
  await a.close();
});

Deno.test("sharedSource() replaces a producer that no longer answers", async () => {
  using time = new FakeTime();
  const source = new Source();
  const hung = Promise.withResolvers<void>();
  const key = `@serviceworker/std/shared-source/${source.name}`;
  const lost = assertRejects(
    () => navigator.locks.request(key, () => hung.promise),
    DOMException,
  );
  const a = source.open();
  const follower = source.open({ follow: true });
  for (const ms of [2_000, 2_000, 1_999]) {
    time.tick(ms);
    await tick();
  }
  assertEquals(source.starts.length, 0);
  time.tick(1);
  const { value } = await source.started(1);
  value(1);
  assertEquals([await a.next(), await follower.next()], [1, 1]);
  assertEquals((await lost).name, "AbortError");
  hung.resolve();
  await a.close();
  await follower.close();
});

Deno.test("sharedSource() leaves a producer alone that still answers", async () => {
  using time = new FakeTime();
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const { signal } = await source.started(1);
  for (let seconds = 0; seconds < 20; seconds += 2) {
    time.tick(2_000);
    await tick();
  }
  assertEquals([signal.aborted, source.starts.length], [false, 1]);
  await a.close();
  await b.close();
});

Deno.test("sharedSource() follows again when its lock was taken away", async () => {
  const source = new Source();
  const a = source.open();
  const { signal } = await source.started(1);
  const key = `@serviceworker/std/shared-source/${source.name}`;
  const held = Promise.withResolvers<void>();
  const thief = navigator.locks.request(
    key,
    { steal: true },
    () => held.promise,
  );
  while (!signal.aborted) await tick();
  held.resolve();
  await thief;
  (await source.started(2)).value(1);
  assertEquals(await a.next(), 1);
  await a.close();
});

Deno.test("sharedSource() ends for all when the source ends", async () => {
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const { value, end } = await source.started(1);
  value(1);
  end();
  const all = [a, b].map(async (page) => [
    await page.values.next(),
    await page.values.next(),
  ]);
  for (const results of await Promise.all(all)) {
    assertEquals(results, [
      { done: false, value: 1 },
      { done: true, value: undefined },
    ]);
  }
  assertEquals(source.starts.length, 1);
});

Deno.test("sharedSource() starts anew for who follows after the end", async () => {
  const source = new Source();
  const a = source.open();
  (await source.started(1)).end();
  assertEquals((await a.values.next()).done, true);
  const b = source.open();
  (await source.started(2)).value(2);
  assertEquals(await b.next(), 2);
  await b.close();
});

Deno.test("sharedSource() gives nothing of what has ended", async () => {
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const { value, end } = await source.started(1);
  value("old");
  end();
  await b.next();
  assertEquals((await b.values.next()).done, true);
  const c = source.open();
  const next = c.next();
  (await source.started(2)).value("new");
  assertEquals(await next, "new");
  await a.close();
  await c.close();
});

Deno.test("sharedSource() drops what a producer yields after its turn", async () => {
  const source = new Source();
  const gates: { yields(): void; wait: Promise<void> }[] = [];
  const page = new EventTarget();
  // Deaf to its signal.
  async function* produce() {
    const n = gates.length;
    const { promise: wait, resolve: yields } = Promise.withResolvers<void>();
    gates.push({ yields, wait });
    await wait;
    yield n;
    await new Promise(() => {});
  }
  const values = sharedSource(source.name, produce, { page });
  const iterator = values[Symbol.asyncIterator]();
  while (gates.length < 1) await tick();
  page.dispatchEvent(new Event("freeze"));
  page.dispatchEvent(new Event("resume"));
  while (gates.length < 2) await tick();
  const next = iterator.next();
  gates[0]?.yields();
  await tick();
  gates[1]?.yields();
  assertEquals((await next).value, 1);
  await iterator.return?.();
});

Deno.test("sharedSource() passes the error of the source on to all", async () => {
  class SensorError extends Error {
    override name = "SensorError";
  }
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const failed = Promise.all(
    [a, b].map(({ values }) =>
      values.next().then(() => undefined, (error: SensorError) => error)
    ),
  );
  const thrown = new SensorError("No signal", {
    cause: new SensorError("Unplugged", {
      cause: new DOMException("Gone", "NotFoundError"),
    }),
  });
  (await source.started(1)).error(thrown);
  const [own, foreign] = await failed;
  assertStrictEquals(own, thrown);
  assertInstanceOf(foreign, Error);
  const cause = foreign.cause as Error;
  const root = cause.cause as DOMException;
  assertEquals(
    [foreign, cause, root].map(({ name, message }) => [name, message]),
    [
      ["SensorError", "No signal"],
      ["SensorError", "Unplugged"],
      ["NotFoundError", "Gone"],
    ],
  );
  assertEquals(foreign.stack, thrown.stack);
  assertInstanceOf(root, DOMException);
});

Deno.test("sharedSource() keeps the class of a built-in error", async () => {
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const failed = assertRejects(() => b.values.next(), RangeError, "Too far");
  (await source.started(1)).error(new RangeError("Too far"));
  await failed;
  await assertRejects(() => a.values.next(), RangeError);
});

for (const thrown of ["text", null, undefined, { code: 7 }]) {
  Deno.test(`sharedSource() passes ${JSON.stringify(thrown)} on when thrown`, async () => {
    const source = new Source();
    const [a, b] = [source.open(), source.open()];
    const ends = Promise.all(
      [a, b].map(({ values }) =>
        values.next().then(() => "none", (error: unknown) => ({ error }))
      ),
    );
    (await source.started(1)).error(thrown);
    assertEquals(await ends, [{ error: thrown }, { error: thrown }]);
  });
}

Deno.test("sharedSource() passes the text of an error on whose causes are circular", async () => {
  const circular = new Error("Circular");
  circular.cause = circular;
  const source = new Source();
  const [a, b] = [source.open(), source.open()];
  const own = a.values.next().catch((error: unknown) => error);
  const foreign = assertRejects(() => b.values.next(), Error, "Circular");
  (await source.started(1)).error(circular);
  await foreign;
  assertStrictEquals(await own, circular);
});

Deno.test("sharedSource() passes on what the producer throws at once", async () => {
  const name = crypto.randomUUID();
  const page = new EventTarget();
  const broken = sharedSource(name, () => {
    throw new TypeError("No sensor");
  }, { page });
  await assertRejects(() => Array.fromAsync(broken), TypeError, "No sensor");
});

Deno.test("sharedSource() delivers the last value before the error", async () => {
  const source = new Source();
  const a = source.open();
  const { value, error } = await source.started(1);
  value(1);
  error(new TypeError("No signal"));
  await tick();
  assertEquals(await a.next(), 1);
  await assertRejects(() => a.values.next(), TypeError, "No signal");
});

Deno.test("sharedSource() rejects when a value does not deserialize", async () => {
  const source = new Source();
  const a = source.open({ follow: true });
  const key = `@serviceworker/std/shared-source/${source.name}`;
  const channel = new BroadcastChannel(key);
  channel.postMessage(null);
  const error = await assertRejects(() => a.values.next(), DOMException);
  assertEquals(error.name, "DataCloneError");
  channel.close();
});

Deno.test("sharedSource() rejects where there are no locks", async () => {
  const { locks } = navigator;
  Object.defineProperty(navigator, "locks", {
    value: undefined,
    configurable: true,
  });
  try {
    const a = new Source().open();
    const error = await assertRejects(() => a.values.next(), DOMException);
    assertEquals(error.name, "NotSupportedError");
  } finally {
    Object.defineProperty(navigator, "locks", {
      value: locks,
      configurable: true,
    });
  }
});

Deno.test("sharedSource() rejects with the error of the lock manager", async () => {
  const locks = {
    request: () => Promise.reject(new DOMException("No", "SecurityError")),
  };
  const a = new Source().open({ locks });
  const error = await assertRejects(() => a.values.next(), DOMException);
  assertEquals(error.name, "SecurityError");
});

Deno.test("sharedSource() ends a pending next() when its iterator returns", async () => {
  const a = new Source().open();
  const next = a.values.next();
  await a.close();
  assertEquals(await next, { done: true, value: undefined });
});

Deno.test("sharedSource() leaves no lock, port or listener after 1000 loops", async () => {
  const source = new Source();
  const page = new EventTarget();
  let listeners = 0;
  const add = page.addEventListener.bind(page);
  page.addEventListener = (type, listener, options) => {
    listeners++;
    const { signal } = options as { signal: AbortSignal };
    signal.addEventListener("abort", () => listeners--);
    add(type, listener, options);
  };
  for (let i = 0; i < 1_000; i++) {
    const a = source.open({ page });
    await a.close();
  }
  assertEquals(listeners, 0);
  await tick();
  assertEquals(await source.locks(), { held: 0, pending: 0 });
});

Deno.test("sharedSource() rejects with the reason of an already aborted signal", async () => {
  const source = new Source();
  const signal = AbortSignal.abort(new TypeError("enough"));
  const a = source.open({ signal });
  await assertRejects(() => a.values.next(), TypeError, "enough");
  await tick();
  assertEquals(source.starts.length, 0);
});

Deno.test("sharedSource() rejects with the reason of a signal aborted later", async () => {
  const source = new Source();
  const controller = new AbortController();
  const a = source.open({ signal: controller.signal });
  const next = a.values.next();
  const { signal } = await source.started(1);
  controller.abort(new TypeError("enough"));
  await assertRejects(() => next, TypeError, "enough");
  assert(signal.aborted);
});

Deno.test("sharedSource() removes its abort listener when it ends", async () => {
  const { signal } = new AbortController();
  const ends: AbortSignal[] = [];
  signal.addEventListener = (
    _type: string,
    _listener: unknown,
    options?: { signal?: AbortSignal },
  ) => ends.push(options!.signal!);
  const a = new Source().open({ signal });
  assertEquals(ends.map(({ aborted }) => aborted), [false]);
  await a.close();
  assertEquals(ends.map(({ aborted }) => aborted), [true]);
});

Deno.test("sharedSource() releases its lock and channel when aborted", async () => {
  // Whatever is left fails the sanitizers.
  const source = new Source();
  const controller = new AbortController();
  const a = source.open({ signal: controller.signal });
  const b = source.open({ signal: controller.signal });
  await source.started(1);
  controller.abort();
  for (const { values } of [a, b]) {
    await assertRejects(() => values.next(), DOMException);
  }
});

Deno.test("sharedSource() rejects only the call whose signal is aborted", async () => {
  const source = new Source();
  const controller = new AbortController();
  const a = source.open({ signal: controller.signal });
  const b = source.open();
  const aborted = a.next();
  const kept = b.next();
  await source.started(1);
  controller.abort();
  await assertRejects(() => aborted, DOMException);
  (await source.started(2)).value(1);
  assertEquals(await kept, 1);
  await b.close();
});
