// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import {
  request,
  type RequestContainer,
  type RequestTarget,
} from "./request.ts";
import { respond } from "./respond.ts";

type Ask = { data: unknown; port: MessagePort };

/** A worker that hands each question to `answer`. */
function worker(answer: (question: Ask) => void) {
  const asked: Ask[] = [];
  const target = Object.assign(new EventTarget(), {
    state: "activated",
    postMessage(message: unknown, transfer: Transferable[]) {
      const { port1, port2 } = new MessageChannel();
      port2.onmessage = ({ data, ports: [port] }) => {
        port1.close();
        port2.close();
        if (!port) return;
        asked.push({ data, port });
        answer({ data, port });
      };
      try {
        port1.postMessage(message, transfer);
      } catch (error) {
        port1.close();
        port2.close();
        throw error;
      }
    },
  });
  return {
    target,
    asked,
    become(state: string) {
      target.state = state;
      target.dispatchEvent(new Event("statechange"));
    },
    [Symbol.dispose]: () => asked.forEach(({ port }) => port.close()),
  };
}

const echo = ({ data, port }: Ask) => port.postMessage(data);
const silent = () => {};

async function named(promise: Promise<unknown>, name: string): Promise<void> {
  const error = await assertRejects(() => promise, Error);
  assertEquals(error.name, name, error.message);
}

function turns(ms = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A clock that can be put forward, as it is for a page that was frozen. */
function movableClock() {
  const { now } = performance;
  let ahead = 0;
  performance.now = () => now.call(performance) + ahead;
  return {
    forward: (ms: number) => void (ahead += ms),
    [Symbol.dispose]: () => void (performance.now = now),
  };
}

Deno.test("request() resolves with the answer of a worker written by hand", async () => {
  using bed = worker(({ data, port }) =>
    port.postMessage({ got: (data as { type: string }).type })
  );
  assertEquals(await request(bed.target, { type: "version" }), {
    got: "version",
  });
});

Deno.test("request() posts what is no plain object as it is", async () => {
  using bed = worker(echo);
  assertEquals(await request(bed.target, ["a", 1]), ["a", 1]);
  assertEquals(await request(bed.target, null), null);
});

Deno.test("request() leaves the caller's message as it was", async () => {
  using bed = worker(echo);
  const message = { type: "x" };
  await request(bed.target, message);
  assertEquals(message, { type: "x" });
});

Deno.test("request() asks the controller of a container", async () => {
  using bed = worker(echo);
  const ready = Promise.resolve({ active: null });
  assertEquals(
    await request({ controller: bed.target, ready }, 1),
    1,
  );
});

Deno.test("request() rejects at once where no worker controls the page", async () => {
  const never = new Promise<never>(() => {});
  await named(request({ controller: null, ready: never }, 1), "NoWorkerError");
  await named(request(null, 1), "NoWorkerError");
  const ready = Promise.resolve({ active: null });
  await named(
    request({ controller: null, ready }, 1, { ready: true }),
    "NoWorkerError",
  );
});

Deno.test("request() waits for a worker if asked", async () => {
  using bed = worker(echo);
  const { promise: ready, resolve } = Promise.withResolvers<
    { active: RequestTarget }
  >();
  const answer = request({ controller: null, ready }, 1, { ready: true });
  resolve({ active: bed.target });
  assertEquals(await answer, 1);
});

Deno.test("request() waits for a worker no longer than its signal", async () => {
  using bed = worker(echo);
  const controller = new AbortController();
  const { promise: ready, resolve } = Promise.withResolvers<
    { active: RequestTarget }
  >();
  const answer = request({ controller: null, ready }, 1, {
    ready: true,
    signal: controller.signal,
  });
  controller.abort();
  await named(answer, "AbortError");
  resolve({ active: bed.target });
  await turns();
  assertEquals(bed.asked, []);
});

Deno.test("request() waits for a worker no longer than its default deadline", async () => {
  using time = new FakeTime();
  const ready = new Promise<never>(() => {});
  const ended = named(
    request({ controller: null, ready }, 1, { ready: true }),
    "TimeoutError",
  );
  await time.tickAsync(30_000);
  await ended;
});

Deno.test("request() passes on why a worker never became ready", async () => {
  const ready = Promise.reject(new TypeError("no"));
  await named(
    request({ controller: null, ready }, 1, { ready: true }),
    "TypeError",
  );
});

Deno.test("request() rejects where there are no service workers", async () => {
  await named(request(undefined, 1), "NotSupportedError");
});

Deno.test("request() rejects when the question cannot be cloned", async () => {
  using bed = worker(silent);
  await named(request(bed.target, { type: "x", f() {} }), "DataCloneError");
});

Deno.test("request() rejects with the reason of an already aborted signal", async () => {
  using bed = worker(echo);
  const reason = new Error("enough");
  const error = await assertRejects(() =>
    request(bed.target, 1, { signal: AbortSignal.abort(reason) })
  );
  assertStrictEquals(error, reason);
  await turns();
  assertEquals(bed.asked, []);
});

Deno.test("request() rejects with the reason of a signal aborted later", async () => {
  using bed = worker(silent);
  const controller = new AbortController();
  const reason = new Error("enough");
  const answer = request(bed.target, 1, { signal: controller.signal });
  await turns();
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => answer), reason);
});

