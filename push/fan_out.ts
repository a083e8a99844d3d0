// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Send one message to many subscriptions through a durable queue, from one
 * process or several: nobody is forgotten when a process is killed, and no push
 * service is asked more than it wants. `send` is what sends to each of them.
 *
 * What it promises. A subscription that was added is sent the message at least
 * once, unless its time or its attempts are used up. If a process is killed, what it
 * had on its way, at most `concurrency` for each service, may be sent once more:
 * a place is free for the next only when the end of the last is stored. A
 * service, the origin of the endpoint, that limits the rate or fails is left alone
 * for a while, with all that goes to it; others go on. One subscription that
 * fails again and again waits longer each time, and stops nothing else.
 *
 * How it works. Subscriptions are kept in batches of up to 100 of one service:
 *
 * ```text
 * fan-out/<name>/job/<id>                     the message, how far adding has come
 * fan-out/<name>/batch/<batch>                its subscriptions
 * fan-out/<name>/at/<service>/<time>/<batch>  for each a 1 if it is over, or a 0
 * fan-out/<name>/count/<job>/<process>        what a process has done of a job
 * ```
 *
 * A batch may be taken when its time has come. Who takes it moves it half a
 * minute ahead, and on and on while it is at it: if it dies, the time comes, and
 * another goes on where that was. The clocks of the processes need to agree to a
 * few seconds. What failed becomes a new batch, for later. To cancel a job is to
 * put a batch of nobody in its place: whoever takes that removes the counts.
 *
 * @module
 */

/** What is known of a subscription: the JSON of a `PushSubscription` fits. */
export interface FanOutSubscription {
  /** The URL at the push service to which messages for it go. */
  readonly endpoint?: string | undefined;
}

/** What became of a message: what `send` resolves with fits. */
export interface FanOutAnswer {
  /**
   * "delivered"; "gone" or "invalid": the subscription is to be forgotten;
   * "rate-limited" and "unavailable": to be tried again; anything else, such as
   * "too-large" and "misconfigured": it failed, and that is no use.
   */
  readonly outcome: string;
  /** After how many milliseconds the service wants to be asked again. */
  readonly retryAfter?: number | undefined;
}

/** A key of a {@linkcode FanOutQueue}, with its value. */
export interface FanOutEntry {
  /** The key. */
  readonly key: string;
  /** Its value. */
  readonly value: string;
  /** Another one whenever the value was set. */
  readonly version: string;
}

/** What {@linkcode FanOutQueue.commit} does, all or nothing. */
export interface FanOutCommit {
  /** Keys that must have this version, or not be there if it is `null`. */
  readonly check: readonly [key: string, version: string | null][];
  /** Keys to delete. */
  readonly delete: readonly string[];
  /** Keys to set, with their values: up to 62 KiB each, and 600 KiB in all. */
  readonly set: readonly [key: string, value: string][];
}

/**
 * What the queue is kept in: an ordered table of texts. {@linkcode kvQueue} makes
 * one of Deno KV; in a SQL database it is a table of three columns.
 */
export interface FanOutQueue {
  /** Resolves with what is at some keys, up to 10, in their order. */
  get(keys: readonly string[]): Promise<(FanOutEntry | undefined)[]>;
  /**
   * Resolves with up to `limit` entries in the order of their keys, which are
   * ASCII: those from `start` on that are before `end`.
   */
  list(
    range: { start: string; end: string; limit: number },
  ): Promise<FanOutEntry[]>;
  /**
   * Changes keys in one transaction, if each in `check` is as it says. Resolves
   * with the version of all that was set; `undefined` if nothing was done.
   */
  commit(change: FanOutCommit): Promise<string | undefined>;
}

/** What `send` is given beside the subscription and the message. */
export interface FanOutContext {
  /** The identifier of the job. */
  readonly id: string;
  /** Aborts when the attempt is to end: after a minute at the latest. */
  readonly signal: AbortSignal;
}

/** Why a subscription was given up. */
export interface FanOutFailure {
  /**
   * The `outcome` of the last answer; "rejected", if `send` rejected; "expired",
   * if the time was used up.
   */
  readonly reason: string;
  /** The last answer, if there was one in this attempt. */
  readonly answer: FanOutAnswer | undefined;
  /** What `send` rejected with. */
  readonly error: unknown;
}

/**
 * Options for {@linkcode createFanOut}.
 *
 * @typeParam T What is known of a subscription.
 */
export interface FanOutOptions<T> {
  /**
   * The name of the queue, for several in one place.
   *
   * @default {"default"}
   */
  name?: string | undefined;
  /**
   * How many are on their way to one service at once, from one process. There are
   * fewer after a service has limited the rate, or failed.
   *
   * @default {64}
   */
  concurrency?: number | undefined;
  /**
   * How many attempts may fail before a subscription is given up. What is
   * "rate-limited" does not count.
   *
   * @default {8}
   */
  attempts?: number | undefined;
  /**
   * How many milliseconds to wait after so many failures in a row: of a
   * subscription, or, up to a minute, of a service that does not say how long.
   *
   * @default {a second, doubled each time up to an hour, less up to a half of it at random}
   */
  backoff?: ((failures: number) => number) | undefined;
  /**
   * After how many milliseconds others take over what a process was about to send
   * that is not heard of any more.
   *
   * @default {30000}
   */
  lease?: number | undefined;
  /**
   * Forgets a subscription that is gone, or none. If it rejects, or takes more
   * than a minute, it is called again later, after another attempt to send.
   */
  onGone?: ((subscription: T, answer: FanOutAnswer) => unknown) | undefined;
  /**
   * Is told of a subscription that was given up, in the same way; else it is only
   * counted.
   */
  onFailed?: ((subscription: T, failure: FanOutFailure) => unknown) | undefined;
}

