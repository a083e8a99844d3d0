// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A small ordered key-value store over IndexedDB, for state that has to outlive
 * the worker. Every module that keeps something takes such a store;
 * `memoryStore` is the same in memory, for tests.
 *
 * How it works: operations which are called while another one is under way wait
 * together and share the next transaction, so that a thousand calls of `set()`
 * cost about as much as one batch; should that transaction fail, its halves are
 * tried apart until the one at fault fails alone. The connection is opened by
 * the first operation, closed at once when another context wants to delete or
 * upgrade the database, and opened again when it is needed or was lost. What a
 * page saves as it goes is committed at once. All else that is under way in a
 * page that goes to the back/forward cache is undone, lest other contexts wait
 * for it, and done again when the page is back.
 *
 * Each record is stored as `{ key, version, value }` in the object store
 * "records"; one that was set aside has the key `[key, version, random]`.
 *
 * @module
 */

/** Which records {@linkcode Store.list} reads. */
export interface StoreListOptions {
  /** Only keys that begin with it. */
  prefix?: string | undefined;
  /** Only this key and those after it. */
  start?: string | undefined;
  /** Only keys before this one. */
  end?: string | undefined;
  /** At most so many. */
  limit?: number | undefined;
  /**
   * Whether to begin with the last key.
   *
   * @default {false}
   */
  reverse?: boolean | undefined;
}

/** What the work of {@linkcode Store.transact} reads and writes with. */
export interface StoreTransaction {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Resolves with keys and values, in the order of their keys. */
  list(options?: StoreListOptions): Promise<[key: string, value: unknown][]>;
  /** Stores a value. Throws a "DataCloneError" if it cannot be cloned. */
  set(key: string, value: unknown): void;
  /** Deletes a key, whether or not it is there. */
  delete(key: string): void;
}

/** A record that this version of the code cannot read. */
export interface StoreAside {
  /** Its key. */
  readonly key: string;
  /** The version of the code that wrote it. */
  readonly version: number;
  /** What was stored. */
  readonly value: unknown;
}

/**
 * An ordered key-value store. Keys are strings in the order of their code units,
 * values whatever can be cloned. Operations take effect in the order in which
 * they are called.
 *
 * Each rejects with an "InvalidStateError" once the store is closed, with a
 * "TimeoutError" if it had to wait for 10 seconds for another context, and with
 * what the platform says where storage is blocked or broken; none of these has
 * had an effect. A write that does not fit rejects with a
 * {@linkcode StoreQuotaError}.
 */
export interface Store {
  /**
   * Resolves with the value of a key, `undefined` if there is none. Rejects with
   * a "VersionError" if a newer version of the code wrote it.
   */
  get(key: string): Promise<unknown>;
  /**
   * Stores a value, whatever was there; resolves when it is durable. Rejects with
   * a "DataCloneError" if it cannot be cloned. In private windows of Safari that
   * includes blobs, with an "UnknownError": store their bytes instead.
   */
  set(key: string, value: unknown): Promise<void>;
  /** Deletes a key, whether or not it is there. */
  delete(key: string): Promise<void>;
  /**
   * Resolves with keys and values, in the order of their keys, without what a
   * newer version of the code wrote.
   */
  list(options?: StoreListOptions): Promise<[key: string, value: unknown][]>;
  /**
   * Runs `work` in a transaction over all keys: no other context reads or writes
   * in between, and either everything that it wrote is stored or, if it throws,
   * nothing. Resolves with what it returned when that is durable.
   *
   * `work` awaits nothing but the transaction's own methods; if it waits for
   * anything else, all is undone and the promise rejects with a
   * "TransactionInactiveError". It may run more than once, so it does nothing
   * but read, compute and write.
   */
  transact<T>(
    work: (transaction: StoreTransaction) => T | Promise<T>,
  ): Promise<T>;
  /**
   * Resolves with the records that this version of the code cannot read: those
   * of an older one which could not be migrated and were set aside, and those of
   * a newer one, which stay where they are.
   */
  listAside(): Promise<StoreAside[]>;
  /** Deletes what was set aside from under a key. */
  deleteAside(key: string): Promise<void>;
  /**
   * Closes the store. What was called before still happens; whatever is called
   * later rejects.
   */
  close(): void;
}

