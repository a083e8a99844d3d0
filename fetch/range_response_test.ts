// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createHost } from "../testing/host.ts";
import { rangeResponse } from "./range_response.ts";

const URL = "https://example.com/a.wav";
const MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT";
const LATER = "Wed, 21 Oct 2015 07:28:01 GMT";
const TEXT = "0123456789".repeat(100);

function get(range: string, headers: Record<string, string> = {}): Request {
  return new Request(URL, { headers: { range, ...headers } });
}

function stored(headers: Record<string, string> = {}): Response {
  return new Response(TEXT, {
    headers: { "content-type": "audio/wav", ...headers },
  });
}

async function assertRange(
  range: string,
  [first, last]: [number, number],
): Promise<void> {
  const response = await rangeResponse(get(range), stored());
  assertEquals(response.status, 206, range);
  assertEquals(
    response.headers.get("content-range"),
    `bytes ${first}-${last}/1000`,
    range,
  );
  assertEquals(response.headers.get("content-length"), `${last + 1 - first}`);
  assertEquals(response.headers.get("accept-ranges"), "bytes");
  assertEquals(response.headers.get("content-type"), "audio/wav");
  assertEquals(await response.text(), TEXT.slice(first, last + 1));
}

async function assertWhole(
  request: Request,
  response: Response = stored(),
): Promise<void> {
  const what = `${request.method} ${request.headers.get("range")}`;
  assertStrictEquals(await rangeResponse(request, response), response, what);
  assertEquals(response.bodyUsed, false, what);
  await response.body?.cancel();
}

Deno.test("rangeResponse() answers one range", async () => {
  for (
    const [range, bytes] of [
      ["bytes=0-99", [0, 99]],
      ["bytes=0-0", [0, 0]],
      ["bytes=10-19", [10, 19]],
      ["bytes=999-999", [999, 999]],
      ["bytes=0-", [0, 999]],
      ["bytes=990-", [990, 999]],
      ["bytes=-1", [999, 999]],
      ["bytes=-100", [900, 999]],
      ["BYTES=0-1", [0, 1]],
      ["bytes=00-01", [0, 1]],
      // A list may have empty elements (RFC 9110, 5.6.1).
      ["bytes=, ,0-1", [0, 1]],
      ["bytes=0-1 , ,", [0, 1]],
    ] as const
  ) await assertRange(range, [...bytes]);
});

Deno.test("rangeResponse() cuts a range to what there is", async () => {
  await assertRange("bytes=0-1000", [0, 999]);
  await assertRange("bytes=0-9999", [0, 999]);
  await assertRange("bytes=500-99999999999999999999999", [500, 999]);
  await assertRange("bytes=-1000", [0, 999]);
  await assertRange("bytes=-9999", [0, 999]);
});

Deno.test("rangeResponse() answers 416 if there is nothing of the range", async () => {
  for (
    const range of [
      "bytes=1000-",
      "bytes=1000-1000",
      "bytes=2000-3000",
      "bytes=-0",
      "bytes=99999999999999999999999-",
    ]
  ) {
    const response = await rangeResponse(get(range), stored({ etag: '"1"' }));
    assertEquals(response.status, 416, range);
    assertEquals(Object.fromEntries(response.headers), {
      "content-length": "0",
      "content-range": "bytes */1000",
    });
    assertEquals(await response.text(), "");
  }
});

Deno.test("rangeResponse() has no range of an empty file", async () => {
  const range = await rangeResponse(get("bytes=0-"), new Response(""));
  assertEquals(range.status, 416);
  assertEquals(range.headers.get("content-range"), "bytes */0");
  const suffix = await rangeResponse(get("bytes=-5"), new Response(""));
  assertEquals(suffix.status, 200);
  assertEquals(await suffix.text(), "");
});

Deno.test("rangeResponse() ignores what is malformed, and other units", async () => {
  for (
    const range of [
      "bytes",
      "bytes=",
      "bytes=-",
      "bytes=,",
      "bytes=a-b",
      "bytes=1",
      "bytes=5-1",
      "bytes=--1",
      "bytes=+1-2",
      "bytes=1.5-2",
      "bytes=0x1-2",
      "bytes= 0-1",
      "bytes =0-1",
      "bytes=0 -1",
      "bytes:0-1",
      "items=0-1",
      "0-1",
      `bytes=${", ".repeat(20_000)}x`,
    ]
  ) await assertWhole(get(range));
});

Deno.test("rangeResponse() passes on the whole if several ranges are asked for", async () => {
  await assertWhole(get("bytes=0-1,5-6"));
  await assertWhole(get("bytes=0-1,-1"));
  await assertWhole(get("bytes=0-1,2000-"));
});

