// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The comments on each episode: those that the server has, and those that are
 * still on this device, from whichever tab.
 *
 * @module
 */

import { backgroundSync } from "@serviceworker/std/sync/background-sync";
import type { Outbox, OutboxEntry } from "@serviceworker/std/sync/outbox";
import {
  COMMENTS_TAG,
  commentsPath,
  type Draft,
  toRequest,
} from "../comments.ts";
import type { Comment } from "../server/comments.ts";

/** The comments on an episode. */
export interface Thread {
  /** What the server has; undefined while that is not known. */
  posted: Comment[] | undefined;
  /** What it does not have yet, or has refused. */
  drafts: OutboxEntry[];
}

/** What becomes of a comment. */
export type Fate = "pending" | "sent" | "refused" | "cancelled";

/** What the page hears of. */
export interface CommentsListener {
  /** The comments on an episode have changed. */
  show(episode: string, thread: Thread): void;
  /** A comment has another fate than before. */
  announce(episode: string, fate: Fate, reason: string): void;
}

/** The comments on all episodes. */
export interface Comments {
  /** Hears of every comment on this device; ends with the page. */
  follow(): Promise<void>;
  /** Reads what the server has of an episode, now and when there is more. */
  open(episode: string): Promise<void>;
  /** Tries again what the server could not be asked for. */
  retryAll(): void;
  /** Keeps a comment and sends it when that is possible. */
  post(episode: string, text: string): Promise<void>;
  /** Has sent what is in the outbox. */
  send(): void;
  /** Gives a draft up. */
  cancel(id: string): Promise<unknown>;
  /** Has a draft sent once more that was refused. */
  retry(id: string): Promise<void>;
}

/** Prepares the comments. */
export function createComments(
  outbox: Outbox<Request>,
  registration: Promise<ServiceWorkerRegistration>,
  { show, announce }: CommentsListener,
): Comments {
  const sync = backgroundSync(registration, outbox.flush, {
    tag: COMMENTS_TAG,
  });
  const posted = new Map<string, Comment[]>();
  const drafts = new Map<string, OutboxEntry>();
  /** The latest question for each episode that is open. */
  const questions = new Map<string, Promise<Response>>();
  const start = Date.now();

  function send(): void {
    // Where the browser cannot help, this page sends.
    sync.request().catch(() => {});
  }

  function update(episode: string): void {
    show(episode, {
      posted: posted.get(episode),
      drafts: [...drafts.values()]
        .filter((entry) => draftOf(entry)?.episode === episode)
        .sort((a, b) => a.id < b.id ? -1 : 1),
    });
  }

  async function open(episode: string): Promise<void> {
    const question = fetch(commentsPath(episode));
    questions.set(episode, question);
    try {
      const response = await question;
      const list: Comment[] | undefined = response.ok
        ? await response.json()
        : undefined;
      if (questions.get(episode) !== question) return;
      if (list) posted.set(episode, list);
    } catch {
      // It is asked for again when the server is back.
    }
    update(episode);
  }

  function hear(entry: OutboxEntry): void {
    const draft = draftOf(entry);
    // It cannot be told what another version of the app has stored.
    if (!draft) return;
    const { id, episode, text } = draft;
    const fate = fateOf(entry);
    const last = drafts.get(entry.id);
    if (fate === "pending" || fate === "refused") drafts.set(entry.id, entry);
    else drafts.delete(entry.id);
    if (fate === "sent") {
      const list = posted.get(episode);
      const isKnown = list?.some((comment) => comment.id === id);
      // Until the server says it.
      if (!isKnown) list?.push({ id, text, at: Date.now() });
    }
    update(episode);
    // One that is cancelled on its way may have arrived.
    const isOver = fate === "sent" || fate === "cancelled";
    if (isOver && questions.has(episode)) open(episode);
    const isNews = last !== undefined || entry.added >= start;
    if (isNews && (!last || fateOf(last) !== fate)) {
      announce(episode, fate, reasonOf(entry));
    }
  }

  return {
    open,
    async follow() {
      for await (const entry of outbox.watch()) hear(entry);
    },
    retryAll() {
      sync.run().catch(() => {});
      for (const episode of questions.keys()) open(episode);
    },
    async post(episode, text) {
      const draft: Draft = { id: crypto.randomUUID(), episode, text };
      await outbox.add(toRequest(draft), { key: episode, data: draft });
      send();
    },
    send,
    cancel: (id) => outbox.cancel(id),
    async retry(id) {
      await outbox.retry(id);
      send();
    },
  };
}

/** The comment that an entry of the outbox is for. */
export function draftOf({ data }: OutboxEntry): Draft | undefined {
  return data as Draft | undefined;
}

/** What has become of an entry. */
export function fateOf({ status }: OutboxEntry): Fate {
  switch (status) {
    case "queued":
    case "sending":
      return "pending";
    case "failed":
      return "refused";
    case "cancelled":
    case "replaced":
      return "cancelled";
    default:
      return "sent";
  }
}

/** Why an entry is refused, or still pending. */
export function reasonOf({ failure }: OutboxEntry): string {
  if (!failure || failure.reason === "unreachable") {
    return "sent when the server is there";
  }
  return failure.body?.trim() || failure.message;
}
