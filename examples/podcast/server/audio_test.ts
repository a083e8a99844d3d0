// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { answerAudio } from "./audio.ts";
import { recordings } from "./episodes.ts";

const [recording, other] = recordings(3);
const SIZE = 44 + 3 * 44_100 * 2;

function ask(
  headers: Record<string, string> = {},
  method = "GET",
): Response {
  assert(recording);
  const request = new Request(`http://localhost${recording.audio}`, {
    method,
    headers,
  });
  return answerAudio(request, recording);
}

function header(response: Response, name: string): string {
  return response.headers.get(name) ?? "";
}

Deno.test("answerAudio() answers the whole file", async () => {
  const response = ask();
  assertEquals(response.status, 200);
  assertEquals(header(response, "content-type"), "audio/wav");
  assertEquals(header(response, "accept-ranges"), "bytes");
  assertEquals(header(response, "content-length"), String(SIZE));
  assertEquals(response.headers.has("content-range"), false);
  assertEquals((await response.bytes()).length, SIZE);
});

Deno.test("answerAudio() makes a WAV file that is not silent", async () => {
  const bytes = await ask().bytes();
  const text = (start: number, end: number) =>
    new TextDecoder().decode(bytes.subarray(start, end));
  const view = new DataView(bytes.buffer);
  assertEquals(text(0, 4), "RIFF");
  assertEquals(view.getUint32(4, true), SIZE - 8);
  assertEquals(text(8, 16), "WAVEfmt ");
  assertEquals(view.getUint16(20, true), 1);
  assertEquals(view.getUint32(24, true), 44_100);
  assertEquals(text(36, 40), "data");
  assertEquals(view.getUint32(40, true), SIZE - 44);

  const samples = new Int16Array(bytes.buffer, 44);
  const peak = samples.reduce((max, s) => Math.max(max, Math.abs(s)), 0);
  assert(peak > 1000 && peak < 32_767, `the peak is ${peak}`);
});

Deno.test("answerAudio() makes the same bytes for every range", async () => {
  const whole = await ask().bytes();
  for (
    const [start, last] of [[0, 0], [0, 43], [10, 99], [43, 44], [45, 45], [
      44_101,
      200_000,
    ], [SIZE - 3, SIZE - 1]] as const
  ) {
    const response = ask({ range: `bytes=${start}-${last}` });
    assertEquals(response.status, 206);
    assertEquals(
      header(response, "content-range"),
      `bytes ${start}-${last}/${SIZE}`,
    );
    assertEquals(header(response, "content-length"), String(last - start + 1));
    assertEquals(await response.bytes(), whole.slice(start, last + 1));
  }
});

Deno.test("answerAudio() answers 416 to a range that is not there", () => {
  const response = ask({ range: `bytes=${SIZE}-` });
  assertEquals(response.status, 416);
  assertEquals(header(response, "content-range"), `bytes */${SIZE}`);
  assertEquals(response.body, null);
});

Deno.test("answerAudio() answers several ranges in whole", async () => {
  const response = ask({ range: "bytes=0-1,5-6" });
  assertEquals(response.status, 200);
  await response.body?.cancel();
});

Deno.test("answerAudio() heeds If-Range", async () => {
  const etag = header(ask({}, "HEAD"), "etag");
  const lastModified = header(ask({}, "HEAD"), "last-modified");
  for (
    const [value, status] of [
      [etag, 206],
      [lastModified, 206],
      [`W/${etag}`, 200],
      ['"another"', 200],
    ] as const
  ) {
    const response = ask({ range: "bytes=0-9", "if-range": value });
    assertEquals(response.status, status, value);
    await response.body?.cancel();
  }
  // A range that is ignored cannot be unsatisfiable.
  const response = ask({ range: `bytes=${SIZE}-`, "if-range": '"another"' });
  assertEquals(response.status, 200);
  await response.body?.cancel();
});

Deno.test("answerAudio() answers HEAD without a body and without ranges", () => {
  const response = ask({ range: "bytes=0-9" }, "HEAD");
  assertEquals(response.status, 200);
  assertEquals(header(response, "content-length"), String(SIZE));
  assertEquals(response.body, null);
});

Deno.test("answerAudio() answers 304 to who has the file", () => {
  const etag = header(ask({}, "HEAD"), "etag");
  const lastModified = header(ask({}, "HEAD"), "last-modified");
  assertEquals(ask({ "if-none-match": `"b", W/${etag}` }).status, 304);
  assertEquals(ask({ "if-none-match": "*" }).status, 304);
  assertEquals(ask({ "if-modified-since": lastModified }).status, 304);
});

Deno.test("answerAudio() gives every file a tag of its own", () => {
  assert(other);
  const longer = recordings(4)[0];
  assert(longer);
  const tag = header(ask({}, "HEAD"), "etag");
  for (const recording of [other, longer]) {
    const request = new Request("http://localhost/", { method: "HEAD" });
    assertNotEquals(header(answerAudio(request, recording), "etag"), tag);
  }
});

Deno.test("answerAudio() sends no faster than it is told to", async () => {
  assert(recording);
  const request = new Request("http://localhost/");
  const start = performance.now();
  const response = answerAudio(request, recording, SIZE * 4);
  assertEquals((await response.bytes()).length, SIZE);
  // The last of its twentieths is not waited for.
  assert(performance.now() - start >= 180);
});

Deno.test("answerAudio() stops when nobody reads any more", async () => {
  assert(recording);
  const response = answerAudio(new Request("http://localhost/"), recording, 20);
  const reader = response.body?.getReader();
  assertEquals((await reader?.read())?.value?.length, 1);
  const next = reader?.read();
  await reader?.cancel(); // what it waits for would be reported as a leak
  assertEquals((await next)?.done, true);
});

Deno.test("recordings() lists files of 5 to 60 MB", () => {
  for (const { id, bytes } of recordings()) {
    assert(bytes >= 5e6 && bytes <= 60e6, `${id} has ${bytes} bytes`);
  }
});
