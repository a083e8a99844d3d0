// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Answers requests for audio files that exist only as a score: any range, made
 * while it is sent, at no more than a given rate.
 *
 * @module
 */

import type { Recording } from "./episodes.ts";
import { ifRangeHolds, parseRange } from "./range.ts";
import { readWav } from "./wav.ts";

const CHUNK_BYTES = 64 * 1024;
/** Chunks a second when the rate is limited: often enough to look even. */
const CHUNKS_PER_SECOND = 20;

/**
 * Answers a `GET` or `HEAD` for the audio of `recording`.
 *
 * @param throttle Bytes per second for this response; 0 for no limit.
 */
export function answerAudio(
  request: Request,
  recording: Recording,
  throttle = 0,
): Response {
  const size = recording.bytes;
  const etag = tagOf(recording);
  const lastModified = new Date(recording.published).toUTCString();
  const headers = new Headers({
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "content-type": "audio/wav",
    "etag": etag,
    "last-modified": lastModified,
  });
  if (isUnchanged(request, etag, lastModified)) {
    return new Response(null, { status: 304, headers });
  }

  // Only GET has ranges (RFC 9110, 14.2).
  const asked = request.method === "GET" &&
      ifRangeHolds(request.headers.get("if-range"), { etag, lastModified })
    ? parseRange(request.headers.get("range"), size)
    : null;
  if (asked === "unsatisfiable") {
    headers.set("content-range", `bytes */${size}`);
    headers.set("content-length", "0");
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = asked ?? { start: 0, end: size };
  headers.set("content-length", String(end - start));
  if (asked) headers.set("content-range", `bytes ${start}-${end - 1}/${size}`);
  const body = request.method === "HEAD"
    ? null
    : stream(recording, start, end, throttle);
  return new Response(body, { status: asked ? 206 : 200, headers });
}

function isUnchanged(
  request: Request,
  etag: string,
  lastModified: string,
): boolean {
  const tags = request.headers.get("if-none-match");
  if (tags !== null) {
    return tags.split(",").some((tag) =>
      tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag
    );
  }
  const since = Date.parse(request.headers.get("if-modified-since") ?? "");
  return since >= Date.parse(lastModified);
}

/** Two files with the same tag have the same bytes. */
function tagOf({ id, bytes, piece }: Recording): string {
  const text = JSON.stringify([id, bytes, piece]);
  let hash = 0xcbf29ce484222325n; // FNV-1a
  for (let i = 0; i < text.length; i++) {
    hash = BigInt.asUintN(
      64,
      (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n,
    );
  }
  return `"${hash.toString(36)}"`;
}

function stream(
  { piece, bytes }: Recording,
  start: number,
  end: number,
  throttle: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunkBytes = throttle > 0
    ? Math.ceil(Math.min(CHUNK_BYTES, throttle / CHUNKS_PER_SECOND))
    : CHUNK_BYTES;
  const began = performance.now();
  let position = start;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return new ReadableStream({
    async pull(controller) {
      if (throttle > 0) {
        const due = began + (position - start) / throttle * 1000;
        await new Promise<void>((resolve) => {
          timer = setTimeout(resolve, Math.max(0, due - performance.now()));
        });
      }
      const next = Math.min(position + chunkBytes, end);
      controller.enqueue(readWav(piece, position, next, bytes));
      position = next;
      if (position === end) controller.close();
    },
    cancel: () => clearTimeout(timer),
  }, { highWaterMark: 0 });
}
