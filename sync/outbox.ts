// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A durable queue of requests, or messages, that are sent as soon as they can
 * be, whatever happens to network, tabs and worker in between. Pages and workers
 * make an outbox over the same store; any of them adds, any of them sends.
 *
 * What it promises. An entry whose `add()` has resolved is sent at least once,
 * and is forgotten only after the server accepted it. One context sends at a
 * time (a Web Lock), and each entry that is on its way is leased, so that
 * where locks are missing nobody else takes it. That the server accepted an
 * entry is stored within a tenth of a second; a worker that is stopped before
 * then sends it again. Every attempt carries the same idempotency key, by which
 * the server can tell. Entries of the same `key` are sent in the order in which
 * they were added, one after the other. What the server refuses or what is too
 * old becomes a dead letter, with the reason, and is never dropped in silence.
 *
 * How it works. Everything is in the store, nothing in memory has to survive:
 *
 * ```text
 * outbox/<name>/ready/<id>       an entry that may be sent
 * outbox/<name>/lane/<key>/<id>  one that waits for another with its key;
 *                                0 for the one that it waits for
 * outbox/<name>/wait/<id>        one that failed and is tried again, and
 * outbox/<name>/due/<time>/<id>  when
 * outbox/<name>/dead/<id>        a dead letter
 * outbox/<name>/body/<id>        a body too large to be in its entry
 * outbox/<name>/state            the last number given, leases
 * outbox/<name>/ends             how the latest entries ended
 * ```
 *
 * so that what is due is found by a range of keys and one entry among 100,000
 * costs what one among ten does. A `BroadcastChannel` tells of each change; who
 * misses that finds it in the store.
 *
 * Where a worker's fetch handler puts requests into the outbox, let it leave
 * alone those that have the idempotency key already: the outbox sends them.
 *
 * @module
 */

/** The part of a store's transaction that {@linkcode createOutbox} uses. */
export interface OutboxTransaction {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Resolves with keys and values, in the order of their keys. */
  list(options: {
    prefix: string;
    start?: string;
    limit?: number;
    reverse?: boolean;
  }): Promise<[key: string, value: unknown][]>;
  /** Stores a value. */
  set(key: string, value: unknown): void;
  /** Deletes a key, whether or not it is there. */
  delete(key: string): void;
}

/** The part of a store that {@linkcode createOutbox} uses. */
export interface OutboxStore {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Runs `work` in a transaction over all keys. */
  transact<T>(
    work: (transaction: OutboxTransaction) => Promise<T>,
  ): Promise<T>;
}

/** The part of `navigator.locks` that {@linkcode createOutbox} uses. */
export interface OutboxLocks {
  /** Holds a lock until the promise of `callback` settles. */
  request<T>(
    name: string,
    options: { signal: AbortSignal } | { steal: true },
    callback: () => Promise<T>,
  ): Promise<T>;
}

/** What `send` is given beside the request or message. */
export interface OutboxContext {
  /** The entry that is sent. */
  readonly entry: OutboxEntry;
  /** The same at every attempt to send this entry, and at no other's. */
  readonly idempotencyKey: string;
  /**
   * Aborts when the attempt is to end: the entry is cancelled, or it took longer
   * than a minute and a second for each 16 KiB of body.
   */
  readonly signal: AbortSignal;
}

/**
 * Options for {@linkcode createOutbox}.
 *
 * @typeParam T What the outbox sends.
 */
export interface OutboxOptions<T> {
  /**
   * The outbox's name, the only one of its origin.
   *
   * @default {"default"}
   */
  name?: string | undefined;
  /**
   * Sends a request or message: the place to set headers that may have expired
   * meanwhile. If it rejects, or resolves with a `Response` of status 408, 425,
   * 429 or 500 and more, the entry is tried again; with another of 400 and more,
   * it is a dead letter; anything else means that it was sent. Without this
   * function, requests are sent by `fetch()`.
   */
  send?: ((item: T, context: OutboxContext) => unknown) | undefined;
  /**
   * How many entries are on their way at once.
   *
   * @default {6}
   */
  concurrency?: number | undefined;
  /**
   * The header that carries the idempotency key, unless a request has it
   * already; `false` for none. A server of another origin has to allow it.
   *
   * @default {"Idempotency-Key"}
   */
  idempotencyHeader?: string | false | undefined;
  /**
   * Whether the `Authorization` header of a request is stored. If not, `send`
   * has to set it.
   *
   * @default {false}
   */
  storeAuthorization?: boolean | undefined;
  /**
   * Whether an opaque response, which hides its status, means that the request
   * was sent. If not, it makes a dead letter, and requests whose mode is
   * "no-cors" are not accepted.
   *
   * @default {false}
   */
  acceptOpaque?: boolean | undefined;
  /**
   * How many milliseconds to wait after an entry has failed so many times, at
   * least a second. A response's `Retry-After`, if a server of another origin
   * exposes it, makes it longer, up to a day.
   *
   * @default {a second, doubled each time up to an hour, less up to a half of it at random}
   */
  backoff?: ((attempts: number) => number) | undefined;
  /**
   * Has one context send at a time. Where it is `null`, leases alone keep others
   * from sending the same.
   *
   * @default {navigator.locks}
   */
  locks?: OutboxLocks | null | undefined;
}

/** Options for {@linkcode Outbox.add} and {@linkcode Outbox.addAll}. */
export interface OutboxAddOptions {
  /**
   * Entries of the same key are sent in order, each after the one before it was
   * sent or has become a dead letter. Without it, in any order.
   */
  key?: string | undefined;
  /**
   * Whether it replaces the last entry of its key, and takes its place, if that
   * was added with `collapse` as well and is not on its way.
   *
   * @default {false}
   */
  collapse?: boolean | undefined;
  /** Whose it is, for {@linkcode Outbox.clear}. */
  owner?: string | undefined;
  /**
   * The form that is the body of the request, which was made without one. It is
   * the way to keep files in WebKit, which sends a request with a form but cannot
   * read it.
   */
  body?: FormData | undefined;
  /** Anything to be shown with it: it is part of its {@linkcode OutboxEntry}. */
  data?: unknown;
  /**
   * After how many milliseconds it is no longer sent, but a dead letter.
   *
   * @default {Infinity}
   */
  maxAge?: number | undefined;
  /**
   * Ends the wait for a request's body, and for those of earlier calls with the
   * same `key`; the promise then rejects with the signal's reason, and nothing
   * is saved. It replaces the default deadline of 30 seconds, after which the
   * promise rejects with a "TimeoutError".
   */
  signal?: AbortSignal | undefined;
}

/** Why an entry is a dead letter, or why its last attempt failed. */
export interface OutboxFailure {
  /**
   * "unreachable": there was no response, because of the network, the server or
   * the browser, as with CORS; "status": there was one that means failure;
   * "opaque": its status is hidden; "expired": it was too old to be sent;
   * "unreadable": another version of the code stored it.
   */
  readonly reason:
    | "unreachable"
    | "status"
    | "opaque"
    | "expired"
    | "unreadable";
  /** The same in words. */
  readonly message: string;
  /** The status of the response. */
  readonly status?: number | undefined;
  /** The beginning, up to 16 KiB, of the body of the response, as text. */
  readonly body?: string | undefined;
}

