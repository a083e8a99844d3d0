// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { AsyncLocalStorage } from "node:async_hooks";
import { memoryStore } from "../storage/memory_store.ts";
import { createHost } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import { handleSync } from "./background_sync.ts";
import {
  createOutbox,
  type Outbox,
  type OutboxContext,
  type OutboxEntry,
  type OutboxOptions,
  type OutboxStore,
} from "./outbox.ts";

const DAY = 86_400_000;
const YEAR = 365 * DAY;
const realTimeout = setTimeout;

/** A server that does what it is asked once for each idempotency key. */
class Server {
  /** Every request that arrived, by its body. */
  readonly arrived: string[] = [];
  /** What was done, in order. */
  readonly done: string[] = [];
  readonly headers: Headers[] = [];
  readonly keys = new Map<string, string>();
  /** Whether requests arrive at all. */
  reachable = true;
  /** What it answers instead of doing it, if anything. */
  refuse: (body: string, count: number) => Response | undefined = () =>
    undefined;

  async handle(request: Request): Promise<Response> {
    if (!this.reachable) throw new TypeError("Failed to fetch");
    const body = await request.text();
    this.arrived.push(body);
    this.headers.push(request.headers);
    const count = this.arrived.filter((other) => other === body).length;
    const refusal = this.refuse(body, count);
    if (refusal) return refusal;
    const key = request.headers.get("idempotency-key") ?? "";
    if (this.keys.get(key) === undefined) this.done.push(body);
    this.keys.set(key, body);
    return new Response("done", { status: 201 });
  }
}

/** An outbox with a name of its own, hence a lock of its own. */
function bed(options: Partial<OutboxOptions<Request>> = {}) {
  const server = new Server();
  const store = memoryStore();
  const name = crypto.randomUUID();
  const open = (more: Partial<OutboxOptions<Request>> = {}) =>
    createOutbox<Request>(store.reopen(), {
      name,
      send: (request) => server.handle(request),
      ...options,
      ...more,
    });
  return { server, store, name, open, outbox: open() };
}

function post(body: BodyInit | null, init: RequestInit = {}): Request {
  return new Request("https://example.com/comments", {
    method: "POST",
    body,
    ...init,
  });
}

const HALF = { duplex: "half" } as RequestInit;

