// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { FakePage, type Script } from "../tests/fake_worker.ts";
import { accept, type AcceptHandlers } from "./accept.ts";
import { type Channel, connect, type ConnectLocks } from "./connect.ts";

interface Podcast {
  version(): string;
  add(input: { by: number }): Promise<number>;
  wait(input?: { ms: number }): void;
  bounce(input: ArrayBuffer): ArrayBuffer;
  count(input: { to: number }): AsyncIterable<number>;
  silent(): AsyncIterable<number>;
  playing: { id: string };
}

/** What a worker did, over all its lives. */
class Diary {
  added: number[] = [];
  counted = 0;
  left = 0;
  aborted = 0;
  heard: string[] = [];
}

function worker(
  diary = new Diary(),
  handlers: Partial<AcceptHandlers<Podcast>> = {},
): Script {
  return ({ clients, locks }) =>
    accept<Podcast>(clients, {
      version: () => "1",
      async add({ by }) {
        diary.added.push(by);
        await turns();
        return by;
      },
      wait: (_, { signal }) =>
        new Promise<void>((resolve) =>
          signal.addEventListener("abort", () => {
            diary.aborted++;
            resolve();
          })
        ),
      bounce(input, { transfer }) {
        transfer.push(input);
        return input;
      },
      async *count({ to }) {
        try {
          for (let i = 0; i < to; i++) {
            diary.counted++;
            yield await Promise.resolve(i);
          }
        } finally {
          diary.left++;
        }
      },
      async *silent(_, { signal }) {
        await new Promise((resolve) =>
          signal.addEventListener("abort", resolve)
        );
        yield 0;
      },
      playing(data, { post }) {
        diary.heard.push(data.id);
        post("playing", { id: `${data.id} heard` });
      },
      ...handlers,
    }, { locks });
}

/** A page connected to a worker; both end with the test. */
function connected(script = worker(), options = {}) {
  const page = new FakePage(script);
  const channel = connect<Podcast>(page.container, { page, ...options });
  return {
    page,
    channel,
    [Symbol.dispose]() {
      channel.close();
      page[Symbol.dispose]();
    },
  };
}

async function named(promise: Promise<unknown>, name: string): Promise<Error> {
  const error = await assertRejects(() => promise, Error);
  assertEquals(error.name, name, error.message);
  return error;
}

function turns(ms = 10): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const seen = [];
  for await (const item of items) seen.push(item);
  return seen;
}

Deno.test("connect() carries calls and their replies", async () => {
  using bed = connected();
  assertEquals(await bed.channel.call("version"), "1");
  assertEquals(
    await Promise.all([1, 2, 3].map((by) => bed.channel.call("add", { by }))),
    [1, 2, 3],
  );
  assertEquals(bed.page.worker.lives, 1);
});

Deno.test("connect() streams replies", async () => {
  using bed = connected();
  assertEquals(
    await all(bed.channel.stream("count", { to: 100 })),
    Array.from({ length: 100 }, (_, i) => i),
  );
});

Deno.test("connect() carries events both ways", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  const { promise, resolve } = Promise.withResolvers<string>();
  bed.channel.addEventListener("playing", ({ data }) => resolve(data.id));
  bed.channel.post("playing", { id: "7" });
  assertEquals(await promise, "7 heard");
  assertEquals(diary.heard, ["7"]);
});

Deno.test("connect() moves transferred objects both ways", async () => {
  using bed = connected();
  const buffer = new ArrayBuffer(8);
  const back = await bed.channel.call("bounce", buffer, { transfer: [buffer] });
  assertEquals([buffer.byteLength, back.byteLength], [0, 8]);
});

Deno.test("connect() waits for a worker to become active", async () => {
  const page = new FakePage();
  const channel = connect<Podcast>(page.container, { page });
  const version = channel.call("version");
  page.control(worker());
  assertEquals(await version, "1");
  channel.close();
  page.worker.stop();
});

Deno.test("connect() rejects where there are no service workers", async () => {
  const channel = connect<Podcast>(undefined);
  await named(channel.call("version"), "NotSupportedError");
  await named(all(channel.stream("count", { to: 1 })), "NotSupportedError");
  channel.close();
});

