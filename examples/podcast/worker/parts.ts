// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What is on disk of an unfinished download, in a cache of its own: a plan, and
 * each part of the file, so that a worker that was stopped goes on where it was.
 * The cache is there as long as the episode is wanted and not complete.
 *
 * @module
 */

/** The file that is being downloaded, as the server described it first. */
export interface Plan {
  /** 0 before the first answer. */
  total: number;
  etag: string;
  type: string;
}

/** How many bytes a part has, except the last. */
export const PART_BYTES = 2 * 1024 * 1024;

const CACHE_PREFIX = "longwave-parts-";
const PLAN_KEY = "/plan";
const NEW_PLAN: Plan = { total: 0, etag: "", type: "" };

/** Opens the cache of the download of `id`, or begins one. */
export function openParts(id: string): Promise<Cache> {
  return caches.open(CACHE_PREFIX + id);
}

/** Removes all that there is of an unfinished download, at once. */
export function removeParts(id: string): Promise<boolean> {
  return caches.delete(CACHE_PREFIX + id);
}

/** Lists the ids of the unfinished downloads. */
export async function listUnfinished(): Promise<string[]> {
  return (await caches.keys())
    .filter((name) => name.startsWith(CACHE_PREFIX))
    .map((name) => name.slice(CACHE_PREFIX.length));
}

export async function readPlan(parts: Cache): Promise<Plan> {
  const response = await parts.match(PLAN_KEY);
  return response ? await response.json() : NEW_PLAN;
}

export async function writePlan(parts: Cache, plan: Plan): Promise<void> {
  await parts.put(PLAN_KEY, Response.json(plan));
}

/** Where the parts that are there begin and end, by number. */
export async function listParts(
  parts: Cache,
  { total }: Plan,
): Promise<Map<number, { start: number; end: number }>> {
  const numbers = (await parts.keys())
    .map(({ url }) => Number(new URL(url).pathname.slice(1)))
    .filter((number) => !Number.isNaN(number));
  return new Map(numbers.map((number) => [number, boundsOf(number, total)]));
}

/** Where part `number` of a file of `total` bytes begins and ends. */
export function boundsOf(
  number: number,
  total: number,
): { start: number; end: number } {
  const start = number * PART_BYTES;
  return { start, end: Math.min(start + PART_BYTES, total) };
}

export async function writePart(
  parts: Cache,
  number: number,
  body: Uint8Array<ArrayBuffer>,
): Promise<void> {
  await parts.put(`/${number}`, new Response(body));
}

/** The whole file. It stays on disk, where the engine reads blobs from there. */
export async function joinParts(parts: Cache, { total }: Plan): Promise<Blob> {
  const blobs: Blob[] = [];
  for (let number = 0; number * PART_BYTES < total; number++) {
    const part = await parts.match(`/${number}`);
    if (!part) throw new Error(`Cannot join the parts: part ${number} is gone`);
    blobs.push(await part.blob());
  }
  return new Blob(blobs);
}
