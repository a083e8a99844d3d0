// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { type Broadcast, broadcast } from "./broadcast.ts";

/** Two holders of one channel, closed at the end of the test. */
function pair<T>(buffer?: number) {
  const name = crypto.randomUUID();
  const here = broadcast<T>(name);
  const there = broadcast<T>(name, { buffer });
  return {
    here,
    there,
    [Symbol.dispose]() {
      here.close();
      there.close();
    },
  };
}

/** Resolves once a listener hears `value`. */
function heard<T>(channel: Broadcast<T>, value: T): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const controller = new AbortController();
  channel.addEventListener("message", ({ data }) => {
    if (data !== value) return;
    controller.abort();
    resolve();
  }, controller);
  return promise;
}

Deno.test("broadcast() posts to the other holders of the name", async () => {
  using channel = pair<number>();
  using third = pair<number>();
  let foreign = 0;
  third.there.addEventListener("message", () => foreign++);
  const message = heard(channel.there, 1);
  assert(channel.here.post(1));
  await message;
  assertEquals(foreign, 0);
});

Deno.test("broadcast() does not receive what it posted itself", async () => {
  using channel = pair<number>();
  const echoed: number[] = [];
  channel.here.addEventListener("message", ({ data }) => echoed.push(data));
  const answer = heard(channel.here, 2);
  channel.here.post(1);
  channel.there.post(2);
  await answer;
  assertEquals(echoed, [2]);
});

Deno.test("broadcast() stops a listener by signal or removal", async () => {
  using channel = pair<number>();
  const controller = new AbortController();
  const calls: string[] = [];
  const removed = () => calls.push("removed");
  channel.there.addEventListener("message", removed);
  channel.there.removeEventListener("message", removed);
  channel.there.addEventListener("message", () => calls.push("aborted"), {
    signal: controller.signal,
  });
  controller.abort();
  const message = heard(channel.there, 1);
  channel.here.post(1);
  await message;
  assertEquals(calls, []);
});

Deno.test("broadcast() iterates over what is posted from then on", async () => {
  using channel = pair<number>();
  const before = heard(channel.there, 1);
  channel.here.post(1);
  await before;
  const values = Array.fromAsync(channel.there);
  const all = heard(channel.there, 4);
  for (const value of [2, 3, 4]) channel.here.post(value);
  await all;
  channel.there.close();
  assertEquals(await values, [2, 3, 4]);
});

Deno.test("broadcast() gives every iterator every message", async () => {
  using channel = pair<number>();
  const first = channel.there[Symbol.asyncIterator]();
  const second = channel.there[Symbol.asyncIterator]();
  channel.here.post(1);
  channel.here.post(2);
  assertEquals((await first.next()).value, 1);
  assertEquals((await first.next()).value, 2);
  assertEquals((await second.next()).value, 1);
  assertEquals((await second.next()).value, 2);
});

Deno.test("broadcast() answers several calls of next() in order", async () => {
  using channel = pair<number>();
  const iterator = channel.there[Symbol.asyncIterator]();
  const results = Promise.all([iterator.next(), iterator.next()]);
  channel.here.post(1);
  channel.here.post(2);
  assertEquals((await results).map(({ value }) => value), [1, 2]);
});

Deno.test("broadcast() ends a pending next() when its iterator returns", async () => {
  using channel = pair<number>();
  const iterator = channel.there[Symbol.asyncIterator]();
  const other = channel.there[Symbol.asyncIterator]();
  const pending = iterator.next();
  await iterator.return?.();
  assertEquals(await pending, { done: true, value: undefined });
  channel.here.post(1);
  assertEquals((await other.next()).value, 1);
});

Deno.test("broadcast() buffers 1000 messages for a busy consumer", async () => {
  using channel = pair<number>();
  const iterator = channel.there[Symbol.asyncIterator]();
  const all = heard(channel.there, 1_000);
  for (let value = 1; value <= 1_000; value++) channel.here.post(value);
  await all;
  for (let value = 1; value <= 1_000; value++) {
    assertEquals((await iterator.next()).value, value);
  }
});

