// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { request } from "./request.ts";
import { respond, type RespondEvent, type RespondHandlers } from "./respond.ts";

/** A worker with these listeners; `lifetime` is what its events wait for. */
function worker(...listeners: ((event: RespondEvent) => void)[]) {
  const lifetime: Promise<unknown>[] = [];
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ data, ports }) => {
    const waitUntil = (promise: Promise<unknown>) =>
      void lifetime.push(promise);
    for (const listener of listeners) listener({ data, ports, waitUntil });
  };
  return {
    target: port1,
    lifetime,
    [Symbol.dispose]() {
      port1.close();
      port2.close();
    },
  };
}

/** Asks as workbox-window's `messageSW()` does. */
function messageSW(target: MessagePort, data: unknown): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  target.postMessage(data, [port2]);
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => {
      port1.close();
      resolve(data);
    };
  });
}

const isMarked = (data: unknown) =>
  typeof data === "object" && data !== null && "@serviceworker/std" in data;

async function named(promise: Promise<unknown>, name: string): Promise<Error> {
  const error = await assertRejects(() => promise, Error);
  assertEquals(error.name, name, error.message);
  return error;
}

Deno.test("respond() answers values, promises and nothing", async () => {
  using bed = worker(respond({
    value: () => 1,
    promise: () => Promise.resolve([2]),
    nothing: () => {},
  }));
  assertEquals(await request(bed.target, { type: "value" }), 1);
  assertEquals(await request(bed.target, { type: "promise" }), [2]);
  assertEquals(await request(bed.target, { type: "nothing" }), undefined);
});

Deno.test("respond() lets a handler say what its message is", async () => {
  using bed = worker(respond({
    twice: ({ n }: { n: number }) => n * 2,
    plain: ({ n }) => n,
  }));
  assertEquals(await request(bed.target, { type: "twice", n: 2 }), 4);
  assertEquals(await request(bed.target, { type: "plain", n: 2 }), 2);
});

Deno.test("respond() gives the handler the message and the event", async () => {
  using bed = worker(respond({
    sum: ({ a, b }, { event }) => [Number(a) + Number(b), event.ports.length],
  }));
  assertEquals(await request(bed.target, { type: "sum", a: 1, b: 2 }), [3, 1]);
});

