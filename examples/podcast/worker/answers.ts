// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What the worker answers, so that the app works without its server: the files of
 * its version, what the server said last, and the audio that was downloaded, of
 * which any range can be read.
 *
 * @module
 */

import {
  expireCache,
  type ExpireCacheStore,
  type ExpiringCache,
} from "@serviceworker/std/fetch/expire-cache";
import type {
  Precache,
  PrecacheEntry,
} from "@serviceworker/std/fetch/precache";
import { rangeResponse } from "@serviceworker/std/fetch/range-response";
import type { RouterRoute } from "@serviceworker/std/fetch/router";
import {
  networkFirst,
  staleWhileRevalidate,
} from "@serviceworker/std/fetch/strategies";
import type { Episode } from "../server/episodes.ts";
import type { Log } from "./log.ts";

const CONTENT_CACHE = "longwave-content";
const AUDIO_CACHE = "longwave-audio";
const AUDIO_REGEXP = /^\/audio\/([\w-]+)\.wav$/;
const EPISODES = "/api/episodes";
/** How many covers and threads of comments are kept, those last used. */
const CONTENT_ENTRIES = 100;
/** Milliseconds after which the list of last time is better than none. */
const PATIENCE = 4_000;

/** What the server said last. */
export function openContent(store: ExpireCacheStore): ExpiringCache {
  const maxEntries = CONTENT_ENTRIES;
  return expireCache(caches, CONTENT_CACHE, { store, maxEntries });
}

/** Tells who answers what; all else is left to the browser. */
export function createRoutes(
  files: Precache,
  entries: readonly PrecacheEntry[],
  content: ExpiringCache,
  log: Log,
): RouterRoute<FetchEvent>[] {
  const latest = (event: FetchEvent) => ({
    cache: content.during(event),
    timeout: PATIENCE,
    fetch: log.fetchFor(event),
  });
  const fromNetwork = (pattern: string) =>
    log.route("network first", {
      pattern,
      handler: (event) => networkFirst(event, latest(event)),
    });
  return [
    { pattern: "/api/presence", source: "network" },
    { pattern: "/api/news/*", source: "network" },
    { pattern: "/built", source: "network" },
    fromNetwork(EPISODES),
    fromNetwork("/api/comments/*"),
    log.route("stale while revalidate", {
      pattern: "/covers/*",
      handler: (event) => staleWhileRevalidate(event, latest(event)),
    }),
    log.route("a range of the download", {
      pattern: "/audio/*",
      handler: (event) => answerAudio(event.request, log.fetchFor(event)),
    }),
    ...entries.map(({ url }) =>
      log.route("precache", {
        pattern: url,
        handler: (event) => files.respond(event),
      })
    ),
  ];
}

/** Stores the list of episodes anew, and the covers; resolves with the list. */
export async function refreshEpisodes(
  content: ExpiringCache,
  signal?: AbortSignal,
): Promise<Episode[]> {
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
    if (await content.match(cover)) continue;
    const drawn = await fetch(cover, { signal: signal ?? null });
    if (drawn.ok) await content.put(cover, drawn);
  }
  await content.put(EPISODES, response);
  return episodes;
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

async function answerAudio(
  request: Request,
  fetch: (request: Request) => Promise<Response>,
): Promise<Response> {
  const stored = await caches.match(request.url, { cacheName: AUDIO_CACHE });
  return stored ? await rangeResponse(request, stored) : await fetch(request);
}