Deno.test("broadcast() fails the iterator whose buffer is full, and only it", async () => {
  using channel = pair<number>(2);
  const slow = channel.there[Symbol.asyncIterator]();
  const quick: number[] = [];
  const reading = (async () => {
    for await (const value of channel.there) {
      if (quick.push(value) === 3) break;
    }
  })();
  for (const value of [1, 2, 3]) {
    const message = heard(channel.there, value);
    channel.here.post(value);
    await message;
  }
  await reading;
  assertEquals(quick, [1, 2, 3]);
  const error = await assertRejects(() => slow.next(), DOMException);
  assertEquals(error.name, "QuotaExceededError");
});

Deno.test("broadcast() throws when the message cannot be cloned", () => {
  using channel = pair<() => void>();
  const error = assertThrows(() => channel.here.post(() => {}), DOMException);
  assertEquals(error.name, "DataCloneError");
});

Deno.test("broadcast() surfaces a message that does not deserialize", async () => {
  // Deno cannot provoke one: the event is what the platform would dispatch.
  const { BroadcastChannel } = globalThis;
  const opened: BroadcastChannel[] = [];
  globalThis.BroadcastChannel = class extends BroadcastChannel {
    constructor(name: string) {
      super(name);
      opened.push(this);
    }
  };
  using channel = pair<number>();
  globalThis.BroadcastChannel = BroadcastChannel;
  const next = channel.there[Symbol.asyncIterator]().next();
  let events = 0;
  channel.there.addEventListener("messageerror", () => events++);
  opened[1]?.dispatchEvent(new MessageEvent("messageerror"));
  const error = await assertRejects(() => next, DOMException);
  assertEquals(error.name, "DataCloneError");
  assertEquals(events, 1);
});

Deno.test("broadcast() drops what is posted after close()", () => {
  using channel = pair<number>();
  channel.here.close();
  channel.here.close();
  assertFalse(channel.here.post(1));
});

Deno.test("broadcast() delivers the buffer before close() ends an iterator", async () => {
  using channel = pair<number>();
  const iterator = channel.there[Symbol.asyncIterator]();
  const message = heard(channel.there, 1);
  channel.here.post(1);
  await message;
  channel.there.close();
  assertEquals((await iterator.next()).value, 1);
  assertEquals((await iterator.next()).done, true);
});

Deno.test("broadcast() iterates over nothing once closed", async () => {
  using channel = pair<number>();
  channel.there.close();
  assertEquals(await Array.fromAsync(channel.there), []);
});

Deno.test("broadcast() rejects with the reason of an already aborted signal", async () => {
  const reason = new Error("enough");
  const name = crypto.randomUUID();
  const channel = broadcast(name, { signal: AbortSignal.abort(reason) });
  assertFalse(channel.post(1));
  const error = await assertRejects(() => Array.fromAsync(channel));
  assertStrictEquals(error, reason);
});

Deno.test("broadcast() rejects with the reason of a signal aborted later", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const name = crypto.randomUUID();
  const channel = broadcast(name, { signal: controller.signal });
  const values = Array.fromAsync(channel);
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => values), reason);
  assertFalse(channel.post(1));
});

Deno.test("broadcast() removes its abort listener when it is closed", () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  signal.addEventListener = (
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: AddEventListenerOptions,
  ) => {
    listeners++;
    options?.signal?.addEventListener("abort", () => listeners--);
    add(type, listener, options);
  };
  const channel = broadcast(crypto.randomUUID(), { signal });
  assertEquals(listeners, 1);
  channel.close();
  assertEquals(listeners, 0);
});

Deno.test("broadcast() releases its channel when aborted", () => {
  // Only a closed BroadcastChannel passes the sanitizers.
  const controller = new AbortController();
  const channel = broadcast(crypto.randomUUID(), { signal: controller.signal });
  channel.addEventListener("message", () => {});
  channel[Symbol.asyncIterator]();
  controller.abort();
});

Deno.test("broadcast() rejects only the call whose signal is aborted", async () => {
  const name = crypto.randomUUID();
  const controller = new AbortController();
  const aborted = broadcast<number>(name, { signal: controller.signal });
  const kept = broadcast<number>(name);
  const sender = broadcast<number>(name);
  const first = aborted[Symbol.asyncIterator]().next();
  const second = kept[Symbol.asyncIterator]().next();
  controller.abort();
  sender.post(1);
  await assertRejects(() => first, DOMException);
  assertEquals((await second).value, 1);
  kept.close();
  sender.close();
});