/**
 * How a write rejects that does not fit: a `DOMException` named
 * "QuotaExceededError", with the platform's own error as its `cause`.
 */
export interface StoreQuotaError extends DOMException {
  /** About how many bytes were to be written. */
  readonly needed: number;
  /** How many bytes the origin may still store, if the browser tells. */
  readonly available: number | undefined;
}

/** The globals that {@linkcode openStore} uses. */
export interface OpenStoreScope {
  /** The databases. */
  readonly indexedDB?: object | null | undefined;
  /** The class of their key ranges. */
  readonly IDBKeyRange?: object | undefined;
  /** The `navigator` whose `storage` tells how much is available. */
  readonly navigator?: object | undefined;
}

/** Options for {@linkcode openStore}. */
export interface OpenStoreOptions {
  /**
   * When a write counts as durable. "strict": when the browser has told the
   * system to put it on disk, so that it survives a crash of the browser and of
   * the machine, as far as browser and hardware keep their word. "relaxed": when
   * it was handed to the system, so that a crash of the machine may take the
   * last writes with it; that is several times faster where writes are awaited
   * one by one. Either way a transaction is there in whole or not at all.
   *
   * @default {"strict"}
   */
  durability?: "strict" | "relaxed" | undefined;
  /**
   * The version of what this code stores, written with each record. Raise it
   * when values change their shape.
   *
   * @default {1}
   */
  version?: number | undefined;
  /**
   * Makes a value of this version out of one of an older version. It is called
   * when such a record is read, and the result is stored in its place. If it
   * throws, or there is no such function, the record is set aside: it reads as
   * missing, and `listAside()` lists it.
   */
  migrate?:
    | ((value: unknown, fromVersion: number, key: string) => unknown)
    | undefined;
  /**
   * Where IndexedDB is taken from; a storage bucket, for one, has its own.
   *
   * @default {globalThis}
   */
  scope?: OpenStoreScope | undefined;
}

/** What is used of the platform. */
interface Scope {
  readonly indexedDB?: {
    open(name: string, version?: number): OpenRequest;
  };
  readonly IDBKeyRange: {
    bound(
      lower: unknown,
      upper: unknown,
      lowerOpen?: boolean,
      upperOpen?: boolean,
    ): object;
    lowerBound(lower: unknown): object;
  };
  readonly navigator?: {
    readonly storage?: {
      estimate?(): Promise<{ usage?: number; quota?: number }>;
    };
  };
  addEventListener?(
    type: "pagehide" | "pageshow",
    listener: (event: { readonly persisted?: boolean }) => void,
    options: AddEventListenerOptions,
  ): void;
}

interface Request<T> {
  readonly result: T;
  readonly error: DOMException | null;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null;
}

interface Database {
  readonly version: number;
  readonly objectStoreNames: { contains(name: string): boolean };
  onversionchange: (() => void) | null;
  createObjectStore(name: string): unknown;
  transaction(
    name: string,
    mode: "readonly" | "readwrite",
    options: { durability: string },
  ): Transaction;
  close(): void;
}

interface Transaction {
  readonly error: DOMException | null;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
  addEventListener(
    type: "error",
    listener: (event: { target: { error: DOMException } }) => void,
    capture: boolean,
  ): void;
  objectStore(name: string): Records;
  abort(): void;
  commit(): void;
}

interface Records {
  get(key: string): Request<StoredRecord | undefined>;
  getKey(key: string): Request<unknown>;
  getAll<K = string>(
    range: object,
    count?: number,
  ): Request<StoredRecord<K>[]>;
  openCursor(range: object, direction: "prev"): Request<Cursor | null>;
  put(
    record: StoredRecord<string | AsideKey>,
    key: string | AsideKey,
  ): unknown;
  delete(key: string | object): unknown;
}

interface Cursor {
  readonly value: StoredRecord;
  continue(): void;
}