/** A body that is there when the promise resolves. */
function streamUntil(promise: Promise<void>, text: string): ReadableStream {
  return new ReadableStream({
    async pull(controller) {
      await promise;
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}

function turns(ms = 10): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The paths of what is stored of entries. */
async function kept(
  store: { list(): Promise<[string, unknown][]> },
): Promise<string[]> {
  const paths = (await store.list()).map(([path]) => path);
  return paths.filter((path) => !/\/(?:state|ends)$/.test(path));
}

async function statuses(outbox: Outbox<Request>): Promise<string[]> {
  return (await outbox.list()).map(({ status }) => status);
}

Deno.test("add() resolves with the identifier of an entry that is listed", async () => {
  const { outbox } = bed();
  const id = await outbox.add(post("Hello"), {
    key: "episode 7",
    owner: "Ada",
    data: { text: "Hello" },
  });
  const [entry, ...others] = await outbox.list();
  assertEquals(others, []);
  assert(entry && Math.abs(entry.added - Date.now()) < 10_000);
  assertEquals({ ...entry, added: 0 }, {
    id,
    status: "queued",
    added: 0,
    attempts: 0,
    due: undefined,
    failure: undefined,
    method: "POST",
    url: "https://example.com/comments",
    key: "episode 7",
    owner: "Ada",
    data: { text: "Hello" },
  });
});

Deno.test("flush() sends what was added, and forgets it", async () => {
  const { outbox, server } = bed();
  const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
  await Promise.all(texts.map((text) => outbox.add(post(text))));
  assertEquals(await outbox.flush(), { sent: 50, failed: 0, next: undefined });
  assertEquals(server.done.toSorted(), texts.toSorted());
  assertEquals(await outbox.list(), []);
});

Deno.test("flush() leaves nothing in the store of what was sent", async () => {
  const { outbox, store, name } = bed();
  await outbox.addAll([post("a"), post("b")], { key: "k" });
  await outbox.add(post(new Uint8Array(100_000)));
  await outbox.flush();
  const paths = (await store.list()).map(([path]) => path);
  assertEquals(paths, [`outbox/${name}/ends`, `outbox/${name}/state`]);
});

Deno.test("flush() of an empty outbox sends nothing", async () => {
  const { outbox } = bed();
  assertEquals(await outbox.flush(), { sent: 0, failed: 0, next: undefined });
});

Deno.test("flush() sends by fetch() where there is no 'send'", async () => {
  const received: string[] = [];
  await using server = Deno.serve(
    { port: 0, onListen() {} },
    async (request) => {
      received.push(
        `${request.method} ${request.headers.get("x-a")} ${await request
          .text()}`,
      );
      return new Response("thanks");
    },
  );
  const outbox = createOutbox(memoryStore(), { name: crypto.randomUUID() });
  await outbox.add(
    new Request(`http://localhost:${server.addr.port}/`, {
      method: "PUT",
      headers: { "x-a": "b" },
      body: "Hello",
    }),
  );
  assertEquals((await outbox.flush()).sent, 1);
  assertEquals(received, ["PUT b Hello"]);
});

Deno.test("flush() has at most 'concurrency' entries on their way", async () => {
  let now = 0;
  let most = 0;
  const { outbox } = bed({
    concurrency: 3,
    async send() {
      most = Math.max(most, ++now);
      await turns(1);
      now--;
    },
  });
  await outbox.addAll(Array.from({ length: 30 }, () => post("x")));
  assertEquals((await outbox.flush()).sent, 30);
  assertEquals(most, 3);
});

Deno.test("createOutbox() throws if 'concurrency' is not a positive integer", () => {
  for (const concurrency of [0, -1, 1.5, NaN]) {
    assertThrows(() => bed({ concurrency }), RangeError, "'concurrency'");
  }
});

Deno.test("flush() sends the entries of a key in order", async () => {
  const { outbox, server } = bed({
    async send(request) {
      await turns(Math.random() * 5);
      return await server.handle(request);
    },
  });
  const all = [];
  for (let i = 0; i < 60; i++) {
    all.push(outbox.add(post(`${i % 3} ${i}`), { key: `${i % 3}` }));
  }
  await Promise.all(all);
  await outbox.flush();
  assertEquals(server.done.length, 60);
  for (const key of ["0", "1", "2"]) {
    const own = server.done.filter((body) => body.startsWith(`${key} `))
      .map((body) => Number(body.split(" ")[1]));
    assertEquals(own, own.toSorted((a, b) => a - b));
  }
});

Deno.test("add() keeps the order of calls in a key, though one body takes longer", async () => {
  const { outbox, server } = bed();
  const used = post("used");
  await used.text();
  const slow = streamUntil(turns(20), "slow");
  await Promise.all([
    outbox.add(post(slow, HALF), { key: "k" }),
    outbox.add(post("quick"), { key: "k" }),
    assertRejects(() => outbox.add(used, { key: "k" })),
    outbox.add(post("last"), { key: "k" }),
  ]);
  await outbox.flush();
  assertEquals(server.done, ["slow", "quick", "last"]);
});

Deno.test("add() keeps the order of calls in a key, though one between was refused", async () => {
  const { outbox, server } = bed();
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = outbox.add(post(streamUntil(promise, "slow"), HALF), {
    key: "k",
  });
  const used = post("used");
  await used.text();
  await assertRejects(() => outbox.add(used, { key: "k" }), TypeError);
  const last = outbox.add(post("last"), { key: "k" });
  await turns();
  resolve();
  await Promise.all([slow, last]);
  await outbox.flush();
  assertEquals(server.done, ["slow", "last"]);
});

Deno.test("add() waits for a body before it in its key no longer than for its own", async () => {
  using time = new FakeTime();
  const { outbox, server } = bed();
  const { promise, resolve } = Promise.withResolvers<void>();
  const { signal } = new AbortController();
  const first = outbox.add(post(streamUntil(promise, "first"), HALF), {
    key: "k",
    signal,
  });
  const reason = new Error("enough");
  const controller = new AbortController();
  const second = outbox.add(post("second"), {
    key: "k",
    signal: controller.signal,
  });
  const third = outbox.add(post("third"), { key: "k" });
  const late = assertRejects(() => third, DOMException, "has not ended");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => second), reason);
  await pass(time, 30_000);
  assertEquals((await late).name, "TimeoutError");
  resolve();
  await first;
  await outbox.add(post("fourth"), { key: "k" });
  await settled(time, outbox.flush());
  assertEquals(server.done, ["first", "fourth"]);
});

Deno.test("flush() is held back by a failing entry in its own key only", async () => {
  const { outbox, server } = bed();
  server.refuse = (body) =>
    body === "a1" ? new Response("", { status: 503 }) : undefined;
  for (const key of ["a", "b", "a/b", 'a"']) {
    await outbox.addAll([post(`${key}1`), post(`${key}2`)], { key });
  }
  await outbox.add(post("none"));
  await outbox.flush();
  assertEquals(
    server.done.toSorted(),
    ["b1", "b2", "a/b1", "a/b2", 'a"1', 'a"2', "none"].toSorted(),
  );
  assertEquals(await statuses(outbox), ["queued", "queued"]);
});

Deno.test("flush() tries again after 408, 425, 429 and 5xx", async () => {
  using time = new FakeTime();
  const { outbox, server } = bed();
  const transient = [408, 425, 429, 500, 502, 503, 504, 599];
  server.refuse = (body, count) =>
    count === 1 ? new Response("later", { status: Number(body) }) : undefined;
  await outbox.addAll(transient.map((status) => post(`${status}`)));
  assertEquals((await settled(time, outbox.flush())).sent, 0);
  assertEquals((await settled(time, outbox.flush())).sent, 0);
  const [first] = await outbox.list();
  assertEquals(first?.failure, {
    reason: "status",
    message: "the server answered 408",
    status: 408,
    body: "later",
  });
  await pass(time, 1_000);
  const { sent, next } = await settled(time, outbox.flush());
  assertEquals([sent, next], [transient.length, undefined]);
});

Deno.test("flush() makes dead letters of other 4xx, with status and body", async () => {
  const { outbox, server } = bed();
  server.refuse = (body) =>
    body.startsWith("bad")
      ? new Response("é".repeat(20_000), { status: 422 })
      : undefined;
  await outbox.addAll([post("bad"), post("good")], { key: "k" });
  assertEquals(await outbox.flush(), { sent: 1, failed: 1, next: undefined });
  const [dead, ...others] = await outbox.list();
  assertEquals(others, []);
  assertEquals([dead?.status, dead?.attempts], ["failed", 1]);
  assertEquals(dead?.failure?.status, 422);
  assertEquals(dead?.failure?.body, "é".repeat(8_192));
  assertEquals(await outbox.flush(), { sent: 0, failed: 0, next: undefined });
});

Deno.test("retry() sends a dead letter after all, with its idempotency key", async () => {
  const { outbox, server } = bed();
  server.refuse = (_, count) =>
    count === 1 ? new Response("", { status: 403 }) : undefined;
  const id = await outbox.add(post("a"), { key: "k" });
  await outbox.flush();
  assert(await outbox.retry(id));
  assertEquals((await outbox.flush()).sent, 1);
  assertEquals(await outbox.list(), []);
  const [first, second] = server.headers.map((h) => h.get("idempotency-key"));
  assert(first);
  assertEquals(first, second);
  assertEquals(await outbox.retry(id), false);
});

Deno.test("retry() puts a dead letter back among those of its key", async () => {
  const { outbox, server } = bed();
  server.refuse = (body, count) =>
    body === "a" && count === 1 ? new Response("", { status: 403 }) : undefined;
  const id = await outbox.add(post("a"), { key: "k" });
  await outbox.flush();
  await outbox.addAll([post("b"), post("c")], { key: "k" });
  await outbox.retry(id);
  await outbox.flush();
  assertEquals(server.done.toSorted(), ["a", "b", "c"]);
  assert(server.done.indexOf("b") < server.done.indexOf("c"));
});

Deno.test("retry() ends the wait of an entry that failed", async () => {
  const { outbox, server } = bed();
  server.refuse = (_, count) =>
    count === 1 ? new Response("", { status: 503 }) : undefined;
  const id = await outbox.add(post("a"), { key: "k" });
  await outbox.flush();
  assert(await outbox.retry(id));
  assertEquals((await outbox.flush()).sent, 1);
});

Deno.test("retry() leaves alone what is on its way", async () => {
  using time = new FakeTime();
  const { promise, resolve } = Promise.withResolvers<void>();
  const { outbox, server } = bed({
    async send(request) {
      const response = await server.handle(request);
      if (response.ok) await promise;
      return response;
    },
  });
  server.refuse = (_, count) =>
    count === 1 ? new Response("", { status: 503 }) : undefined;
  const id = await outbox.add(post("a"));
  await settled(time, outbox.flush());
  await pass(time, 1_000);
  const flushed = outbox.flush();
  await pass(time, 10);
  assertEquals(await statuses(outbox), ["sending"]);
  assertEquals(await outbox.retry(id), false);
  resolve();
  assertEquals((await settled(time, flushed)).sent, 1);
  assertEquals([await outbox.list(), server.arrived.length], [[], 2]);
});

Deno.test("flush() waits longer after each failure, up to an hour", async () => {
  using time = new FakeTime();
  const { outbox, server } = bed();
  server.refuse = () => new Response("", { status: 500 });
  await outbox.add(post("a"));
  const delays: number[] = [];
  for (let i = 0; i < 15; i++) {
    const { next = 0 } = await settled(time, outbox.flush());
    delays.push(next - Date.now());
    await pass(time, next - Date.now() + 1);
  }
  assertEquals(server.arrived.length, 15);
  delays.forEach((delay, i) => {
    const most = Math.min(3_600_000, 1_000 * 2 ** i);
    assert(delay >= most / 2 && delay <= most + 1, `${delay} after ${i}`);
  });
  assert(new Set(delays.slice(12)).size > 1, "there is no jitter");
});

Deno.test("flush() waits as long as 'backoff' says, from a second to a day", async () => {
  using time = new FakeTime(Date.now());
  const delays = [5_000, 0, -1, NaN, undefined, Infinity];
  const asked: number[] = [];
  const { outbox } = bed({
    concurrency: 1,
    backoff() {
      asked.push(Date.now());
      return delays[asked.length - 1] as number;
    },
    send: () => new Response("", { status: 503 }),
  });
  await outbox.addAll(delays.map(() => post("x")));
  const { next } = await settled(time, outbox.flush());
  const entries = await outbox.list();
  assertEquals(
    entries.map(({ due = 0 }, i) => due - (asked[i] ?? 0)),
    [5_000, 1_000, 1_000, 1_000, 1_000, 86_400_000],
  );
  assertEquals(next, entries[1]?.due);
});

Deno.test("flush() waits as long as Retry-After says, in seconds or as a date", async () => {
  using time = new FakeTime(1_800_000_000_000);
  const { outbox, server } = bed();
  const date = new Date(Date.now() + 600_000);
  const values: Record<string, HeadersInit> = {
    seconds: { "retry-after": "300" },
    date: { "retry-after": date.toUTCString() },
    // A server whose clock is ahead by a year.
    other: {
      "retry-after": new Date(Date.now() + YEAR + 900_000).toUTCString(),
      date: new Date(Date.now() + YEAR).toUTCString(),
    },
    long: { "retry-after": "99999999" },
    none: { "retry-after": "soon" },
  };
  server.refuse = (body) =>
    new Response("", { status: 503, headers: values[body] ?? {} });
  for (const body of Object.keys(values)) await outbox.add(post(body));
  await settled(time, outbox.flush());
  const waits = (await outbox.list()).map(({ due = 0 }) =>
    Math.round((due - Date.now()) / 1_000)
  );
  assertEquals(waits, [300, 600, 900, 86_400, 1]);
});

Deno.test("flush() tries what was unreachable at once when the server is back", async () => {
  const { outbox, server } = bed();
  server.reachable = false;
  await outbox.addAll([post("a"), post("b")], { key: "k" });
  await outbox.add(post("c"));
  const { sent, next } = await outbox.flush();
  assertEquals(sent, 0);
  assert(next && next > Date.now() && next <= Date.now() + 1_100);
  const [entry] = await outbox.list();
  assertEquals(entry?.failure?.reason, "unreachable");
  assert(entry?.failure?.message.endsWith("TypeError: Failed to fetch"));
  await outbox.flush();
  server.reachable = true;
  assertEquals(await outbox.flush(), { sent: 3, failed: 0, next: undefined });
});

Deno.test("flush() does not try at once what alone was unreachable", async () => {
  let attempts = 0;
  const { outbox } = bed({
    concurrency: 1,
    async send(request) {
      if (await request.text() === "good") return new Response();
      attempts++;
      throw new TypeError("Blocked");
    },
  });
  await outbox.addAll([post("good"), post("bad")]);
  assertEquals((await outbox.flush()).sent, 1);
  await outbox.flush();
  assertEquals(attempts, 1);
});

Deno.test("flush() stops after three attempts in a row without a response", async () => {
  let attempts = 0;
  const { outbox } = bed({
    concurrency: 1,
    send() {
      attempts++;
      throw new TypeError("Failed to fetch");
    },
  });
  await outbox.addAll(Array.from({ length: 100 }, () => post("x")));
  const { next } = await outbox.flush();
  assertEquals(attempts, 3);
  assert(next && next > Date.now());
  const [, , , fourth] = await outbox.list();
  assertEquals(fourth?.attempts, 0);
});

Deno.test("flush() passes entries that never reach their server", async () => {
  const { outbox, server } = bed({
    concurrency: 1,
    async send(request) {
      const copy = request.clone();
      if ((await copy.text()).startsWith("bad")) throw new TypeError("Blocked");
      return await server.handle(request);
    },
  });
  await outbox.addAll(Array.from({ length: 7 }, (_, i) => post(`bad ${i}`)));
  await outbox.addAll([post("a"), post("b")]);
  for (let i = 0; i < 4; i++) await outbox.flush();
  assertEquals(server.done, ["a", "b"]);
  assertEquals((await outbox.list()).length, 7);
});

Deno.test("flush() sends the same idempotency key at every attempt", async () => {
  const { outbox, server } = bed();
  server.refuse = (_, count) =>
    count < 3 ? new Response("", { status: 503 }) : undefined;
  const a = await outbox.add(post("a"));
  const b = await outbox.add(post("b"));
  for (const id of [a, b, a, b, ""]) {
    await outbox.flush();
    await outbox.retry(id);
  }
  await outbox.flush();
  const keys = server.headers.map((headers) => headers.get("idempotency-key"));
  assert(keys.length >= 5, `${keys.length}`);
  assertEquals(new Set(keys).size, 2);
});

Deno.test("flush() leaves an idempotency key of the request as it is", async () => {
  const { outbox, server } = bed();
  await outbox.add(post("a", { headers: { "Idempotency-Key": "mine" } }));
  await outbox.flush();
  assertEquals(server.headers[0]?.get("idempotency-key"), "mine");
});

Deno.test("flush() sends the idempotency key in the header that is wanted, or none", async () => {
  const { outbox, server, open } = bed({ idempotencyHeader: "X-Once" });
  await outbox.add(post("a"));
  await outbox.flush();
  assertEquals(server.headers[0]?.get("x-once")?.length, 36);
  assertEquals(server.headers[0]?.has("idempotency-key"), false);
  const none = open({ idempotencyHeader: false });
  await none.add(post("b"));
  await none.flush();
  assertEquals([...server.headers[1]?.keys() ?? []], ["content-type"]);
});

Deno.test("add() does not store Authorization unless it is asked to", async () => {
  const { outbox, server, store, open } = bed();
  const request = () => post("a", { headers: { Authorization: "Bearer old" } });
  await outbox.add(request());
  const stored = JSON.stringify(await store.list());
  assert(!stored.includes("Bearer"), stored);
  await outbox.flush();
  assertEquals(server.headers[0]?.has("authorization"), false);
  await open({ storeAuthorization: true }).add(request());
  await outbox.flush();
  assertEquals(server.headers[1]?.get("authorization"), "Bearer old");
});

Deno.test("flush() sends what 'send' makes of the request", async () => {
  let token = 0;
  const { outbox, server } = bed({
    send(request, { entry, signal }) {
      assert(entry.status === "sending" && signal instanceof AbortSignal);
      request.headers.set("Authorization", `Bearer ${++token}`);
      return server.handle(request);
    },
  });
  server.refuse = (_, count) =>
    count === 1 ? new Response("", { status: 503 }) : undefined;
  const id = await outbox.add(post("a"));
  await outbox.flush();
  await outbox.retry(id);
  await outbox.flush();
  assertEquals(
    server.headers.map((headers) => headers.get("authorization")),
    ["Bearer 1", "Bearer 2"],
  );
});

Deno.test("flush() reads or cancels the body of every response", async () => {
  const ends: string[] = [];
  const { outbox } = bed({
    async send(request) {
      const [status, size] = (await request.text()).split(" ").map(Number);
      let sent = 0;
      const stream = new ReadableStream({
        pull(controller) {
          if (sent++ < (size ?? 0)) {
            return controller.enqueue(new Uint8Array(1_024));
          }
          controller.close();
          ends.push(`${status} ${size} read`);
        },
        cancel: () => void ends.push(`${status} ${size} cancelled`),
      });
      return new Response(stream, { status: status ?? 0 });
    },
  });
  const all = ["200 1", "200 1000", "404 1", "404 1000", "503 1", "503 1000"];
  await outbox.addAll(all.map((text) => post(text)));
  await outbox.flush();
  assertEquals(ends.toSorted(), [
    "200 1 read",
    "200 1000 cancelled",
    "404 1 read",
    "404 1000 cancelled",
    "503 1 read",
    "503 1000 cancelled",
  ]);
});

Deno.test("flush() counts a response as sent whose body breaks off", async () => {
  const { outbox } = bed({
    send: () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.error(new TypeError("cut")),
        }),
      ),
  });
  await outbox.add(post("a"));
  assertEquals((await outbox.flush()).sent, 1);
});

