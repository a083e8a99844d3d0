// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The `Range` and `If-Range` headers of RFC 9110, for one range of bytes.
 *
 * @module
 */

/** Bytes `start` up to, not including, `end`. */
export interface ByteRange {
  start: number;
  end: number;
}

/** What tells one version of a file from another. */
export interface Validators {
  /** Strong, with its quotes. */
  etag: string;
  lastModified: string;
}

const BYTES_REGEXP = /^bytes=(.*)$/i;
const SPEC_REGEXP = /^(\d*)-(\d*)$/;

/**
 * Reads a `Range` header for a file of `size` bytes.
 *
 * @returns The range; "unsatisfiable" if the file has none of its bytes; null
 * if the header is to be ignored: it is missing, malformed, of another unit, or
 * names several ranges, which RFC 9110 (14.2) lets a server answer in whole.
 */
export function parseRange(
  header: string | null,
  size: number,
): ByteRange | "unsatisfiable" | null {
  const [, set] = header?.trim().match(BYTES_REGEXP) ?? [];
  const specs = (set ?? "").split(",").map((spec) => spec.trim())
    .filter((spec) => spec !== "");
  const [spec] = specs;
  if (specs.length !== 1 || spec === undefined) return null;

  const [, first, last] = spec.match(SPEC_REGEXP) ?? [];
  if (first === undefined || last === undefined) return null;
  if (first === "") {
    if (last === "") return null;
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return null;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}

/**
 * Whether an `If-Range` header lets the range be answered: it is missing, or
 * names exactly this version. A weak tag never does (RFC 9110, 13.1.5).
 */
export function ifRangeHolds(
  header: string | null,
  { etag, lastModified }: Validators,
): boolean {
  return header === null || header === etag || header === lastModified;
}
