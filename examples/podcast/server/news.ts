// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * New episodes, and whom they are told: the server publishes a test transmission
 * when it is asked to, and sends a push message to every browser that wants to
 * know. All of that is kept in one Deno KV, the keys of the server too.
 *
 * @module
 */

import { createFanOut, kvQueue } from "@serviceworker/std/push/fan-out";
import {
  send,
  type SendOptions,
  type SendSubscription,
} from "@serviceworker/std/push/send";
import {
  createVapid,
  generateVapidKeys,
  type VapidKeys,
} from "@serviceworker/std/push/vapid";
import { type Recording, transmission } from "./episodes.ts";

/** What became of the messages that tell of an episode. */
export interface Published {
  title: string;
  /** How many browsers wanted to know. */
  subscriptions: number;
  delivered: number;
  /** How many of them are there no more. */
  gone: number;
  /** Why others were not reached. */
  problems: string[];
}

/** New episodes. */
export interface News extends AsyncDisposable {
  /** What was published, the latest first. */
  episodes(): Recording[];
  /** Answers what is asked below `/api/news/`. */
  answer(request: Request): Promise<Response>;
  /** Fires "published". */
  readonly events: EventTarget;
}

/** How to open the news. */
export interface NewsOptions extends Pick<SendOptions, "allow" | "fetch"> {
  /** The file of the database. Without one, it is in memory. */
  path?: string | undefined;
  /** Seconds that every episode lasts, instead of its own. */
  duration?: number | undefined;
}

/** A push service may want to reach whoever runs a server. */
const SUBJECT = "mailto:longwave@example.com";
const VAPID = ["vapid"];
const SUBSCRIPTIONS = ["subscriptions"];
const TRANSMISSIONS = ["transmissions"];
const DAY = 86_400;
/** Milliseconds that the publisher waits to hear of all. */
const PATIENCE = 10_000;

/** Opens the database, and makes keys if it has none. */
export async function openNews(options: NewsOptions = {}): Promise<News> {
  const { path = ":memory:", duration, allow, fetch } = options;
  const kv = await Deno.openKv(path);
  let keys = (await kv.get<VapidKeys>(VAPID)).value;
  if (!keys) await kv.set(VAPID, keys = await generateVapidKeys());
  const vapid = await createVapid(keys, { subject: SUBJECT });
  const events = new EventTarget();
  const published: Recording[] = [];
  for await (const { value } of kv.list<string>({ prefix: TRANSMISSIONS })) {
    published.unshift(transmission(published.length + 1, value, duration));
  }

  const stopped = new AbortController();
  /** Why browsers were not reached that are there. */
  const problems = new Set<string>();
  const fanOut = createFanOut(
    kvQueue(kv),
    async (
      subscription: SendSubscription,
      message: unknown,
      { id, signal },
    ) => {
      const answer = await send(subscription, message, {
        vapid,
        ttl: DAY,
        topic: id,
        allow,
        fetch,
        signal,
      });
      const { outcome, body, status, error } = answer;
      const isProblem = !["delivered", "gone", "invalid"].includes(outcome);
      if (isProblem) problems.add(`${outcome}: ${body || status || error}`);
      return answer;
    },
    {
      onGone: async ({ endpoint = "" }) => {
        await kv.delete(await keyOf({ endpoint }));
      },
    },
  );
  let flushing = Promise.resolve();
  /** Sends what is in the queue, that of an earlier life of the server too. */
  function flush(): void {
    const { signal } = stopped;
    const sent = fanOut.flush({ signal }).then(() => {}, () => {});
    flushing = Promise.all([flushing, sent]).then(() => {});
  }
  flush();

  async function publish(base: string): Promise<Published> {
    const number = published.length + 1;
    const day = new Date().toISOString().slice(0, 10);
    const episode = transmission(number, day, duration);
    await kv.set([...TRANSMISSIONS, number], day);
    published.unshift(episode);
    events.dispatchEvent(new Event("published"));
    return { title: episode.title, ...await tell(episode, base) };
  }

  async function tell(
    { id, title, summary, cover }: Recording,
    base: string,
  ): Promise<Omit<Published, "title">> {
    // As browsers to come show it without a worker.
    const message = {
      "web_push": 8030,
      notification: {
        title,
        body: summary,
        navigate: new URL(`/?episode=${id}`, base).href,
        icon: new URL(cover, base).href,
        tag: id,
      },
    };
    problems.clear();
    await fanOut.add(listSubscriptions(), message, { id });
    // What cannot be sent at once is sent later.
    flush();
    const patience = AbortSignal.any([
      stopped.signal,
      AbortSignal.timeout(PATIENCE),
    ]);
    try {
      for await (const _ of fanOut.watch(id, { signal: patience }));
    } catch {
      // The count says how many are left.
    }
    const { added = 0, delivered = 0, gone = 0 } = await fanOut.status(id) ??
      {};
    return { subscriptions: added, delivered, gone, problems: [...problems] };
  }

  async function* listSubscriptions(): AsyncGenerator<SendSubscription> {
    const all = kv.list<SendSubscription>({ prefix: SUBSCRIPTIONS });
    for await (const { value } of all) yield value;
  }

  /** Takes what `subscribe()` reports. */
  async function change(request: Request): Promise<Response> {
    const { oldSubscription, newSubscription } = Object(
      await request.json().catch(() => undefined),
    );
    if (isSubscription(oldSubscription)) {
      await kv.delete(await keyOf(oldSubscription));
    }
    if (isSubscription(newSubscription)) {
      await kv.set(await keyOf(newSubscription), newSubscription);
    }
    return new Response(null, { status: 204 });
  }

  return {
    events,
    episodes: () => published,
    async answer(request) {
      const { pathname, origin } = new URL(request.url);
      const headers = { "cache-control": "no-store" };
      switch (`${request.method} ${pathname}`) {
        case "GET /api/news/key":
          return new Response(vapid.publicKey, { headers });
        case "POST /api/news/subscription":
          return await change(request);
        case "POST /api/news/publish":
          return Response.json(await publish(origin), { headers });
      }
      return new Response("Not found", { status: 404 });
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await flushing;
      kv.close();
    },
  };
}

function isSubscription(value: unknown): value is { endpoint: string } {
  const { endpoint } = Object(value);
  return typeof endpoint === "string" && URL.canParse(endpoint);
}

/** An endpoint may be longer than a key. */
async function keyOf({ endpoint }: { endpoint: string }): Promise<string[]> {
  const bytes = new TextEncoder().encode(endpoint);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...SUBSCRIPTIONS, new Uint8Array(digest).toHex()];
}
