// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What listeners say about the episodes, as long as the server runs.
 *
 * @module
 */

import type { Episode } from "./episodes.ts";

/** A comment on an episode. */
export interface Comment {
  id: string;
  text: string;
  /** When it arrived, in milliseconds since 1970. */
  at: number;
}

const LONGEST = 280;
const DAY = 86_400_000;

/** What was said before, by episode: a comment a day. */
const EARLIER: Record<string, string[]> = {
  harbour: [
    "I grew up over a quay like this one. You forgot the fridge ship, and I am grateful.",
    "The lamp is in the left channel, quite low. Once heard, it stays.",
  ],
  "second-day": [
    "Ten minutes, and I noticed only when it was over.",
    "Played it to a classroom of nine-year-olds. Nobody spoke.",
    "The first day would have been louder, I think.",
  ],
  orchard: ["By noon I was on the side of the wasps."],
};

/** Makes what answers requests for the comments of these episodes. */
export function createComments(
  episodes: () => readonly Episode[],
): (request: Request) => Response | Promise<Response> | undefined {
  const threads = new Map<string, Comment[]>();

  function threadOf(path: string): Comment[] | undefined {
    const episode = episodes().find(({ id }) => path === `/api/comments/${id}`);
    if (!episode) return undefined;
    const { id, published } = episode;
    const thread = threads.get(id) ??
      (EARLIER[id] ?? []).map((text, day): Comment => ({
        id: `${id}-${day}`,
        text,
        at: Date.parse(published) + (day + 1) * DAY,
      }));
    threads.set(id, thread);
    return thread;
  }

  return (request) => {
    const thread = threadOf(new URL(request.url).pathname);
    if (!thread) return undefined;
    if (request.method === "POST") return post(request, thread);
    return Response.json(thread, { headers: { "cache-control": "no-cache" } });
  };
}

async function post(request: Request, thread: Comment[]): Promise<Response> {
  const id = request.headers.get("idempotency-key") ?? crypto.randomUUID();
  const known = thread.find((comment) => comment.id === id);
  if (known) return Response.json(known);

  const body = await request.json().catch(() => undefined);
  const text = String(body?.text ?? "").trim();
  if (text === "") {
    return new Response("A comment needs a word or two", { status: 422 });
  }
  if (text.length > LONGEST) {
    return new Response(
      `A comment has up to ${LONGEST} characters, this one has ${text.length}`,
      { status: 422 },
    );
  }
  const comment = { id, text, at: Date.now() };
  thread.push(comment);
  return Response.json(comment, { status: 201 });
}
