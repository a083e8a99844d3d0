// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { accept, type AcceptHandlers, type AcceptListener } from "./accept.ts";

interface Podcast {
  version(): string;
  fail(): void;
  later(): string;
  maybe(): { id: string } | undefined;
  wait(input: { ms: number }): Promise<number>;
  count(): AsyncIterable<number>;
  notStream(): AsyncIterable<number>;
  playing: { id: string };
}

/** A client that keeps what it is posted. */
function fakeClient(id: string) {
  const posted: unknown[] = [];
  const postMessage = (message: unknown) => void posted.push(message);
  return { id, posted, postMessage };
}

/** A worker's listener, with the pages that `matchAll()` knows. */
function worker(pages: ReturnType<typeof fakeClient>[] = []) {
  const ran: unknown[] = [];
  const opened: { [Symbol.dispose](): void }[] = [];
  const locks = {
    request: (_: string, callback: () => Promise<unknown>) => {
      void callback();
      return Promise.resolve();
    },
  };
  const listener: AcceptListener<Podcast> = accept<Podcast>({
    matchAll: () => Promise.resolve(pages),
  }, {
    version: () => "1",
    fail() {
      throw new TypeError("No");
    },
    later: () => Promise.resolve("later"),
    maybe: () => undefined,
    wait({ ms }, { signal }) {
      ran.push(ms);
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms, ms);
        signal.addEventListener("abort", () => clearTimeout(timer));
      });
    },
    async *count() {
      yield await Promise.resolve(1);
    },
    notStream: (() => 1) as unknown as Podcast["notStream"],
    playing: (data, { client }) => void ran.push([data, client?.id]),
  }, { locks });

  return {
    listener,
    ran,
    /** Connects as a page does, and reads and writes its port. */
    async connect(source: object | null = null, channel: unknown = "channel") {
      const { port1: port, port2 } = new MessageChannel();
      const received: unknown[][] = [];
      let wake = () => {};
      port.onmessage = ({ data }) => {
        received.push(data);
        wake();
      };
      listener({
        data: { "@serviceworker/std": { connect: channel } },
        ports: [port2],
        source,
        waitUntil: (promise) => void promise.catch(() => {}),
      });
      const page = {
        port,
        post: (...messages: unknown[]) =>
          messages.forEach((message) => port.postMessage(message)),
        /** The next message from the worker. */
        async next(): Promise<unknown[]> {
          while (received.length === 0) {
            await new Promise<void>((resolve) => wake = resolve);
          }
          return received.shift() ?? [];
        },
        [Symbol.dispose]() {
          port.postMessage(["close"]);
          port.close();
        },
      };
      opened.push(page);
      assertEquals((await page.next())[0], "open");
      return page;
    },
    async [Symbol.asyncDispose]() {
      for (const page of opened) page[Symbol.dispose]();
      const { port1, port2 } = new MessageChannel();
      const { promise, resolve } = Promise.withResolvers<unknown>();
      port2.onmessage = resolve;
      port1.postMessage("after what was posted before");
      await promise;
      port1.close();
      port2.close();
    },
  };
}

Deno.test("accept() replies to calls", async () => {
  await using bed = worker();
  const page = await bed.connect();
  page.post(["call", 1, "version"], ["call", 2, "later"]);
  assertEquals(await page.next(), ["value", 1, "1"]);
  assertEquals(await page.next(), ["value", 2, "later"]);
});

Deno.test("accept() refuses what has no handler, also by the names of Object", async () => {
  await using bed = worker();
  const page = await bed.connect();
  for (const type of ["versoin", "constructor", "__proto__", null, 1]) {
    page.post(["call", 1, type]);
    const [kind, id, error] = await page.next() as [string, number, Sent];
    const { name, message } = error["@serviceworker/std"];
    assertEquals([kind, id, name], ["error", 1, "NoHandlerError"]);
    assertEquals(
      message,
      `Cannot call ${JSON.stringify(type)}: the worker has no handler for it`,
    );
    page.post(["stream", 2, type, undefined, 1]);
    assertEquals((await page.next()).slice(0, 2), ["error", 2]);
  }
});