Deno.test("request() removes its abort listener when it settles", async () => {
  using bed = worker(echo);
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
  const answer = request(bed.target, 1, { signal });
  assertEquals(listeners, 1);
  await answer;
  await turns(0);
  assertEquals(listeners, 0);
});

Deno.test("request() releases its ports when aborted", async () => {
  // The resource sanitizer is what fails here.
  using bed = worker(silent);
  const controller = new AbortController();
  const answer = request(bed.target, 1, { signal: controller.signal });
  await turns();
  controller.abort();
  await named(answer, "AbortError");
});

Deno.test("request() rejects only the call whose signal is aborted", async () => {
  using quiet = worker(silent);
  using bed = worker(echo);
  const controller = new AbortController();
  const aborted = request(quiet.target, 1, { signal: controller.signal });
  const answered = request(bed.target, 2);
  controller.abort();
  await named(aborted, "AbortError");
  assertEquals(await answered, 2);
});

Deno.test("request() aborts the handler's signal", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const listener = respond({
    work: (_, { signal }) =>
      new Promise<void>((done) =>
        signal.addEventListener("abort", () => {
          resolve();
          done();
        })
      ),
  });
  using bed = worker(({ data, port }) => listener({ data, ports: [port] }));
  const controller = new AbortController();
  const answer = request(bed.target, { type: "work" }, {
    signal: controller.signal,
  });
  await turns();
  controller.abort();
  await named(answer, "AbortError");
  await promise;
});

Deno.test("request() rejects after its default deadline", async () => {
  using time = new FakeTime();
  using clock = movableClock();
  using bed = worker(silent);
  const answer = request(bed.target, 1);
  let isPending = true;
  const ended = named(answer, "TimeoutError").then(() => isPending = false);
  for (let second = 1; second <= 30; second++) {
    assert(isPending, `it ended before ${second} s`);
    clock.forward(1_000);
    await time.tickAsync(1_000);
  }
  await ended;
});

Deno.test("request() aborts the handler's signal after its default deadline", async () => {
  using time = new FakeTime();
  const aborted = Promise.withResolvers<void>();
  const listener = respond({
    work: (_, { signal }) =>
      new Promise<void>((done) =>
        signal.addEventListener("abort", () => {
          aborted.resolve();
          done();
        })
      ),
  });
  using bed = worker(({ data, port }) => listener({ data, ports: [port] }));
  const ended = named(request(bed.target, { type: "work" }), "TimeoutError");
  while (bed.asked.length === 0) await time.runMicrotasks();
  await time.tickAsync(30_000);
  await ended;
  await aborted.promise;
});

Deno.test("request() takes the answer that waits when a frozen page resumes", async () => {
  using time = new FakeTime();
  using clock = movableClock();
  using bed = worker(silent);
  const answer = request(bed.target, 1);
  while (bed.asked.length === 0) await time.runMicrotasks();
  bed.asked[0]?.port.postMessage("while frozen");
  clock.forward(60_000);
  // Its timer comes before the answer.
  time.tick(1_000);
  assertEquals(await answer, "while frozen");
});

Deno.test("request() rejects soon after a page was frozen for longer than its deadline", async () => {
  using time = new FakeTime();
  using clock = movableClock();
  using bed = worker(silent);
  const ended = named(request(bed.target, 1), "TimeoutError");
  while (bed.asked.length === 0) await time.runMicrotasks();
  clock.forward(60_000);
  await time.tickAsync(2_000);
  await ended;
});

