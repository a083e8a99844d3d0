// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Answers every request of the app.
 *
 * @module
 */

import type { Asset } from "./assets.ts";
import { answerAudio } from "./audio.ts";
import { createComments } from "./comments.ts";
import { drawCover } from "./cover.ts";
import { answerEvents } from "./events.ts";
import { recordings, toEpisode } from "./episodes.ts";

/** What the app is served from. */
export interface HandlerOptions {
  /** The app's files, by path. Read anew for every request. */
  assets: ReadonlyMap<string, Asset>;
  /** Seconds that every episode lasts, instead of its own. */
  duration?: number | undefined;
  /** Bytes per second for each response of audio; 0 for no limit. @default {0} */
  throttle?: number | undefined;
}

/** Makes the handler of the app's server. */
export function createHandler(
  { assets, duration, throttle = 0 }: HandlerOptions,
): (request: Request) => Response | Promise<Response> {
  const all = recordings(duration);
  const answerComments = createComments(all);
  const byAudio = new Map(
    all.map((recording) => [recording.audio, recording]),
  );
  const byCover = new Map(
    all.map((recording) => [recording.cover, recording]),
  );
  const episodes = JSON.stringify(all.map(toEpisode));

  return (request) => {
    const comments = answerComments(request);
    if (comments) return comments;
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Method not allowed", {
        status: 405,
        headers: { allow: "GET, HEAD" },
      });
    }
    const { pathname } = new URL(request.url);
    const recording = byAudio.get(pathname);
    if (recording) return answerAudio(request, recording, throttle);

    if (pathname === "/api/presence") return answerEvents();

    const cover = byCover.get(pathname);
    const asset = cover
      ? { type: "image/svg+xml", body: drawCover(cover) }
      : pathname === "/api/episodes"
      ? { type: "application/json", body: episodes }
      : assets.get(pathname);
    if (!asset) return new Response("Not found", { status: 404 });
    return new Response(request.method === "HEAD" ? null : asset.body, {
      headers: { "content-type": asset.type, "cache-control": "no-cache" },
    });
  };
}