Deno.test("accept() passes on what a handler throws", async () => {
  await using bed = worker();
  const page = await bed.connect();
  page.post(["call", 1, "fail"]);
  const [kind, , error] = await page.next() as [string, number, Sent];
  assertEquals([kind, error["@serviceworker/std"].name], [
    "error",
    "TypeError",
  ]);
});

Deno.test("accept() streams no more than it has credit for", async () => {
  await using bed = worker();
  const page = await bed.connect();
  page.post(["stream", 1, "count", undefined, 1]);
  assertEquals(await page.next(), ["value", 1, 1]);
  page.post(["ping", [1, 2]]);
  assertEquals(await page.next(), ["pong", [2]]);
  page.post(["pull", 1, 1]);
  assertEquals(await page.next(), ["end", 1]);
});

Deno.test("accept() says that a handler returned no stream", async () => {
  await using bed = worker();
  const page = await bed.connect();
  page.post(["stream", 1, "notStream", undefined, 1]);
  const [, , error] = await page.next() as [string, number, Sent];
  assertEquals(
    error["@serviceworker/std"].message,
    'Cannot stream "notStream": its handler returned no AsyncIterable',
  );
});

Deno.test("accept() is not disturbed by malformed messages", async () => {
  await using bed = worker();
  const page = await bed.connect();
  page.post(null, 1, "x", {}, [], ["nothing"], ["pull"], ["pull", 9, "x"]);
  page.post(["cancel"], ["cancel", {}], ["event"], ["event", "nothing", 1]);
  page.post(["ping"], ["ping", "x"], ["call"], ["call", 7, "version"]);
  assertEquals((await page.next())[0], "error");
  assertEquals(await page.next(), ["value", 7, "1"]);
});

Deno.test("accept() leaves foreign messages alone", async () => {
  await using bed = worker();
  const { port1, port2 } = new MessageChannel();
  const marks = [null, 1, {}, { connect: 1 }, { keep: {} }, { keep: "none" }];
  for (const data of [...marks, { request: "x" }, { connect: "no port" }]) {
    for (const message of [data, { "@serviceworker/std": data }]) {
      const ports = message === data ? [port2] : [];
      bed.listener({
        data: message,
        ports,
        source: null,
        waitUntil: () => {
          throw new Error("it was taken");
        },
      });
    }
  }
  port1.close();
  port2.close();
});

Deno.test("accept() hears events, and tells who posted them", async () => {
  await using bed = worker();
  const page = await bed.connect(fakeClient("a"));
  page.post(["event", "playing", { id: "7" }], ["call", 1, "version"]);
  await page.next();
  assertEquals(bed.ran, [[{ id: "7" }, "a"]]);
});

Deno.test("accept() takes a connection without a source", async () => {
  await using bed = worker();
  const page = await bed.connect(null);
  page.post(["event", "playing", { id: "7" }], ["call", 1, "version"]);
  await page.next();
  assertEquals(bed.ran, [[{ id: "7" }, undefined]]);
});

Deno.test("accept() posts events to its pages, and once to those of an earlier life", async () => {
  const [a, b] = [fakeClient("a"), fakeClient("b")];
  await using bed = worker([a, b]);
  const page = await bed.connect(a);
  await bed.listener.post("playing", { id: "7" });
  assertEquals(await page.next(), ["event", "playing", { id: "7" }]);
  assertEquals(a.posted, []);
  assertEquals(b.posted, [
    { "@serviceworker/std": { event: ["playing", { id: "7" }] } },
  ]);
  const other = await bed.connect(b, "other");
  await bed.listener.post("playing", { id: "8" });
  assertEquals(await other.next(), ["event", "playing", { id: "8" }]);
  assertEquals(b.posted.length, 1);
});

Deno.test("accept() looks for pages of an earlier life in the first seconds only", async () => {
  const a = fakeClient("a");
  await using bed = worker([a]);
  const { now } = performance;
  await bed.listener.post("playing", { id: "7" });
  try {
    performance.now = () => now.call(performance) + 5_001;
    await bed.listener.post("playing", { id: "8" });
  } finally {
    performance.now = now;
  }
  assertEquals(a.posted.length, 1);
});

Deno.test("accept() rejects an event that cannot be cloned", async () => {
  await using bed = worker();
  await bed.connect();
  const data = { id: "7", f() {} };
  const error = await assertRejects(() => bed.listener.post("playing", data));
  assertEquals((error as Error).name, "DataCloneError");
});