/** The state of an entry. */
export interface OutboxEntry {
  /** Its identifier. The order of identifiers is that of `add()`. */
  readonly id: string;
  /**
   * "queued": it waits; "sending": it is on its way; "failed": it is a dead
   * letter. These are listed. The others are ends, after which it is forgotten:
   * "sent"; "cancelled"; "replaced", by one with `collapse`; "gone", if the end
   * is not known any more.
   */
  readonly status:
    | "queued"
    | "sending"
    | "failed"
    | "sent"
    | "cancelled"
    | "replaced"
    | "gone";
  /** When it was added, as of `Date.now()`. */
  readonly added: number;
  /** How many attempts to send it failed. */
  readonly attempts: number;
  /** When it is tried again, if an attempt failed. */
  readonly due?: number | undefined;
  /** Why it is a dead letter, or why the last attempt failed. */
  readonly failure?: OutboxFailure | undefined;
  /** The method of the request. */
  readonly method?: string | undefined;
  /** The URL of the request. */
  readonly url?: string | undefined;
  /** The option of the same name. */
  readonly key?: string | undefined;
  /** The option of the same name. */
  readonly owner?: string | undefined;
  /** The option of the same name. */
  readonly data?: unknown;
}

/** Options for {@linkcode Outbox.flush}. */
export interface OutboxFlushOptions {
  /**
   * Ends it at once: what is on its way is aborted, and sent again by the next
   * call. The promise rejects with the signal's reason. Without one it goes on until
   * nothing can be sent; each attempt has its deadline.
   */
  signal?: AbortSignal | undefined;
}

/** What {@linkcode Outbox.flush} did. */
export interface OutboxFlushed {
  /** How many entries were sent. */
  readonly sent: number;
  /** How many have become dead letters. */
  readonly failed: number;
  /** When to call it again, as of `Date.now()`; `undefined` if nothing is left. */
  readonly next: number | undefined;
}

/** Options for {@linkcode Outbox.watch}. */
export interface OutboxWatchOptions {
  /** Ends it; its iterator rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * A durable queue, made by {@linkcode createOutbox}.
 *
 * @typeParam T What the outbox sends.
 */
export interface Outbox<T> {
  /**
   * Adds a request or message, and resolves with its identifier once it is
   * saved, as durably as the store does that. It is sent by the next `flush()`,
   * or the one under way. A request's body is read: add a `clone()` of one that
   * is still needed.
   *
   * Rejects with a "NotSavedError", with the store's error as `cause`, if the
   * store failed; a `TypeError` if the request's body was used, or is a stream,
   * which could not be sent twice; "TimeoutError" if the body does not end;
   * "DataCloneError" if a message or `data` cannot be cloned.
   */
  add(item: T, options?: OutboxAddOptions): Promise<string>;
  /** Adds several, or none if one of them cannot be added. */
  addAll(items: Iterable<T>, options?: OutboxAddOptions): Promise<string[]>;
  /**
   * Sends what can be sent, and resolves when nothing more can be. If another
   * context is at it, it waits for that and then sends what is left.
   *
   * Entries that failed wait for their time, unless the server could not be
   * reached at all by the last call: what failed for that reason is then tried
   * at once. Three of those in a row end the call.
   *
   * Rejects with the store's error if that fails, or with an "AbortError" if
   * another context has taken the lock as this one did nothing for long. Nothing
   * is lost by either: the next call goes on.
   */
  flush(options?: OutboxFlushOptions): Promise<OutboxFlushed>;
  /**
   * Removes an entry or dead letter. Resolves with whether it was there and not
   * on its way; if it was, it is aborted, but may have arrived.
   */
  cancel(id: string): Promise<boolean>;
  /**
   * Has a dead letter sent after all, or an entry that failed without further
   * wait. Resolves with whether it was there. It keeps its idempotency key.
   */
  retry(id: string): Promise<boolean>;
  /**
   * Removes all entries and dead letters of an owner, as at a logout, and
   * resolves with how many they were; if it rejects, none is removed. What is on
   * its way is aborted, but may have arrived.
   */
  clear(owner: string): Promise<number>;
  /** Resolves with the entries and dead letters, in the order of `add()`. */
  list(): Promise<OutboxEntry[]>;
  /**
   * Gives each entry and dead letter as it is now, and from then on each whose
   * state has changed, wherever that was. A reader who is busy finds each state
   * of an entry once. Its iterator rejects with the store's error if that fails.
   */
  watch(options?: OutboxWatchOptions): AsyncIterable<OutboxEntry>;
}

/** An entry as it is stored. */
interface Entry {
  readonly format: 1;
  readonly id: string;
  readonly added: number;
  readonly attempts: number;
  readonly request?: StoredRequest | undefined;
  readonly message?: unknown;
  readonly collapse?: boolean | undefined;
  readonly owner?: string | undefined;
  readonly data?: unknown;
  readonly maxAge?: number | undefined;
  /** Only while it waits. */
  readonly due?: number | undefined;
  readonly failure?: OutboxFailure | undefined;
  /** What cannot be read, in a dead letter made for it. */
  readonly original?: unknown;
}

interface StoredRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: readonly [name: string, value: string][];
  /** What else differs from the default. */
  readonly init: Record<string, string>;
  readonly size: number;
  /** Unless it is empty, or too large to be here. */
  readonly body?: ArrayBuffer | undefined;
}

type Place = (typeof PLACES)[number];

/** What is known of an entry before it has its place. */
interface Draft extends Omit<Entry, "format" | "id" | "attempts"> {
  /** A body too large to be in the entry. */
  readonly body?: ArrayBuffer | undefined;
}

/** What all changes share. */
interface State {
  /** The last number given to an entry. */
  last: number;
  /** How many changes there were. */
  changed: number;
  /** How many flushes in a row had no response at all. */
  down: number;
  readonly leases: Record<string, Lease>;
}

/** How the latest entries ended, for who has missed it. */
type Ends = (readonly [id: string, status: OutboxEntry["status"]])[];

/** An entry is on its way, in the hands of one sender. */
interface Lease {
  readonly sender: string;
  readonly from: number;
  readonly until: number;
  /** Whether it is to be forgotten, however the attempt ends. */
  readonly cancelled?: boolean;
}

/** What is told on the channel. */
interface Told {
  /** How many changes there were. */
  readonly changed: number;
  /** The last of them, unless they are too many. */
  readonly changes: OutboxEntry[] | undefined;
  /** Entries on their way that are to be aborted. */
  readonly aborted: string[];
}

/** Where an entry is. */
interface Found {
  readonly place: Place;
  readonly entry: Entry;
}

/** How an attempt ended; "left": it was aborted, or there was none. */
interface Ending {
  readonly end: "sent" | "failed" | "again" | "left";
  readonly failure?: OutboxFailure;
  /** How many milliseconds the server asks to wait. */
  readonly retryAfter?: number;
}

type Outcome = Found & Ending;

/** What a transaction of a flush did. */
interface Step {
  readonly leased: Found[];
  /** All leases, and until when those of this flush last. */
  readonly leases: Record<string, Lease>;
  readonly until: number;
  /** When the first is due of what has failed. */
  due: number;
  sent: number;
  failed: number;
  /** Whether there may be more to be leased. */
  more: boolean;
}