/** Options for {@linkcode FanOut.add}. */
export interface FanOutAddOptions {
  /**
   * The job's identifier. What was added completely under it is not added again.
   *
   * @default {a random one}
   */
  id?: string | undefined;
  /**
   * After how many milliseconds nothing of it is sent any more.
   *
   * @default {86400000}
   */
  maxAge?: number | undefined;
  /**
   * Ends it; the promise then rejects with the signal's reason. Without one, it
   * goes on as long as there are subscriptions.
   */
  signal?: AbortSignal | undefined;
}

/** Options for {@linkcode FanOut.flush} and {@linkcode FanOut.watch}. */
export interface FanOutSignalOptions {
  /** Ends it; it then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** How many subscriptions came to which end. */
export interface FanOutCounts {
  /** How many the services have taken. */
  readonly delivered: number;
  /** How many were gone, or no subscriptions. */
  readonly gone: number;
  /** How many were given up, by their reason. */
  readonly failed: Readonly<Record<string, number>>;
  /** How many attempts failed and were, or will be, followed by another. */
  readonly retried: number;
}

/** How far a job has come. */
export interface FanOutStatus extends FanOutCounts {
  /** How many subscriptions were added. */
  readonly added: number;
  /** Whether all of them were. */
  readonly complete: boolean;
  /** How many of those that were added have no end yet. */
  readonly left: number;
}

/**
 * Sends to many, made by {@linkcode createFanOut}.
 *
 * @typeParam T What is known of a subscription.
 * @typeParam M The message.
 */
export interface FanOut<T, M> {
  /**
   * Adds subscriptions, some hundreds in each transaction, and resolves with the
   * identifier of the job when all are stored. They are sent to by `flush()`.
   *
   * Where there are too many for one transaction, let `subscriptions` be a
   * function: after a crash, call `add()` again with the same `id`, and the
   * function is given the last subscription that was stored, to go on with those
   * after it. So they need an order that stays, such as that of their endpoints.
   *
   * Rejects with an "InvalidStateError" if others add to the job, or if it was
   * left incomplete and `subscriptions` is no function; a `TypeError` if the
   * message has no form in JSON or more than 40,000 bytes of it; a `RangeError`
   * if `maxAge` is not positive.
   */
  add(
    subscriptions:
      | Iterable<T>
      | AsyncIterable<T>
      | ((after: T | undefined) => Iterable<T> | AsyncIterable<T>),
    message: M,
    options?: FanOutAddOptions,
  ): Promise<string>;
  /**
   * Sends, and resolves when the queue is empty, which may take as long as the
   * oldest job may live: what is to be tried again is waited for, and so is what
   * other processes are at. It gives its own counts.
   *
   * When its signal is aborted, nothing more is begun, and what is on its way has
   * five seconds. The rest goes back to the queue. It rejects with the error of
   * the queue if that fails; nothing is lost by that.
   */
  flush(options?: FanOutSignalOptions): Promise<FanOutCounts>;
  /**
   * Resolves with how far a job has come, in all processes; `undefined` if there
   * is none. It stays until it is cancelled.
   */
  status(id: string): Promise<FanOutStatus | undefined>;
  /**
   * Gives the state of a job, and each later one, about once a second, and ends
   * when everything was added and has its end, or the job is cancelled.
   */
  watch(
    id: string,
    options?: FanOutSignalOptions,
  ): AsyncGenerator<FanOutStatus, void>;
  /**
   * Forgets a job. What is left of it is not sent, except what processes have
   * taken already: a few hundred, during a third of their lease. Resolves with
   * whether it was there.
   */
  cancel(id: string): Promise<boolean>;
}

/** The part of a `Deno.Kv` that {@linkcode kvQueue} uses. */
export interface FanOutKv {
  /** Reads keys. */
  getMany(keys: readonly (readonly string[])[]): Promise<
    { value: unknown; versionstamp: string | null }[]
  >;
  /** Reads a range of keys. */
  list(
    selector: { start: readonly string[]; end: readonly string[] },
    options: { limit: number },
  ): AsyncIterable<
    { key: readonly unknown[]; value: unknown; versionstamp: string }
  >;
  /** Begins a transaction. */
  atomic(): FanOutKvAtomic;
}

/** The part of a `Deno.AtomicOperation` that {@linkcode kvQueue} uses. */
export interface FanOutKvAtomic {
  /** Makes it depend on the version of a key. */
  check(check: { key: readonly string[]; versionstamp: string | null }): this;
  /** Sets a key. */
  set(key: readonly string[], value: unknown): this;
  /** Deletes a key. */
  delete(key: readonly string[]): this;
  /** Does it all, or nothing. */
  commit(): Promise<{ ok: boolean; versionstamp?: string }>;
}

/** A job as it is stored. */
interface Job<T, M> {
  /** Differs from that of another with the same identifier. */
  readonly token: string;
  readonly message: M | undefined;
  readonly expires: number;
  readonly added: number;
  /** How many of them were too large to be stored. */
  readonly refused: number;
  readonly last: T | undefined;
  readonly complete: boolean;
}

/** A subscription, and how many attempts have failed, without and with limits. */
type Member<T> = readonly [subscription: T, attempts: number, limited: number];

/** A batch as it is stored. */
interface StoredBatch<T> {
  readonly id: string;
  readonly token: string;
  readonly members: readonly Member<T>[];
}

/** A batch that this process has taken. */
interface Batch<T, M> extends StoredBatch<T> {
  /** What it is stored under; another key after each renewal of its lease. */
  at: string;
  version: string;
  until: number;
  readonly name: string;
  readonly service: Service<T, M>;
  readonly job: Job<T, M>;
  readonly over: boolean[];
  /** Those that no attempt was made for since it was taken. */
  readonly left: Set<number>;
  /** Those that are to be tried again. */
  readonly again: Member<T>[];
  due: number;
  /** How many attempts are under way. */
  flying: number;
  /** What was counted, and is not stored. */
  counts: Counts;
  /** Are told when what is known is stored. */
  waiters: (() => void)[];
  /** Whether its last state is about to be stored. */
  closing: boolean;
}

/** What this process has done of a job. */
interface Tally {
  readonly counts: Counts;
  /**
   * A key that has this version as long as nobody cancels the job: the job, or,
   * when they are stored, these counts. None if it was cancelled.
   */
  readonly alive: readonly [key: string, version: string] | undefined;
}

interface Service<T, M> {
  readonly name: string;
  readonly batches: Set<Batch<T, M>>;
  /** How many may be on their way. */
  room: number;
  /** How many are, or have an end that is not stored. */
  busy: number;
  pausedUntil: number;
  /** How many pauses, and failures, there were since it last did its work. */
  pauses: number;
  failures: number;
  running: boolean;
  /** Whether nothing was due when it last looked. */
  dry: boolean;
  wake: () => void;
}

/** What came of an attempt; "left": it was aborted. */
type End<T> =
  | { readonly end: "delivered" | "gone" | "left" }
  | { readonly end: "failed"; readonly reason: string }
  | {
    readonly end: "again";
    readonly member: Member<T>;
    readonly due: number;
  };

interface Counts {
  delivered: number;
  gone: number;
  failed: Record<string, number>;
  retried: number;
}

const BATCH = 100;
/** In bytes; what a table like Deno KV takes, with some room. */
const VALUE = 60_000;
const MESSAGE = 40_000;
const TRANSACTION = 400_000;
const KEYS = 50_000;
const MEMBER = 16_000;
/** In milliseconds. */
const COLLECT = 10;
const LOOK = 1_000;
const GRACE = 5_000;
const SENDING = 60_000;
const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
/** How many batches a transaction is about. */
const TAKEN = 10;
/** How many services are sent to at once. */
const SERVICES = 64;
/** How many failures in a row make a pause. */
const STREAK = 20;
const PAGE = 100;
/** How often a batch is looked for that others do not take at once. */
const TRIES = 3;
const TIME_DIGITS = 15;
/** What stands for a service where a job was cancelled. */
const CANCELLED = "cancelled";
/** What Deno KV says of a file that another process writes to. */
const LOCKED_REGEXP = /database is locked/;
/** How long, at most, to wait for that, in milliseconds, and how often. */
const LOCKED = 50;
const UNLOCKED = 400;

/**
 * Makes what sends to many. Nothing is read or sent before one of its methods is
 * called. Call `flush()` when the process starts, and after `add()`.
 *
 * @typeParam T What is known of a subscription.
 * @typeParam M The message, which has a form in JSON.
 * @param queue What the queue is kept in.
 * @param send Sends to one subscription.
 * @param options Additional options.
 * @returns What sends to many.
 * @throws {RangeError} If `options.concurrency`, `attempts` or `lease` is not a
 * positive integer.
 *
 * @example Telling all subscribers of an episode
 * ```ts
 * import { createFanOut, kvQueue } from "@serviceworker/std/push/fan-out";
 * import { assertEquals } from "@std/assert";
 *
 * const kv = await Deno.openKv(":memory:"); // Or a file, or a URL.
 * const subscribers = new Set(["https://push.example/1", "https://push.example/2"]);
 *
 * const fanOut = createFanOut(
 *   kvQueue(kv),
 *   // Stands for `send()`.
 *   async ({ endpoint }: { endpoint: string }, _message: { title: string }) => ({
 *     outcome: endpoint.endsWith("2") ? "gone" : "delivered",
 *   }),
 *   { onGone: ({ endpoint }) => subscribers.delete(endpoint) },
 * );
 *
 * await fanOut.add(
 *   [...subscribers].map((endpoint) => ({ endpoint })),
 *   { title: "Episode 7" },
 *   { id: "episode-7" },
 * );
 * const { delivered, gone } = await fanOut.flush();
 *
 * assertEquals([delivered, gone], [1, 1]);
 * assertEquals(subscribers.size, 1);
 * kv.close();
 * ```
 */
export function createFanOut<T extends FanOutSubscription, M = unknown>(
  queue: FanOutQueue,
  send: (
    subscription: T,
    message: M,
    context: FanOutContext,
  ) => Promise<FanOutAnswer>,
  options: FanOutOptions<T> = {},
): FanOut<T, M> {
  const {
    name = "default",
    concurrency = 64,
    attempts = 8,
    backoff = defaultBackoff,
    lease = 30_000,
    onGone,
    onFailed,
  } = options;
  for (
    const [name, value] of Object.entries({ concurrency, attempts, lease })
  ) {
    if (Number.isInteger(value) && value > 0) continue;
    throw new RangeError(
      `Cannot make a fan-out: '${name}' must be a positive integer, current value is ${value}`,
    );
  }
  const root = `fan-out/${encodeURIComponent(name)}/`;

  function jobKey(id: string): string {
    return `${root}job/${encodeURIComponent(id)}`;
  }

  function batchKey(batch: string): string {
    return `${root}batch/${batch}`;
  }

  function atKey(service: string, time: number, batch: string): string {
    const digits = String(Math.ceil(time)).padStart(TIME_DIGITS, "0");
    return `${root}at/${service}/${digits}/${batch}`;
  }

  /** Everything that begins with a prefix that ends in "/". */
  function within(prefix: string): { start: string; end: string } {
    return { start: prefix, end: `${prefix.slice(0, -1)}0` };
  }

  /** What makes a new batch. */
  function toEntries(
    service: string,
    time: number,
    batch: StoredBatch<T>,
  ): [key: string, value: string][] {
    const name = crypto.randomUUID();
    const { id, token, members } = batch;
    return [
      [batchKey(name), JSON.stringify({ id, token, members })],
      [atKey(service, time, name), "0".repeat(members.length)],
    ];
  }

  async function readJob(
    id: string,
  ): Promise<{ job: Job<T, M>; version: string } | undefined> {
    const [found] = await queue.get([jobKey(id)]);
    return found && { job: JSON.parse(found.value), version: found.version };
  }

  async function add(
    subscriptions: Parameters<FanOut<T, M>["add"]>[0],
    message: M,
    options: FanOutAddOptions = {},
  ): Promise<string> {
    const { id = crypto.randomUUID(), maxAge = DAY, signal } = options;
    signal?.throwIfAborted();
    if (!(maxAge > 0)) {
      throw new RangeError(
        `Cannot add the message: 'maxAge' must be positive, current value is ${maxAge}`,
      );
    }
    const text = JSON.stringify(message ?? null);
    if (text === undefined || sizeOf(text) > MESSAGE) {
      throw new TypeError(
        `Cannot add the message: it has no form in JSON of up to ${MESSAGE} bytes`,
      );
    }
    const found = await readJob(id);
    if (found?.job.complete) return id;
    if (found && typeof subscriptions !== "function") {
      throw invalidState(id, "some were added before, and no function goes on");
    }
    let version = found?.version ?? null;
    let job: Job<T, M> = found?.job ?? {
      token: crypto.randomUUID(),
      message,
      // What is infinite has no form in JSON.
      expires: Math.min(Date.now() + maxAge, Number.MAX_SAFE_INTEGER),
      added: 0,
      refused: 0,
      last: undefined,
      complete: false,
    };
    const source = typeof subscriptions === "function"
      ? subscriptions(job.last)
      : subscriptions;

    /** By service, the batches of a transaction. */
    let groups = new Map<string, { members: Member<T>[]; size: number }[]>();
    let total = 0;
    let keys = 0;

    async function store(): Promise<void> {
      const set: [key: string, value: string][] = [
        [jobKey(id), JSON.stringify(job)],
      ];
      const now = Date.now();
      for (const [service, batches] of groups) {
        for (const { members } of batches) {
          const { token } = job;
          set.push(...toEntries(service, now, { id, token, members }));
        }
      }
      const stored = await queue.commit({
        check: [[jobKey(id), version]],
        delete: [],
        set,
      });
      if (stored === undefined) {
        throw invalidState(id, "others have changed it");
      }
      version = stored;
      groups = new Map();
      total = keys = 0;
    }

    for await (const subscription of abortable(source, signal)) {
      const size = sizeOf(JSON.stringify(subscription)) + 10;
      const added = job.added + 1;
      if (size > MEMBER) {
        await onGone?.(subscription, { outcome: "invalid" });
        job = { ...job, added, refused: job.refused + 1 };
        continue;
      }
      const service = serviceOf(subscription);
      const batches = groups.get(service) ?? [];
      groups.set(service, batches);
      let batch = batches.at(-1);
      if (
        !batch || batch.members.length === BATCH || batch.size + size > VALUE
      ) {
        batch = { members: [], size: 200 };
        batches.push(batch);
        keys += 2 * (root.length + service.length + 64);
      }
      batch.members.push([subscription, 0, 0]);
      batch.size += size;
      total += size;
      job = { ...job, added, last: subscription };
      if (total > TRANSACTION || keys > KEYS) await store();
    }
    job = { ...job, complete: true, last: undefined };
    await store();
    return id;
  }

  async function flush(
    options: FanOutSignalOptions = {},
  ): Promise<FanOutCounts> {
    const { signal } = options;
    signal?.throwIfAborted();
    const sender = crypto.randomUUID();
    /** What this call has stored of each job, by its token. */
    const tallies = new Map<string, Tally>();
    const services = new Map<string, Service<T, M>>();
    const runs = new Set<Promise<void>>();
    const attempting = new Set<AbortController>();
    const unsaved = new Set<Batch<T, M>>();
    let saving: Promise<void> | undefined;
    let total = noCounts();
    let stopped = false;
    let aborted = false;
    let failure: { error: unknown } | undefined;
    let wake = () => {};
    let timer: ReturnType<typeof setTimeout> | undefined;

    function stop(): void {
      stopped = true;
      wake();
      for (const service of services.values()) service.wake();
    }

    function abort(reason: unknown): void {
      aborted = true;
      for (const controller of attempting) controller.abort(reason);
    }

    function fail(error: unknown): void {
      failure ??= { error };
      for (const batch of unsaved) settle(batch, batch.waiters.length);
      unsaved.clear();
      stop();
      abort(error);
    }

    function countKey(token: string): string {
      return `${root}count/${token}/${sender}`;
    }

    // What is stored of batches.

    /** Resolves when what is known of a batch is stored, or is lost. */
    function save(batch: Batch<T, M>): Promise<void> {
      if (failure) return Promise.resolve();
      return new Promise((resolve) => {
        batch.waiters.push(resolve);
        unsaved.add(batch);
        saving ??= saveAll().catch(fail);
      });
    }

    async function saveAll(): Promise<void> {
      // What ends meanwhile comes along.
      await delay(COLLECT);
      while (unsaved.size > 0) {
        const some = [...unsaved].slice(0, TAKEN);
        for (const batch of some) unsaved.delete(batch);
        try {
          if (await saveSome(some)) continue;
          // What is wrong with one of them is no harm to others.
          for (const batch of some) {
            while (await refresh(batch) && !await saveSome([batch]));
          }
        } catch (error) {
          for (const batch of some) unsaved.add(batch);
          throw error;
        }
      }
      // At once: whoever comes now begins anew.
      saving = undefined;
    }

    /** Learns why a batch was not stored; resolves with whether it can be. */
    async function refresh(batch: Batch<T, M>): Promise<boolean> {
      const { at, id, token, version } = batch;
      const keys = [at, jobKey(id), countKey(token)];
      const [own, stored, count] = await queue.get(keys);
      if (own?.version !== version) {
        drop(batch);
        return false;
      }
      const job: Job<T, M> | undefined = stored && JSON.parse(stored.value);
      // More may have been added to the job.
      const alive = job?.token === token ? count ?? stored : undefined;
      tallies.set(token, {
        counts: count ? JSON.parse(count.value) : noCounts(),
        alive: alive && [alive.key, alive.version],
      });
      return true;
    }

    /** Leaves a batch to who has taken it. */
    function drop(batch: Batch<T, M>): void {
      batch.left.clear();
      batch.service.batches.delete(batch);
      settle(batch, batch.waiters.length);
    }

    function settle({ waiters, service }: Batch<T, M>, count: number): void {
      for (const resolve of waiters.splice(0, count)) resolve();
      service.wake();
    }

    async function saveSome(batches: Batch<T, M>[]): Promise<boolean> {
      const now = Date.now();
      const check: [key: string, version: string][] = [];
      const removed: string[] = [];
      const set: [key: string, value: string][] = [];
      const sums = new Map<string, Counts>();
      const changes = batches.map((batch) => {
        const { service, token, id, at, name, counts, due, again } = batch;
        check.push([at, batch.version]);
        const tally = tallies.get(token);
        sums.set(
          token,
          plus(sums.get(token) ?? tally?.counts ?? noCounts(), counts),
        );
        batch.counts = noCounts();
        if (!tally?.alive) batch.left.clear();
        const isEnd = isOver(batch);
        const isOld = batch.until - now < lease * 2 / 3;
        const until = isOld ? now + lease : batch.until;
        const key = atKey(service.name, until, name);
        if (isEnd) {
          removed.push(at, batchKey(name));
          const rest = [...batch.left].flatMap((i) => [batch.members[i] ?? []]);
          const parts = [[now, rest as Member<T>[]], [due, again]] as const;
          for (const [time, members] of parts) {
            if (members.length === 0 || !tally?.alive) continue;
            set.push(...toEntries(service.name, time, { id, token, members }));
          }
        } else {
          if (key !== at) removed.push(at);
          set.push([key, batch.over.map(Number).join("")]);
        }
        return {
          batch,
          isEnd,
          until,
          key,
          counts,
          waiting: batch.waiters.length,
        };
      });
      // Nobody else sets these, and nobody would find those of no job.
      for (const [token, counts] of sums) {
        const alive = tallies.get(token)?.alive;
        if (!alive) continue;
        check.push([...alive]);
        set.push([countKey(token), JSON.stringify(counts)]);
      }
      const version = await queue.commit({ check, delete: removed, set });
      for (const { batch, isEnd, until, key, counts, waiting } of changes) {
        if (version === undefined) {
          batch.counts = plus(counts, batch.counts);
          continue;
        }
        total = plus(total, counts);
        Object.assign(batch, { version, until, at: key });
        if (isEnd) {
          unsaved.delete(batch);
          batch.service.batches.delete(batch);
        }
        settle(batch, isEnd ? batch.waiters.length : waiting);
      }
      if (version === undefined) return false;
      for (const [token, counts] of sums) {
        const isAlive = tallies.get(token)?.alive !== undefined;
        const alive = isAlive ? [countKey(token), version] as const : undefined;
        tallies.set(token, { counts, alive });
      }
      return true;
    }

    /** Whether nothing more happens to it here. */
    function isOver({ flying, left }: Batch<T, M>): boolean {
      return flying === 0 && (stopped || left.size === 0);
    }

    /** Has a batch that is over leave this process. */
    function close(batch: Batch<T, M>): void {
      if (batch.closing || !isOver(batch)) return;
      batch.closing = true;
      void save(batch);
    }

    // What is sent.

    /** Takes batches whose time has come. */
    async function take(service: Service<T, M>): Promise<void> {
      for (let tries = 0; tries < TRIES; tries++) {
        const now = Date.now();
        const { start } = within(`${root}at/${service.name}/`);
        const end = atKey(service.name, now + 1, "");
        const found = await queue.list({ start, end, limit: PAGE });
        const some: FanOutEntry[] = [];
        let members = 0;
        // Others have begun with the first.
        const first = tries && Math.floor(Math.random() * found.length);
        for (const entry of found.slice(first)) {
          if (some.length === TAKEN || members > 2 * service.room) break;
          some.push(entry);
          members += entry.value.length;
        }
        if (some.length === 0) break;
        if (await takeSome(service, some, now + lease)) return;
      }
      service.dry = true;
    }

    async function takeSome(
      service: Service<T, M>,
      entries: FanOutEntry[],
      until: number,
    ): Promise<boolean> {
      const names = entries.map(({ key }) =>
        key.slice(key.lastIndexOf("/") + 1)
      );
      const found = await queue.get(names.map(batchKey));
      const bodies = found.map((entry): StoredBatch<T> | undefined =>
        entry && JSON.parse(entry.value)
      );
      const ids = [...new Set(bodies.flatMap((body) => body?.id ?? []))];
      const jobs = await queue.get(ids.map(jobKey));
      const taken: Batch<T, M>[] = [];
      const removed: string[] = [];
      const set: [key: string, value: string][] = [];
      const cancelled: string[] = [];
      entries.forEach(({ key, value }, index) => {
        const { [index]: body } = bodies;
        const name = names[index] ?? "";
        const entry = body && jobs[ids.indexOf(body.id)];
        const job: Job<T, M> | undefined = entry && JSON.parse(entry.value);
        removed.push(key);
        if (!body || !entry || job?.token !== body.token) {
          if (body?.members.length === 0) cancelled.push(body.token);
          removed.push(batchKey(name));
          return;
        }
        if (!tallies.has(job.token)) {
          const alive = [entry.key, entry.version] as const;
          tallies.set(job.token, { counts: noCounts(), alive });
        }
        const at = atKey(service.name, until, name);
        set.push([at, value]);
        const over = Array.from(value, (sign) => sign === "1");
        taken.push({
          ...body,
          at,
          version: "",
          until,
          name,
          service,
          job,
          over,
          left: new Set(over.flatMap((over, index) => over ? [] : [index])),
          again: [],
          due: 0,
          flying: 0,
          counts: noCounts(),
          waiters: [],
          closing: false,
        });
      });
      for (const token of cancelled) await sweep(token);
      const version = await queue.commit({
        check: entries.map(({ key, version }) => [key, version]),
        delete: removed,
        set,
      });
      if (version === undefined) return false;
      for (const batch of taken) {
        batch.version = version;
        service.batches.add(batch);
        close(batch);
      }
      return true;
    }

    /** Sends what there is for a service, as many at once as may be. */
    async function run(service: Service<T, M>): Promise<void> {
      let taking = false;
      while (!failure) {
        const woken = new Promise<void>((resolve) => service.wake = resolve);
        const now = Date.now();
        const { pausedUntil } = service;
        let left = 0;
        let look = pausedUntil;
        for (const batch of service.batches) {
          const { expires } = batch.job;
          for (const index of batch.left) {
            if (stopped || service.busy >= service.room) break;
            if (now < pausedUntil && now < expires) break;
            batch.left.delete(index);
            void attempt(batch, index).catch(fail);
          }
          if (stopped) close(batch);
          left += batch.left.size;
          if (batch.left.size > 0) look = Math.min(look, expires);
        }
        if (!stopped && !taking && !service.dry && left < service.room) {
          taking = true;
          void take(service).catch(fail).finally(() => {
            taking = false;
            service.wake();
          });
        }
        const isIdle = service.batches.size + service.busy === 0 && !taking;
        if (isIdle && (stopped || service.dry)) return;
        const timer = look > now
          ? setTimeout(() => service.wake(), look - now)
          : undefined;
        await woken;
        clearTimeout(timer);
      }
    }

    async function attempt(batch: Batch<T, M>, index: number): Promise<void> {
      const { service, members: { [index]: member } } = batch;
      if (!member) return;
      service.busy++;
      batch.flying++;
      const end = await endOf(batch, member);
      batch.flying--;
      if (end.end === "left") {
        batch.left.add(index);
      } else if (end.end === "again") {
        batch.again.push(end.member);
        batch.due = Math.max(batch.due, end.due);
        batch.counts.retried++;
      } else {
        batch.over[index] = true;
        if (end.end === "failed") {
          const { failed } = batch.counts;
          failed[end.reason] = (failed[end.reason] ?? 0) + 1;
        } else batch.counts[end.end]++;
        batch.closing ||= isOver(batch);
        // Until that is known, another might be sent twice.
        await save(batch);
      }
      close(batch);
      service.busy--;
      service.wake();
    }

    async function endOf(
      { service, job, id }: Batch<T, M>,
      [subscription, failures, limits]: Member<T>,
    ): Promise<End<T>> {
      let answer: FanOutAnswer | undefined;
      let error: unknown;
      let reason = "expired";
      if (Date.now() < job.expires) {
        try {
          // What is undefined has no form in JSON.
          const message = job.message as M;
          answer = await limited(
            attempting,
            (signal) => send(subscription, message, { id, signal }),
          );
        } catch (caught) {
          if (aborted) return { end: "left" };
          error = caught;
        }
        reason = answer?.outcome ?? "rejected";
        note(service, reason, answer?.retryAfter);
      }
      const wait = Math.max(
        answer?.retryAfter ?? 0,
        backoff(failures + limits + 1),
      );
      const due = Math.max(service.pausedUntil, Date.now() + wait);
      const later = (failed: number, limited: number): End<T> => ({
        end: "again",
        member: [subscription, failures + failed, limits + limited],
        due,
      });
      // Also if it is no number.
      const isLate = !(due < job.expires);
      try {
        if (reason === "delivered") return { end: reason };
        if (answer && (reason === "gone" || reason === "invalid")) {
          const told = answer;
          await limited(attempting, () => onGone?.(subscription, told));
          return { end: "gone" };
        }
        if (reason === "rate-limited") {
          if (!isLate) return later(0, 1);
          reason = "expired";
        } else if (reason === "unavailable" || reason === "rejected") {
          if (!isLate && failures + 1 < attempts) return later(1, 0);
        }
        const failure = { reason, answer, error };
        await limited(attempting, () => onFailed?.(subscription, failure));
      } catch {
        if (aborted) return { end: "left" };
        // It has to be told all the same, as long as there is time.
        if (!isLate) return later(0, 1);
      }
      return { end: "failed", reason };
    }

    /** Learns from an answer how much a service can take. */
    function note(
      service: Service<T, M>,
      reason: string,
      retryAfter: number | undefined,
    ): void {
      const { room } = service;
      const isLimited = reason === "rate-limited";
      if (!isLimited && reason !== "unavailable" && reason !== "rejected") {
        service.failures = service.pauses = 0;
        service.room = Math.min(concurrency, room + 1 / room);
        return;
      }
      const now = Date.now();
      // What was sent before the pause says nothing new.
      if (now < service.pausedUntil) return;
      service.failures++;
      const isAsked = isLimited || retryAfter !== undefined;
      if (!isAsked && service.failures < STREAK) return;
      service.pauses++;
      const pause = Math.max(
        // What is no number would never pass.
        retryAfter || 0,
        Math.min(MINUTE, backoff(service.pauses)),
      );
      service.pausedUntil = now + Math.min(DAY, pause);
      service.room = isLimited ? Math.max(1, room / 2) : 1;
    }

    // What there is to do.

    /** Gives services with the time of their first batch, and its size. */
    async function* look(): AsyncGenerator<
      [service: string, time: number, size: number]
    > {
      const prefix = `${root}at/`;
      const { end } = within(prefix);
      for (let start = prefix;;) {
        const page = await queue.list({ start, end, limit: PAGE });
        let last: string | undefined;
        for (const { key, value } of page) {
          const [name = "", time] = key.slice(prefix.length).split("/");
          if (name !== last) yield [name, Number(time), value.length];
          last = name;
        }
        if (last === undefined || page.length < PAGE) return;
        start = within(`${prefix}${last}/`).end;
      }
    }

    /** Begins with a service; returns `false` if there is no place for it. */
    function begin(name: string): boolean {
      const service = services.get(name) ?? {
        name,
        batches: new Set(),
        room: concurrency,
        busy: 0,
        pausedUntil: 0,
        pauses: 0,
        failures: 0,
        running: false,
        dry: false,
        wake: () => {},
      };
      services.set(name, service);
      service.dry = false;
      if (service.running) {
        service.wake();
        return true;
      }
      // Those that are left alone keep nobody out.
      const now = Date.now();
      const active = [...services.values()]
        .filter(({ running, pausedUntil }) => running && pausedUntil <= now);
      if (active.length >= SERVICES) return false;
      service.running = true;
      const ended = run(service).catch(fail).then(() => {
        service.running = false;
        runs.delete(ended);
        // What was learned of it is kept.
        const { failures, pauses, room } = service;
        if (failures + pauses === 0 && room === concurrency) {
          services.delete(name);
        }
        wake();
      });
      runs.add(ended);
      return true;
    }

    async function work(): Promise<void> {
      let due: [service: string, size: number][] = [];
      let next = 0;
      while (!stopped) {
        const woken = new Promise<void>((resolve) => wake = resolve);
        const now = Date.now();
        if (due.length === 0 || now >= next) {
          next = now + LOOK;
          due = [];
          let isEmpty = true;
          for await (const [name, time, size] of look()) {
            isEmpty = false;
            if (time <= now) due.push([name, size]);
            else next = Math.min(next, time);
          }
          if (stopped || isEmpty && runs.size === 0) return;
          // Many that never answer must not keep out those that most wait for.
          const failures = (name: string) => services.get(name)?.failures ?? 0;
          due.sort(([a, m], [b, n]) => m - n || failures(b) - failures(a));
        }
        for (let last = due.at(-1); last && begin(last[0]); last = due.at(-1)) {
          due.pop();
        }
        const timer = setTimeout(() => wake(), next - now);
        await woken;
        clearTimeout(timer);
      }
    }

    const onAbort = () => {
      stop();
      timer = setTimeout(() => abort(signal?.reason), GRACE);
    };
    signal?.addEventListener("abort", onAbort);
    const renewal = setInterval(() => {
      for (const { batches } of services.values()) {
        for (const batch of batches) void save(batch);
      }
    }, lease / 3);
    try {
      await work().catch(fail);
      await Promise.all(runs);
      await saving;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      clearInterval(renewal);
      clearTimeout(timer);
    }
    if (failure) throw failure.error;
    if (stopped) throw signal?.reason;
    return total;
  }

  async function status(id: string): Promise<FanOutStatus | undefined> {
    while (true) {
      const first = await readJob(id);
      if (!first) return undefined;
      const { token } = first.job;
      let counts = noCounts();
      for (const { value } of await listAll(`${root}count/${token}/`)) {
        counts = plus(counts, JSON.parse(value));
      }
      // What was counted was added before that.
      const found = await readJob(id);
      if (found?.job.token !== token) continue;
      const { added, refused, complete } = found.job;
      counts.gone += refused;
      const { delivered, gone, failed } = counts;
      const ends = [delivered, gone, ...Object.values(failed)];
      const left = ends.reduce((left, count) => left - count, added);
      return { ...counts, added, complete, left };
    }
  }

  async function listAll(prefix: string): Promise<FanOutEntry[]> {
    const all: FanOutEntry[] = [];
    let { start, end } = within(prefix);
    while (true) {
      const page = await queue.list({ start, end, limit: PAGE });
      all.push(...page);
      if (page.length < PAGE) return all;
      start = `${page[PAGE - 1]?.key}\0`;
    }
  }

  async function* watch(
    id: string,
    options: FanOutSignalOptions = {},
  ): AsyncGenerator<FanOutStatus, void> {
    const { signal } = options;
    for (let seen = "";;) {
      signal?.throwIfAborted();
      const found = await status(id);
      if (!found) return;
      const text = JSON.stringify(found);
      if (text !== seen) yield found;
      seen = text;
      if (found.complete && found.left === 0) return;
      await delay(LOOK, signal);
    }
  }

  async function cancel(id: string): Promise<boolean> {
    let found: Awaited<ReturnType<typeof readJob>>;
    let mark: [key: string, value: string][];
    let version: string | undefined;
    do {
      found = await readJob(id);
      if (!found) return false;
      const { token } = found.job;
      // If this process is killed, who finds the mark removes the counts.
      mark = toEntries(CANCELLED, Date.now(), { id, token, members: [] });
      version = await queue.commit({
        check: [[jobKey(id), found.version]],
        delete: [jobKey(id)],
        set: mark,
      });
      // More may have been added to it meanwhile.
    } while (version === undefined);
    await sweep(found.job.token);
    const removed = mark.map(([key]) => key);
    await queue.commit({ check: [], delete: removed, set: [] });
    return true;
  }

  /** Removes the counts of a job that is no more, to which none are added. */
  async function sweep(token: string): Promise<void> {
    const { start, end } = within(`${root}count/${token}/`);
    while (true) {
      const page = await queue.list({ start, end, limit: PAGE });
      if (page.length === 0) return;
      const removed = page.map(({ key }) => key);
      await queue.commit({ check: [], delete: removed, set: [] });
    }
  }

  return { add, flush, status, watch, cancel };
}

/**
 * Makes a queue of Deno KV. `Deno.openKv("push.sqlite3")` keeps it in a file on
 * this machine, for all processes there; `Deno.openKv("https://…")` in one that is
 * hosted, or served and replicated by `denokv`, for processes anywhere.
 *
 * Each key is `["fan-out", key]`; each value is text, as bytes of UTF-8. Where
 * another process is writing to the file, what fails as "database is locked" is
 * tried again, for some seconds. `openKv()` can fail so as well, where processes
 * that share a file start at the same moment: then call it again.
 *
 * @param kv The database, which it may share with others.
 * @returns The queue.
 *
 * @example A queue in a file
 * ```ts
 * import { kvQueue } from "@serviceworker/std/push/fan-out";
 * import { assertEquals } from "@std/assert";
 *
 * const file = await Deno.makeTempFile();
 * const kv = await Deno.openKv(file);
 * const queue = kvQueue(kv);
 * await queue.commit({ check: [["a", null]], delete: [], set: [["a", "1"]] });
 *
 * const [entry] = await queue.get(["a"]);
 * assertEquals(entry?.value, "1");
 * kv.close();
 * await Deno.remove(file);
 * ```
 */
export function kvQueue(kv: FanOutKv): FanOutQueue {
  const path = (key: string) => ["fan-out", key];
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  return {
    async get(keys) {
      if (keys.length === 0) return [];
      const found = await unlocked(() => kv.getMany(keys.map(path)));
      return found.map(({ value, versionstamp: version }, index) => {
        if (!(value instanceof Uint8Array) || version === null) return;
        const { [index]: key = "" } = keys;
        return { key, value: decoder.decode(value), version };
      });
    },
    list: ({ start, end, limit }) =>
      unlocked(async () => {
        const entries: FanOutEntry[] = [];
        const range = { start: path(start), end: path(end) };
        for await (const entry of kv.list(range, { limit })) {
          const { key: [, name], value, versionstamp: version } = entry;
          if (!(value instanceof Uint8Array)) continue;
          const key = String(name);
          entries.push({ key, value: decoder.decode(value), version });
        }
        return entries;
      }),
    async commit({ check, delete: removed, set }) {
      const { ok, versionstamp } = await unlocked(() => {
        let atomic = kv.atomic();
        for (const [key, versionstamp] of check) {
          atomic = atomic.check({ key: path(key), versionstamp });
        }
        for (const key of removed) atomic = atomic.delete(path(key));
        for (const [key, value] of set) {
          atomic = atomic.set(path(key), encoder.encode(value));
        }
        return atomic.commit();
      });
      return ok ? versionstamp : undefined;
    },
  };
}

/** Tries again where another process is writing to the same file. */
async function unlocked<R>(work: () => Promise<R>): Promise<R> {
  for (let tries = 1;; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === UNLOCKED || !LOCKED_REGEXP.test(String(error))) throw error;
      await delay(Math.random() * LOCKED);
    }
  }
}

