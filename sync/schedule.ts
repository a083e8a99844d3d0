// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Jobs for a date, once or again and again, that survive page and worker: they
 * are in a store, and whichever context is awake runs what is due. No browser
 * wakes a worker at a given time. So a job runs at its date if a page, or the
 * worker, is awake then, and otherwise as soon as one is: what becomes of the
 * dates that were missed is said with the job.
 *
 * A Web Lock has one context run jobs at a time. A job that was under way when
 * its context was stopped runs again: let it do no harm twice, by its identifier
 * and date. One that rejects is tried again, after a minute, which is doubled
 * each time up to an hour.
 *
 * Each job is stored as `schedule/<name>/<id>`.
 *
 * @module
 */

/** The part of a store's transaction that {@linkcode createSchedule} uses. */
export interface ScheduleTransaction {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Stores a value. */
  set(key: string, value: unknown): void;
  /** Deletes a key, whether or not it is there. */
  delete(key: string): void;
}

/** The part of a store that {@linkcode createSchedule} uses. */
export interface ScheduleStore {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Stores a value. */
  set(key: string, value: unknown): Promise<void>;
  /** Resolves with keys that begin with the prefix, and their values. */
  list(options: { prefix: string }): Promise<[key: string, value: unknown][]>;
  /** Runs `work` in a transaction over all keys. */
  transact<T>(
    work: (transaction: ScheduleTransaction) => Promise<T>,
  ): Promise<T>;
}

/** The part of `navigator.locks` that {@linkcode createSchedule} uses. */
export interface ScheduleLocks {
  /** Holds a lock until the promise of `callback` settles. */
  request<T>(
    name: string,
    options: { ifAvailable: true },
    callback: (lock: unknown) => Promise<T>,
  ): Promise<T>;
}

/** What {@linkcode Schedule.add} is given. */
export interface ScheduleAddOptions {
  /**
   * The job's identifier; a job that has it already is replaced.
   *
   * @default {a random one}
   */
  id?: string | undefined;
  /** The date, or what `Date.now()` says then. */
  at: Date | number;
  /** After how many milliseconds it runs again. Without it, it runs once. */
  every?: number | undefined;
  /**
   * What becomes of dates that were missed. "once": the job runs once for all of
   * them; "all": once for each, though for no more than the last thousand;
   * "skip": it runs only if it is not more than a minute late.
   *
   * @default {"once"}
   */
  missed?: "once" | "all" | "skip" | undefined;
  /** Anything that can be cloned. */
  data?: unknown;
}

/** A job, as it waits. */
export interface ScheduleJob {
  /** Its identifier. */
  readonly id: string;
  /** The next date at which it runs, as of `Date.now()`. */
  readonly at: number;
  /** The option of the same name. */
  readonly every: number | undefined;
  /** The option of the same name. */
  readonly missed: "once" | "all" | "skip";
  /** The option of the same name. */
  readonly data: unknown;
  /** How many times it has failed for this date. */
  readonly attempts: number;
  /** What it rejected with, as text, if it has failed for this date. */
  readonly failure: string | undefined;
}

/** A job, as it runs. */
export interface ScheduleRun extends ScheduleJob {
  /** How many dates before this one it also stands for. */
  readonly missedDates: number;
  /** Aborts if it is to end: after four minutes, or as `run()` was aborted. */
  readonly signal: AbortSignal;
}

/** Options for {@linkcode createSchedule}. */
export interface ScheduleOptions {
  /**
   * The schedule's name within its store.
   *
   * @default {"default"}
   */
  name?: string | undefined;
  /**
   * What keeps two contexts from running jobs at the same time.
   *
   * @default {navigator.locks}
   */
  locks?: ScheduleLocks | undefined;
}

/** Options for {@linkcode Schedule.run}. */
export interface ScheduleRunOptions {
  /**
   * Ends it; the promise then rejects with the signal's reason, and the job
   * under way runs again next time. Without one, each job has four minutes.
   */
  signal?: AbortSignal | undefined;
}

/** What {@linkcode Schedule.run} did. */
export interface ScheduleResult {
  /** How many times a job was run. */
  readonly ran: number;
  /** How many times one failed. */
  readonly failed: number;
  /** How many dates were skipped. */
  readonly skipped: number;
  /**
   * When to call it again, as of `Date.now()`; `undefined` if there are no jobs.
   */
  readonly next: number | undefined;
}