const KEY = "@serviceworker/std";
const FORMAT = 1;
const PLACES = ["ready", "wait", "lane", "dead"] as const;
/** What the defaults of a `Request` are. */
const DEFAULTS: Record<string, string> = {
  mode: "cors",
  credentials: "same-origin",
  cache: "default",
  redirect: "follow",
  referrer: "about:client",
  referrerPolicy: "",
  integrity: "",
};
const EXPIRED: OutboxFailure = {
  reason: "expired",
  message: "it was older than its maxAge",
};
const OPAQUE: OutboxFailure = {
  reason: "opaque",
  message: "the response is opaque",
};
const UNREADABLE: OutboxFailure = {
  reason: "unreadable",
  message: "another version of the code stored it",
};
const NUMBER_DIGITS = 12;
const UUID_LENGTH = 36;
const TIME_DIGITS = 15;
/** In milliseconds. */
const SECOND = 1_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const READING = 30_000;
const SENDING = 60_000;
const DRAINING = 5_000;
/** Longer than the minute between two timers of a page in the background. */
const LEASE = 90_000;
const RENEWAL = 20_000;
/** How often to look whether another context still sends. */
const STALLED = 15_000;
const LOOK = 2_000;
/** In bytes. */
const INLINE = 65_536;
const DRAINED = 65_536;
const KEPT = 16_384;
const BYTES_A_SECOND = 16_384;
/** How many attempts in a row without a response end a flush. */
const UNREACHABLE = 3;
/** How many entries are leased ahead at least, for each that is sent at once. */
const AHEAD = 4;
/** How many are leased ahead where a server is fast. */
const FAR_AHEAD = 200;
/** What begins a path in a lane, before the identifier: its key, in JSON. */
const KEY_REGEXP = /^"(?:[^"\\]|\\.)*"\//;
const TRANSIENT_REGEXP = /^(?:408|425|429|5\d\d)$/;
/** For how long ends are collected, to be stored together. */
const COLLECT = 100;
const PAGE = 200;
const ENDS = FAR_AHEAD;
/** How many changes are told at once; of more, everybody looks for themselves. */
const TOLD = 2 * FAR_AHEAD;
const LISTED: readonly string[] = ["queued", "sending", "failed"];
/** What Firefox makes of a stream that is given as a body. */
const STREAM_TEXT = "[object ReadableStream]";

/**
 * Makes an outbox over a store. Nothing is read or sent before one of its
 * methods is called: flush it when there is a reason to, as `backgroundSync`
 * does.
 *
 * @typeParam T What the outbox sends: requests, or messages for `send`.
 * @param store The durable store, which it may share with others.
 * @param options Additional options.
 * @returns The outbox.
 * @throws {RangeError} If `options.concurrency` is not a positive integer.
 *
 * @example A comment that is not lost
 * ```ts
 * import { createOutbox } from "@serviceworker/std/sync/outbox";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assertEquals } from "@std/assert";
 *
 * let online = false;
 * const outbox = createOutbox(memoryStore(), {
 *   send(request) {
 *     request.headers.set("Authorization", "Bearer fresh");
 *     if (!online) throw new TypeError("Failed to fetch"); // Stands for fetch().
 *     return new Response(null, { status: 201 });
 *   },
 * });
 *
 * await outbox.add(
 *   new Request("https://example.com/comments", { method: "POST", body: "Hi" }),
 *   { data: { text: "Hi" } },
 * );
 * await outbox.flush();
 * assertEquals((await outbox.list())[0]?.failure?.reason, "unreachable");
 *
 * online = true;
 * assertEquals(await outbox.flush(), { sent: 1, failed: 0, next: undefined });
 * ```
 */