Deno.test("connect() waits for a controller where the browser does not tell of a worker", async () => {
  const page = new FakePage();
  Object.defineProperty(page, "ready", {
    get: () => Promise.reject(new DOMException("No", "SecurityError")),
  });
  const channel = connect<Podcast>(page.container, { page });
  const version = channel.call("version");
  await turns();
  page.control(worker());
  assertEquals(await version, "1");
  channel.close();
  page.worker.stop();
});

Deno.test("connect() rejects a call that no worker accepts", async () => {
  using time = new FakeTime();
  const page = new FakePage();
  const channel = connect<Podcast>(page.container, { page });
  const calls = [
    named(channel.call("version"), "TimeoutError"),
    named(all(channel.stream("count", { to: 1 })), "TimeoutError"),
  ];
  await time.tickAsync(32_000);
  const [error] = await Promise.all(calls);
  assertEquals(
    error?.message,
    'Cannot call "version": no worker accepted it after 30 seconds',
  );
  channel.close();
});

Deno.test("connect() asks a deaf worker again, and then rejects", async () => {
  let asked = 0;
  using time = new FakeTime();
  using bed = connected(() => () => void asked++);
  const ended = named(bed.channel.call("version"), "TimeoutError");
  for (let i = 0; i < 32; i++) {
    await time.tickAsync(1_000);
    await realTurns(time);
  }
  await ended;
  assert(asked > 3, `it was asked ${asked} times`);
});

Deno.test("connect() rejects a call after its default deadline", async () => {
  const diary = new Diary();
  using time = new FakeTime();
  using bed = connected(worker(diary));
  const call = bed.channel.call("wait");
  await realTurns(time);
  const ended = named(call, "TimeoutError");
  for (let i = 0; i < 32; i++) {
    await time.tickAsync(1_000);
    await realTurns(time);
  }
  const error = await ended;
  assertEquals(
    error.message,
    'Cannot call "wait": there is no reply after 30 seconds',
  );
  await realTurns(time);
  assertEquals(diary.aborted, 1);
});

Deno.test("connect() waits for a stream as long as the worker runs it", async () => {
  using time = new FakeTime();
  using bed = connected();
  const items = bed.channel.stream("silent");
  let ended = false;
  const first = items.next().finally(() => ended = true);
  for (let i = 0; i < 120; i++) {
    await time.tickAsync(1_000);
    await realTurns(time);
  }
  assertEquals(ended, false);
  assertEquals(bed.page.worker.lives, 1);
  bed.channel.close();
  await named(first, "AbortError");
});

Deno.test("connect() keeps the worker alive while it calls, and no longer", async () => {
  const diary = new Diary();
  using time = new FakeTime();
  using bed = connected(worker(diary));
  const controller = new AbortController();
  const { signal } = controller;
  const call = bed.channel.call("wait", undefined, { signal });
  for (let i = 0; i < 100; i++) {
    await time.tickAsync(1_000);
    await realTurns(time);
    assert(bed.page.worker.busy > 0, `it may be stopped after ${i} s`);
  }
  controller.abort();
  await named(call, "AbortError");
  await time.tickAsync(2_000);
  await realTurns(time);
  assertEquals(bed.page.worker.busy, 0);
});

Deno.test("connect() notices that the worker was stopped", async () => {
  using bed = connected();
  const call = bed.channel.call("wait");
  const items = bed.channel.stream("silent");
  const first = items.next();
  await bed.channel.call("version");
  bed.page.worker.stop();
  const error = await named(call, "DisconnectedError");
  assertEquals(
    error.message,
    'Cannot call "wait": the worker was stopped before it ended',
  );
  await named(first, "DisconnectedError");
  assertEquals(await bed.channel.call("version"), "1");
  assertEquals(bed.page.worker.lives, 2);
});