/** Jobs for a date, made by {@linkcode createSchedule}. */
export interface Schedule {
  /** Adds a job, and resolves with its identifier once it is stored. */
  add(options: ScheduleAddOptions): Promise<string>;
  /** Removes a job. Resolves with whether it was there. */
  cancel(id: string): Promise<boolean>;
  /** Resolves with the jobs, in the order of their dates. */
  list(): Promise<ScheduleJob[]>;
  /**
   * Runs the jobs that are due, one after the other. If another context is at
   * it, there is nothing to do but to call it again in ten seconds.
   *
   * Rejects with a "NotSupportedError" if there are no locks.
   */
  run(options?: ScheduleRunOptions): Promise<ScheduleResult>;
}

/** What is stored. */
interface Stored {
  readonly format: 1;
  /** Differs from that of a job which has replaced this one. */
  readonly token: string;
  readonly job: ScheduleJob;
  /** Not to be tried again before. */
  readonly retryAt: number;
  /** Whether its date follows from `every`. */
  readonly repeated: boolean;
}

/** What comes of a job that is due. */
interface Plan {
  /** The date it runs for, if it does. */
  readonly date: number | undefined;
  readonly missedDates: number;
  readonly skipped: number;
  /** Its next date. */
  readonly following: number | undefined;
}

const KEY = "@serviceworker/std";
const FORMAT = 1;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const LIMIT = 240_000;
const BUSY = 10_000;
const MOST = 1_000;

/**
 * Makes a schedule over a store. Nothing runs before `run()` is called: when the
 * worker or a page starts, when a page is shown, and at the time that the last
 * call resolved with. `backgroundSync` does just that.
 *
 * @param store The durable store, which it may share with others.
 * @param work Runs a job.
 * @param options Additional options.
 * @returns The schedule.
 *
 * @example A reminder
 * ```ts
 * import { createSchedule } from "@serviceworker/std/sync/schedule";
 * import { backgroundSync } from "@serviceworker/std/sync/background-sync";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assertEquals } from "@std/assert";
 *
 * const shown: unknown[] = [];
 * const schedule = createSchedule(memoryStore(), ({ data }) => {
 *   shown.push(data); // Stands for registration.showNotification().
 * });
 * await schedule.add({ at: new Date(2026, 0, 1), data: "Listen to episode 7" });
 *
 * const sync = backgroundSync(undefined, schedule.run);
 * await sync.run();
 * sync.close();
 *
 * assertEquals(shown, ["Listen to episode 7"]);
 * ```
 */
