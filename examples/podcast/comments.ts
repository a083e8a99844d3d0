// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The comments that are still on this device, in one outbox that all pages and
 * the worker share.
 *
 * @module
 */

import {
  createOutbox,
  type Outbox,
  type OutboxStore,
} from "@serviceworker/std/sync/outbox";

/** What is shown of a comment that is not sent yet. */
export interface Draft {
  /** The comment's id, by which the server knows it when it comes twice. */
  id: string;
  episode: string;
  text: string;
}

/** The tag of the sync that sends comments with no page open. */
export const COMMENTS_TAG = "comments";

/** Opens the outbox. */
export function openOutbox(store: OutboxStore): Outbox<Request> {
  return createOutbox(store, { name: "comments" });
}

/** The address of an episode's comments. */
export function commentsPath(episode: string): string {
  return `/api/comments/${episode}`;
}

/** The request that posts a comment. */
export function toRequest({ id, episode, text }: Draft): Request {
  return new Request(commentsPath(episode), {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": id },
    body: JSON.stringify({ text }),
  });
}
