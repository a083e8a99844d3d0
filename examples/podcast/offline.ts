// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What makes the app work without its server: the files of each version in a
 * cache of its own, what the server said last, and the audio that was downloaded,
 * of which any range can be read.
 *
 * @module
 */

import {
  deleteOutdatedCaches,
  type DeleteOutdatedCachesScope,
  matchGenerations,
} from "@serviceworker/std/lifecycle/activate";
import { parseRange } from "./range.ts";
import type { Episode } from "./server/episodes.ts";

const CONTENT_CACHE = "longwave-content";
const AUDIO_CACHE = "longwave-audio";
const AUDIO_REGEXP = /^\/audio\/([\w-]+)\.wav$/;
const EPISODES = "/api/episodes";
const SHELL = [
  "/",
  "/app.js",
  "/style.css",
  "/icon.svg",
  "/manifest.webmanifest",
];

/** The part of a `FetchEvent` that {@linkcode createAnswers} uses. */
interface AnswerEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
  waitUntil(promise: Promise<unknown>): void;
}

/** Stores all that a version needs to open: for the `install` event. */
export async function cacheShell(name: string): Promise<void> {
  const cache = await caches.open(name);
  await cache.addAll(
    SHELL.map((path) => new Request(path, { cache: "reload" })),
  );
  await refreshEpisodes();
}

/** Stores the list of episodes anew, and the covers; resolves with the list. */
export async function refreshEpisodes(
  signal?: AbortSignal,
): Promise<Episode[]> {
  const cache = await caches.open(CONTENT_CACHE);
  const response = await fetch(EPISODES, {
    cache: "reload",
    signal: signal ?? null,
  });
  if (!response.ok) {
    throw new Error(
      `Cannot refresh the list: the server answered ${response.status}`,
    );
  }
  const episodes: Episode[] = await response.clone().json();
  for (const { cover } of episodes) {
    if (!await cache.match(cover)) await cache.add(cover);
  }
  await cache.put(EPISODES, response);
  return episodes;
}

/**
 * Makes a listener that answers audio, what the app shows and the files of a
 * version, and leaves all else to the browser.
 */
export function createAnswers(
  scope: DeleteOutdatedCachesScope,
  shell: { name: string; version: string },
): (event: AnswerEvent) => void {
  async function answerShell(
    { request }: AnswerEvent,
    path: string,
  ): Promise<Response> {
    return await matchGenerations(scope, path, shell) ?? await fetch(request);
  }

  return (event) => {
    const { request } = event;
    const { origin, pathname } = new URL(request.url);
    if (request.method !== "GET" || origin !== location.origin) return;
    if (request.mode === "navigate") {
      // The last tab of an older version may have gone.
      event.waitUntil(deleteOutdatedCaches(scope, shell));
    }
    if (AUDIO_REGEXP.test(pathname)) {
      event.respondWith(answerAudio(request, pathname));
    } else if (SHELL.includes(pathname)) {
      event.respondWith(answerShell(event, pathname));
    } else if (
      pathname === EPISODES || pathname.startsWith("/covers/") ||
      pathname.startsWith("/api/comments/")
    ) {
      event.respondWith(networkFirst(event, pathname));
    }
  };
}

/** The address of an episode's audio. */
export function audioPath(id: string): string {
  const path = `/audio/${id}.wav`;
  if (AUDIO_REGEXP.test(path)) return path;
  throw new TypeError(`Cannot address the audio: the id is "${id}"`);
}

/** Lists the complete episodes on this device. */
export async function listAudio(): Promise<{ id: string; total: number }[]> {
  const cache = await caches.open(AUDIO_CACHE);
  const found = [];
  for (const request of await cache.keys()) {
    const id = new URL(request.url).pathname.match(AUDIO_REGEXP)?.[1];
    const response = await cache.match(request);
    const total = Number(response?.headers.get("content-length"));
    if (id !== undefined) found.push({ id, total });
  }
  return found;
}

/** Stores an episode as one complete response. */
export async function keepAudio(
  id: string,
  body: Blob,
  { total, etag, type }: { total: number; etag: string; type: string },
): Promise<void> {
  const cache = await caches.open(AUDIO_CACHE);
  await cache.put(
    audioPath(id),
    new Response(body, {
      headers: {
        "content-type": type,
        "content-length": String(total),
        etag,
      },
    }),
  );
}

/** Removes an episode; resolves with whether it was there. */
export async function removeAudio(id: string): Promise<boolean> {
  const cache = await caches.open(AUDIO_CACHE);
  return await cache.delete(audioPath(id));
}

/** The server's answer; else the stored one. */
async function networkFirst(
  event: AnswerEvent,
  path: string,
): Promise<Response> {
  const cache = await caches.open(CONTENT_CACHE);
  let response: Response | undefined;
  try {
    response = await fetch(event.request);
    if (response.ok) {
      event.waitUntil(cache.put(path, response.clone()));
      return response;
    }
  } catch {
    // The server cannot be reached.
  }
  return await cache.match(path) ?? response ?? Response.error();
}

async function answerAudio(
  request: Request,
  path: string,
): Promise<Response> {
  const cache = await caches.open(AUDIO_CACHE);
  const stored = await cache.match(path);
  if (!stored) return await fetch(request);

  const headers = new Headers(stored.headers);
  headers.set("accept-ranges", "bytes");
  const blob = await stored.blob();
  const range = parseRange(request.headers.get("range"), blob.size);
  if (range === null) return new Response(blob, { headers });
  if (range === "unsatisfiable") {
    headers.set("content-range", `bytes */${blob.size}`);
    headers.set("content-length", "0");
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range;
  headers.set("content-range", `bytes ${start}-${end - 1}/${blob.size}`);
  headers.set("content-length", String(end - start));
  return new Response(blob.slice(start, end), { status: 206, headers });
}