Deno.test("flush() counts a response as sent whose body does not end", async () => {
  using time = new FakeTime();
  let cancelled = false;
  const { outbox } = bed({
    send: () =>
      new Response(
        new ReadableStream({
          pull: () => new Promise(() => {}),
          cancel: () => void (cancelled = true),
        }),
      ),
  });
  await outbox.add(post("a"));
  const flushed = outbox.flush();
  await pass(time, 5_000);
  assertEquals((await settled(time, flushed)).sent, 1);
  assert(cancelled);
});

Deno.test("flush() makes dead letters of opaque responses unless they are accepted", async () => {
  const opaque = () => {
    const response = new Response("");
    return Object.defineProperties(response, {
      type: { value: "opaque" },
      status: { value: 0 },
    });
  };
  const { outbox, open } = bed({ send: opaque });
  await outbox.add(post("a"));
  assertEquals((await outbox.flush()).failed, 1);
  const [dead] = await outbox.list();
  assertEquals(dead?.failure?.reason, "opaque");
  await outbox.retry(dead?.id ?? "");
  assertEquals((await open({ acceptOpaque: true }).flush()).sent, 1);
});

Deno.test("flush() tries again after a network error as response", async () => {
  const { outbox } = bed({ send: () => Response.error() });
  await outbox.add(post("a"));
  await outbox.flush();
  assertEquals((await outbox.list())[0]?.failure?.reason, "unreachable");
});

Deno.test("flush() ends an attempt that takes too long", async () => {
  using time = new FakeTime();
  let aborted: unknown;
  const { outbox } = bed({
    send: (_, { signal }) =>
      new Promise(() =>
        signal.addEventListener("abort", () => aborted = signal.reason)
      ),
  });
  await outbox.add(post("a"));
  const flushed = outbox.flush();
  await pass(time, 59_000);
  assertEquals(aborted, undefined);
  await pass(time, 2_000);
  assertEquals((await settled(time, flushed)).sent, 0);
  assertEquals((aborted as Error).name, "TimeoutError");
  assertEquals((await outbox.list())[0]?.attempts, 1);
});

Deno.test("add() keeps bodies byte by byte", async () => {
  const form = new FormData();
  form.append("text", "é\r\n");
  form.append("file", new File([new Uint8Array([0, 255, 10])], "ü.bin"));
  const large = crypto.getRandomValues(new Uint8Array(60_000));
  const bodies: Record<string, BodyInit | null> = {
    text: "naïve ☂",
    json: JSON.stringify({ a: [1, null] }),
    bytes: new Uint8Array([0, 1, 254, 255]),
    blob: new Blob(["blob"], { type: "image/png" }),
    parameters: new URLSearchParams({ a: "b c" }),
    form,
    empty: "",
    none: null,
    large: new Blob(Array.from({ length: 20 }, () => large)),
  };
  const seen: [type: string | null, digest: string][] = [];
  const { outbox } = bed({
    concurrency: 1,
    async send(request) {
      const type = request.headers.get("content-type");
      seen.push([type, await digest(request)]);
    },
  });
  const requests = Object.values(bodies).map((body) =>
    new Request("https://example.com/", { method: "PUT", body })
  );
  const wanted: typeof seen = [];
  for (const request of requests) {
    const type = request.headers.get("content-type");
    wanted.push([type, await digest(request.clone())]);
  }
  await outbox.addAll(requests);
  await outbox.flush();
  assertEquals(seen, wanted);
});

Deno.test("add() keeps 50 MB", async () => {
  const part = crypto.getRandomValues(new Uint8Array(50_000));
  const sent = new Blob(Array.from({ length: 1_000 }, () => part));
  let received = "";
  const { outbox, store } = bed({
    async send(request) {
      received = await digest(request);
    },
  });
  await outbox.add(post(sent));
  await outbox.flush();
  assertEquals(received, await digest(sent));
  assertEquals(await kept(store), []);
});

Deno.test("add() keeps a form that it is given beside the request", async () => {
  const form = new FormData();
  form.append('na"me\n', "a\rb\nc\r\nd");
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  form.append("file", new File([bytes], 'ü".bin', { type: "image/png" }));
  form.append("plain", new Blob(["x"]));
  let sent: FormData | undefined;
  let type: string | null = "";
  const { outbox } = bed({
    async send(request) {
      type = request.headers.get("content-type");
      sent = await request.formData();
    },
  });
  const headers = { "content-type": "text/plain" };
  await outbox.add(post(null, { headers }), { body: form });
  await outbox.flush();
  assert(type?.startsWith("multipart/form-data; boundary=----"), `${type}`);
  const wanted = await new Response(form).formData();
  assertEquals([...sent?.keys() ?? []], [...wanted.keys()]);
  assertEquals(sent?.values().next().value, "a\r\nb\r\nc\r\nd");
  for (const name of ["file", "plain"]) {
    const [a, b] = [sent?.get(name), wanted.get(name)];
    assert(a instanceof File && b instanceof File);
    assertEquals([a.name, a.type], [b.name, b.type]);
    assertEquals(await digest(a), await digest(b));
  }
});

Deno.test("add() says what to do with a form that cannot be read", async () => {
  const { outbox } = bed();
  const cause = new DOMException("cannot", "InvalidStateError");
  const { arrayBuffer } = Request.prototype;
  try {
    Request.prototype.arrayBuffer = () => Promise.reject(cause);
    const error = await assertRejects(
      () => outbox.add(post(new FormData())),
      TypeError,
      "pass it as 'body'",
    );
    assertStrictEquals(error.cause, cause);
    assertStrictEquals(await assertRejects(() => outbox.add(post("a"))), cause);
  } finally {
    Request.prototype.arrayBuffer = arrayBuffer;
  }
});

