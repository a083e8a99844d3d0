// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Downloads one part of an episode's file.
 *
 * @module
 */

import { audioPath } from "./answers.ts";
import { boundsOf, PART_BYTES, type Plan } from "./parts.ts";

/** The file is no longer the one whose parts are on disk. */
export class FileChangedError extends Error {
  override name = "FileChangedError";
}

/** A part that the server has begun to send. */
export interface FetchedPart {
  /** The file it belongs to. */
  plan: Plan;
  /** Reads the part; `progress` is called with the size of each piece. */
  read(progress: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>>;
}

const RANGE_REGEXP = /^bytes (\d+)-\d+\/(\d+)$/;

/**
 * Requests part `number` of the file of `plan`; of any version of the file if
 * the plan is a new one.
 */
export async function fetchPart(
  id: string,
  number: number,
  plan: Plan,
  signal: AbortSignal,
): Promise<FetchedPart> {
  const start = number * PART_BYTES;
  const response = await fetch(audioPath(id), {
    headers: {
      range: `bytes=${start}-${start + PART_BYTES - 1}`,
      ...(plan.etag && { "if-range": plan.etag }),
    },
    // The parts are kept here; the HTTP cache would keep them once more.
    cache: "no-store",
    signal,
  });
  const { body, headers, status } = response;
  const [, first, size] = headers.get("content-range")?.match(RANGE_REGEXP) ??
    [];
  const [total, etag] = [Number(size), headers.get("etag") ?? ""];
  const isNew = plan.total === 0;
  if (
    body === null || status !== 206 || Number(first) !== start ||
    !isNew && (total !== plan.total || etag !== plan.etag)
  ) {
    await body?.cancel();
    if (!isNew && (response.ok || status === 416)) {
      throw new FileChangedError(`Cannot resume ${id}: the file has changed`);
    }
    throw new Error(`Cannot download ${id}: the server answered ${status}`);
  }

  return {
    plan: { total, etag, type: headers.get("content-type") ?? "" },
    async read(progress) {
      const { end } = boundsOf(number, total);
      const part = new Uint8Array(end - start);
      const reader = body.getReader();
      let filled = 0;
      while (true) {
        const { done, value } = await reader.read();
        if (done) break;
        part.set(value, filled);
        filled += value.byteLength;
        progress(value.byteLength);
      }
      if (filled === part.byteLength) return part;
      throw new TypeError(`Cannot download ${id}: the connection broke`);
    },
  };
}