export function createOutbox<T = Request>(
  store: OutboxStore,
  options: OutboxOptions<T> = {},
): Outbox<T> {
  const {
    name = "default",
    send,
    concurrency = 6,
    idempotencyHeader = "Idempotency-Key",
    storeAuthorization = false,
    acceptOpaque = false,
    backoff = defaultBackoff,
    locks = platformLocks(),
  } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(
      `Cannot make an outbox: 'concurrency' must be a positive integer, current value is ${concurrency}`,
    );
  }
  const root = `outbox/${encodeURIComponent(name)}/`;
  const statePath = `${root}state`;
  const endsPath = `${root}ends`;
  const ready = pathOf("ready", "");
  const wait = pathOf("wait", "");
  const due = pathOf("due", "");
  const channelName = `${KEY} ${root}`;
  const jobs: Job[] = [];
  let committing = false;
  /** The last of each key whose body is being read. */
  const turns = new Map<string, Promise<unknown>>();

  // Where things are.

  function lane(key: string): string {
    return `${root}lane/${JSON.stringify(key)}/`;
  }

  function pathOf(place: Place | "body" | "due", id: string): string {
    const key = place === "lane" ? keyOf(id) : undefined;
    return key === undefined ? `${root}${place}/${id}` : lane(key) + id;
  }

  function dueOf({ id, due = 0 }: Entry): string {
    return pathOf("due", `${padded(due, TIME_DIGITS)}/${id}`);
  }

  function timeOf(path: string): number {
    return Number(path.slice(due.length, due.length + TIME_DIGITS));
  }

  /** When to try again what has failed so many times. */
  function timeAfter(attempts: number, retryAfter = 0): number {
    // What is no number is no time.
    const delay = Math.max(SECOND, retryAfter, backoff(attempts) || 0);
    return Date.now() + Math.min(DAY, delay);
  }

  // Transactions.

  type View = ReturnType<typeof viewOf>;

  /** Something to do in a transaction, and whom to tell how it ended. */
  interface Job {
    run(view: View): Promise<unknown>;
    resolve(value: unknown): void;
    reject(reason: unknown): void;
  }

  /** Runs `work` in a transaction, along with what else is asked for now. */
  function commit<R>(run: (view: View) => Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      jobs.push({ run, resolve: resolve as Job["resolve"], reject });
      if (!committing) void commitAll();
    });
  }

  async function commitAll(): Promise<void> {
    committing = true;
    // Whatever is asked for in this turn comes along.
    await undefined;
    while (jobs.length > 0) await commitJobs(jobs.splice(0), true);
    committing = false;
  }

  async function commitJobs(taken: Job[], open = false): Promise<void> {
    let done: { told: Told; results: unknown[] };
    try {
      done = await store.transact(async (transaction) => {
        const state = toState(await transaction.get(statePath));
        const view = viewOf(transaction, state);
        // What was asked for meanwhile comes along.
        if (open) taken.push(...jobs.splice(0));
        const results: unknown[] = [];
        for (const job of taken) results.push(await job.run(view));
        return { told: await view.save(), results };
      });
    } catch (error) {
      if (taken.length === 1) return taken[0]?.reject(error);
      // One that cannot be saved keeps no other from being saved.
      const half = taken.length >> 1;
      await commitJobs(taken.slice(0, half));
      return await commitJobs(taken.slice(half));
    }
    const { told, results } = done;
    if (told.changes?.length !== 0 || told.aborted.length > 0) {
      try {
        const channel = new BroadcastChannel(channelName);
        channel.postMessage(told);
        channel.close();
      } catch {
        // It is stored, where those who are not told look for it.
      }
    }
    taken.forEach(({ resolve }, index) => resolve(results[index]));
  }

  /** Resolves with the state, or an empty one if the store fails. */
  async function stateNow(): Promise<State> {
    return toState(await store.get(statePath).catch(() => {}));
  }

  /** What can be done in a transaction. */
  function viewOf(transaction: OutboxTransaction, state: State) {
    const { leases } = state;
    const changes: OutboxEntry[] = [];
    const aborted: string[] = [];
    const ended: Ends = [];
    /** How entries ended before, once it is asked for. */
    let before: Promise<unknown> | undefined;
    /** The last entry of a key, where it was asked for. */
    const tails = new Map<string, string | undefined>();
    /** What has become ready, as the entry before it is gone. */
    const promoted: Entry[] = [];
    /** Whether the state changed in what is no change of an entry. */
    let touched = false;

    /** Stores what all changes share, and gives what there is to tell. */
    async function save(): Promise<Told> {
      const { length } = changes;
      if (ended.length > 0) {
        transaction.set(endsPath, (await endsNow()).slice(-ENDS));
      }
      if (touched || length > 0) {
        state.changed += length;
        transaction.set(statePath, state);
      }
      const { changed } = state;
      return { changed, changes: length > TOLD ? undefined : changes, aborted };
    }

    function endsBefore(): Promise<unknown> {
      if (!before) {
        before = transaction.get(endsPath);
        // Who asks may fail before it is needed.
        before.catch(() => {});
      }
      return before;
    }

    async function endsNow(): Promise<Ends> {
      const before = await endsBefore();
      return [...Array.isArray(before) ? before as Ends : [], ...ended];
    }

    function list(prefix: string, limit: number, start = prefix) {
      return transaction.list({ prefix, start, limit });
    }

    async function find(id: string): Promise<Found | undefined> {
      for (const place of PLACES) {
        const value = await transaction.get(pathOf(place, id));
        if (value) return { place, entry: toEntry(id, value) };
      }
      return undefined;
    }

    /** Looks through places, page by page. */
    async function visit(
      places: readonly Place[],
      look: (page: Found[]) => void | Promise<void>,
    ): Promise<void> {
      for (const place of places) {
        const prefix = pathOf(place, "");
        let start = prefix;
        for (let more = true; more;) {
          const found = await list(prefix, PAGE, start);
          more = found.length === PAGE;
          const page: Found[] = [];
          for (const [path, value] of found) {
            start = `${path}\0`;
            const id = path.slice(prefix.length).replace(KEY_REGEXP, "");
            if (value) page.push({ place, entry: toEntry(id, value) });
          }
          await look(page);
        }
      }
    }

    function note(entry: Entry, status: OutboxEntry["status"]): void {
      changes.push(toPublic(entry, status));
    }

    function put(place: Place, entry: Entry): void {
      transaction.set(pathOf(place, entry.id), entry);
      if (place === "wait") transaction.set(dueOf(entry), 0);
    }

    function pull({ place, entry }: Found): void {
      transaction.delete(pathOf(place, entry.id));
      if (place === "wait") transaction.delete(dueOf(entry));
    }

    /** The path of the last entry of a key, without dead letters. */
    async function tailOf(key: string): Promise<string | undefined> {
      if (!tails.has(key)) {
        const query = { prefix: lane(key), reverse: true, limit: 1 };
        tails.set(key, (await transaction.list(query))[0]?.[0]);
      }
      return tails.get(key);
    }

    /** Puts an entry among those of its key. */
    async function enqueue(entry: Entry): Promise<void> {
      const key = keyOf(entry.id);
      if (key === undefined) return put("ready", entry);
      const tail = await tailOf(key);
      const path = lane(key) + entry.id;
      const isFirst = tail === undefined;
      put(isFirst ? "ready" : "lane", entry);
      if (isFirst) transaction.set(path, 0);
      // A dead letter that is sent after all may be older than the last.
      if (isFirst || tail < path) tails.set(key, path);
    }

    /** Lets the next entry of a key go, as the one before is gone or dead. */
    async function release(id: string): Promise<void> {
      const key = keyOf(id);
      if (key === undefined) return;
      const prefix = lane(key);
      const start = prefix + id;
      transaction.delete(start);
      tails.delete(key);
      // To pass all that was deleted before may take a database long.
      const first = (await list(prefix, 1, start))[0] ??
        (await list(prefix, 1))[0];
      if (!first) return;
      const entry = toEntry(first[0].slice(prefix.length), first[1]);
      transaction.set(first[0], 0);
      put("ready", entry);
      promoted.push(entry);
    }

    function setLease(id: string, lease?: Lease): void {
      if (lease) leases[id] = lease;
      else delete leases[id];
      touched = true;
    }

    /** Forgets an entry or dead letter for good. */
    async function finish(
      found: Found,
      status: "sent" | "cancelled",
    ): Promise<void> {
      const { place, entry } = found;
      pull(found);
      discard(entry, status);
      if (place === "lane") tails.clear();
      else if (place !== "dead") await release(entry.id);
    }

    function discard(
      entry: Entry,
      status: "sent" | "cancelled" | "replaced",
    ): void {
      const { id, request } = entry;
      if (request && request.size > INLINE) {
        transaction.delete(pathOf("body", id));
      }
      setLease(id);
      ended.push([id, status]);
      // It is there when the transaction has done the rest.
      void endsBefore();
      note(entry, status);
    }

    /** Makes an entry a dead letter. */
    async function bury(
      found: Found,
      failure: OutboxFailure | undefined,
      attempts = found.entry.attempts,
    ): Promise<void> {
      const entry = { ...found.entry, attempts, due: undefined, failure };
      pull(found);
      put("dead", entry);
      note(entry, "failed");
      await release(entry.id);
    }

    /** Removes an entry, or has the one who sends it do so. */
    async function remove(found: Found): Promise<boolean> {
      const { id } = found.entry;
      const lease = leases[id];
      if (lease && isHeld(lease)) {
        setLease(id, { ...lease, cancelled: true });
        aborted.push(id);
        return false;
      }
      await finish(found, "cancelled");
      return true;
    }

    async function insert(
      { body, ...draft }: Draft,
      key: string | undefined,
    ): Promise<string> {
      const replaced = draft.collapse && key !== undefined
        ? await replaceable(key)
        : undefined;
      const { attempts = 0, due, failure } = replaced?.entry ?? {};
      const number = replaced?.entry.id.slice(0, NUMBER_DIGITS) ??
        padded(++state.last, NUMBER_DIGITS);
      const suffix = key === undefined ? "" : `.${key}`;
      const id = `${number}.${crypto.randomUUID()}${suffix}`;
      const entry: Entry = {
        ...draft,
        format: FORMAT,
        id,
        attempts,
        due,
        failure,
      };
      if (body) transaction.set(pathOf("body", id), body);
      if (replaced) replace(replaced, entry);
      else await enqueue(entry);
      note(entry, "queued");
      return id;
    }

    /** The last entry of a key, if another one may take its place. */
    async function replaceable(key: string): Promise<Found | undefined> {
      const id = (await tailOf(key))?.slice(lane(key).length);
      const found = id && !leases[id] ? await find(id) : undefined;
      return found?.entry.collapse ? found : undefined;
    }

    function replace(found: Found, entry: Entry): void {
      const { place, entry: { id } } = found;
      pull(found);
      put(place, entry);
      if (place !== "lane") {
        transaction.delete(pathOf("lane", id));
        transaction.set(pathOf("lane", entry.id), 0);
      }
      tails.clear();
      discard(found.entry, "replaced");
    }

    async function cancel(id: string): Promise<boolean> {
      const found = await find(id);
      return found ? await remove(found) : false;
    }

    async function retry(id: string): Promise<boolean> {
      const found = leases[id] ? undefined : await find(id);
      if (!found) return false;
      const { place } = found;
      const isDead = place === "dead";
      if (!isDead && place !== "wait") return false;
      const entry: Entry = {
        ...found.entry,
        added: isDead ? Date.now() : found.entry.added,
        attempts: 0,
        due: undefined,
        failure: undefined,
      };
      pull(found);
      if (isDead) await enqueue(entry);
      else put("ready", entry);
      note(entry, "queued");
      return true;
    }

    async function clear(owner: string): Promise<number> {
      let count = 0;
      // What the removal of one makes ready is of others.
      await visit(["lane", "ready", "wait", "dead"], async (page) => {
        for (const found of page) {
          if (found.entry.owner !== owner) continue;
          await remove(found);
          count++;
        }
      });
      return count;
    }

    /** Resolves with what is in the store. */
    async function snapshot(): Promise<
      { changed: number; ends: Ends; entries: Map<string, OutboxEntry> }
    > {
      // Others that share the transaction may change it yet.
      const { changed } = state;
      const entries = new Map<string, OutboxEntry>();
      await visit(PLACES, (page) => {
        for (const { place, entry } of page) {
          const lease = leases[entry.id];
          const status = place === "dead"
            ? "failed"
            : lease && isHeld(lease)
            ? "sending"
            : "queued";
          entries.set(entry.id, toPublic(entry, status));
        }
      });
      return { changed, ends: await endsNow(), entries };
    }

    /** Stores how an attempt ended. */
    async function settle(
      step: Step,
      sender: string,
      outcome: Outcome,
    ): Promise<void> {
      const { entry, end, failure, retryAfter } = outcome;
      const { id, added, maxAge = Infinity } = entry;
      const lease = leases[id];
      const isOurs = lease?.sender === sender;
      if (isOurs) setLease(id);
      if (end === "sent") {
        // Even if another flush has taken it over meanwhile.
        const found = isOurs ? outcome : await find(id);
        if (!found) return;
        step.sent++;
        return await finish(found, "sent");
      }
      if (!isOurs) return;
      if (lease.cancelled) return await finish(outcome, "cancelled");
      if (end === "left") return note(entry, "queued");
      const attempts = entry.attempts + 1;
      if (end === "failed") {
        step.failed++;
        return await bury(outcome, failure, attempts);
      }
      const time = timeAfter(attempts, retryAfter);
      const due = Math.ceil(Math.min(time, added + maxAge));
      const waiting = { ...entry, attempts, due, failure };
      pull(outcome);
      put("wait", waiting);
      note(waiting, "queued");
      step.due = Math.min(step.due, due);
    }

    /** Renews the leases of a sender, and ends those of others that were stopped. */
    async function renew(
      sender: string,
      alone: boolean,
      until: number,
    ): Promise<void> {
      for (const [id, lease] of Object.entries(leases)) {
        if (lease.sender === sender) {
          setLease(id, { ...lease, until });
          continue;
        }
        if (!alone && isHeld(lease)) continue;
        setLease(id);
        const found = await find(id);
        if (!found) continue;
        if (lease.cancelled) await finish(found, "cancelled");
        else note(found.entry, "queued");
      }
    }

    /** Ends a flush; resolves with when there is to be another. */
    async function conclude(
      unreachable: number,
      reached: boolean,
    ): Promise<number | undefined> {
      const { down } = state;
      state.down = reached ? 0 : unreachable > 0 ? down + 1 : down;
      touched ||= state.down !== down;
      if (unreachable >= UNREACHABLE) return timeAfter(state.down || 1);
      // Others may hold leases, where there are no locks.
      const next = Object.values(leases).map(({ until }) => until);
      const added = await list(ready, next.length + 1);
      const now = Date.now();
      if (added.some(([path]) => !leases[path.slice(ready.length)])) return now;
      const [first] = await list(due, 1);
      if (first) next.push(timeOf(first[0]));
      return next.length > 0 ? Math.min(now + DAY, ...next) : undefined;
    }

    return {
      transaction,
      state,
      promoted,
      save,
      list,
      note,
      setLease,
      bury,
      insert,
      cancel,
      retry,
      clear,
      snapshot,
      settle,
      renew,
      conclude,
    };
  }

  // Adding.

  async function addAll(
    items: Iterable<T>,
    options: OutboxAddOptions = {},
  ): Promise<string[]> {
    const { key, collapse, owner, body, data, maxAge = Infinity, signal } =
      options;
    signal?.throwIfAborted();
    if (!(maxAge >= 0)) {
      throw new RangeError(
        `Cannot add the entry: 'maxAge' must not be negative, current value is ${maxAge}`,
      );
    }
    const common = { added: Date.now(), collapse, owner, data, maxAge };
    const reading = Array.from(items, async (item) => ({
      ...common,
      ...await toDraft(item, body),
    }));
    const drafts = await inTurn(key, Promise.all(reading), signal);
    try {
      return await commit(async (view) => {
        const ids: string[] = [];
        for (const draft of drafts) ids.push(await view.insert(draft, key));
        return ids;
      });
    } catch (cause) {
      if ((cause as Error | undefined)?.name === "DataCloneError") throw cause;
      const error = new DOMException(
        `Cannot add the entry: not saved, ${cause}`,
        "NotSavedError",
      );
      throw Object.defineProperty(error, "cause", { value: cause });
    }
  }

  /** Resolves as `read` does, once all calls before have been read of the key. */
  async function inTurn<R>(
    key: string | undefined,
    read: Promise<R>,
    signal: AbortSignal | undefined,
  ): Promise<R> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = signal
      ? undefined
      : expire(reject, READING, "add", "the reading of a body");
    const before = key === undefined ? undefined : turns.get(key);
    const both = before ? Promise.all([read, before]).then(() => read) : read;
    const mine = signal
      ? unlessAborted(both, signal)
      : Promise.race([both, late]);
    if (key !== undefined) {
      const turn = Promise.allSettled([mine, before]);
      turns.set(key, turn);
      void turn.then(() => turns.get(key) === turn && turns.delete(key));
    }
    try {
      return await mine;
    } finally {
      clearTimeout(timer);
    }
  }

  async function toDraft(
    item: T,
    form: FormData | undefined,
  ): Promise<Pick<Draft, "request" | "message" | "body">> {
    if (item instanceof Request) return await readRequest(item, form);
    if (send) return { message: item };
    throw new TypeError(
      `Cannot add the message: there is no 'send', and it is no Request but of type ${typeof item}`,
    );
  }

  async function readRequest(
    request: Request,
    form: FormData | undefined,
  ): Promise<Pick<Draft, "request" | "body">> {
    const { url, method } = request;
    if (request.bodyUsed) throw refusal(request, "its body was used");
    if (request.mode === "no-cors" && !acceptOpaque) {
      throw refusal(
        request,
        'its mode is "no-cors", which hides whether it was sent',
      );
    }
    const { body, type } = await readBody(request, form);
    const headers = [...request.headers].filter(([name]) =>
      (storeAuthorization || name !== "authorization") &&
      (type === undefined || name !== "content-type")
    );
    if (type !== undefined) headers.push(["content-type", type]);
    const size = body?.byteLength ?? 0;
    const isSmall = size <= INLINE;
    const init = initOf(request);
    const stored: StoredRequest = {
      url,
      method,
      headers,
      init,
      size,
      body: isSmall && size > 0 ? body : undefined,
    };
    // What could not be made again would never be sent.
    if (Object.keys(init).length > 0) toRequest(stored, undefined);
    return { request: stored, body: isSmall ? undefined : body };
  }

  // Sending.

  async function flush(
    options: OutboxFlushOptions = {},
  ): Promise<OutboxFlushed> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (!locks) return await run(signal, false);
    const stalled = new AbortController();
    let waiting = true;
    let changed = -1;
    // Who has the lock may be suspended, as a tab in the background of a phone.
    const timer = setInterval(async () => {
      const state = await stateNow();
      const isSending = Object.values(state.leases).some(isHeld);
      if (waiting && state.changed === changed && !isSending) stalled.abort();
      changed = state.changed;
    }, STALLED);
    const hold = async (
      how: { signal: AbortSignal } | { steal: true },
    ): Promise<OutboxFlushed> => {
      const robbed = new AbortController();
      try {
        return await locks.request(channelName, how, () => {
          waiting = false;
          clearInterval(timer);
          return run(either(signal, robbed.signal), true);
        });
      } catch (error) {
        robbed.abort(error);
        throw error;
      }
    };
    try {
      return await hold({ signal: either(signal, stalled.signal) });
    } catch (error) {
      if (!waiting || !stalled.signal.aborted) throw error;
      return await hold({ steal: true });
    } finally {
      clearInterval(timer);
    }
  }

  /** Sends all; who is suspended after an abort must not keep the lock. */
  function run(
    signal: AbortSignal | undefined,
    alone: boolean,
  ): Promise<OutboxFlushed> {
    return unlessAborted(sendAll(signal, alone), signal);
  }

  async function sendAll(
    signal: AbortSignal | undefined,
    alone: boolean,
  ): Promise<OutboxFlushed> {
    const sender = crypto.randomUUID();
    const active = new Map<string, AbortController>();
    const outcomes: Outcome[] = [];
    let leased: Found[] = [];
    let until = 0;
    let sent = 0;
    let failed = 0;
    /** Up to where it has looked for what is ready. */
    let readyFrom = ready;
    /** Nothing is due before this time. */
    let dueFrom = -Infinity;
    /** Up to where it has looked for what is not due and tried all the same. */
    let sweepFrom: string | undefined = "";
    /** Whether it has found nothing since it last looked from the beginning. */
    let searched = true;
    /** How many attempts in a row had no response. */
    let unreachable = 0;
    /** Whether an attempt had one. */
    let reached = false;
    /** Whether the last flush had none, and this one has had none yet. */
    let probing = false;
    /** Whether it begins no more attempts. */
    let stopped = false;
    /** Whether entries were added meanwhile. */
    let anyAdded = false;
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wake = () => {};

    /** Begins as many attempts as there may be at once. */
    function begin(): void {
      while (stopped || active.size < (probing ? 1 : concurrency)) {
        const next = leased.shift();
        if (!next) return;
        if (stopped || Date.now() >= until) leave(next);
        else void follow(next);
      }
    }

    function leave(next: Found): void {
      outcomes.push({ ...next, end: "left" });
    }

    async function follow(next: Found): Promise<void> {
      const controller = new AbortController();
      active.set(next.entry.id, controller);
      const outcome = await attempt(next, controller);
      if (over) return;
      active.delete(next.entry.id);
      outcomes.push(outcome);
      if (outcome.failure?.reason === "unreachable") {
        stopped ||= ++unreachable >= UNREACHABLE;
      } else if (outcome.end !== "left") {
        unreachable = 0;
        reached = true;
        probing = false;
      }
      begin();
      if (isTime()) wake();
      else timer ??= setTimeout(() => wake(), COLLECT);
    }

    /** Whether to store outcomes now, or to collect more of them. */
    function isTime(): boolean {
      const isIdle = leased.length === 0 && active.size < concurrency;
      return anyAdded || active.size === 0 ||
        outcomes.length >= (isIdle ? 1 : leased.length + active.size);
    }

    /** Resolves when there is something to be stored, or entries were added. */
    async function rest(): Promise<void> {
      if (!isTime()) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        if (outcomes.length > 0) timer ??= setTimeout(resolve, COLLECT);
        const renewal = setTimeout(resolve, RENEWAL);
        await promise;
        clearTimeout(renewal);
      }
      clearTimeout(timer);
      timer = undefined;
      anyAdded = false;
    }

    /** Stores how attempts ended, and leases what may be sent next. */
    async function advance(
      view: View,
      settled: readonly Outcome[],
      room: number,
    ): Promise<Step> {
      const { transaction, state, promoted, list } = view;
      const { leases } = state;
      const now = Date.now();
      const step: Step = {
        leased: [],
        leases,
        until: now + LEASE,
        due: Infinity,
        sent: 0,
        failed: 0,
        more: false,
      };
      for (const outcome of settled) await view.settle(step, sender, outcome);
      await view.renew(sender, alone, step.until);
      if (room <= 0) return step;
      if (sweepFrom === "") {
        probing = state.down > 0;
        // Where the clock was put back, something is due later than it can be.
        const ahead = due + padded(now + DAY + 1, TIME_DIGITS);
        const isSwept = probing || (await list(due, 1, ahead)).length > 0;
        sweepFrom = isSwept ? wait : undefined;
      }
      const limit = room + Object.keys(leases).length;
      let left = probing ? 1 : room;

      /** Leases an entry, unless it has to be a dead letter. */
      async function offer(place: Place, entry: Entry): Promise<void> {
        const { id, added, maxAge = Infinity, original } = entry;
        if (leases[id]) return;
        left--;
        const isExpired = now - added >= maxAge;
        if (isExpired || original !== undefined) {
          step.failed++;
          const failure = isExpired ? EXPIRED : UNREADABLE;
          return await view.bury({ place, entry }, failure);
        }
        view.setLease(id, { sender, from: now, until: step.until });
        view.note(entry, "sending");
        step.leased.push({ place, entry });
      }

      /** Offers what is at a place; resolves with the path where it stopped. */
      async function offerFrom(
        start: string,
        place: Place,
        least: number,
        isWanted: (entry: Entry) => boolean,
      ): Promise<string> {
        const prefix = pathOf(place, "");
        for (let more = true; more && left > 0;) {
          const most = Math.max(least, left);
          const found = await list(prefix, most, start);
          more = found.length === most;
          for (const [path, value] of found) {
            if (left <= 0) break;
            start = `${path}\0`;
            const entry = toEntry(path.slice(prefix.length), value);
            if (isWanted(entry)) await offer(place, entry);
          }
        }
        return start;
      }

      for (const entry of promoted.splice(0)) await offer("ready", entry);
      readyFrom = await offerFrom(readyFrom, "ready", 1, () => true);
      if (left > 0 && dueFrom <= now) {
        const found = await list(due, limit);
        dueFrom = found.length < limit ? Infinity : -Infinity;
        for (const [path] of found) {
          const time = timeOf(path);
          if (left <= 0 || time > now) {
            dueFrom = time;
            break;
          }
          const id = path.slice(due.length + TIME_DIGITS + 1);
          const value = await transaction.get(wait + id);
          if (value) await offer("wait", toEntry(id, value));
          else transaction.delete(path);
        }
      }
      if (sweepFrom !== undefined) {
        const isEarly = ({ failure, due = 0 }: Entry) =>
          due > now + DAY || failure?.reason === "unreachable";
        const start = await offerFrom(sweepFrom, "wait", PAGE, isEarly);
        sweepFrom = left > 0 ? undefined : start;
      }

      const isFound = step.leased.length + step.failed > 0;
      step.more = isFound || !searched;
      // What others made ready may be before what was found.
      if (!isFound && !searched) {
        readyFrom = ready;
        dueFrom = -Infinity;
      }
      searched = !isFound;
      return step;
    }

    /** Leaves everything as it is: the next flush goes on from there. */
    function stop(): void {
      over = true;
      for (const controller of active.values()) controller.abort();
      clearTimeout(timer);
      channel.close();
      wake();
    }

    const channel = new BroadcastChannel(channelName);
    channel.onmessage = ({ data }: MessageEvent<Told>) => {
      const { aborted, changes } = data;
      for (const id of aborted) active.get(id)?.abort();
      leased = leased.filter((next) => {
        const isAborted = aborted.includes(next.entry.id);
        if (isAborted) leave(next);
        return !isAborted;
      });
      // What is added now does not wait until a long upload has ended.
      anyAdded ||=
        changes?.some(({ status, attempts }) =>
          status === "queued" && attempts === 0
        ) ?? true;
      if (isTime()) wake();
    };
    signal?.addEventListener("abort", stop);
    try {
      while (true) {
        signal?.throwIfAborted();
        const settled = outcomes.splice(0);
        // The faster they are sent, the more of them share a transaction.
        const most = Math.max(
          AHEAD * concurrency,
          Math.min(FAR_AHEAD, 4 * settled.length),
        );
        const room = stopped ? 0 : most - leased.length - active.size;
        const step = await commit((view) => advance(view, settled, room));
        sent += step.sent;
        failed += step.failed;
        dueFrom = Math.min(dueFrom, step.due);
        if (over) continue;
        // Others may have taken them over from a page that was suspended.
        leased = leased.filter(({ entry }) =>
          step.leases[entry.id]?.sender === sender
        );
        until = step.until;
        leased.push(...step.leased);
        begin();
        if (active.size + outcomes.length > 0) await rest();
        else if (!step.more) break;
      }
      const next = await commit((view) => view.conclude(unreachable, reached));
      return { sent, failed, next };
    } finally {
      signal?.removeEventListener("abort", stop);
      stop();
    }
  }

  /** Sends an entry; resolves with how that ended. */
  async function attempt(
    found: Found,
    controller: AbortController,
  ): Promise<Outcome> {
    const { entry } = found;
    const { signal } = controller;
    const bytes = entry.request?.size ?? 0;
    const patience = SENDING + bytes / BYTES_A_SECOND * SECOND;
    const abort = (reason: unknown) => controller.abort(reason);
    const timer = expire(abort, patience, "send", "the attempt");
    try {
      const answer = await unlessAborted(sendEntry(entry, signal), signal);
      // Whatever becomes of the body: what the server did is known.
      return { ...found, ...await judge(answer) };
    } catch (error) {
      if (signal.aborted && signal.reason.name !== "TimeoutError") {
        return { ...found, end: "left" };
      }
      if (error === UNREADABLE) {
        return { ...found, end: "failed", failure: UNREADABLE };
      }
      return { ...found, ...unreachable(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves with the response, or what else `send` does. */
  async function sendEntry(
    entry: Entry,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { id, request, message } = entry;
    const start = NUMBER_DIGITS + 1;
    const idempotencyKey = id.slice(start, start + UUID_LENGTH);
    const shown = toPublic(entry, "sending");
    const context = { entry: shown, idempotencyKey, signal };
    if (!request) return await send?.(message as T, context);
    const { size } = request;
    const body = size > INLINE
      ? await store.get(pathOf("body", id)) as ArrayBuffer | undefined
      : request.body;
    if (size > 0 && !body) throw UNREADABLE;
    const item = toRequest(request, body);
    if (idempotencyHeader && !item.headers.has(idempotencyHeader)) {
      item.headers.set(idempotencyHeader, idempotencyKey);
    }
    return await (send ? send(item as T, context) : fetch(item, { signal }));
  }

  async function judge(answer: unknown): Promise<Ending> {
    if (!(answer instanceof Response)) return { end: "sent" };
    const { status, type, headers } = answer;
    if (type === "error") return unreachable("a network error");
    if (type.startsWith("opaque") && !acceptOpaque) {
      return { end: "failed", failure: OPAQUE };
    }
    // A body that nobody reads is kept, with its connection, by the browser.
    const isSent = status < 400;
    const body = await readSome(answer, isSent ? DRAINED : KEPT);
    if (isSent) return { end: "sent" };
    const message = `the server answered ${status}`;
    const failure: OutboxFailure = { reason: "status", message, status, body };
    const end = TRANSIENT_REGEXP.test(`${status}`) ? "again" : "failed";
    return { end, failure, retryAfter: retryAfterOf(headers) };
  }

  // Looking.

  function watch(options: OutboxWatchOptions = {}): AsyncIterable<OutboxEntry> {
    return { [Symbol.asyncIterator]: () => follow(options.signal) };
  }

  function follow(signal: AbortSignal | undefined): AsyncIterator<OutboxEntry> {
    const left = new AbortController();
    const over = either(signal, left.signal);
    const end = { done: true, value: undefined } as const;
    const known = new Map<string, OutboxEntry>();
    const news = new Map<string, OutboxEntry>();
    let seen = -1;
    let stale = true;
    let wake = () => {};
    /** Settles as the last call of `next()`. */
    let last: Promise<unknown> = Promise.resolve();

    function learn(entry: OutboxEntry): void {
      const { id, status } = entry;
      if (LISTED.includes(status)) known.set(id, entry);
      else known.delete(id);
      // Each status of an entry once, so that a slow reader is no leak.
      const change = `${status} ${id}`;
      news.delete(change);
      news.set(change, entry);
    }

    /** Finds in the store what was not told. */
    async function look(): Promise<void> {
      stale = false;
      const found = await commit((view) => view.snapshot());
      const { changed, entries } = found;
      const ends = new Map(found.ends);
      for (const [id, entry] of known) {
        const status = ends.get(id) ?? "gone";
        if (!entries.has(id)) learn({ ...entry, status });
      }
      for (const entry of entries.values()) {
        const { status, attempts } = known.get(entry.id) ?? {};
        if (entry.status !== status || entry.attempts !== attempts) {
          learn(entry);
        }
      }
      seen = changed;
    }

    function hear({ data: { changed, changes } }: MessageEvent<Told>): void {
      if (changed <= seen) return;
      if (changes && changed - changes.length === seen) {
        changes.forEach(learn);
        seen = changed;
      } else stale = true;
      wake();
    }

    async function next(): Promise<IteratorResult<OutboxEntry>> {
      try {
        while (news.size === 0) {
          const told = stale
            ? look()
            : new Promise<void>((resolve) => wake = resolve);
          await unlessAborted(told, over);
        }
        over.throwIfAborted();
      } catch (error) {
        left.abort(error);
        if (error === end) return end;
        throw error;
      }
      for (const [change, value] of news) {
        news.delete(change);
        return { done: false, value };
      }
      return end;
    }

    const channel = new BroadcastChannel(channelName);
    channel.onmessage = hear;
    const timer = setInterval(async () => {
      const { changed } = await stateNow();
      if (changed === seen) return;
      stale = true;
      wake();
    }, LOOK);
    function close(): void {
      clearInterval(timer);
      channel.close();
    }
    over.addEventListener("abort", close);
    if (over.aborted) close();

    return {
      next() {
        const result = last.then(next, next);
        last = result;
        return result;
      },
      return() {
        left.abort(end);
        return Promise.resolve(end);
      },
    };
  }

  return {
    add: async (item, options) => (await addAll([item], options))[0] ?? "",
    addAll,
    flush,
    cancel: (id) => commit((view) => view.cancel(id)),
    retry: (id) => commit((view) => view.retry(id)),
    clear: (owner) => commit((view) => view.clear(owner)),
    async list() {
      const { entries } = await commit((view) => view.snapshot());
      return [...entries.values()].sort((a, b) => a.id < b.id ? -1 : 1);
    },
    watch,
  };
}

/** The key of an entry, which is a part of its identifier. */
function keyOf(id: string): string | undefined {
  const start = NUMBER_DIGITS + UUID_LENGTH + 2;
  return id.length < start ? undefined : id.slice(start);
}

function padded(number: number, digits: number): string {
  return String(number).padStart(digits, "0");
}

/** What was stored as an entry, or a stand-in for what cannot be read. */
function toEntry(id: string, value: unknown): Entry {
  const entry = value as Partial<Entry> | null;
  if (entry?.format === FORMAT && entry.id === id) {
    const { original } = entry;
    if (original === undefined) return entry as Entry;
    const inner = toEntry(id, original);
    return inner.original === undefined ? inner : entry as Entry;
  }
  return { format: FORMAT, id, added: 0, attempts: 0, original: value };
}

function toState(value: unknown): State {
  const state = value as Partial<State> | undefined;
  const leases = { ...state?.leases };
  return { last: 0, changed: 0, down: 0, ...state, leases };
}

function toPublic(entry: Entry, status: OutboxEntry["status"]): OutboxEntry {
  const { id, added, attempts, due, failure, request, owner, data } = entry;
  return {
    id,
    status,
    added,
    attempts,
    due,
    failure,
    method: request?.method,
    url: request?.url,
    key: keyOf(id),
    owner,
    data,
  };
}

/** Whether a lease is in force; not if the clock was put back. */
function isHeld({ from, until }: Lease): boolean {
  const now = Date.now();
  return from <= now && now < until;
}

function defaultBackoff(attempts: number): number {
  const delay = Math.min(HOUR, SECOND * 2 ** (attempts - 1));
  return delay * (1 - Math.random() / 2);
}

function unreachable(why: unknown): Ending {
  const message = `there was no response: ${why}`;
  return { end: "again", failure: { reason: "unreachable", message } };
}

function retryAfterOf(headers: Headers): number {
  const value = headers.get("retry-after") ?? "";
  if (/^\d+$/.test(value)) return Number(value) * SECOND;
  // The server's clock, not ours, which may be wrong.
  const now = Date.parse(headers.get("date") ?? "") || Date.now();
  return Date.parse(value) - now || 0;
}

/** What a request has beside URL, method, headers and body. */
function initOf(request: Request): Record<string, string> {
  const init: Record<string, string> = {};
  const all = request as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(DEFAULTS)) {
    const own = all[name];
    if (typeof own === "string" && own !== value) init[name] = own;
  }
  // What a form sends cannot be made anew in its own mode.
  if (request.mode !== "navigate") return init;
  const { redirect: _, ...rest } = init;
  return { ...rest, mode: "same-origin" };
}

function toRequest(
  { url, method, headers, init }: StoredRequest,
  body: ArrayBuffer | undefined,
): Request {
  const all = { ...init, method, headers: [...headers], body: body ?? null };
  return new Request(url, all);
}

function refusal(
  { url }: Request,
  why: string,
  options?: ErrorOptions,
): TypeError {
  return new TypeError(`Cannot add the request to ${url}: ${why}`, options);
}

async function readBody(
  request: Request,
  form: FormData | undefined,
): Promise<{ body?: ArrayBuffer; type?: string }> {
  const { method, headers } = request;
  const hasBody = method !== "GET" && method !== "HEAD";
  if (form) {
    if (hasBody) {
      const blob = toBlob(form);
      return { body: await blob.arrayBuffer(), type: blob.type };
    }
    throw refusal(request, `its method is "${method}", which has no body`);
  }
  if (!hasBody) return {};
  let copy: Request | undefined;
  try {
    // Browsers that send streams refuse them in this mode.
    const init = { method: "POST", mode: "no-cors", cache: "default" } as const;
    copy = new Request(request, init);
    const body = await copy.arrayBuffer();
    if (body.byteLength !== STREAM_TEXT.length) return { body };
    const text = new TextDecoder().decode(body);
    if (text !== STREAM_TEXT) return { body };
  } catch (cause) {
    if (copy) {
      const type = headers.get("content-type");
      if (!type?.startsWith("multipart/")) throw cause;
      const why = "its form cannot be read here, so pass it as 'body'";
      throw refusal(request, why, { cause });
    }
  }
  throw refusal(
    request,
    "its body is a stream, which cannot be sent twice, so read it into a Blob",
  );
}

/** Encodes a form as a browser does it. */
function toBlob(form: FormData): Blob {
  const boundary = `----${crypto.randomUUID()}`;
  const toLines = (text: string) => text.replace(/\r\n?|\n/g, "\r\n");
  const quoted = (text: string) =>
    `"${text.replace(/[\r\n"]/g, (sign) => encodeURIComponent(sign))}"`;
  const parts: BlobPart[] = [];
  for (const [name, value] of form) {
    parts.push(
      `--${boundary}\r\nContent-Disposition: form-data; name=${
        quoted(toLines(name))
      }`,
    );
    if (typeof value === "string") parts.push("\r\n\r\n", toLines(value));
    else {
      const type = value.type || "application/octet-stream";
      parts.push(
        `; filename=${quoted(value.name)}\r\nContent-Type: ${type}\r\n\r\n`,
        value,
      );
    }
    parts.push("\r\n");
  }
  parts.push(`--${boundary}--\r\n`);
  const type = `multipart/form-data; boundary=${boundary}`;
  return new Blob(parts, { type });
}

/** Reads up to so many bytes as text, for seconds, and lets the rest go. */
async function readSome({ body }: Response, limit: number): Promise<string> {
  let text = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const reader = body?.getReader();
    timer = setTimeout(() => reader?.cancel().catch(() => {}), DRAINING);
    const decoder = new TextDecoder();
    for (let size = 0; reader && size < limit;) {
      const { done, value } = await reader.read();
      if (done) break;
      const part = value.subarray(0, limit - size);
      text += decoder.decode(part, { stream: true });
      size += value.byteLength;
    }
    await reader?.cancel();
  } catch {
    // What came of it is enough: the status is known.
  } finally {
    clearTimeout(timer);
  }
  return text;
}

/** Calls `end` after a time, with an error that says what has not ended. */
function expire(
  end: (reason: unknown) => void,
  time: number,
  verb: string,
  what: string,
): ReturnType<typeof setTimeout> {
  return setTimeout(() => {
    end(
      new DOMException(
        `Cannot ${verb} the entry: ${what} has not ended after ${
          time / SECOND
        } seconds`,
        "TimeoutError",
      ),
    );
  }, time);
}

/** Settles as the promise does, unless the signal is aborted before. */
async function unlessAborted<R>(
  promise: Promise<R>,
  signal: AbortSignal | undefined,
): Promise<R> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function either(one: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return one ? AbortSignal.any([one, other]) : other;
}

function platformLocks(): OutboxLocks | undefined {
  return (globalThis as { navigator?: { locks?: OutboxLocks } })
    .navigator?.locks;
}