Deno.test("respond() answers inside waitUntil()", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  using bed = worker(respond({ slow: () => promise }));
  const answer = request(bed.target, { type: "slow" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  let ended = false;
  const lifetime = Promise.all(bed.lifetime).then(() => ended = true);
  await Promise.resolve();
  assertEquals([bed.lifetime.length, ended], [1, false]);
  resolve("done");
  assertEquals(await answer, "done");
  await lifetime;
});

Deno.test("respond() answers in a page, whose events have no waitUntil()", async () => {
  const listener = respond({ typing: () => true });
  using bed = worker(({ data, ports }) => listener({ data, ports }));
  assertEquals(await request(bed.target, { type: "typing" }), true);
  await named(request(bed.target, { type: "tipyng" }), "NoHandlerError");
});

Deno.test("respond() answers workbox-window with the bare value", async () => {
  using bed = worker(respond({ GET_VERSION: () => "1.0.0" }));
  assertEquals(await messageSW(bed.target, { type: "GET_VERSION" }), "1.0.0");
});

Deno.test("respond() refuses a question without a handler at once", async () => {
  using bed = worker(respond({ version: () => "1" }));
  const error = await named(
    request(bed.target, { type: "verison" }),
    "NoHandlerError",
  );
  assertEquals(
    error.message,
    'Cannot answer the request: there is no handler for "verison"',
  );
  await named(request(bed.target, { type: "toString" }), "NoHandlerError");
  for (const type of [undefined, null, 1n, {}]) {
    await named(request(bed.target, { type }), "NoHandlerError");
  }
});

Deno.test("respond() leaves a question to a listener that has its handler", async () => {
  using bed = worker(
    respond({ a: () => "a" }),
    respond({
      b: () => new Promise((resolve) => setTimeout(resolve, 20, "b")),
    }),
  );
  assertEquals(await request(bed.target, { type: "a" }), "a");
  assertEquals(await request(bed.target, { type: "b" }), "b");
  await named(request(bed.target, { type: "c" }), "NoHandlerError");
});

Deno.test("respond() leaves foreign messages alone", async () => {
  let ran = 0;
  const foreign: unknown[] = [];
  using bed = worker(
    respond({ mine: () => ++ran, keep: () => ++ran }),
    ({ data, ports: [port] }) => {
      if (isMarked(data)) port?.close();
      if ((data as { type?: unknown })?.type !== "theirs") return;
      foreign.push(data);
      port?.postMessage("theirs");
      port?.close();
    },
  );
  const types = [null, "mine", 1, [], { type: "mine" }];
  for (const data of types) bed.target.postMessage(data);
  for (
    const mark of [null, 1, {}, { keep: "x" }, { request: 1 }]
  ) {
    const { port1, port2 } = new MessageChannel();
    bed.target.postMessage({ type: "mine", "@serviceworker/std": mark }, [
      port2,
    ]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    port1.close();
    port2.close();
  }
  assertEquals(await messageSW(bed.target, { type: "theirs" }), "theirs");
  // A mark that is no object is no mark of ours: the question was answered.
  assertEquals([foreign.length, ran], [1, 2]);
});

Deno.test("respond() rejects with DataCloneError when the answer cannot be cloned", async () => {
  using bed = worker(respond({ f: () => () => {} }));
  await named(request(bed.target, { type: "f" }), "DataCloneError");
});

Deno.test("respond() runs an idempotent question once in a life", async () => {
  let ran = 0;
  using bed = worker(respond({ pay: () => ++ran }));
  const mark = { request: crypto.randomUUID() };
  const question = { type: "pay", "@serviceworker/std": mark };
  const first = await messageSW(bed.target, question);
  const { port1, port2 } = new MessageChannel();
  bed.target.postMessage(question, [port2]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  port1.close();
  port2.close();
  assertEquals(first, { "@serviceworker/std": { value: 1 } });
  assertEquals(ran, 1);
});

Deno.test("respond() aborts at an abort, and at nothing else that comes on the port", async () => {
  const aborted = Promise.withResolvers<void>();
  using bed = worker(respond({
    work: (_, { signal }) =>
      new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => {
          aborted.resolve();
          resolve();
        })
      ),
  }));
  const { port1, port2 } = new MessageChannel();
  bed.target.postMessage({ type: "work" }, [port2]);
  let isAborted = false;
  aborted.promise.then(() => isAborted = true);
  for (const data of [null, "abort", {}, { abort: false }]) {
    port1.postMessage(data);
    port1.postMessage({ "@serviceworker/std": data });
  }
  port1.postMessage({ abort: true });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(isAborted, false);
  port1.postMessage({ "@serviceworker/std": { abort: true } });
  await aborted.promise;
  port1.close();
});

Deno.test("respond() remembers a bounded number of questions", async () => {
  let ran = 0;
  using bed = worker(respond({ pay: () => void ++ran }));
  const ask = (request: number) =>
    messageSW(bed.target, {
      type: "pay",
      "@serviceworker/std": { request: `${request}` },
    });
  for (let i = 0; i <= 1_000; i++) await ask(i);
  await ask(0);
  assertEquals(ran, 1_002);
});

interface Podcast {
  version(): string;
  remove(input: { id: string }): boolean;
  download(input: { id: string }): AsyncIterable<number>;
  playing: { id: string };
}

/** Compile-time only: a protocol types the handlers. */
export const typed: RespondHandlers<Podcast>[] = [
  { version: () => "1", remove: ({ id }) => id === "7" },
  { version: () => Promise.resolve("1"), remove: () => true },
  // @ts-expect-error a handler is missing
  { version: () => "1" },
  // @ts-expect-error the answer is a string
  { version: () => 1, remove: () => true },
  {
    version: () => "1",
    // @ts-expect-error the input has no such member
    remove: ({ name }) => name === "7",
  },
  // @ts-expect-error streams are for accept()
  { version: () => "1", remove: () => true, download: () => 1 },
];