Deno.test("add() keeps how a request is sent", async () => {
  let seen: Record<string, unknown> = {};
  const { outbox } = bed({
    send({ method, url, headers, redirect, body }) {
      seen = { method, url, headers: [...headers], redirect, body };
    },
    idempotencyHeader: false,
  });
  await outbox.add(
    new Request("https://example.com/a?b=c", {
      method: "DELETE",
      headers: [["X-A", "1"], ["X-A", "2"]],
      redirect: "error",
    }),
  );
  await outbox.flush();
  assertEquals(seen, {
    method: "DELETE",
    url: "https://example.com/a?b=c",
    headers: [["x-a", "1, 2"]],
    redirect: "error",
    body: null,
  });
});

Deno.test("add() rejects a request whose body was used, and saves nothing", async () => {
  const { outbox } = bed();
  const used = post("a");
  await used.text();
  await assertRejects(
    () => outbox.addAll([post("b"), used]),
    TypeError,
    "its body was used",
  );
  assertEquals(await outbox.list(), []);
});

Deno.test("add() rejects a body that is a stream where the platform tells", async () => {
  const { outbox } = bed();
  // As Chromium does it, and as Firefox.
  class Refusing extends Request {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      if (init?.mode === "no-cors") throw new TypeError("A stream");
      super(input, init);
    }
  }
  const { Request: Real } = globalThis;
  try {
    globalThis.Request = Refusing;
    const request = new Refusing("https://example.com/", {
      method: "POST",
      body: "a",
    });
    await assertRejects(() => outbox.add(request), TypeError, "is a stream");
  } finally {
    globalThis.Request = Real;
  }
  await assertRejects(
    () => outbox.add(post("[object ReadableStream]")),
    TypeError,
    "read it into a Blob",
  );
  assertEquals(await outbox.list(), []);
});

Deno.test("add() rejects a body that does not end, after 30 seconds", async () => {
  using time = new FakeTime();
  const { outbox } = bed();
  const { promise, resolve } = Promise.withResolvers<void>();
  const body = new ReadableStream({ pull: () => promise });
  const added = outbox.add(post(body, HALF));
  const rejected = assertRejects(() => added, DOMException, "has not ended");
  await pass(time, 30_000);
  assertEquals((await rejected).name, "TimeoutError");
  assertEquals(await outbox.list(), []);
  resolve();
});

Deno.test("add() rejects with the reason of an aborted signal, and saves nothing", async () => {
  const { outbox } = bed();
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const error = await assertRejects(() => outbox.add(post("a"), { signal }));
  assertStrictEquals(error, reason);
  const controller = new AbortController();
  const body = new ReadableStream({ pull: () => new Promise(() => {}) });
  const added = outbox.add(post(body, HALF), {
    signal: controller.signal,
  });
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => added), reason);
  assertEquals(await outbox.list(), []);
});

Deno.test("add() rejects with a NotSavedError when the store fails", async () => {
  const { store, name } = bed();
  const cause = new DOMException("full", "QuotaExceededError");
  const full: OutboxStore = {
    get: (key) => store.get(key),
    transact: (work) =>
      store.transact(async (transaction) => {
        await work(transaction);
        throw cause;
      }),
  };
  const outbox = createOutbox(full, { name });
  const error = await assertRejects(
    () => outbox.add(post("a")),
    DOMException,
    "not saved",
  );
  assertEquals(error.name, "NotSavedError");
  assertStrictEquals(error.cause, cause);
  assertEquals(await store.list(), []);
});

Deno.test("add() of one that cannot be saved keeps no other from being saved", async () => {
  const { store, name } = bed();
  let count = 0;
  const outbox = createOutbox<number>({
    get: store.get,
    transact(work) {
      count++;
      return store.transact(work);
    },
  }, { name, send: () => {} });
  const added = await Promise.allSettled(
    Array.from(
      { length: 200 },
      (_, i) => outbox.add(i, { data: i === 70 ? () => {} : i }),
    ),
  );
  const [failure, ...others] = added.filter((end) => end.status === "rejected");
  assertEquals([failure?.reason.name, others], ["DataCloneError", []]);
  const saved = (await outbox.list()).map(({ data }) => data);
  assertEquals(saved, [...Array(200).keys()].filter((i) => i !== 70));
  assert(count < 20, `there were ${count}`);
});

Deno.test("add() refuses a mode that hides the end, unless it is accepted", async () => {
  const { outbox, open } = bed();
  const request = () =>
    Object.defineProperty(post("a"), "mode", { value: "no-cors" });
  await assertRejects(() => outbox.add(request()), TypeError, '"no-cors"');
  await open({ acceptOpaque: true }).add(request());
});

Deno.test("add() refuses what could not be sent", async () => {
  const { outbox } = bed();
  const get = new Request("https://example.com/");
  const body = new FormData();
  await assertRejects(
    () => outbox.add(get, { body }),
    TypeError,
    'its method is "GET"',
  );
  const odd = Object.defineProperty(post("a"), "redirect", { value: "odd" });
  await assertRejects(() => outbox.add(odd), TypeError);
  assertEquals(await outbox.list(), []);
});

Deno.test("add() refuses a negative maxAge", async () => {
  const { outbox } = bed();
  for (const maxAge of [-1, NaN]) {
    await assertRejects(() => outbox.add(post("a"), { maxAge }), RangeError);
  }
});

Deno.test("add() takes messages where there is a 'send'", async () => {
  interface Message {
    text: string;
  }
  const sent: [Message, OutboxContext][] = [];
  const outbox = createOutbox<Message>(memoryStore(), {
    name: crypto.randomUUID(),
    send: (message, context) => {
      sent.push([message, context]);
      if (sent.length === 1) throw new Error("not now");
      if (message.text === "bad") return new Response("no", { status: 400 });
    },
  });
  const id = await outbox.add({ text: "Hello" });
  await outbox.flush();
  await outbox.retry(id);
  await outbox.add({ text: "bad" });
  assertEquals(await outbox.flush(), { sent: 1, failed: 1, next: undefined });
  assertEquals(sent.map(([{ text }]) => text), ["Hello", "Hello", "bad"]);
  const [first, second, third] = sent.map(([, context]) => context);
  assertEquals(first?.idempotencyKey, second?.idempotencyKey);
  assert(first?.idempotencyKey !== third?.idempotencyKey);
  assertEquals(second?.entry.id, id);
});

Deno.test("add() refuses messages where there is no 'send'", async () => {
  const outbox = createOutbox<unknown>(memoryStore());
  await assertRejects(() => outbox.add("Hello"), TypeError, "no 'send'");
});

Deno.test("add() with 'collapse' replaces the last entry of its key, and takes its place", async () => {
  const { outbox, server, store } = bed({ concurrency: 1 });
  const collapse = { key: "a", collapse: true };
  const first = await outbox.add(post("first"), collapse);
  await outbox.add(post("other"), { key: "b" });
  const second = await outbox.add(post(new Uint8Array(100_000)), collapse);
  await outbox.add(post("second"), collapse);
  const ids = (await outbox.list()).map(({ id }) => id);
  assertEquals(ids.length, 2);
  assert(!ids.includes(first) && !ids.includes(second));
  await outbox.flush();
  assertEquals(server.done, ["second", "other"]);
  assertEquals(await kept(store), []);
});

Deno.test("addAll() with 'collapse' leaves the last of them", async () => {
  const { outbox, server } = bed();
  await outbox.addAll([post("a"), post("b"), post("c")], {
    key: "k",
    collapse: true,
  });
  assertEquals(await statuses(outbox), ["queued"]);
  await outbox.flush();
  assertEquals(server.done, ["c"]);
});

Deno.test("add() with 'collapse' replaces nothing but what was added with it", async () => {
  const { outbox, server } = bed();
  const collapse = { key: "a", collapse: true };
  await outbox.add(post("create"), { key: "a" });
  await outbox.add(post("first"), collapse);
  await outbox.add(post("second"), collapse);
  await outbox.add(post("remove"), { key: "a" });
  await outbox.add(post("third"), collapse);
  await outbox.add(post("elsewhere"), { key: "b", collapse: true });
  await outbox.flush();
  assertEquals(server.done.filter((body) => body !== "elsewhere"), [
    "create",
    "second",
    "remove",
    "third",
  ]);
});

Deno.test("add() with 'collapse' replaces one that waits, and waits as long", async () => {
  const { outbox, server } = bed();
  server.refuse = (body) =>
    body === "first" ? new Response("", { status: 503 }) : undefined;
  await outbox.add(post("first"), { key: "a", collapse: true });
  await outbox.flush();
  const events = collect(outbox);
  while (events.seen.length < 1) await turns(1);
  const id = await outbox.add(post("second"), { key: "a", collapse: true });
  const [entry, ...others] = await outbox.list();
  assertEquals([entry?.id, entry?.attempts, others], [id, 1, []]);
  while (events.seen.length < 3) await turns(1);
  assertEquals(events.seen.at(-1), entry);
  await events.end();
  assertEquals((await outbox.flush()).sent, 0);
  await outbox.retry(id);
  assertEquals((await outbox.flush()).sent, 1);
  assertEquals(server.done, ["second"]);
});