interface StoredRecord<K = string> {
  readonly key: K;
  readonly version: number;
  readonly value: unknown;
}

/** Comes after every string in the order of keys. */
type AsideKey = [key: string, version: number, random: number];

/** The operations in a transaction. */
interface View {
  /** How many times a record was written or deleted. */
  changes: number;
  /** What was written. */
  readonly written: StoredRecord[];
  /** What the platform said when it failed. */
  refusal: DOMException | undefined;
  /** The last read; when it is answered, all are. */
  reading: Promise<unknown>;
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): void;
  delete(key: string): void;
  list(options?: StoreListOptions): Promise<[key: string, value: unknown][]>;
  listAside(): Promise<StoreAside[]>;
  deleteAside(key: string): void;
  /** Asks for nothing, which keeps the transaction alive. */
  ping(): Promise<unknown>;
}

/** An operation, and whom to tell how it ended. */
interface Job {
  readonly work: (view: View) => unknown;
  readonly kind: "read" | "write" | "transact";
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * "read" ends where a record has to be migrated: it then becomes a "write", or a
 * "peek", which migrates for itself alone, where there is no room to write.
 */
type Mode = "read" | "write" | "peek";

/** Why a transaction failed. */
interface Failure {
  readonly error?: unknown;
  /** Whether the connection seems to be lost. */
  readonly lost?: boolean;
  /** Whether it is uncertain that nothing was stored. */
  readonly uncertain?: boolean;
  /** What was to be written. */
  readonly written?: readonly StoredRecord[];
  /** Whether it was given up as the page went to the back/forward cache. */
  readonly suspended?: boolean;
}

const RECORDS = "records";
const DEADLINE = 10_000;
/** For what was under way when a page was suspended until after the deadline. */
const GRACE = 1_000;
/** How many promises `work` may put between two reads before it costs a request. */
const PATIENCE = 10;
const MAX_COUNT = 2 ** 32 - 1;
/** What is thrown where a reader meets a record that has to be migrated. */
const OUTDATED = Symbol("outdated");

/**
 * Opens the store of the given name, which is the name of a database that no
 * other code uses. Nothing is done before the first operation. Open one store
 * per name and context and share it: its operations are then batched.
 *
 * @param name The name of the database.
 * @param options Additional options.
 * @returns The store. Where `indexedDB` is missing, its operations reject with a
 * "NotSupportedError".
 *
 * @example Counting across tabs and worker
 * ```ts
 * import { openStore, type Store } from "@serviceworker/std/storage/open-store";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assertEquals } from "@std/assert";
 *
 * // Where there is no IndexedDB, as in tests, its sibling does the same.
 * const store: Store = "indexedDB" in globalThis
 *   ? openStore("podcast", { version: 1 })
 *   : memoryStore({ version: 1 });
 *
 * const plays = await store.transact(async (transaction) => {
 *   const plays = Number(await transaction.get("plays/7") ?? 0) + 1;
 *   transaction.set("plays/7", plays);
 *   return plays;
 * });
 *
 * assertEquals(plays, 1);
 * assertEquals(await store.list({ prefix: "plays/" }), [["plays/7", 1]]);
 * store.close();
 * ```
 */
export function openStore(name: string, options: OpenStoreOptions = {}): Store {
  const { durability = "strict", version = 1, migrate, scope = globalThis } =
    options;
  const platform = scope as object as Scope;
  let closed = false;
  let running = false;
  let waiting: Job[] = [];
  let connection: Promise<Database> | undefined;
  /** Aborts when the store is closed. */
  const over = new AbortController();
  let isListening = false;
  /** Whether the page has gone: for good, or to the back/forward cache. */
  let gone: "left" | "cached" | undefined;
  /** Ends the transaction under way, as the page goes. */
  let leave: () => unknown = () => {};

  function listen(): void {
    isListening = true;
    const until = { signal: over.signal };
    platform.addEventListener?.("pagehide", ({ persisted }) => {
      gone = persisted ? "cached" : "left";
      leave();
    }, until);
    platform.addEventListener?.("pageshow", () => gone = undefined, until);
  }

  function enqueue<T>(
    kind: Job["kind"],
    work: (view: View) => T | Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (closed) {
        throw new DOMException(
          `Cannot use "${name}": the store is closed`,
          "InvalidStateError",
        );
      }
      waiting.push({ kind, work, resolve, reject });
      if (!running) runWaiting();
    });
  }

  async function runWaiting(): Promise<void> {
    running = true;
    if (!isListening) listen();
    while (waiting.length > 0) {
      const jobs = waiting;
      waiting = [];
      const reads = jobs.every(({ kind }) => kind === "read");
      await run(jobs, reads ? "read" : "write");
    }
    running = false;
    if (closed) release();
  }

  /** Runs jobs in one transaction or, if that fails, in several. */
  async function run(
    jobs: readonly Job[],
    mode: Mode,
    retried = false,
  ): Promise<void> {
    if (jobs.length === 0) return;
    let database: Database;
    try {
      database = await (connection ??= connect());
    } catch (error) {
      connection = undefined;
      for (const job of [...jobs, ...waiting.splice(0)]) job.reject(error);
      return;
    }
    const isSaving = jobs.every(({ kind }) => kind === "write");
    if (gone === "cached" && !isSaving) await shown(platform);
    const failure = await attempt(jobs, database, mode, isSaving);
    if (!failure) return;
    const { error, lost, uncertain, written = [], suspended } = failure;

    if (suspended) {
      await shown(platform);
      return await run(jobs, mode, retried);
    }
    if (error === OUTDATED) return await run(jobs, "write", retried);
    if (lost && !retried) {
      forget(database);
      // To run `work` again could do it twice.
      const isRepeatable = (job: Job) => !uncertain || job.kind !== "transact";
      for (const job of jobs) if (!isRepeatable(job)) job.reject(error);
      return await run(jobs.filter(isRepeatable), mode, true);
    }
    if (jobs.length > 1) {
      const half = jobs.length >> 1;
      await run(jobs.slice(0, half), mode);
      return await run(jobs.slice(half), mode);
    }
    for (const job of jobs) {
      if (!isNamed(error, "QuotaExceededError")) job.reject(error);
      else if (job.kind === "read") await run(jobs, "peek", retried);
      else job.reject(await quotaError(error, written, platform));
    }
  }

  /** Runs jobs, one after the other, in one transaction; resolves with why it failed. */
  async function attempt(
    jobs: readonly Job[],
    database: Database,
    mode: Mode,
    isSaving: boolean,
  ): Promise<Failure | undefined> {
    let transaction: Transaction;
    try {
      transaction = database.transaction(
        RECORDS,
        mode === "write" ? "readwrite" : "readonly",
        { durability },
      );
    } catch (error) {
      return { error, lost: true };
    }
    const view = viewOf(transaction.objectStore(RECORDS), mode);
    let isAsked = false;
    let undone = false;
    let suspended = false;
    let uncertain = false;
    leave = () => {
      // What is saved as the page goes needs no answer, so it can be.
      const canCommit = isSaving && isAsked && !hasBlob(view.written);
      if (canCommit) end(transaction, "commit");
      // In WebKit, a transaction of a page that does not run keeps others waiting.
      else if (gone === "cached" && end(transaction, "abort")) {
        undone = suspended = true;
      }
    };
    // Heard before `work` hears of it.
    transaction.addEventListener("error", ({ target }) => {
      if (!undone) view.refusal ??= target.error;
    }, true);
    const ended = new Promise<void>((resolve) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => {
        if (!undone && !view.refusal) {
          // Every request was answered, so it was being committed.
          uncertain = true;
          view.refusal = new DOMException(
            "Cannot commit the transaction: the connection was lost",
            "AbortError",
          );
        }
        resolve();
      };
    });

    const outcomes: (() => void)[] = [];
    async function work(job: Job): Promise<void> {
      const { changes } = view;
      try {
        const value = await job.work(view);
        outcomes.push(() => job.resolve(value as never));
      } catch (error) {
        // Where nothing has to be undone, the others go on.
        const harmless = !view.refusal && view.changes === changes;
        if (!harmless || error === OUTDATED) throw error;
        outcomes.push(() => job.reject(error));
      }
    }

    let failure: Failure | undefined;
    try {
      if (mode !== "write") await Promise.all(jobs.map(work));
      else for (const job of jobs) await work(job);
      isAsked = true;
      if (gone) leave();
      // It commits by itself. After `commit()`, Firefox keeps the rest of what fails
      // in part, and WebKit forgets blobs.
      if (mode === "write") await ended;
    } catch (error) {
      failure = { error };
      undone = true;
      end(transaction, "abort");
      await ended;
    } finally {
      leave = () => {};
    }
    if (suspended) return { suspended };
    if (view.refusal) {
      // What a request says may be no more than that the transaction failed.
      const error = transaction.error ?? view.refusal;
      const lost = /^(Abort|InvalidState|Unknown)Error$/.test(error.name);
      return { error, lost, uncertain, written: view.written };
    }
    if (!failure) outcomes.forEach((deliver) => deliver());
    return failure;
  }

  /** The operations in a transaction. */
  function viewOf(records: Records, mode: Mode): View {
    const view: View = {
      changes: 0,
      written: [],
      refusal: undefined,
      reading: Promise.resolve(),
      get,
      set,
      delete: remove,
      list,
      listAside,
      deleteAside,
      ping: () => read(records.getKey("")),
    };

    function read<T>(request: Request<T>): Promise<T> {
      const answer = answered(request);
      view.reading = answer;
      return answer;
    }

    function change(act: () => void): void {
      try {
        act();
      } catch (error) {
        // Firefox accepts nothing in the moment after the quota was exceeded.
        if (isNamed(error, "InvalidStateError")) view.refusal ??= error;
        throw error;
      }
      view.changes++;
    }

    async function get(key: string): Promise<unknown> {
      checkKey(key);
      const record = await read(records.get(key));
      if (record && record.version > version) {
        throw new DOMException(
          `Cannot get "${key}": version ${record.version} of the code wrote it, and this is version ${version}`,
          "VersionError",
        );
      }
      return record && current(record)?.value;
    }

    function set(key: string, value: unknown): void {
      checkKey(key);
      const record = { key, version, value };
      change(() => records.put(record, key));
      view.written.push(record);
    }

    function remove(key: string): void {
      checkKey(key);
      change(() => records.delete(key));
    }

    async function list(
      options: StoreListOptions = {},
    ): Promise<[key: string, value: unknown][]> {
      const { prefix = "", start = "", end, limit = Infinity, reverse } =
        options;
      const found: [key: string, value: unknown][] = [];
      let lower = start > prefix ? start : prefix;
      let upper = after(prefix);
      if (end !== undefined && (upper === undefined || end < upper)) {
        upper = end;
      }
      // What cannot be read does not count.
      while (found.length < limit && (upper === undefined || lower < upper)) {
        const count = limit - found.length;
        const page = await range(lower, upper, count, reverse);
        for (const record of page) {
          const now = current(record);
          if (now) found.push([now.key, now.value]);
        }
        const last = page.at(-1);
        if (!last || page.length < count) break;
        if (reverse) upper = last.key;
        else lower = last.key + "\0";
      }
      return found;
    }

    async function range(
      lower: string,
      upper: string | undefined,
      count: number,
      reverse: boolean | undefined,
    ): Promise<StoredRecord[]> {
      const { IDBKeyRange } = platform;
      const range = IDBKeyRange.bound(lower, upper ?? [], false, true);
      if (reverse && count < Infinity) {
        const found = collect(records.openCursor(range, "prev"), count);
        view.reading = found;
        return await found;
      }
      const most = count < MAX_COUNT ? count : undefined;
      const found = await read(records.getAll(range, most));
      return reverse ? found.reverse() : found;
    }

    async function listAside(): Promise<StoreAside[]> {
      const all = platform.IDBKeyRange.lowerBound("");
      const found = await read(records.getAll<string | AsideKey>(all));
      return found.flatMap(({ key, ...record }) => {
        if (typeof key !== "string") return { key: key[0], ...record };
        return record.version > version ? { key, ...record } : [];
      });
    }

    function deleteAside(key: string): void {
      checkKey(key);
      const range = platform.IDBKeyRange.bound([key], [key, []]);
      change(() => records.delete(range));
    }

    /** The record in this version, if it can be had. */
    function current(record: StoredRecord): StoredRecord | undefined {
      if (record.version === version) return record;
      if (record.version > version) return undefined;
      if (mode === "read") throw OUTDATED;
      const { key } = record;
      const writes = mode === "write";
      try {
        if (migrate) {
          const old = structuredClone(record.value);
          const value = migrate(old, record.version, key);
          if (writes) change(() => records.put({ key, version, value }, key));
          return { key, version, value };
        }
      } catch {
        // It is set aside.
      }
      if (writes) {
        const aside: AsideKey = [key, record.version, Math.random()];
        change(() => records.put({ ...record, key: aside }, aside));
        change(() => records.delete(key));
      }
      return undefined;
    }

    return view;
  }

  async function connect(): Promise<Database> {
    const { indexedDB } = platform;
    if (!indexedDB) {
      throw new DOMException(
        `Cannot open "${name}": 'indexedDB' is ${indexedDB}`,
        "NotSupportedError",
      );
    }
    let database = await opened(indexedDB.open(name), name);
    if (!database.objectStoreNames.contains(RECORDS)) {
      database.close();
      const next = database.version + 1;
      database = await opened(indexedDB.open(name, next), name);
    }
    // That the browser closed it shows when it is used.
    database.onversionchange = () => forget(database);
    return database;
  }

  function release(): void {
    // Where it is still opening, it is closed as soon as it is open.
    connection?.then(forget, () => {});
  }

  function forget(database: Database): void {
    connection = undefined;
    database.close();
  }

  return {
    get: (key) => enqueue("read", (view) => view.get(key)),
    async set(key, value) {
      // It may be changed before it is its turn.
      const copy = structuredClone(value);
      await enqueue("write", (view) => view.set(key, copy));
    },
    delete: (key) => enqueue("write", (view) => view.delete(key)),
    list: (options) => enqueue("read", (view) => view.list(options)),
    transact: (work) => enqueue("transact", (view) => transact(view, work)),
    listAside: () => enqueue("read", (view) => view.listAside()),
    deleteAside: (key) => enqueue("write", (view) => view.deleteAside(key)),
    close() {
      closed = true;
      over.abort();
      if (!running) release();
    },
  };
}