export function createSchedule(
  store: ScheduleStore,
  work: (run: ScheduleRun) => unknown,
  options: ScheduleOptions = {},
): Schedule {
  const { name = "default", locks = platformLocks() } = options;
  const prefix = `schedule/${encodeURIComponent(name)}/`;

  async function add(options: ScheduleAddOptions): Promise<string> {
    const { id = crypto.randomUUID(), every, missed = "once", data } = options;
    const at = Number(options.at);
    if (!Number.isFinite(at)) {
      throw new RangeError(
        `Cannot add the job: 'at' is no date, current value is ${options.at}`,
      );
    }
    if (every !== undefined && !(every > 0 && every < Infinity)) {
      throw new RangeError(
        `Cannot add the job: 'every' must be positive, current value is ${every}`,
      );
    }
    const stored: Stored = {
      format: FORMAT,
      token: crypto.randomUUID(),
      job: { id, at, every, missed, data, attempts: 0, failure: undefined },
      retryAt: 0,
      repeated: false,
    };
    await store.set(prefix + id, stored);
    return id;
  }

  async function list(): Promise<Stored[]> {
    const found = await store.list({ prefix });
    // What another version of the code stored is left to that.
    const all = found.map(([, value]) => value as Partial<Stored>)
      .filter(({ format }) => format === FORMAT) as Stored[];
    return all.sort((a, b) => a.job.at - b.job.at);
  }

  async function run(
    options: ScheduleRunOptions = {},
  ): Promise<ScheduleResult> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (!locks) {
      throw new DOMException(
        "Cannot run jobs once: navigator.locks is undefined",
        "NotSupportedError",
      );
    }
    const once = { ifAvailable: true } as const;
    return await locks.request(`${KEY} ${prefix}`, once, async (lock) => {
      const count = { ran: 0, failed: 0, skipped: 0 };
      if (!lock) return { ...count, next: Date.now() + BUSY };
      while (true) {
        const all = await list();
        const now = Date.now();
        const due = all.filter((stored) => dueAt(stored, now) <= now);
        for (const stored of due) {
          if (await isThere(stored)) await runJob(stored, now, count, signal);
        }
        if (due.length > 0) continue;
        const next = Math.min(...all.map((stored) => dueAt(stored, now)));
        return { ...count, next: next < Infinity ? next : undefined };
      }
    });
  }

  /** Whether a job was neither cancelled nor replaced. */
  async function isThere({ job, token }: Stored): Promise<boolean> {
    const found = await store.get(prefix + job.id) as Stored | undefined;
    return found?.token === token;
  }

  async function runJob(
    stored: Stored,
    now: number,
    count: { ran: number; failed: number; skipped: number },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { job, job: { id, attempts } } = stored;
    const { date, missedDates, skipped, following } = planOf(job, now);
    const next = following === undefined ? undefined : {
      ...stored,
      job: { ...job, at: following, attempts: 0, failure: undefined },
      retryAt: 0,
      repeated: true,
    };
    count.skipped += skipped;
    if (date === undefined) return await replace(stored, next);
    const dated = { ...job, at: date };
    try {
      await limited(
        id,
        signal,
        (signal) => work({ ...dated, missedDates, signal }),
      );
    } catch (error) {
      signal?.throwIfAborted();
      count.failed++;
      return await replace(stored, {
        ...stored,
        job: { ...dated, attempts: attempts + 1, failure: String(error) },
        retryAt: Date.now() + Math.min(HOUR, MINUTE * 2 ** attempts),
      });
    }
    count.ran++;
    await replace(stored, next);
  }

  /** Stores what becomes of a job, unless it was cancelled or replaced. */
  async function replace(
    { job: { id }, token }: Stored,
    next: Stored | undefined,
  ): Promise<void> {
    await store.transact(async (transaction) => {
      const found = await transaction.get(prefix + id) as Stored | undefined;
      if (found?.token !== token) return;
      if (next) transaction.set(prefix + id, next);
      else transaction.delete(prefix + id);
    });
  }

  return {
    add,
    cancel: (id) =>
      store.transact(async (transaction) => {
        const found = await transaction.get(prefix + id);
        transaction.delete(prefix + id);
        return found !== undefined;
      }),
    list: async () => (await list()).map(({ job }) => job),
    run,
  };
}

/** When a job is to run, or to be tried again. */
function dueAt({ job, retryAt, repeated }: Stored, now: number): number {
  const { at, every = Infinity } = job;
  // Further away than it can be: the clock was put back.
  if (repeated && at - now > every) return now;
  return retryAt - now > HOUR ? at : Math.max(at, retryAt);
}

function planOf(
  { at, every, missed, attempts }: ScheduleJob,
  now: number,
): Plan {
  const first = Math.min(at, now);
  const earlier = every === undefined ? 0 : Math.floor((now - first) / every);
  const latest = first + (every ?? 0) * earlier;
  const following = every === undefined ? undefined : latest + every;
  if (missed === "all" && every !== undefined) {
    const skipped = Math.max(0, earlier + 1 - MOST);
    const date = first + every * skipped;
    return { date, missedDates: 0, skipped, following: date + every };
  }
  if (missed !== "skip") {
    return { date: latest, missedDates: earlier, skipped: 0, following };
  }
  const isRetried = earlier === 0 && attempts > 0;
  const isLate = now - latest > MINUTE && !isRetried;
  return {
    date: isLate ? undefined : latest,
    missedDates: 0,
    skipped: earlier + (isLate ? 1 : 0),
    following,
  };
}

/** Runs a job, and waits for it no longer than its signal allows. */
async function limited(
  id: string,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => unknown,
): Promise<void> {
  outer?.throwIfAborted();
  const controller = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  const end = (reason: unknown) => {
    controller.abort(reason);
    reject(reason);
  };
  const timer = setTimeout(() => {
    end(
      new DOMException(
        `Cannot end the job ${JSON.stringify(id)}: ${
          LIMIT / 1_000
        } seconds have passed`,
        "TimeoutError",
      ),
    );
  }, LIMIT);
  const abort = () => end(outer?.reason);
  outer?.addEventListener("abort", abort);
  try {
    await Promise.race([work(controller.signal), promise]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", abort);
  }
}

function platformLocks(): ScheduleLocks | undefined {
  return (globalThis as { navigator?: { locks?: ScheduleLocks } })
    .navigator?.locks;
}