Deno.test("add() with 'collapse' does not replace an entry on its way", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { outbox, server } = bed({
    async send(request) {
      await promise;
      return await server.handle(request);
    },
  });
  const collapse = { key: "a", collapse: true };
  await outbox.add(post("first"), collapse);
  const flushed = outbox.flush();
  while ((await statuses(outbox))[0] !== "sending") await turns(1);
  await outbox.add(post("second"), collapse);
  await outbox.add(post("third"), collapse);
  assertEquals(await statuses(outbox), ["sending", "queued"]);
  resolve();
  await flushed;
  assertEquals(server.done, ["first", "third"]);
});

Deno.test("flush() makes dead letters of what is older than its maxAge", async () => {
  using time = new FakeTime();
  const { outbox, server } = bed();
  await outbox.add(post("at once"), { maxAge: 0 });
  await outbox.add(post("a"), { maxAge: 1_000, key: "k" });
  await outbox.add(post("b"), { key: "k" });
  await outbox.add(post("c"), { maxAge: 5_000 });
  await pass(time, 1_000);
  const { sent, failed } = await settled(time, outbox.flush());
  assertEquals([sent, failed], [2, 2]);
  assertEquals(server.done.toSorted(), ["b", "c"]);
  const reasons = (await outbox.list()).map(({ failure }) => failure?.reason);
  assertEquals(reasons, ["expired", "expired"]);
});

Deno.test("flush() tries no later than the entry is too old", async () => {
  using time = new FakeTime();
  const { outbox, server } = bed();
  server.refuse = () =>
    new Response("", { status: 503, headers: { "retry-after": "3600" } });
  const id = await outbox.add(post("a"), { maxAge: 60_000 });
  const { next = 0 } = await settled(time, outbox.flush());
  assertEquals(next - ((await outbox.list())[0]?.added ?? 0), 60_000);
  await pass(time, 60_000);
  assertEquals((await settled(time, outbox.flush())).failed, 1);
  server.refuse = () => undefined;
  await outbox.retry(id);
  assertEquals((await settled(time, outbox.flush())).sent, 1);
});

Deno.test("cancel() removes an entry, wherever it is", async () => {
  const { outbox, server, store } = bed();
  server.refuse = (body) => {
    if (body === "dead") return new Response("", { status: 400 });
    if (body.startsWith("wait")) return new Response("", { status: 503 });
  };
  const add = (body: BodyInit, key?: string) => outbox.add(post(body), { key });
  const ids = [await add("dead"), await add("wait", "k"), await add("b", "k")];
  await outbox.flush();
  ids.push(await add("c"), await add("d", "l"), await add("e", "l"));
  ids.push(await add(new Uint8Array(100_000)));
  assertEquals((await outbox.list()).length, 7);
  for (const id of ids) {
    assertEquals(await outbox.cancel(id), true);
    assertEquals(await outbox.cancel(id), false);
  }
  assertEquals(await kept(store), []);
  assertEquals(await outbox.flush(), { sent: 0, failed: 0, next: undefined });
});

Deno.test("cancel() lets the next entry of the key go", async () => {
  const { outbox, server } = bed();
  const a = await outbox.add(post("a"), { key: "k" });
  const b = await outbox.add(post("b"), { key: "k" });
  await outbox.add(post("c"), { key: "k" });
  await outbox.cancel(b);
  await outbox.cancel(a);
  await outbox.flush();
  assertEquals(server.done, ["c"]);
});

Deno.test("cancel() aborts an entry on its way, which is not tried again", async () => {
  const { open } = bed();
  let signal: AbortSignal | undefined;
  const sending = open({
    send: (_, context) => {
      signal = context.signal;
      return new Promise(() => {});
    },
  });
  const other = open();
  const id = await other.add(post("a"), { key: "k" });
  const next = await other.add(post("b"), { key: "k" });
  const flushed = sending.flush();
  while (!signal) await turns(1);
  assertEquals(await other.cancel(id), false);
  assertEquals(await other.cancel(next), true);
  assertEquals(await flushed, { sent: 0, failed: 0, next: undefined });
  assert(signal.aborted);
  assertEquals(await other.list(), []);
});

Deno.test("cancel() keeps from being sent what is about to be", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { outbox, server } = bed({
    concurrency: 1,
    async send(request) {
      await promise;
      return await server.handle(request);
    },
  });
  await outbox.add(post("a"));
  const id = await outbox.add(post("b"));
  const flushed = outbox.flush();
  while ((await statuses(outbox))[1] !== "sending") await turns(1);
  assertEquals(await outbox.cancel(id), false);
  await turns();
  resolve();
  assertEquals((await flushed).sent, 1);
  assertEquals([server.arrived, await outbox.list()], [["a"], []]);
});

Deno.test("clear() removes the entries of one owner", async () => {
  const { outbox, server, store } = bed();
  server.refuse = (body) => {
    if (body === "dead") return new Response("", { status: 400 });
    if (body === "wait") return new Response("", { status: 503 });
  };
  const add = (body: BodyInit, owner: string, key?: string) =>
    outbox.add(post(body), { owner, key });
  await add("dead", "Ada");
  await add("wait", "Ada", "k");
  await add("stays 1", "Bob", "k");
  await outbox.flush();
  for (let i = 0; i < 250; i++) await add(`x ${i}`, "Ada", `${i % 7}`);
  await outbox.cancel(await add("cancelled", "Ada", "p"));
  const head = await add("before", "Ada", "q");
  await add("behind", "Ada", "q");
  await outbox.cancel(head);
  await add("stays 2", "Bob", "3");
  await add("stays 3", "Bob");
  await add(new Uint8Array(100_000), "Ada");
  assertEquals(await outbox.clear("Ada"), 254);
  assertEquals((await outbox.list()).map(({ owner }) => owner), [
    "Bob",
    "Bob",
    "Bob",
  ]);
  await outbox.flush();
  assertEquals(server.done.toSorted(), ["stays 1", "stays 2", "stays 3"]);
  assertEquals(await kept(store), []);
});

Deno.test("clear() removes all of an owner or, if the store fails, nothing", async () => {
  for (const [most, count] of [[0, 0], [2, 450]] as const) {
    const { store, name } = bed();
    let left = Infinity;
    const outbox = createOutbox<number>({
      get: store.get,
      transact: (work) =>
        left-- > 0 ? store.transact(work) : Promise.reject(new Error("lost")),
    }, { name, send: () => {} });
    await outbox.addAll([...Array(450).keys()], { owner: "Ada" });
    left = most;
    assertEquals(await outbox.clear("Ada").catch(() => 0), count);
    assertEquals((await kept(store)).length, 450 - count);
  }
});

Deno.test("clear() makes room for what is added to the same key at once", async () => {
  const { store, name } = bed();
  const { promise, resolve } = Promise.withResolvers<void>();
  const sent: string[] = [];
  const outbox = createOutbox<string>({
    get: store.get,
    async transact(work) {
      await promise;
      return await store.transact(work);
    },
  }, { name, send: (message) => void sent.push(message) });
  // All of them share a transaction.
  const all: Promise<unknown>[] = [
    outbox.add("a", { key: "k", owner: "Ada" }),
  ];
  await turns(0);
  all.push(outbox.clear("Ada"));
  all.push(outbox.add("b", { key: "k", owner: "Bob" }));
  await turns(0);
  resolve();
  await Promise.all(all);
  assertEquals((await outbox.flush()).sent, 1);
  assertEquals(sent, ["b"]);
});

Deno.test("flush() sends what is added meanwhile, though an upload takes long", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { outbox, server } = bed({
    async send(request) {
      const response = await server.handle(request);
      if (server.done.at(-1) === "long") await promise;
      return response;
    },
  });
  await outbox.add(post("long"));
  const flushed = outbox.flush();
  while (server.done.length === 0) await turns(1);
  await outbox.add(post("short"));
  while (server.done.length === 1) await turns(1);
  resolve();
  assertEquals((await flushed).sent, 2);
});

Deno.test("flush() sends what is added at any moment, or tells when to", async () => {
  let left = 0;
  for (let moment = 1; moment < 10; moment++) {
    const { store, server, name, open } = bed();
    let count = 0;
    const outbox = createOutbox<Request>({
      get: store.get,
      async transact(work) {
        if (++count === moment) await open().add(post("late"));
        return await store.transact(work);
      },
    }, { name, send: (request) => server.handle(request) });
    await open().add(post("early"));
    const { next = Infinity } = await outbox.flush();
    const entries = await open().list();
    left += entries.length;
    assert(entries.length === 0 || next <= Date.now(), `${moment}`);
  }
  assert(left > 0);
});

Deno.test("flush() tries again what failed, though an upload takes long", async () => {
  using time = new FakeTime();
  const delays: Record<string, number> = { long: 55_000, busy: 21_000 };
  const { outbox, server } = bed({
    async send(request) {
      const delay = delays[await request.clone().text()] ?? 0;
      await new Promise((resolve) => setTimeout(resolve, delay));
      return await server.handle(request);
    },
  });
  server.refuse = (body, count) => {
    const headers: HeadersInit = body === "later"
      ? { "retry-after": "3600" }
      : {};
    if (body !== "long" && count === 1) {
      return new Response("", { status: 503, headers });
    }
  };
  await outbox.addAll(["long", "busy", "later"].map((body) => post(body)));
  const flushed = outbox.flush();
  await pass(time, 45_000);
  assertEquals(await statuses(outbox), ["sending", "sending", "queued"]);
  await pass(time, 20_000);
  assertEquals((await settled(time, flushed)).sent, 2);
});

