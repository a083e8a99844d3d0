// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { streamUpload } from "./stream_upload.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A server that answers with what it was sent. */
function serve() {
  const requests: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const text = await request.text();
      requests.push(text);
      return new Response(text);
    },
  );
  return {
    requests,
    post: (init: RequestInit = {}) =>
      new Request(`http://127.0.0.1:${server.addr.port}/`, {
        method: "POST",
        ...init,
      }),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** An engine that streams, or says so. */
function pretend(
  engine: { asks: boolean; fetch: typeof fetch; protocol?: string },
): Disposable {
  const { Request: NativeRequest, fetch: nativeFetch } = globalThis;
  const { getEntriesByType } = performance;
  globalThis.Request = class extends NativeRequest {
    constructor(input: RequestInfo | URL, init: RequestInit = {}) {
      super(input, init);
      // Reading it is how an engine knows the option.
      if (engine.asks) Reflect.get(init, "duplex");
    }
  };
  globalThis.fetch = engine.fetch;
  performance.getEntriesByType = (type) =>
    type === "resource"
      ? [{
        name: "http://127.0.0.1:1/a.js",
        nextHopProtocol: engine.protocol,
      }] as unknown as PerformanceEntryList
      : [];
  return {
    [Symbol.dispose]() {
      globalThis.Request = NativeRequest;
      globalThis.fetch = nativeFetch;
      performance.getEntriesByType = getEntriesByType;
    },
  };
}

function post(): Request {
  return new Request("http://127.0.0.1:1/", { method: "POST" });
}

function streamOf(...texts: string[]): ReadableStream<Bytes> {
  return ReadableStream.from(texts).pipeThrough(new TextEncoderStream());
}

/** A stream that never has anything. */
function silent() {
  const cancelled = Promise.withResolvers<unknown>();
  const stream = new ReadableStream<Bytes>({ cancel: cancelled.resolve });
  return { stream, cancelled: cancelled.promise };
}

Deno.test("streamUpload() sends what it buffered, and says so", async () => {
  await using server = serve();
  const seen: number[] = [];
  const { response, sent } = await streamUpload(
    server.post(),
    streamOf("one ", "two ", "three"),
    { progress: (bytes) => seen.push(bytes) },
  );
  assertEquals(await response.text(), "one two three");
  assertEquals(sent, "buffered");
  assertEquals(seen, [4, 8, 13]);
});

Deno.test("streamUpload() sends an empty stream", async () => {
  await using server = serve();
  const { response } = await streamUpload(server.post(), streamOf());
  assertEquals(await response.text(), "");
});

Deno.test("streamUpload() streams where the engine does", async () => {
  const seen: number[] = [];
  const pulled: string[] = [];
  using _ = pretend({
    asks: true,
    async fetch(_, init) {
      const stream = init?.body as ReadableStream<Bytes>;
      for await (const chunk of stream) {
        pulled.push(`${new TextDecoder().decode(chunk)} ${seen.at(-1)}`);
      }
      return new Response("done", { status: 503 });
    },
  });
  const { response, sent } = await streamUpload(
    post(),
    streamOf("one ", "two "),
    { progress: (bytes) => seen.push(bytes) },
  );
  assertEquals([response.status, sent], [503, "streamed"]);
  assertEquals(pulled, ["one  4", "two  8"]);
});

Deno.test("streamUpload() buffers what the engine refuses unread", async () => {
  const bodies: unknown[] = [];
  using _ = pretend({
    asks: true,
    async fetch(_, init) {
      bodies.push(init?.body);
      if (init?.body instanceof ReadableStream) throw new TypeError("HTTP/1.1");
      return new Response(await (init?.body as Blob).text());
    },
  });
  const { response, sent } = await streamUpload(post(), streamOf("a", "b"));
  assertEquals([await response.text(), sent], ["ab", "buffered"]);
  assertEquals(bodies.length, 2);
});

Deno.test("streamUpload() does not send again what it has read", async () => {
  let count = 0;
  using _ = pretend({
    asks: true,
    async fetch(_, init) {
      count++;
      await (init?.body as ReadableStream).getReader().read();
      throw new TypeError("Redirected");
    },
  });
  let cancelled: unknown;
  const body = new ReadableStream<Bytes>({
    pull: (controller) => controller.enqueue(new Uint8Array(3)),
    cancel: (reason) => cancelled = reason,
  }, { highWaterMark: 0 });
  const error = await assertRejects(
    () => streamUpload(post(), body),
    TypeError,
    "Cannot upload to http://127.0.0.1:1/: the request failed, and 3 bytes of the stream are read",
  );
  assertEquals((error.cause as Error).message, "Redirected");
  assert(cancelled instanceof TypeError);
  assertEquals(count, 1);
});

Deno.test("streamUpload() does not try to stream over HTTP/1", async () => {
  const bodies: unknown[] = [];
  for (const protocol of ["http/1.1", "h2", ""]) {
    using _ = pretend({
      asks: true,
      protocol,
      async fetch(_, init) {
        bodies.push(init?.body?.constructor.name);
        await new Response(init?.body ?? null).text();
        return new Response();
      },
    });
    await streamUpload(post(), streamOf("a"));
  }
  assertEquals(bodies, ["Blob", "ReadableStream", "ReadableStream"]);
});

Deno.test("streamUpload() rejects with the error of the stream", async () => {
  await using server = serve();
  const body = () =>
    new ReadableStream<Bytes>({ start: (c) => c.error(new RangeError("No")) });
  await assertRejects(
    () => streamUpload(server.post(), body()),
    RangeError,
    "No",
  );
  assertEquals(server.requests, []);
  using _ = pretend({
    asks: true,
    fetch: async (_, init) => {
      await new Response(init?.body ?? null).text().catch(() => {});
      throw new TypeError("Failed to fetch");
    },
  });
  await assertRejects(() => streamUpload(post(), body()), RangeError, "No");
});

Deno.test("streamUpload() says that the request failed", async () => {
  await assertRejects(
    () => streamUpload(post(), streamOf("four")),
    TypeError,
    "Cannot upload to http://127.0.0.1:1/: the request failed, and 4 bytes of the stream are read",
  );
});

Deno.test("streamUpload() rejects a stream that others read", async () => {
  const body = streamOf("a");
  const reader = body.getReader();
  await assertRejects(() => streamUpload(post(), body), TypeError);
  await reader.cancel();
});

Deno.test("streamUpload() rejects with the reason of an already aborted signal", async () => {
  const { stream } = silent();
  const signal = AbortSignal.abort("enough");
  const upload = streamUpload(post(), stream, { signal });
  assertEquals(await upload.catch((reason) => reason), "enough");
  assertEquals(stream.locked, false);
});

Deno.test("streamUpload() rejects with the reason of a signal aborted later", async () => {
  const controller = new AbortController();
  const { stream, cancelled } = silent();
  const { signal } = controller;
  const upload = streamUpload(post(), stream, { signal });
  const other = silent();
  const others = new AbortController();
  const unaffected = streamUpload(post(), other.stream, {
    signal: others.signal,
  }).catch((reason) => reason);
  controller.abort("enough");
  assertEquals(await upload.catch((reason) => reason), "enough");
  assertEquals(await cancelled, "enough");
  others.abort("later");
  assertEquals(await unaffected, "later");
});

Deno.test("streamUpload() rejects with the reason of the request's signal", async () => {
  const controller = new AbortController();
  const { stream, cancelled } = silent();
  const request = new Request("http://127.0.0.1:1/", {
    method: "POST",
    signal: controller.signal,
  });
  const upload = streamUpload(request, stream).catch((reason) => reason);
  controller.abort("enough");
  assertEquals([await upload, await cancelled], ["enough", "enough"]);
});

Deno.test("streamUpload() lets no server take an aborted upload for complete", async () => {
  let ended: unknown;
  using _ = pretend({
    asks: true,
    async fetch(_, init) {
      const text = await new Response(init?.body ?? null).text()
        .catch((reason) => {
          ended = reason;
        });
      if (text !== undefined) ended = text;
      throw new DOMException("", "AbortError");
    },
  });
  const controller = new AbortController();
  const body = new ReadableStream<Bytes>({
    start: (controller) => controller.enqueue(new Uint8Array(1)),
  });
  const upload = streamUpload(post(), body, {
    signal: controller.signal,
    progress: () => queueMicrotask(() => controller.abort("enough")),
  });
  assertEquals(await upload.catch((reason) => reason), "enough");
  assertEquals(ended, "enough");
});

Deno.test("streamUpload() rejects with its signal's reason where the engine has another", async () => {
  using _ = pretend({
    asks: true,
    fetch: (_, init) =>
      new Promise((_, reject) => {
        const error = new DOMException("", "AbortError");
        init?.signal?.addEventListener("abort", () => reject(error));
      }),
  });
  const controller = new AbortController();
  const { signal } = controller;
  const upload = streamUpload(post(), silent().stream, { signal });
  controller.abort("enough");
  assertEquals(await upload.catch((reason) => reason), "enough");
});

Deno.test("streamUpload() removes its abort listener when it settles", async () => {
  await using server = serve();
  const { signal } = new AbortController();
  const listening = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener(...args: [string, () => void]) {
      listening.add(args[1]);
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: [string, () => void]) {
      listening.delete(args[1]);
      removeEventListener.apply(signal, args);
    },
  });
  const { response } = await streamUpload(server.post(), streamOf("a"), {
    signal,
  });
  await response.text();
  assertEquals(listening.size, 0);
});
