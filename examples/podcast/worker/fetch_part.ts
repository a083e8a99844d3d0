// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Downloads one part of an episode's file.
 *
 * @module
 */

import { audioPath } from "../offline.ts";
import { boundsOf, PART_BYTES, type Plan } from "./parts.ts";

/** The file is no longer the one whose parts are on disk. */
export class FileChangedError extends Error {
  override name = "FileChangedError";
}

/** A part, and the plan of the file it belongs to. */
export interface FetchedPart {
  body: Blob;
  plan: Plan;
}

const RANGE_REGEXP = /^bytes (\d+)-(\d+)\/(\d+)$/;

/**
 * Downloads part `number` of the file of `plan`; of any version of the file if
 * the plan has none.
 *
 * @param progress Called with the size of each piece that arrives.
 */
export async function fetchPart(
  id: string,
  number: number,
  plan: Plan,
  signal: AbortSignal,
  progress: (bytes: number) => void,
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
  const found = planOf(response, start);
  if (!found || !response.body) {
    await response.body?.cancel();
    if (plan.total > 0 && response.ok) {
      throw new FileChangedError(`Cannot resume ${id}: the file has changed`);
    }
    throw new Error(
      `Cannot download ${id}: the server answered ${response.status}`,
    );
  }

  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    progress(value.byteLength);
  }
  const body = new Blob(pieces);
  const { end } = boundsOf(number, found.total);
  if (body.size !== end - start) {
    throw new Error(`Cannot download ${id}: the connection broke`);
  }
  return { body, plan: found };
}

/** What the server says of the file, if it answers the range asked for. */
function planOf(response: Response, start: number): Plan | undefined {
  const range = response.headers.get("content-range")?.match(RANGE_REGEXP);
  if (response.status !== 206 || Number(range?.[1]) !== start) return undefined;
  return {
    total: Number(range?.[3]),
    etag: response.headers.get("etag") ?? "",
    type: response.headers.get("content-type") ?? "",
  };
}
