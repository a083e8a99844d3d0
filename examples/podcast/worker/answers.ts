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
import { AUDIO_CACHE } from "../downloads.ts";
import type { Episode } from "../server/episodes.ts";
import type { Log } from "./log.ts";

const CONTENT_CACHE = "longwave-content";
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
      // What downloads has no use for the worker.
      destination: ["audio", "video"],
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

async function answerAudio(
  request: Request,
  fetch: (request: Request) => Promise<Response>,
): Promise<Response> {
  const stored = await caches.match(request.url, { cacheName: AUDIO_CACHE });
  return stored ? await rangeResponse(request, stored) : await fetch(request);
}