function serviceOf({ endpoint = "" }: FanOutSubscription): string {
  const origin = URL.canParse(endpoint) ? new URL(endpoint).origin : "none";
  return encodeURIComponent(origin).slice(0, 200);
}

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

function noCounts(): Counts {
  return { delivered: 0, gone: 0, failed: {}, retried: 0 };
}

function plus(a: FanOutCounts, b: FanOutCounts): Counts {
  const failed = { ...a.failed };
  for (const [reason, count] of Object.entries(b.failed)) {
    failed[reason] = (failed[reason] ?? 0) + count;
  }
  return {
    delivered: a.delivered + b.delivered,
    gone: a.gone + b.gone,
    failed,
    retried: a.retried + b.retried,
  };
}

function invalidState(id: string, fact: string): DOMException {
  return new DOMException(
    `Cannot add to the job ${JSON.stringify(id)}: ${fact}`,
    "InvalidStateError",
  );
}

function defaultBackoff(failures: number): number {
  const wait = Math.min(HOUR, SECOND * 2 ** (failures - 1));
  return wait * (1 - Math.random() / 2);
}

/** Waits for others a minute, or until one of a set of controllers is used. */
async function limited<R>(
  controllers: Set<AbortController>,
  work: (signal: AbortSignal) => R | Promise<R>,
): Promise<R> {
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(() => {
    controller.abort(
      new DOMException(
        `Cannot send the message: ${SENDING / SECOND} seconds have passed`,
        "TimeoutError",
      ),
    );
  }, SENDING);
  controllers.add(controller);
  try {
    return await new Promise<R>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      Promise.resolve(work(signal)).then(resolve, reject);
    });
  } finally {
    controllers.delete(controller);
    clearTimeout(timer);
  }
}

function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Gives what a source gives, until the signal is aborted. */
async function* abortable<T>(
  source: Iterable<T> | AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void> {
  let abort = () => {};
  const onAbort = () => abort();
  signal?.addEventListener("abort", onAbort);
  const iterator = Symbol.asyncIterator in source
    ? source[Symbol.asyncIterator]()
    : source[Symbol.iterator]();
  try {
    while (true) {
      // A promise for all of them would hold what came of each.
      const { done, value } = await new Promise<IteratorResult<T>>(
        (resolve, reject) => {
          abort = () => reject(signal?.reason);
          Promise.resolve(iterator.next()).then(resolve, reject);
        },
      );
      if (done) return;
      yield value;
      signal?.throwIfAborted();
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    // It need not end before it is left.
    void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}