Deno.test("connect() leaves an idle worker to rest, and loses no call that follows", async () => {
  const diary = new Diary();
  using time = new FakeTime();
  // Other test files have locks at the same time.
  const names = new Set<string | undefined>();
  const locks: ConnectLocks = {
    request(name, ...rest) {
      names.add(name);
      return navigator.locks.request(name, ...rest);
    },
  };
  using bed = connected(worker(diary), { locks });
  const waits = async () => {
    const { pending = [] } = await navigator.locks.query();
    return pending.filter(({ name }) => names.has(name)).length;
  };
  const first = bed.channel.call("version");
  await realTurns(time);
  await first;
  assertEquals(await waits(), 1);
  await time.tickAsync(2_000);
  await realTurns(time);
  assertEquals([await waits(), bed.page.worker.busy], [0, 0]);

  // Alive: the port is as good as before.
  const second = bed.channel.call("add", { by: 2 });
  await realTurns(time);
  await time.tickAsync(100);
  assertEquals(await second, 2);
  await time.tickAsync(2_000);
  await realTurns(time);
  assertEquals(bed.page.worker.lives, 1);

  // Stopped, which the page was not told: the call waits for the next life.
  bed.page.worker.stop();
  await realTurns(time);
  const third = bed.channel.call("add", { by: 3 });
  for (let i = 0; i < 10; i++) {
    await realTurns(time);
    await time.tickAsync(10);
  }
  assertEquals(await third, 3);
  assertEquals([bed.page.worker.lives, diary.added], [2, [2, 3]]);
});

Deno.test("connect() notices that the worker was stopped where there are no locks", async () => {
  const noLocks = { request: () => Promise.reject(new Error("no locks")) };
  using time = new FakeTime();
  using bed = connected(worker(), { locks: noLocks });
  const call = bed.channel.call("add", { by: 1 });
  await realTurns(time);
  bed.page.worker.stop();
  const ended = named(call, "DisconnectedError");
  for (let i = 0; i < 25; i++) {
    await time.tickAsync(1_000);
    await realTurns(time);
  }
  await ended;
});

Deno.test("connect() notices it without locks though the page goes on posting", async () => {
  const noLocks = { request: () => Promise.reject(new Error("no locks")) };
  using time = new FakeTime();
  using bed = connected(worker(), { locks: noLocks });
  const ended = named(bed.channel.stream("silent").next(), "DisconnectedError");
  await realTurns(time);
  bed.page.worker.stop();
  for (let i = 0; i < 25; i++) {
    bed.channel.post("playing", { id: "7" });
    await time.tickAsync(1_000);
    await realTurns(time);
  }
  await ended;
});

Deno.test("connect() asks an idempotent call again, with the same id", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  await bed.channel.call("version");
  const call = bed.channel.call("add", { by: 5 }, { idempotent: true });
  await turns(2);
  bed.page.worker.stop();
  assertEquals(await call, 5);
  assertEquals(diary.added, [5, 5]);
  assertEquals(bed.page.worker.lives, 2);
});

Deno.test("connect() runs an idempotent call once in a life of the worker", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  await bed.channel.call("version");
  const calls = [1, 2, 3].map((by) =>
    bed.channel.call("add", { by }, { idempotent: true })
  );
  await turns(2);
  // Cached and back before the replies, which are sent to a port that is gone.
  bed.page.dispatchEvent(cache("pagehide"));
  await turns(30);
  bed.page.dispatchEvent(cache("pageshow"));
  assertEquals(await Promise.all(calls), [1, 2, 3]);
  assertEquals(diary.added, [1, 2, 3]);
  assertEquals(bed.page.worker.lives, 1);
});

Deno.test("connect() leaves an idempotent call running when the page is cached and back", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  await bed.channel.call("version");
  const call = bed.channel.call("add", { by: 1 }, { idempotent: true });
  await turns(2);
  bed.page.dispatchEvent(cache("pagehide"));
  bed.page.dispatchEvent(cache("pageshow"));
  assertEquals(await call, 1);
  assertEquals(diary.added, [1]);
});

Deno.test("connect() does not connect while its page is cached", async () => {
  const page = new FakePage();
  const channel = connect<Podcast>(page.container, { page });
  page.dispatchEvent(cache("pagehide"));
  page.control(worker());
  await turns();
  assertEquals(page.worker.lives, 0);
  page.dispatchEvent(cache("pageshow"));
  assertEquals(await channel.call("version"), "1");
  channel.close();
  page.worker.stop();
});