Deno.test("accept() forgets a page that went without a word", async () => {
  const [a, b] = [fakeClient("a"), fakeClient("b")];
  const pages = [a, b];
  await using bed = worker(pages);
  const gone = await bed.connect(a, "a");
  gone.post(["stream", 1, "count", undefined, 0]);
  gone.post(["ping", [1]]);
  await gone.next();
  pages.shift();
  await bed.connect(b, "b");
  await new Promise((resolve) => setTimeout(resolve, 10));
  // Its port is closed: nothing answers any more.
  gone.post(["ping", [1]]);
  const answer = await Promise.race([
    gone.next(),
    new Promise((resolve) => setTimeout(resolve, 20, "none")),
  ]);
  assertEquals(answer, "none");
  // Were it back, events would find it as one of an earlier life.
  pages.push(a);
  await bed.listener.post("playing", { id: "7" });
  assertEquals(a.posted.length, 1);
});

for (const ms of [0, 50]) {
  const what = ms === 0 ? "replies to" : "calls of";
  Deno.test(`accept() keeps idempotent ${what} a page that is in the cache`, async () => {
    const [a, b] = [fakeClient("a"), fakeClient("b")];
    const pages = [a, b];
    await using bed = worker(pages);
    const before = await bed.connect(a, "a");
    const call = ["call", 1, "wait", { ms }, 1];
    before.post(call, ["ping", [1]]);
    assertEquals(await before.next(), ["pong", []]);
    if (ms === 0) await before.next();
    // There, it is no client.
    pages.shift();
    await bed.connect(b, "b");
    await new Promise((resolve) => setTimeout(resolve, 10));
    const after = await bed.connect(a, "a");
    after.post(call);
    assertEquals(await after.next(), ["value", 1, ms]);
    assertEquals(bed.ran, [ms]);
  });
}

Deno.test("accept() forgets the replies that the page has received", async () => {
  await using bed = worker();
  const page = await bed.connect();
  for (const [id, oldest] of [[1, 1], [2, 2], [1, 1]]) {
    page.post(["call", id, "wait", { ms: 0 }, oldest]);
    await page.next();
  }
  page.post(["rest"], ["call", 1, "wait", { ms: 0 }, 1]);
  await page.next();
  assertEquals(bed.ran.length, 4);
});

Deno.test("accept() ends a stream whose page went without a word", async () => {
  using time = new FakeTime();
  const pages = [fakeClient("a")];
  await using bed = worker(pages);
  const page = await bed.connect(pages[0]);
  page.post(["stream", 1, "count", undefined, 0], ["ping", [1]]);
  assertEquals(await page.next(), ["pong", []]);
  await time.tickAsync(5_000);
  page.post(["ping", [1]]);
  assertEquals(await page.next(), ["pong", []]);
  pages.shift();
  await time.tickAsync(5_000);
  page.post(["ping", [1]]);
  const answer = await Promise.race([page.next(), time.tickAsync(100)]);
  assertEquals(answer, undefined);
});

async function* strings(): AsyncGenerator<string> {
  yield await Promise.resolve("1");
}

type Sent = { "@serviceworker/std": { name: string; message: string } };

/** Compile-time only: a protocol types the handlers. */
export const typed: Partial<AcceptHandlers<Podcast>>[] = [
  { version: () => "1" },
  { version: () => Promise.resolve("1") },
  { maybe: () => undefined },
  { maybe: () => Promise.resolve({ id: "7" }) },
  // @ts-expect-error the reply is a string
  { version: () => 1 },
  // @ts-expect-error there is no such member
  { versoin: () => "1" },
  // @ts-expect-error a stream's items are numbers
  { count: () => strings() },
  { playing: (data) => data.id.trim() },
  // @ts-expect-error the data has no such member
  { playing: (data) => data.name },
  { version: (_, { post }) => (post("playing", { id: "7" }), "1") },
  // @ts-expect-error the event's data is wrong
  { version: (_, { post }) => (post("playing", 7), "1") },
];

/** Compile-time only: what is not an event needs a handler. */
// @ts-expect-error handlers are missing
export const incomplete: AcceptHandlers<Podcast> = { version: () => "1" };