Deno.test("flush() of many entries stores them with few transactions", async () => {
  const { store, name } = bed();
  let count = 0;
  const outbox = createOutbox<number>({
    get: store.get,
    transact(work) {
      count++;
      return store.transact(work);
    },
  }, { name, send: () => {} });
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => outbox.add(i)));
  assertEquals(count, 1);
  assertEquals((await outbox.flush()).sent, 1_000);
  assert(count < 50, `there were ${count}`);
  // Those of a key wait for each other, and not for what was added later.
  const numbers = [...Array(50).keys()];
  await outbox.addAll(numbers, { key: "a" });
  await outbox.addAll(numbers, { key: "b" });
  count = 0;
  assertEquals((await outbox.flush()).sent, 100);
  assert(count < 80, `there were ${count}`);
});

Deno.test("flush() rejects with the reason of an aborted signal", async () => {
  const { outbox, server } = bed();
  const reason = new Error("enough");
  await outbox.add(post("a"));
  const signal = AbortSignal.abort(reason);
  assertStrictEquals(
    await assertRejects(() => outbox.flush({ signal })),
    reason,
  );
  assertEquals(server.arrived, []);
});

Deno.test("flush() rejects with the reason of a signal aborted later, and goes on next time", async () => {
  const { outbox, server, open } = bed();
  const reason = new Error("enough");
  const controller = new AbortController();
  const never = open({
    send: () => {
      queueMicrotask(() => controller.abort(reason));
      return new Promise(() => {});
    },
  });
  await outbox.addAll(Array.from({ length: 40 }, (_, i) => post(`${i}`)));
  const { signal } = controller;
  assertStrictEquals(
    await assertRejects(() => never.flush({ signal })),
    reason,
  );
  assertEquals((await outbox.list()).every((e) => e.attempts === 0), true);
  assertEquals((await outbox.flush()).sent, 40);
  assertEquals(server.done.length, 40);
});

Deno.test("flush() begins nothing once its signal is aborted", async () => {
  const { store, server, name } = bed();
  const reason = new Error("enough");
  const controller = new AbortController();
  const outbox = createOutbox<Request>({
    get: store.get,
    async transact(work) {
      const result = await store.transact(work);
      if (isAdded) controller.abort(reason);
      return result;
    },
  }, { name, send: (request) => server.handle(request) });
  let isAdded = false;
  await outbox.add(post("a"));
  isAdded = true;
  assertStrictEquals(
    await assertRejects(() => outbox.flush(controller)),
    reason,
  );
  await turns();
  assertEquals(server.arrived, []);
});

Deno.test("flush() rejects only the call whose signal is aborted", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { outbox, server } = bed({
    async send(request) {
      await promise;
      return await server.handle(request);
    },
  });
  await outbox.add(post("a"));
  const controller = new AbortController();
  const first = outbox.flush();
  const second = outbox.flush({ signal: controller.signal });
  const rejected = assertRejects(() => second, DOMException);
  controller.abort();
  assertEquals((await rejected).name, "AbortError");
  resolve();
  assertEquals((await first).sent, 1);
});

Deno.test("add() and flush() remove their abort listeners when they settle", async () => {
  for (const locks of [undefined, null]) {
    const { outbox } = bed(locks === null ? { locks } : {});
    const { signal } = new AbortController();
    const listeners = new Set<unknown>();
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (type: string, listener: EventListener) => {
      listeners.add(listener);
      addEventListener.call(signal, type, listener);
    };
    signal.removeEventListener = (type: string, listener: EventListener) => {
      listeners.delete(listener);
      removeEventListener.call(signal, type, listener);
    };
    await outbox.add(post("a"), { signal });
    assertEquals((await outbox.flush({ signal })).sent, 1);
    assertEquals(listeners.size, 0);
  }
});

Deno.test("flush() rejects with the store's error, and sends again later", async () => {
  const { server, store, name } = bed();
  let broken = false;
  const flaky: OutboxStore = {
    get: (key) => store.get(key),
    transact(work) {
      if (broken) return Promise.reject(new Error("lost"));
      return store.transact(work);
    },
  };
  const outbox = createOutbox(flaky, {
    name,
    async send(request: Request) {
      const response = await server.handle(request);
      broken = server.arrived.length === 1;
      return response;
    },
  });
  await outbox.add(post("a"));
  await assertRejects(() => outbox.flush(), Error, "lost");
  broken = false;
  assertEquals((await outbox.flush()).sent, 1);
  assertEquals([server.arrived.length, server.done], [2, ["a"]]);
});

Deno.test("flush() of two tabs and a worker at once sends each entry once", async () => {
  for (const locks of [undefined, null]) {
    const { server, open } = bed({
      async send(request) {
        await turns(Math.random() * 3);
        return await server.handle(request);
      },
      ...locks === null && { locks },
    });
    const contexts = [open(), open(), open()];
    const all = Array.from({ length: 90 }, (_, i) => i);
    for (const i of all) {
      await contexts[i % 3]?.add(
        post(`${i}`),
        i % 2 ? { key: `${i % 10}` } : {},
      );
    }
    const flushed = await Promise.all(contexts.map((one) => one.flush()));
    assertEquals(flushed.reduce((sum, { sent }) => sum + sent, 0), 90);
    assertEquals(server.arrived.length, 90);
    for (const key of [1, 3, 5, 7, 9]) {
      const own = server.done.map(Number).filter((i) => i % 10 === key);
      assertEquals(own, own.toSorted((a, b) => a - b));
    }
  }
});

Deno.test("flush() without locks leaves leased entries to their sender until the lease ends", async () => {
  using time = new FakeTime();
  const { server, open } = bed({ locks: null });
  const stopped = open({ send: () => new Promise(() => {}) });
  const outbox = open();
  await outbox.addAll([post("a"), post("b")], { key: "k" });
  const controller = new AbortController();
  const { signal } = controller;
  // A stopped context does not even release; this one is kept from it.
  const flushed = stopped.flush({ signal }).catch(() => {});
  await pass(time, 100);
  const { sent, next = 0 } = await settled(time, outbox.flush());
  assertEquals(sent, 0);
  assertEquals(next - Date.now() > 60_000, true);
  using _ = moveClock(next - Date.now());
  assertEquals((await settled(time, outbox.flush())).sent, 2);
  assertEquals(server.done, ["a", "b"]);
  controller.abort();
  await settled(time, flushed);
  assertEquals(server.arrived.length, 2);
});

Deno.test("flush() forgets what was cancelled on its way by a context that was stopped", async () => {
  using time = new FakeTime();
  const { server, open } = bed({ locks: null });
  const stopped = open({ send: () => new Promise(() => {}) });
  const outbox = open();
  const id = await outbox.add(post("a"), { key: "k" });
  await outbox.add(post("b"), { key: "k" });
  const controller = new AbortController();
  const flushed = stopped.flush({ signal: controller.signal }).catch(() => {});
  await pass(time, 100);
  {
    using _ = silence();
    assertEquals(await outbox.cancel(id), false);
  }
  using _ = moveClock(3_600_000);
  assertEquals((await settled(time, outbox.flush())).sent, 1);
  assertEquals([server.done, await outbox.list()], [["b"], []]);
  controller.abort();
  await settled(time, flushed);
});

Deno.test("flush() begins no attempt when its lease has ended", async () => {
  const { server, open } = bed({ locks: null, concurrency: 1 });
  const { promise, resolve } = Promise.withResolvers<void>();
  const suspended = open({
    async send(request) {
      const response = await server.handle(request);
      await promise;
      return response;
    },
  });
  const outbox = open();
  await outbox.addAll([post("a"), post("b"), post("c")]);
  const first = suspended.flush();
  while (server.arrived.length === 0) await turns(1);
  // Who is suspended hears of nothing.
  using _ = moveClock(3_600_000);
  using __ = silence();
  const second = outbox.flush();
  while (server.arrived.length < 2) await turns(1);
  resolve();
  await Promise.all([first, second]);
  assertEquals(server.arrived.toSorted(), ["a", "a", "b", "c"]);
});

Deno.test("flush() renews its leases while an upload takes long", async () => {
  using time = new FakeTime();
  const { open, server } = bed({ locks: null });
  const slow = open({
    async send(request) {
      await new Promise((resolve) => setTimeout(resolve, 300_000));
      return await server.handle(request);
    },
  });
  const outbox = open();
  await outbox.add(post("a".repeat(5_000_000)));
  const flushed = slow.flush();
  for (const _ of [1, 2, 3]) {
    await pass(time, 80_000);
    assertEquals((await settled(time, outbox.flush())).sent, 0);
  }
  await pass(time, 70_000);
  assertEquals((await settled(time, flushed)).sent, 1);
  assertEquals(server.arrived.length, 1);
});

Deno.test("flush() takes the lock from a context that is suspended", async () => {
  using time = new FakeTime();
  const { server, outbox, name } = bed();
  await outbox.add(post("a"));
  const lock = `@serviceworker/std outbox/${name}/`;
  const suspended = navigator.locks.request(lock, () => new Promise(() => {}));
  const robbed = assertRejects(() => suspended, DOMException);
  const flushed = outbox.flush();
  await pass(time, 29_000);
  assertEquals(server.done, []);
  await pass(time, 2_000);
  assertEquals((await settled(time, flushed)).sent, 1);
  await robbed;
});