Deno.test("connect() does not repeat what moves objects", async () => {
  using bed = connected();
  const buffer = new ArrayBuffer(8);
  const options = { idempotent: true, transfer: [buffer] };
  await named(bed.channel.call("bounce", buffer, options), "TypeError");
  assertEquals(buffer.byteLength, 8);
});

Deno.test("connect() says that a moved reply cannot be sent again", async () => {
  using bed = connected();
  await bed.channel.call("version");
  const buffer = new ArrayBuffer(8);
  const call = bed.channel.call("bounce", buffer, { idempotent: true });
  bed.page.dispatchEvent(cache("pagehide"));
  await turns();
  bed.page.dispatchEvent(cache("pageshow"));
  await named(call, "DataCloneError");
});

Deno.test("connect() ends streams and calls when the page is cached, and comes back", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  const call = bed.channel.call("wait");
  const items = bed.channel.stream("count", { to: 1_000 });
  await items.next();
  bed.page.dispatchEvent(cache("pagehide"));
  await named(call, "DisconnectedError");
  await named(all(items), "DisconnectedError");
  const version = bed.channel.call("version");
  // Before it is back, as it may never be.
  while (diary.aborted + diary.left < 2) await turns();
  bed.page.dispatchEvent(cache("pageshow"));
  assertEquals(await version, "1");
});

Deno.test("connect() waits for another worker when the page comes back to a redundant one", async () => {
  using bed = connected();
  await bed.channel.call("version");
  bed.page.dispatchEvent(cache("pagehide"));
  bed.page.worker.become("redundant");
  bed.page.dispatchEvent(cache("pageshow"));
  const version = bed.channel.call("version");
  await turns();
  bed.page.control(worker(new Diary(), { version: () => "2" }));
  assertEquals(await version, "2");
});

Deno.test("connect() takes the reply that waits when a frozen page resumes", async () => {
  const { now } = performance;
  const gate = Promise.withResolvers<string>();
  using time = new FakeTime();
  using bed = connected(worker(new Diary(), { version: () => gate.promise }));
  const call = bed.channel.call("version");
  await realTurns(time);
  try {
    performance.now = () => now.call(performance) + 60_000;
    gate.resolve("while frozen");
    await Promise.resolve();
    // Its timer comes before the reply.
    time.tick(1_000);
    assertEquals(await call, "while frozen");
  } finally {
    performance.now = now;
  }
});

Deno.test("connect() lets the worker end what a page that goes had begun", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  const call = bed.channel.call("wait", { ms: 1 }, { idempotent: true });
  await bed.channel.call("version");
  bed.page.dispatchEvent(new Event("pagehide"));
  await turns();
  assertEquals(diary.aborted, 1);
  bed.channel.close();
  await named(call, "AbortError");
});

Deno.test("connect() sends new calls to a new worker, and lets the old one end", async () => {
  using bed = connected();
  const old = bed.page.worker;
  const call = bed.channel.call("add", { by: 1 });
  await turns(5);
  bed.page.control(worker(new Diary(), { version: () => "2" }));
  assertEquals(await bed.channel.call("version"), "2");
  assertEquals(await call, 1);
  while (old.busy > 0) await turns();
  old.stop();
});

Deno.test("connect() leaves a worker that became redundant", async () => {
  using bed = connected();
  const old = bed.page.worker;
  await bed.channel.call("version");
  old.become("redundant");
  old.stop();
  bed.page.control(worker(new Diary(), { version: () => "2" }));
  assertEquals(await bed.channel.call("version"), "2");
});

Deno.test("connect() hears events of a worker that was started anew", async () => {
  using bed = connected();
  await bed.channel.call("version");
  bed.page.worker.stop();
  await turns();
  const { promise, resolve } = Promise.withResolvers<string>();
  bed.channel.addEventListener("playing", ({ data }) => resolve(data.id));
  bed.page.client.postMessage({
    "@serviceworker/std": { event: ["playing", { id: "new" }] },
  });
  assertEquals(await promise, "new");
  await turns();
  assertEquals(bed.page.worker.lives, 2);
});

Deno.test("connect() is not disturbed by foreign messages", async () => {
  using bed = connected();
  for (const data of [null, 1, "x", {}, { "@serviceworker/std": 1 }]) {
    bed.page.client.postMessage(data);
  }
  await turns();
  assertEquals(await bed.channel.call("version"), "1");
});