Deno.test("rangeResponse() passes on what no range is wanted of", async () => {
  await assertWhole(new Request(URL));
  for (const method of ["HEAD", "POST", "DELETE"]) {
    const headers = { range: "bytes=0-1" };
    await assertWhole(new Request(URL, { method, headers }));
  }
});

Deno.test("rangeResponse() passes on what cannot be cut", async () => {
  const request = get("bytes=0-1");
  for (const encoding of ["gzip", "br", "identity, gzip"]) {
    await assertWhole(request, stored({ "content-encoding": encoding }));
  }
  for (const status of [201, 206, 404, 416, 503]) {
    const headers = { "content-range": "bytes 0-1/2" };
    await assertWhole(request, new Response("ab", { status, headers }));
  }
  await assertWhole(request, new Response(null, { status: 204 }));
  await assertWhole(request, Response.error());
});

Deno.test("rangeResponse() cuts what is encoded as it is", async () => {
  const response = stored({ "content-encoding": "identity" });
  assertEquals((await rangeResponse(get("bytes=0-1"), response)).status, 206);
});

Deno.test("rangeResponse() compares a tag of If-Range strongly", async () => {
  const answer = async (ifRange: string, etag: string) => {
    const request = get("bytes=0-1", { "if-range": ifRange });
    const response = await rangeResponse(request, stored({ etag }));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await answer('"a"', '"a"'), 206);
  assertEquals(await answer('"a"', '"b"'), 200);
  assertEquals(await answer('W/"a"', 'W/"a"'), 200);
  assertEquals(await answer('"a"', 'W/"a"'), 200);
  assertEquals(await answer('W/"a"', '"a"'), 200);
  await assertWhole(get("bytes=0-1", { "if-range": '"a"' }));
});

Deno.test("rangeResponse() compares a date of If-Range exactly, if it is strong", async () => {
  const answer = async (ifRange: string, headers: Record<string, string>) => {
    const request = get("bytes=0-1", { "if-range": ifRange });
    const response = await rangeResponse(request, stored(headers));
    await response.body?.cancel();
    return response.status;
  };
  const dated = { "last-modified": MODIFIED, date: LATER };
  assertEquals(await answer(MODIFIED, dated), 206);
  assertEquals(await answer(LATER, dated), 200);
  assertEquals(await answer("Wed, 21 Oct 2015 07:27:59 GMT", dated), 200);
  assertEquals(await answer(MODIFIED, { ...dated, date: MODIFIED }), 200);
  assertEquals(await answer(MODIFIED, { "last-modified": MODIFIED }), 200);
  assertEquals(await answer(MODIFIED, { date: LATER }), 200);
  assertEquals(await answer("nonsense", { "last-modified": "nonsense" }), 200);
});

Deno.test("rangeResponse() keeps the headers of the response", async () => {
  const response = await rangeResponse(
    get("bytes=0-1"),
    stored({ etag: '"a"', "x-a": "b", "content-length": "1000" }),
  );
  await response.body?.cancel();
  assertEquals(Object.fromEntries(response.headers), {
    "accept-ranges": "bytes",
    "content-length": "2",
    "content-range": "bytes 0-1/1000",
    "content-type": "audio/wav",
    "etag": '"a"',
    "x-a": "b",
  });
});

Deno.test("rangeResponse() gives no type to what has none", async () => {
  const { headers, body } = await rangeResponse(
    get("bytes=0-1"),
    new Response(new Uint8Array(10)),
  );
  await body?.cancel();
  assertEquals(headers.has("content-type"), false);
});

Deno.test("rangeResponse() rejects a body that was read", async () => {
  const response = stored();
  await response.text();
  await assertRejects(
    () => rangeResponse(get("bytes=0-1"), response),
    TypeError,
  );
});

Deno.test("rangeResponse() serves a worker's cache, offline", async () => {
  using host = createHost({ network: () => new Response("from the network") });
  await host.register((scope) => {
    scope.addEventListener("fetch", (event) => {
      const { request } = event;
      event.respondWith((async () => {
        const response = await scope.caches.match(request.url);
        return response
          ? rangeResponse(request, response)
          : scope.fetch(request);
      })());
    });
  });
  const cache = await host.caches.open("audio");
  await cache.put("/a.wav", stored());
  const page = await host.openWindow("/");
  host.network.offline = true;
  const response = await page.fetch("/a.wav", {
    headers: { range: "bytes=990-" },
  });
  assertEquals(response.status, 206);
  assertEquals(await response.text(), "0123456789");
});
