// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { createHandler } from "./server/handler.ts";
import { recordings } from "./server/episodes.ts";

const handle = createHandler({
  assets: new Map([["/", { type: "text/html", body: "<p>hello" }]]),
  duration: 3,
});

/** Serves until the function has ended. */
async function serving(
  test: (url: string) => Promise<void>,
): Promise<void> {
  const stopped = new AbortController();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    signal: stopped.signal,
    onListen: () => {},
  }, handle);
  try {
    await test(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    stopped.abort();
    await server.finished;
  }
}

Deno.test("createHandler() lists the episodes", async () => {
  const response = await handle(new Request("http://localhost/api/episodes"));
  const list = await response.json();
  assertEquals(list.length, recordings().length);
  assertEquals(list[0].bytes, 44 + 3 * 44_100 * 2);
  assertEquals("piece" in list[0], false);
});

Deno.test("createHandler() draws the covers", async () => {
  for (const { cover } of recordings()) {
    const response = await handle(new Request(`http://localhost${cover}`));
    assertEquals(response.headers.get("content-type"), "image/svg+xml");
    const svg = await response.text();
    assert(svg.startsWith("<svg ") && svg.endsWith("</svg>"));
    assert(!svg.includes("NaN") && !svg.includes("undefined"), svg);
  }
});

Deno.test("createHandler() refuses what it does not have", async () => {
  const ask = async (path: string, method = "GET") =>
    (await handle(new Request(`http://localhost${path}`, { method }))).status;
  assertEquals(await ask("/"), 200);
  assertEquals(await ask("/audio/nothing.wav"), 404);
  assertEquals(await ask("/api/comments/nothing"), 404);
  assertEquals(await ask("/", "POST"), 405);
});

Deno.test("createHandler() keeps a comment once, or says why not", async () => {
  const url = "http://localhost/api/comments/orchard";
  const read = async () => await (await handle(new Request(url))).json();
  const post = async (text: string, key: string) =>
    await handle(
      new Request(url, {
        method: "POST",
        headers: { "idempotency-key": key },
        body: JSON.stringify({ text }),
      }),
    );
  const before = (await read()).length;
  assertEquals((await post(" Hi ", "a")).status, 201);
  assertEquals((await post("Hi", "a")).status, 200);
  assertEquals((await read()).length, before + 1);
  assertEquals((await read()).at(-1).text, "Hi");

  const empty = await post("  ", "b");
  assertEquals(empty.status, 422);
  assertEquals(await empty.text(), "A comment needs a word or two");
  const long = await post("a".repeat(281), "c");
  assertEquals(long.status, 422);
  assertEquals(
    await long.text(),
    "A comment has up to 280 characters, this one has 281",
  );
  assertEquals((await read()).length, before + 1);
});

Deno.test("createHandler() keeps Content-Length over the network", () =>
  serving(async (url) => {
    const path = recordings()[0]?.audio ?? "";
    const whole = await fetch(url + path);
    assertEquals(
      whole.headers.get("content-length"),
      String((await whole.bytes()).length),
    );
    const part = await fetch(url + path, { headers: { range: "bytes=-10" } });
    assertEquals(part.status, 206);
    assertEquals(part.headers.get("content-length"), "10");
    assertEquals((await part.bytes()).length, 10);
  }));
