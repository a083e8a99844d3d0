// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createHost } from "../testing/host.ts";
import { compose, type ComposePart } from "./compose.ts";

class TestEvent {
  ended = false;
  waitUntil(promise: Promise<unknown>): void {
    promise.then(() => this.ended = true);
  }
}

/** A stream that says what happens to it, and gives what it is told to. */
class TestStream {
  pulls = 0;
  cancelled: unknown;
  readonly stream: ReadableStream<Uint8Array>;

  constructor(pull: (controller: ReadableStreamDefaultController) => unknown) {
    this.stream = new ReadableStream({
      pull: (controller) => {
        this.pulls++;
        return pull(controller) as Promise<void>;
      },
      cancel: (reason) => this.cancelled = reason,
    }, { highWaterMark: 0 });
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("compose() joins parts of every kind, in order", async () => {
  const event = new TestEvent();
  const response = compose(event, [
    "a",
    bytes("b"),
    new Response("c"),
    new Blob(["d"]).stream(),
    (async function* () {
      yield "e";
      yield bytes("f");
    })(),
    Promise.resolve("g"),
    Promise.resolve(new Response("h")),
    () => "i",
    () => Promise.resolve(new Response("j")),
    null,
    undefined,
    new Response(null),
    "",
    "é",
  ]);
  assertEquals(response.status, 200);
  assertEquals(
    response.headers.get("content-type"),
    "text/html; charset=utf-8",
  );
  assertEquals(await response.text(), "abcdefghijé");
  await settle();
  assert(event.ended);
});

Deno.test("compose() is empty without parts", async () => {
  assertEquals(await compose(new TestEvent(), []).text(), "");
});

Deno.test("compose() takes a status and headers", () => {
  const { status, headers } = compose(new TestEvent(), [], {
    status: 404,
    headers: { "content-type": "text/css" },
  });
  assertEquals([status, headers.get("content-type")], [404, "text/css"]);
});

Deno.test("compose() gives what is ready while a later part is not", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const reader = compose(new TestEvent(), ["a", promise]).body!.getReader();
  assertEquals((await reader.read()).value, bytes("a"));
  resolve("b");
  assertEquals((await reader.read()).value, bytes("b"));
  assertEquals((await reader.read()).done, true);
});

Deno.test("compose() reads a chunk only when there is room for it", async () => {
  let called = 0;
  const source = new TestStream((controller) => controller.enqueue(bytes("a")));
  const { body } = compose(new TestEvent(), [source.stream, () => {
    called++;
    return "b";
  }]);
  const reader = body!.getReader();
  await settle();
  assertEquals(source.pulls, 0);
  await reader.read();
  await reader.read();
  await settle();
  assertEquals([source.pulls, called], [2, 0]);
  await reader.cancel();
});

Deno.test("compose() encodes what is in another charset as UTF-8", async () => {
  const latin1 = new Response(Uint8Array.of(0xe9), {
    headers: { "content-type": 'text/html; Charset="iso-8859-1"' },
  });
  assertEquals(await compose(new TestEvent(), [latin1]).text(), "é");
  // A character may be in two chunks.
  const chunks = [[0x61], [0, 0xe9], [0]].map((chunk) =>
    Uint8Array.from(chunk)
  );
  const utf16 = new Response(ReadableStream.from(chunks), {
    headers: { "content-type": "text/html; charset=utf-16le" },
  });
  assertEquals(await compose(new TestEvent(), [utf16]).text(), "aé");
});

Deno.test("compose() cancels every source when it is cancelled", async () => {
  const event = new TestEvent();
  const hanging = new TestStream(never);
  const later = new TestStream(never);
  const promised = new TestStream(never);
  const { promise, resolve } = Promise.withResolvers<Response>();
  let called = false;
  const response = compose(event, [
    hanging.stream,
    new Response(later.stream),
    promise,
    Promise.reject(new Error("No")),
    () => {
      called = true;
      return "";
    },
  ]);
  const reader = response.body!.getReader();
  const read = reader.read();
  await settle();
  await reader.cancel("enough");
  assertEquals((await read).done, true);
  resolve(new Response(promised.stream));
  await settle();
  assertEquals(
    [hanging.cancelled, later.cancelled, promised.cancelled],
    ["enough", "enough", "enough"],
  );
  assertEquals([called, event.ended], [false, true]);
});

Deno.test("compose() does not mind a source that cannot be cancelled", async () => {
  const event = new TestEvent();
  const stubborn = new ReadableStream<Uint8Array>({
    pull: never,
    cancel: () => Promise.reject(new Error("No")),
  });
  const reader = compose(event, [stubborn]).body!.getReader();
  reader.read();
  await settle();
  await reader.cancel();
  await settle();
  assert(event.ended);
});

Deno.test("compose() returns the iterator that is read when it is cancelled", async () => {
  let returned = false;
  async function* generate() {
    try {
      while (true) yield "a";
    } finally {
      returned = true;
      await settle();
    }
  }
  const reader = compose(new TestEvent(), [generate()]).body!.getReader();
  await reader.read();
  await reader.cancel();
  await settle();
  assert(returned);
});

Deno.test("compose() aborts the signal of a function when it is cancelled", async () => {
  let signal: AbortSignal | undefined;
  const late = new TestStream(never);
  const { promise, resolve } = Promise.withResolvers<Response>();
  const { body } = compose(new TestEvent(), [(given) => {
    signal = given;
    return promise;
  }]);
  const reader = body!.getReader();
  reader.read();
  await settle();
  await reader.cancel("enough");
  assertEquals(signal?.reason, "enough");
  resolve(new Response(late.stream));
  await settle();
  assertEquals(late.cancelled, "enough");
});

Deno.test("compose() aborts no signal when all has been read", async () => {
  let signal: AbortSignal | undefined;
  await compose(new TestEvent(), [(given) => {
    signal = given;
    return "a";
  }]).text();
  await settle();
  assertEquals(signal?.aborted, false);
});

Deno.test("compose() ends with the error of a part, and lets go of the others", async () => {
  for (
    const part of [
      Promise.reject(new RangeError("No")),
      () => Promise.reject(new RangeError("No")),
      () => {
        throw new RangeError("No");
      },
      new TestStream((controller) => controller.error(new RangeError("No")))
        .stream,
    ] as ComposePart[]
  ) {
    const event = new TestEvent();
    const later = new TestStream(never);
    const reader = compose(event, ["a", part, later.stream]).body!.getReader();
    assertEquals((await reader.read()).value, bytes("a"));
    await assertRejects(() => reader.read(), RangeError, "No");
    await settle();
    assert(later.cancelled instanceof RangeError);
    assert(event.ended);
  }
});

Deno.test("compose() takes a response that is not ok for a part that failed", async () => {
  const body = new TestStream(never);
  const failed = new Response(body.stream, { status: 404 });
  await assertRejects(
    () => compose(new TestEvent(), ["a", failed]).text(),
    TypeError,
    "Cannot compose the response: a part has the status 404",
  );
  assert(body.cancelled instanceof TypeError);
  await assertRejects(
    () => compose(new TestEvent(), [Response.error()]).text(),
    TypeError,
    "the status 0",
  );
});

Deno.test("compose() goes on with the fallback of a part that failed", async () => {
  let pulls = 0;
  const broken = new TestStream((controller) => {
    if (pulls++ === 0) controller.enqueue(bytes("begun "));
    else controller.error(new Error("cut"));
  });
  const response = compose(
    new TestEvent(),
    ["a ", broken.stream, new Response("", { status: 503 }), "d"],
    {
      fallback: (error, index) =>
        index === 1
          ? Promise.resolve(new Response(`${(error as Error).message} `))
          : `${index} `,
    },
  );
  assertEquals(await response.text(), "a begun cut 2 d");
});

Deno.test("compose() ends with the error of a fallback", async () => {
  for (
    const fallback of [
      () => Promise.reject(new RangeError("neither")),
      () => {
        throw new RangeError("neither");
      },
    ]
  ) {
    const part = Promise.reject(new Error("No"));
    await assertRejects(
      () => compose(new TestEvent(), [part], { fallback }).text(),
      RangeError,
      "neither",
    );
  }
});

Deno.test("compose() ends with the reason of an already aborted signal", async () => {
  const source = new TestStream(never);
  const event = new TestEvent();
  const signal = AbortSignal.abort("enough");
  const reading = compose(event, [source.stream, () => "a"], { signal }).text();
  assertEquals(await reading.catch((reason) => reason), "enough");
  assertEquals(source.cancelled, "enough");
  assert(event.ended);
});

Deno.test("compose() ends with the reason of a signal aborted later", async () => {
  const { signal, abort } = abortable();
  const source = new TestStream(never);
  const other = compose(new TestEvent(), ["b"], {
    signal: new AbortController().signal,
  });
  const event = new TestEvent();
  const reading = compose(event, ["a", source.stream], { signal }).text();
  await settle();
  abort("enough");
  assertEquals(await reading.catch((reason) => reason), "enough");
  assertEquals(source.cancelled, "enough");
  assertEquals(await other.text(), "b");
  await settle();
  assert(event.ended);
});

Deno.test("compose() removes its abort listener when it ends", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener(...args: [string, () => void]) {
      listeners++;
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: [string, () => void]) {
      listeners--;
      removeEventListener.apply(signal, args);
    },
  });
  await compose(new TestEvent(), ["a"], { signal }).text();
  assertEquals(listeners, 0);
});

Deno.test("compose() throws when the event is over, and listens to nothing", () => {
  const over = {
    waitUntil() {
      throw new DOMException("It is over", "InvalidStateError");
    },
  };
  const { signal } = new AbortController();
  signal.addEventListener = () => assert(false, "It listens");
  assertThrows(() => compose(over, ["a"], { signal }), DOMException, "over");
});

Deno.test("compose() serves a page in a worker", async () => {
  using host = createHost({ network: () => new Response("content") });
  await host.register((scope) => {
    scope.addEventListener("fetch", (event) => {
      if (!event.request.url.endsWith("/page")) return;
      event.respondWith(compose(event, [
        "<header>",
        scope.fetch("/fragment"),
        "<footer>",
      ]));
    });
  });
  const page = await host.openWindow("/page");
  assertEquals(await page.response.text(), "<header>content<footer>");
  await host.idle();
});

function abortable() {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    abort: (reason: unknown) => controller.abort(reason),
  };
}
