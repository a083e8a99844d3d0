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
import type { News } from "./news.ts";

/** What the app is served from. */
export interface HandlerOptions {
  /** The app's files, by path. Read anew for every request. */
  assets: ReadonlyMap<string, Asset>;
  /** Seconds that every episode lasts, instead of its own. */
  duration?: number | undefined;
  /** Bytes per second for each response of audio; 0 for no limit. @default {0} */
  throttle?: number | undefined;
  /** New episodes. Without it, there are none. */
  news?: News | undefined;
}

/** Makes the handler of the app's server. */
export function createHandler(
  { assets, duration, throttle = 0, news }: HandlerOptions,
): (request: Request) => Response | Promise<Response> {
  const finished = recordings(duration);
  const list = () => [...news?.episodes() ?? [], ...finished];
  const answerComments = createComments(list);

  return (request) => {
    const comments = answerComments(request);
    if (comments) return comments;
    const { pathname } = new URL(request.url);
    if (news && pathname.startsWith("/api/news/")) return news.answer(request);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Method not allowed", {
        status: 405,
        headers: { allow: "GET, HEAD" },
      });
    }
    const recording = list().find(({ audio }) => audio === pathname);
    if (recording) return answerAudio(request, recording, throttle);

    if (pathname === "/api/presence") {
      return answerEvents(news?.events, "published");
    }

    const cover = list().find(({ cover }) => cover === pathname);
    const asset = cover
      ? { type: "image/svg+xml", body: drawCover(cover) }
      : pathname === "/api/episodes"
      ? {
        type: "application/json",
        body: JSON.stringify(list().map(toEpisode)),
      }
      : assets.get(pathname);
    if (!asset) return new Response("Not found", { status: 404 });
    return new Response(request.method === "HEAD" ? null : asset.body, {
      headers: { "content-type": asset.type, "cache-control": "no-cache" },
    });
  };
}