Deno.test("connect() holds a stream back while its reader does not read", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  const items = bed.channel.stream("count", { to: 1_000 }, { buffer: 4 });
  await items.next();
  await turns(50);
  assert(diary.counted <= 5, `${diary.counted} items were made`);
  assertEquals((await all(items)).length, 999);
});

Deno.test("connect() cancels a stream when its loop is left", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  for await (const n of bed.channel.stream("count", { to: 1e9 })) {
    if (n === 20) break;
  }
  await turns();
  assertEquals(diary.left, 1);
});

Deno.test("connect() gives no item of a stream whose signal is aborted", async () => {
  using bed = connected();
  const controller = new AbortController();
  const { signal } = controller;
  const items = bed.channel.stream("count", { to: 100 }, { signal });
  await items.next();
  // More have come, and wait.
  await turns();
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => items.next()), reason);
});

Deno.test("connect() carries errors whose causes are circular", async () => {
  const circular = new Error("Circular");
  circular.cause = circular;
  using bed = connected(worker(new Diary(), {
    version() {
      throw circular;
    },
    add: () => Promise.reject(circular),
    count() {
      throw circular;
    },
  }));
  await Promise.all(
    [
      bed.channel.call("version"),
      bed.channel.call("add", { by: 1 }),
      all(bed.channel.stream("count", { to: 1 })),
    ].map((ended) => assertRejects(() => ended, Error, "Circular")),
  );
});

Deno.test("connect() refuses a buffer that holds nothing", async () => {
  using bed = connected();
  const items = bed.channel.stream("count", { to: 1 }, { buffer: 0 });
  const error = await named(all(items), "RangeError");
  assertEquals(
    error.message,
    `Cannot stream "count": 'buffer' must be a positive integer, current value is 0`,
  );
});

Deno.test("connect() rejects when the input cannot be cloned", async () => {
  using bed = connected();
  const input = { by: 1, f() {} };
  await named(bed.channel.call("add", input), "DataCloneError");
  await bed.channel.call("version");
  await named(bed.channel.call("add", input), "DataCloneError");
});

Deno.test("connect() throws when an event cannot be cloned, connected or not", async () => {
  using bed = connected();
  const data = { id: "7", f() {} };
  assertThrows(() => bed.channel.post("playing", data), DOMException);
  await bed.channel.call("version");
  assertThrows(() => bed.channel.post("playing", data), DOMException);
  assertEquals(await bed.channel.call("version"), "1");
});

Deno.test("connect() rejects with the reason of an already aborted signal", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const error = await assertRejects(() =>
    bed.channel.call("add", { by: 1 }, { signal })
  );
  assertStrictEquals(error, reason);
  const streamed = await assertRejects(() =>
    all(bed.channel.stream("count", { to: 1 }, { signal }))
  );
  assertStrictEquals(streamed, reason);
  await bed.channel.call("version");
  assertEquals([diary.added, diary.counted], [[], 0]);
});

Deno.test("connect() rejects with the reason of a signal aborted later", async () => {
  const diary = new Diary();
  using bed = connected(worker(diary));
  const controller = new AbortController();
  const { signal } = controller;
  const call = bed.channel.call("wait", undefined, { signal });
  const first = bed.channel.stream("silent", undefined, { signal }).next();
  await bed.channel.call("version");
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => call), reason);
  assertStrictEquals(await assertRejects(() => first), reason);
  await bed.channel.call("version");
  assertEquals(diary.aborted, 1);
});

Deno.test("connect() removes its abort listener when it settles", async () => {
  using bed = connected();
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener: add, removeEventListener: remove } = signal;
  signal.addEventListener = (
    ...args: Parameters<AbortSignal["addEventListener"]>
  ) => {
    listeners++;
    add.apply(signal, args);
  };
  signal.removeEventListener = (
    ...args: Parameters<AbortSignal["removeEventListener"]>
  ) => {
    listeners--;
    remove.apply(signal, args);
  };
  const calls = [1, 2].map((by) => bed.channel.call("add", { by }, { signal }));
  assertEquals(listeners, 1);
  await Promise.all(calls);
  assertEquals(listeners, 0);
});