Deno.test("request() accepts no answer after its deadline", async () => {
  using time = new FakeTime();
  using bed = worker(silent);
  const ended = named(request(bed.target, 1), "TimeoutError");
  await time.tickAsync(30_000);
  await ended;
  bed.asked[0]?.port.postMessage("late");
});

Deno.test("request() asks a redundant worker nothing", async () => {
  using bed = worker(echo);
  bed.become("redundant");
  await named(request(bed.target, 1), "DisconnectedError");
  assertEquals(bed.asked, []);
});

Deno.test("request() rejects when the worker becomes redundant", async () => {
  using time = new FakeTime();
  using bed = worker(silent);
  const ended = named(request(bed.target, 1), "DisconnectedError");
  while (bed.asked.length === 0) await time.runMicrotasks();
  bed.become("redundant");
  await time.tickAsync(2_000);
  await ended;
});

Deno.test("request() takes the answer of a worker that became redundant", async () => {
  using bed = worker(({ data, port }) => {
    bed.become("redundant");
    port.postMessage(data);
  });
  assertEquals(await request(bed.target, 1), 1);
});

Deno.test("request() leaves what a worker posted before it became redundant a second", async () => {
  using time = new FakeTime();
  using bed = worker(silent);
  const answer = request(bed.target, 1);
  while (bed.asked.length === 0) await time.runMicrotasks();
  bed.become("redundant");
  time.tick(1_000);
  bed.asked[0]?.port.postMessage("the last word");
  assertEquals(await answer, "the last word");
});

Deno.test("request() asks an idempotent question again with the same id", async () => {
  using time = new FakeTime();
  using bed = worker(silent);
  const answer = request(bed.target, { type: "x" }, { idempotent: true });
  await time.tickAsync(10_000);
  time.restore();
  await turns();
  const ids = bed.asked.map(({ data }) => JSON.stringify(data));
  assertEquals(ids.length, 3);
  assertEquals(new Set(ids).size, 1);
  bed.asked[1]?.port.postMessage("second");
  assertEquals(await answer, "second");
});

Deno.test("request() does not ask a worker again that became redundant", async () => {
  using time = new FakeTime();
  using bed = worker(silent);
  const answer = request(bed.target, 1, { idempotent: true });
  while (bed.asked.length === 0) await time.runMicrotasks();
  time.tick(4_000);
  bed.become("redundant");
  time.tick(1_000);
  bed.asked[0]?.port.postMessage("the last word");
  assertEquals(await answer, "the last word");
  assertEquals(bed.asked.length, 1);
});

Deno.test("request() rejects when the question cannot be asked again", async () => {
  using time = new FakeTime();
  using bed = worker(silent);
  const ended = named(
    request(bed.target, 1, { idempotent: true }),
    "InvalidStateError",
  );
  bed.target.postMessage = () => {
    throw new DOMException("Gone", "InvalidStateError");
  };
  await time.tickAsync(5_000);
  await ended;
});

Deno.test("request() asks again in a page whose timers run once a minute", async () => {
  using time = new FakeTime();
  using clock = movableClock();
  using bed = worker(silent);
  const controller = new AbortController();
  const { signal } = controller;
  const answer = request(bed.target, 1, { idempotent: true, signal });
  for (let minutes = 0; minutes < 4; minutes++) {
    clock.forward(61_000);
    await time.tickAsync(1_000);
  }
  time.restore();
  await turns();
  // As after a freeze, every other time is left to answers that wait.
  assertEquals(bed.asked.length, 3);
  controller.abort();
  await named(answer, "AbortError");
});

Deno.test("request() does not repeat what moves objects", async () => {
  using bed = worker(echo);
  const transfer = [new ArrayBuffer(8)];
  await named(
    request(bed.target, 1, { idempotent: true, transfer }),
    "TypeError",
  );
});

Deno.test("request() moves transferred objects both ways", async () => {
  const listener = respond({
    bounce({ buffer }, { transfer }) {
      transfer.push(buffer as ArrayBuffer);
      return buffer;
    },
  });
  using bed = worker(({ data, port }) => listener({ data, ports: [port] }));
  const buffer = new ArrayBuffer(8);
  const back = await request<ArrayBuffer>(
    bed.target,
    { type: "bounce", buffer },
    { transfer: [buffer] },
  );
  assertEquals([buffer.byteLength, back.byteLength], [0, 8]);
});