Deno.test("flush() leaves the lock to who sends, however long", async () => {
  using time = new FakeTime();
  const { open, server } = bed();
  const slow = open({
    async send(request) {
      await new Promise((resolve) => setTimeout(resolve, 100_000));
      return await server.handle(request);
    },
  });
  const other = open();
  await other.add(post("a".repeat(1_000_000)));
  const flushed = slow.flush();
  const waiting = other.flush();
  await pass(time, 110_000);
  assertEquals((await settled(time, flushed)).sent, 1);
  assertEquals((await settled(time, waiting)).sent, 0);
  assertEquals(server.arrived.length, 1);
});

Deno.test("flush() ends when its lock is taken", async () => {
  const { outbox, name, open, server } = bed();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const robbed = open({
    send(_, { signal }) {
      begin();
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      );
    },
  });
  await outbox.add(post("a"));
  const rejected = assertRejects(() => robbed.flush(), DOMException);
  await begun;
  const lock = `@serviceworker/std outbox/${name}/`;
  await navigator.locks.request(lock, { steal: true }, () => {});
  assertEquals((await rejected).name, "AbortError");
  await turns();
  assertEquals((await outbox.flush()).sent, 1);
  assertEquals(server.done, ["a"]);
});

Deno.test("flush() forgets what a robbed sender has sent after all", async () => {
  const { server, open } = bed({ locks: null });
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = open({
    async send(request) {
      const response = await server.handle(request);
      await promise;
      return response;
    },
  });
  using time = new FakeTime();
  const outbox = open({ send: () => new Response("", { status: 503 }) });
  await outbox.add(post("a"));
  const first = slow.flush();
  await pass(time, 100);
  using _ = moveClock(3_600_000);
  await settled(time, outbox.flush());
  assertEquals((await outbox.list())[0]?.attempts, 1);
  resolve();
  assertEquals((await settled(time, first)).sent, 1);
  assertEquals(await outbox.list(), []);
});

Deno.test("flush() sends what waits though the clock was moved by a year", async () => {
  for (const by of [YEAR, -YEAR]) {
    using time = new FakeTime(Date.now());
    const { outbox, server } = bed();
    server.refuse = () => new Response("", { status: 503 });
    await outbox.addAll([post("a"), post("b")], { key: "k" });
    await outbox.add(post("c"), { maxAge: 2 * YEAR });
    await settled(time, outbox.flush());
    using _ = moveClock(by);
    // It is tried at once, and then waits as it should.
    const { next = 0 } = await settled(time, outbox.flush());
    const { length } = server.arrived;
    assertEquals(length, 4);
    assert(next > Date.now() && next <= Date.now() + 2_000, `${next}`);
    await settled(time, outbox.flush());
    assertEquals(server.arrived.length, length);
    server.refuse = () => undefined;
    await pass(time, next - Date.now() + 2_000);
    await settled(time, outbox.flush());
    assertEquals(server.done.toSorted(), ["a", "b", "c"]);
  }
});

Deno.test("flush() is not kept by a lease from the future", async () => {
  using time = new FakeTime(Date.now());
  const { server, open } = bed({ locks: null });
  const stopped = open({ send: () => new Promise(() => {}) });
  const outbox = open();
  await outbox.add(post("a"));
  const controller = new AbortController();
  const flushed = stopped.flush({ signal: controller.signal }).catch(() => {});
  await pass(time, 100);
  using _ = moveClock(-YEAR);
  assertEquals((await settled(time, outbox.flush())).sent, 1);
  controller.abort();
  await settled(time, flushed);
  assertEquals(server.done, ["a"]);
});

Deno.test("flush() goes on when the store is emptied", async () => {
  const { outbox, server, store } = bed({
    concurrency: 1,
    async send(request) {
      const response = await server.handle(request);
      if (server.done.length === 5) {
        for (const [path] of await store.list()) await store.delete(path);
        await outbox.add(post("new"), { key: "k" });
      }
      return response;
    },
  });
  await outbox.addAll(Array.from({ length: 40 }, (_, i) => post(`${i}`)), {
    key: "k",
  });
  await outbox.flush();
  assertEquals(server.done.length, 6);
  assertEquals(server.done.at(-1), "new");
  assertEquals(await outbox.list(), []);
});

Deno.test("flush() goes on where another version of the code stored how entries ended", async () => {
  const { outbox, store, name } = bed();
  await store.set(`outbox/${name}/ends`, { other: "version" });
  await outbox.add(post("a"));
  assertEquals((await outbox.flush()).sent, 1);
  assertEquals(await outbox.list(), []);
});

Deno.test("flush() makes dead letters of what another version of the code stored", async () => {
  const { outbox, server, store, name } = bed();
  const a = await outbox.add(post("a"), { key: "k" });
  await outbox.add(post("b"), { key: "k" });
  const path = `outbox/${name}/ready/${a}`;
  const entry = await store.get(path) as object;
  await store.set(path, { ...entry, format: 0 });
  assertEquals(await outbox.flush(), { sent: 1, failed: 1, next: undefined });
  assertEquals(server.done, ["b"]);
  const [dead] = await outbox.list();
  assertEquals([dead?.id, dead?.failure?.reason], [a, "unreadable"]);
  // Nothing of it is lost: that version can send it.
  await store.set(`outbox/${name}/dead/${a}`, {
    ...await store.get(`outbox/${name}/dead/${a}`) as object,
    original: entry,
  });
  await outbox.retry(a);
  assertEquals((await outbox.flush()).sent, 1);
  assertEquals(server.done, ["b", "a"]);
});

Deno.test("flush() sends no request whose body was lost", async () => {
  const { outbox, server, store, name } = bed();
  await outbox.add(post(new Uint8Array(100_000)));
  const [[path] = [""]] = await store.list({ prefix: `outbox/${name}/body/` });
  await store.delete(path);
  assertEquals((await outbox.flush()).failed, 1);
  assertEquals((await outbox.list())[0]?.failure?.reason, "unreadable");
  assertEquals(server.arrived, []);
});

Deno.test("flush() waits no more for what another version of the code had wait", async () => {
  using time = new FakeTime();
  const { outbox, server, store, name } = bed();
  server.refuse = () => new Response("", { status: 503 });
  const id = await outbox.add(post("a"));
  await settled(time, outbox.flush());
  const path = `outbox/${name}/wait/${id}`;
  const { due: _, ...entry } = await store.get(path) as { due: number };
  await store.set(path, { ...entry, format: 0 });
  await pass(time, 1_000);
  const { failed, next } = await settled(time, outbox.flush());
  assertEquals([failed, next], [1, undefined]);
  assertEquals(await store.list({ prefix: `outbox/${name}/due/` }), []);
});

Deno.test("watch() gives what is there, and then every change in any context", async () => {
  const { open, server } = bed();
  const [page, worker] = [open(), open()];
  const first = await page.add(post("a"), { data: "first" });
  const seen: [string, string][] = [];
  const watched = (async () => {
    for await (const { id, status, data } of page.watch()) {
      seen.push([id === first ? "first" : `${data}`, status]);
      if (status === "sent" && data === "second") break;
    }
  })();
  const heard = async (count: number) => {
    while (seen.length < count) await turns(1);
  };
  await heard(1);
  await worker.flush();
  await heard(3);
  server.refuse = (_, count) =>
    count === 1 ? new Response("", { status: 400 }) : undefined;
  const second = await worker.add(post("b"), { data: "second" });
  await heard(4);
  await worker.flush();
  await heard(6);
  await worker.retry(second);
  await heard(7);
  await worker.flush();
  await watched;
  assertEquals(seen, [
    ["first", "queued"],
    ["first", "sending"],
    ["first", "sent"],
    ["second", "queued"],
    ["second", "sending"],
    ["second", "failed"],
    ["second", "queued"],
    ["second", "sending"],
    ["second", "sent"],
  ]);
});

Deno.test("watch() gives what is added in the moment in which it looks", async () => {
  const { store, name } = bed();
  const outbox = createOutbox<string>({
    get: store.get,
    async transact(work) {
      await turns(0);
      return await store.transact(work);
    },
  }, { name, send: () => {} });
  const iterator = outbox.watch()[Symbol.asyncIterator]();
  const next = iterator.next();
  const id = await outbox.add("a");
  assertEquals((await next).value?.id, id);
  await iterator.return?.();
});

Deno.test("watch() finds what it was not told", async () => {
  using time = new FakeTime();
  const { outbox, open } = bed();
  const ids: string[] = [];
  for (const text of ["a", "b", "c"]) ids.push(await outbox.add(post(text)));
  const events = collect(outbox);
  await settled(time, turns());
  assertEquals(events.seen.length, 3);
  {
    using _ = silence();
    const other = open();
    await other.cancel(ids[0] ?? "");
    await settled(time, other.flush());
    await other.add(post("d"));
  }
  await pass(time, 2_000);
  await settled(time, turns());
  const last = new Map(events.seen.map(({ id, status }) => [id, status]));
  assertEquals([...last.values()], ["cancelled", "sent", "sent", "queued"]);
  await events.end();
});