async function opened(request: OpenRequest, name: string): Promise<Database> {
  request.onupgradeneeded = () => request.result.createObjectStore(RECORDS);
  const answer = answered(request);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const expire = () => {
    answer.then((database) => database.close(), () => {});
    reject(
      new DOMException(
        `Cannot open "${name}": another context has blocked it for ${
          DEADLINE / 1000
        } seconds`,
        "TimeoutError",
      ),
    );
  };
  let timer = setTimeout(() => timer = setTimeout(expire, GRACE), DEADLINE);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function answered<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Ends a transaction, unless it has ended by itself. */
function end(transaction: Transaction, how: "abort" | "commit"): boolean {
  try {
    transaction[how]();
    return true;
  } catch {
    return false;
  }
}

/** Resolves when the page is back from the back/forward cache. */
function shown(platform: Scope): Promise<void> {
  return new Promise((resolve) =>
    platform.addEventListener?.("pageshow", () => resolve(), { once: true })
  );
}

function inactive(verb: string, why: string): DOMException {
  return new DOMException(
    `Cannot ${verb} the transaction: ${why}`,
    "TransactionInactiveError",
  );
}

/** Runs `work`, and sees to it that it ends. */
async function transact<T>(
  view: View,
  work: (transaction: StoreTransaction) => T | Promise<T>,
): Promise<T> {
  let over = false;
  function live(): View {
    if (!over) return view;
    throw inactive("use", "it has ended");
  }
  function read<T>(read: (view: View) => Promise<T>): Promise<T> {
    const answer = (async () => await read(live()))();
    // One that `work` does not wait for fails when the transaction is undone.
    answer.catch(() => {});
    return answer;
  }

  /** Rejects if `work` goes on and asks nothing of the transaction. */
  async function watch(): Promise<void> {
    while (!over) {
      const { reading } = view;
      await reading.catch(() => {});
      for (let turn = 0; turn < PATIENCE; turn++) await undefined;
      if (over || view.reading !== reading) continue;
      // Without a request the transaction would commit what there is.
      const ping = view.ping();
      await ping;
      if (over || view.reading !== ping) continue;
      throw inactive("commit", "its work waits for something else");
    }
  }

  try {
    const result = work({
      get: (key) => read((view) => view.get(key)),
      list: (options) => read((view) => view.list(options)),
      set: (key, value) => live().set(key, value),
      delete: (key) => live().delete(key),
    });
    await Promise.race([result, watch()]);
    return await result;
  } finally {
    over = true;
  }
}

function collect(
  request: Request<Cursor | null>,
  count: number,
): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor) records.push(cursor.value);
      if (cursor && records.length < count) cursor.continue();
      else resolve(records);
    };
  });
}