Deno.test("request() leaves no port behind after 10,000 calls", async () => {
  // The resource sanitizer is what fails here.
  using bed = worker(({ data, port }) => {
    port.postMessage(data);
    port.close();
  });
  const controller = new AbortController();
  const calls = [];
  for (let i = 0; i < 10_000; i++) {
    const { signal } = controller;
    calls.push(request(bed.target, i, i % 2 ? { signal } : {}));
  }
  const answers = await Promise.all(calls);
  assertEquals(answers[9_999], 9_999);
});

Deno.test("request() rebuilds errors", async () => {
  class OutOfCheese extends Error {
    override name = "OutOfCheese";
    left = 0;
  }
  const cause = new RangeError("at all", { cause: "a string" });
  const thrown: Record<string, unknown> = {
    own: new OutOfCheese("No cheese", { cause }),
    type: new TypeError("Wrong"),
    dom: new DOMException("Full", "QuotaExceededError"),
    many: new AggregateError([new SyntaxError("a"), "b"], "Many"),
    odd: Object.assign(new Error("Odd"), { name: "constructor" }),
    unclonable: Object.assign(new Error("Stuck"), { f() {} }),
    circular: new Error("Circular"),
    inherited: new (class extends Error {
      override get name() {
        return "Inherited";
      }
    })(),
    string: "a string",
    null: null,
    function: () => {},
  };
  (thrown.circular as Error).cause = thrown.circular;
  const listener = respond({
    throws({ what }) {
      throw thrown[what as string];
    },
  });
  using bed = worker(({ data, port }) => listener({ data, ports: [port] }));
  const caught = (what: string) =>
    request(bed.target, { type: "throws", what }).then(
      () => assert(false, "it resolved"),
      (error) => error,
    );

  const own = await caught("own");
  assertInstanceOf(own, Error);
  assertEquals([own.name, own.message, (own as OutOfCheese).left], [
    "OutOfCheese",
    "No cheese",
    0,
  ]);
  assertEquals(own.stack, (thrown.own as Error).stack);
  assertInstanceOf(own.cause, RangeError);
  assertEquals(own.cause.cause, "a string");

  assertInstanceOf(await caught("type"), TypeError);
  const dom = await caught("dom");
  assertInstanceOf(dom, DOMException);
  assertEquals([dom.name, dom.message], ["QuotaExceededError", "Full"]);
  const many = await caught("many");
  assertInstanceOf(many, AggregateError);
  assertInstanceOf(many.errors[0], SyntaxError);
  assertEquals(many.errors[1], "b");
  const odd = await caught("odd");
  assertInstanceOf(odd, Error);
  assertEquals(odd.name, "constructor");
  assertEquals((await caught("unclonable")).message, "Stuck");
  assertEquals((await caught("circular")).message, "Circular");
  assertEquals((await caught("inherited")).name, "Inherited");
  assertEquals(await caught("string"), "a string");
  assertEquals(await caught("null"), null);
  const refusal = await caught("function");
  assertInstanceOf(refusal, DOMException);
  assertEquals(refusal.name, "DataCloneError");
});

/** Compile-time only: a protocol types questions and answers. */
export function typed(
  worker: RequestTarget<Podcast>,
  container: RequestContainer<Podcast>,
): void {
  const version: Promise<string> = request(worker, { type: "version" });
  const removed: Promise<boolean> = request(container, {
    type: "remove",
    id: "7",
  });
  const rest: Promise<void> = request(worker, { type: "clear" });
  void [version, removed, rest];
  // @ts-expect-error there is no such question
  request(worker, { type: "versoin" });
  // @ts-expect-error its input is missing
  request(worker, { type: "remove" });
  // @ts-expect-error its input is wrong
  request(worker, { type: "remove", id: 7 });
  // @ts-expect-error a stream is no question
  request(worker, { type: "download", id: "7" });
  // @ts-expect-error an event is no question
  request(worker, { type: "playing", id: "7" });
  // @ts-expect-error the answer is a string
  const wrong: Promise<number> = request(worker, { type: "version" });
  void wrong;
}

interface Podcast {
  version(): string;
  remove(input: { id: string }): Promise<boolean>;
  clear(input?: { before: number }): void;
  download(input: { id: string }): AsyncIterable<number>;
  playing: { id: string };
}