Deno.test("watch() tells that the end of an entry is not known any more", async () => {
  using time = new FakeTime();
  const { outbox, open, store } = bed();
  await outbox.add(post("a"));
  const events = collect(outbox);
  await settled(time, turns());
  {
    using _ = silence();
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
    await open().addAll(texts.map((text) => post(text)));
    await settled(time, open().flush());
  }
  await pass(time, 2_000);
  await settled(time, turns());
  assertEquals(events.seen.map(({ status }) => status), ["queued", "gone"]);
  for (const [path] of await store.list()) await store.delete(path);
  await pass(time, 2_000);
  await settled(time, turns());
  await events.end();
});

Deno.test("watch() ends with the reason of its signal, and when it is left", async () => {
  const { outbox } = bed();
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error("enough");
  const iterator = outbox.watch({ signal })[Symbol.asyncIterator]();
  const next = iterator.next();
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => next), reason);
  const aborted = outbox.watch({ signal })[Symbol.asyncIterator]();
  assertStrictEquals(await assertRejects(() => aborted.next()), reason);
  const left = outbox.watch()[Symbol.asyncIterator]();
  const pending = left.next();
  await turns();
  await left.return?.();
  assertEquals(await pending, { done: true, value: undefined });
});

Deno.test("watch() gives a slow reader the last of what has happened last", async () => {
  const { outbox, open } = bed({
    send: () => new Response("", { status: 503 }),
  });
  const id = await outbox.add(post("a"));
  const iterator = outbox.watch()[Symbol.asyncIterator]();
  const read = async () => {
    const { value } = await iterator.next();
    return [value?.status, value?.attempts];
  };
  assertEquals(await read(), ["queued", 0]);
  await outbox.flush();
  await outbox.retry(id);
  const { promise, resolve } = Promise.withResolvers<void>();
  const flushed = open({ send: () => promise }).flush();
  while ((await statuses(outbox))[0] !== "sending") await turns(1);
  await turns();
  assertEquals([await read(), await read()], [["queued", 0], ["sending", 0]]);
  resolve();
  await flushed;
  assertEquals(await read(), ["sent", 0]);
  await iterator.return?.();
});

Deno.test("watch() answers calls of next() in turn, the last when it is left", async () => {
  const { outbox } = bed();
  const ids = await outbox.addAll([post("a"), post("b")]);
  const iterator = outbox.watch()[Symbol.asyncIterator]();
  const calls = [iterator.next(), iterator.next(), iterator.next()];
  const [first, second] = await Promise.all(calls.slice(0, 2));
  assertEquals([first?.value?.id, second?.value?.id], ids);
  const end = { done: true, value: undefined } as const;
  assertEquals(await iterator.return?.(), end);
  assertEquals([await calls[2], await iterator.next()], [end, end]);
});

Deno.test("watch() ends with the reason of its signal though the store hangs", async () => {
  const outbox = createOutbox({
    get: () => new Promise(() => {}),
    transact: () => new Promise(() => {}),
  }, { name: crypto.randomUUID() });
  const controller = new AbortController();
  const iterator = outbox.watch(controller)[Symbol.asyncIterator]();
  const next = iterator.next();
  await turns();
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => next), reason);
});

Deno.test("watch() rejects when the store fails", async () => {
  const outbox = createOutbox({
    get: () => Promise.reject(new Error("lost")),
    transact: () => Promise.reject(new Error("lost")),
  }, { name: crypto.randomUUID() });
  const iterator = outbox.watch()[Symbol.asyncIterator]();
  await assertRejects(() => iterator.next(), Error, "lost");
});

Deno.test("flush() loses and repeats nothing, whenever its worker is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const { server, store, name } = bed();
    server.refuse = (body, count) => {
      if (body.endsWith("busy") && count === 1) {
        return new Response("", { status: 503 });
      }
      if (body.endsWith("bad")) return new Response("", { status: 400 });
    };
    const host = createHost<{ store: OutboxStore }>({
      origin: "https://example.com",
      provide: { store },
      network: (request) => server.handle(request),
      globals: globalThis,
      context: new AsyncLocalStorage(),
    });
    await host.register((scope) => {
      const outbox = createOutbox(scope.store, { name });
      scope.addEventListener("sync", (event) => {
        handleSync(event, outbox.flush);
      });
    });
    const page = createOutbox(store, { name });
    for (let i = 0; i < 20; i++) {
      const kind = i === 4 ? "busy" : i === 9 ? "bad" : "good";
      const key = i % 4 === 3 ? {} : { key: `${i % 4}` };
      await page.add(post(`${i} ${kind}`), key);
    }

    arm(host);
    for (let done = false; !done;) {
      let ended = false;
      const sync = host.dispatchSyncEvent("outbox");
      sync.finally(() => ended = true);
      // The entry that was refused waits for a second.
      while (!ended) await host.clock.advance(100);
      done = await sync;
    }
    assertEquals(await statuses(page), ["failed"]);
    const sent = server.done.map((body) => parseInt(body));
    const wanted = [...Array(20).keys()].filter((i) => i !== 9);
    assertEquals(sent.toSorted((a, b) => a - b), wanted);
    for (const key of [0, 1, 2]) {
      const own = sent.filter((i) => i % 4 === key);
      assertEquals(own, own.toSorted((a, b) => a - b));
    }
    host.close();
  });
  assert(stops > 100, `it was stopped ${stops} times`);
});

Deno.test("flush() loses none of many, whenever its worker is stopped", async () => {
  await stopAtEachStep(async (arm) => {
    const { server, store, name } = bed();
    const host = createHost<{ store: OutboxStore }>({
      origin: "https://example.com",
      provide: { store },
      network: (request) => server.handle(request),
      globals: globalThis,
      context: new AsyncLocalStorage(),
    });
    await host.register((scope) => {
      const outbox = createOutbox(scope.store, { name });
      scope.addEventListener("sync", (event) => {
        handleSync(event, outbox.flush);
      });
    });
    const page = createOutbox(store, { name });
    const bodies = Array.from({ length: 120 }, (_, i) => `${1_000 + i}`);
    await page.addAll(bodies.map((body) => post(body)));

    arm(host);
    for (let done = false; !done;) {
      let ended = false;
      const sync = host.dispatchSyncEvent("outbox");
      sync.finally(() => ended = true);
      while (!ended) await host.clock.advance(100);
      done = await sync;
    }
    assertEquals(await statuses(page), []);
    assertEquals(server.done.toSorted(), bodies);
    host.close();
  }, { every: 13 });
});

Deno.test("add() has saved what it resolves with, whenever its worker is stopped", async () => {
  await stopAtEachStep(async (arm) => {
    const { server, store, name, outbox } = bed();
    const added: string[] = [];
    const host = createHost<{ store: OutboxStore }>({
      provide: { store },
      globals: globalThis,
      context: new AsyncLocalStorage(),
    });
    await host.register((scope) => {
      const outbox = createOutbox(scope.store, { name });
      scope.addEventListener("sync", (event) => {
        event.waitUntil((async () => {
          for (const body of ["a", "b", new Uint8Array(100_000)]) {
            added.push(await outbox.add(post(body), { key: "k" }));
          }
        })());
      });
    });
    arm(host);
    await host.dispatchSyncEvent("add");
    const listed = (await outbox.list()).map(({ id }) => id);
    assertEquals(listed.slice(0, added.length), added);
    await outbox.flush();
    assertEquals(server.done.length, listed.length);
    assertEquals(await kept(store), []);
    host.close();
  });
});

async function digest(body: Request | Blob): Promise<string> {
  const bytes = await body.arrayBuffer();
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return `${bytes.byteLength} ${new Uint8Array(hash)}`;
}

/** Has nobody hear what is told. */
function silence() {
  const { postMessage } = BroadcastChannel.prototype;
  BroadcastChannel.prototype.postMessage = () => {};
  return {
    [Symbol.dispose]() {
      BroadcastChannel.prototype.postMessage = postMessage;
    },
  };
}

function collect(outbox: Outbox<Request>) {
  const seen: OutboxEntry[] = [];
  const iterator = outbox.watch()[Symbol.asyncIterator]();
  const reading = (async () => {
    while (true) {
      const { done, value } = await iterator.next();
      if (done) return;
      seen.push(value);
    }
  })();
  return {
    seen,
    async end() {
      await iterator.return?.();
      await reading;
    },
  };
}

/** Has time pass until the promise settles. */
async function settled<T>(time: FakeTime, promise: Promise<T>): Promise<T> {
  let done = false;
  promise.then(() => done = true, () => done = true);
  while (!done) await pass(time, 5);
  return await promise;
}

/** Has time pass in steps, in which everything that can happens. */
async function pass(time: FakeTime, ms: number): Promise<void> {
  const step = Math.max(1_000, Math.ceil(ms / 50));
  for (let left = ms; left >= 0; left -= step) {
    await new Promise((resolve) => realTimeout(resolve, 0));
    time.tick(Math.min(left, step));
    await new Promise((resolve) => realTimeout(resolve, 0));
  }
}

/** Moves the clock alone, and no timer runs. */
function moveClock(by: number) {
  const before = Date;
  globalThis.Date = new Proxy(before, {
    get: (target, key) =>
      key === "now" ? () => before.now() + by : Reflect.get(target, key),
  });
  return {
    [Symbol.dispose]() {
      globalThis.Date = before;
    },
  };
}