/** The first key after all that begin with `prefix`. */
function after(prefix: string): string | undefined {
  const kept = prefix.replace(/\uffff+$/, "");
  const last = kept.length - 1;
  if (last < 0) return undefined;
  const next = String.fromCharCode(kept.charCodeAt(last) + 1);
  return kept.slice(0, last) + next;
}

function checkKey(key: unknown): void {
  if (typeof key === "string") return;
  throw new TypeError(
    `Cannot use the key: it must be a string, got ${typeof key}`,
  );
}

function isNamed(error: unknown, name: string): error is DOMException {
  return error instanceof DOMException && error.name === name;
}

async function quotaError(
  cause: unknown,
  written: readonly StoredRecord[],
  platform: Scope,
): Promise<StoreQuotaError> {
  const available = await roomIn(platform);
  const needed = sizeOf(written);
  const [first] = written;
  const what = first && written.length === 1
    ? `"${first.key}"`
    : `${written.length} records`;
  const error = new DOMException(
    `Cannot store ${what}: about ${needed} bytes are needed, ${
      available ?? "too few"
    } are available`,
    "QuotaExceededError",
  );
  return Object.assign(error, { cause, needed, available });
}

/** How many bytes may still be stored, if the browser tells. */
async function roomIn(platform: Scope): Promise<number | undefined> {
  try {
    const { storage } = platform.navigator ?? {};
    const { usage, quota } = await storage?.estimate?.() ?? {};
    if (usage === undefined || quota === undefined) return undefined;
    return Math.max(0, quota - usage);
  } catch {
    return undefined;
  }
}

/** About how many bytes a value takes. */
function sizeOf(value: unknown): number {
  let size = 0;
  for (const part of partsOf(value)) {
    if (typeof part === "string") size += part.length;
    else if (typeof part !== "object" || part === null) size += 8;
    else if (part instanceof Blob) size += part.size;
    else if ("byteLength" in part) size += Number(part.byteLength);
  }
  return size;
}

function hasBlob(value: unknown): boolean {
  return [...partsOf(value)].some((part) => part instanceof Blob);
}

/** A value, and all that is in it, with the names of properties. */
function* partsOf(value: unknown): Iterable<unknown> {
  const seen = new Set<unknown>();
  const left = [value];
  while (left.length > 0) {
    const part = left.pop();
    yield part;
    if (typeof part !== "object" || part === null || seen.has(part)) continue;
    if (part instanceof Blob || "byteLength" in part) continue;
    seen.add(part);
    left.push(Object.keys(part).join(""));
    const isCollection = part instanceof Map || part instanceof Set;
    const inner = isCollection ? part : Object.values(part);
    for (const one of inner) left.push(one);
  }
}