Deno.test("connect() rejects only the call whose signal is aborted", async () => {
  using bed = connected();
  const controller = new AbortController();
  const aborted = bed.channel.call("add", { by: 1 }, controller);
  const answered = bed.channel.call("add", { by: 2 });
  controller.abort();
  await named(aborted, "AbortError");
  assertEquals(await answered, 2);
});

Deno.test("connect() rejects what is pending when it is closed", async () => {
  using bed = connected();
  const call = bed.channel.call("wait");
  const first = bed.channel.stream("silent").next();
  await bed.channel.call("version");
  bed.channel.close();
  await named(call, "AbortError");
  await named(first, "AbortError");
  await named(bed.channel.call("version"), "AbortError");
});

Deno.test("connect() is closed by its signal", async () => {
  const controller = new AbortController();
  using bed = connected(worker(), { signal: controller.signal });
  const call = bed.channel.call("wait");
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => call), reason);
  using other = connected(worker(), { signal: AbortSignal.abort(reason) });
  const late = await assertRejects(() => other.channel.call("version"));
  assertStrictEquals(late, reason);
});

Deno.test("connect() leaves no call pending however often the worker is stopped", async () => {
  using bed = connected();
  let done = false;
  const stopping = (async () => {
    while (!done) {
      await turns(7);
      bed.page.worker.stop();
    }
  })();
  const ends: string[] = [];
  const calls = Array.from({ length: 200 }, async (_, i) => {
    await turns(i);
    const idempotent = i % 2 === 0;
    // A life of the worker is shorter than some of these calls.
    const input = { by: i };
    ends.push(
      await bed.channel.call("add", input, { idempotent, signal: limit() })
        .then((by) => by === i ? "replied" : "wrong", ({ name }) => name),
    );
  });
  await turns(300);
  done = true;
  await stopping;
  await Promise.all(calls);
  const wrong = ends.filter((end) =>
    !/^(replied|DisconnectedError)$/.test(end)
  );
  assertEquals(wrong, []);
  assertEquals(ends.length, 200);
});

const limit = () => new AbortController().signal;

/** A page's event on its way to the back-forward cache, or back. */
function cache(type: string): Event {
  return Object.assign(new Event(type), { persisted: true });
}

/** Lets real messages arrive while the clock is a fake. */
async function realTurns(time: FakeTime): Promise<void> {
  for (let i = 0; i < 4; i++) {
    const { port1, port2 } = new MessageChannel();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    port2.onmessage = resolve;
    port1.postMessage(0);
    await promise;
    port1.close();
    port2.close();
    await time.tickAsync(0);
  }
}

/** Compile-time only: a protocol types both halves. */
export async function typed(channel: Channel<Podcast>): Promise<void> {
  const version: string = await channel.call("version");
  const sum: number = await channel.call("add", { by: 1 }, {
    idempotent: true,
  });
  const nothing: void = await channel.call("wait");
  for await (const n of channel.stream("count", { to: 1 })) n.toFixed();
  channel.addEventListener("playing", ({ data }) => data.id.trim());
  channel.post("playing", { id: "7" });
  void [version, sum, nothing];
  // @ts-expect-error there is no such call
  channel.call("versoin");
  // @ts-expect-error the input is missing
  channel.call("add");
  // @ts-expect-error the input is wrong
  channel.call("add", { by: "1" });
  // @ts-expect-error there is no input
  channel.call("version", { by: 1 });
  // @ts-expect-error the reply is a string
  const wrong: Promise<number> = channel.call("version");
  void wrong;
  // @ts-expect-error a stream is no call
  channel.call("count", { to: 1 });
  // @ts-expect-error a call is no stream
  channel.stream("version");
  // @ts-expect-error an event is no call
  channel.call("playing", { id: "7" });
  // @ts-expect-error the event's data is wrong
  channel.post("playing", { id: 7 });
  // @ts-expect-error there is no such event
  channel.addEventListener("version", () => {});
}

/** Compile-time only: a channel without a protocol takes anything. */
export async function untyped(): Promise<void> {
  const channel = connect(undefined);
  const reply: unknown = await channel.call("anything", 1);
  assertInstanceOf(reply, Object);
}
