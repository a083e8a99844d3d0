// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The store of `openStore` without IndexedDB, in memory: the same operations in
 * the same order with the same errors, for tests and for runtimes that have no
 * IndexedDB. One suite of tests runs on both.
 *
 * It cannot be full, and `reopen()` stands for what another tab, or the next
 * life of the worker, would open.
 *
 * @module
 */

/** Which records {@linkcode MemoryStore.list} reads. */
export interface MemoryStoreListOptions {
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

/** What the work of {@linkcode MemoryStore.transact} reads and writes with. */
export interface MemoryStoreTransaction {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Resolves with keys and values, in the order of their keys. */
  list(
    options?: MemoryStoreListOptions,
  ): Promise<[key: string, value: unknown][]>;
  /** Stores a value. Throws a "DataCloneError" if it cannot be cloned. */
  set(key: string, value: unknown): void;
  /** Deletes a key, whether or not it is there. */
  delete(key: string): void;
}

/** A record that this version of the code cannot read. */
export interface MemoryStoreAside {
  /** Its key. */
  readonly key: string;
  /** The version of the code that wrote it. */
  readonly version: number;
  /** What was stored. */
  readonly value: unknown;
}

/** An ordered key-value store in memory; its methods are those of a `Store`. */
export interface MemoryStore {
  /**
   * Resolves with the value of a key, `undefined` if there is none. Rejects with
   * a "VersionError" if a newer version of the code wrote it.
   */
  get(key: string): Promise<unknown>;
  /**
   * Stores a value, whatever was there. Rejects with a "DataCloneError" if it
   * cannot be cloned.
   */
  set(key: string, value: unknown): Promise<void>;
  /** Deletes a key, whether or not it is there. */
  delete(key: string): Promise<void>;
  /**
   * Resolves with keys and values, in the order of their keys, without what a
   * newer version of the code wrote.
   */
  list(
    options?: MemoryStoreListOptions,
  ): Promise<[key: string, value: unknown][]>;
  /**
   * Runs `work` in a transaction over all keys: nobody else reads or writes in
   * between, and either everything that it wrote is stored or, if it throws,
   * nothing. `work` awaits nothing but the transaction's own methods; if it waits
   * for anything else, all is undone and the promise rejects with a
   * "TransactionInactiveError".
   */
  transact<T>(
    work: (transaction: MemoryStoreTransaction) => T | Promise<T>,
  ): Promise<T>;
  /** Resolves with the records that this version of the code cannot read. */
  listAside(): Promise<MemoryStoreAside[]>;
  /** Deletes what was set aside from under a key. */
  deleteAside(key: string): Promise<void>;
  /**
   * Closes the store. What was called before still happens; whatever is called
   * later rejects with an "InvalidStateError".
   */
  close(): void;
  /** Opens another store over the same records. */
  reopen(options?: MemoryStoreOptions): MemoryStore;
}

/** Options for {@linkcode memoryStore}. */
export interface MemoryStoreOptions {
  /**
   * The version of what this code stores.
   *
   * @default {1}
   */
  version?: number | undefined;
  /**
   * Makes a value of this version out of one of an older version, when it is
   * read. If it throws, or there is no such function, the record is set aside.
   */
  migrate?:
    | ((value: unknown, fromVersion: number, key: string) => unknown)
    | undefined;
}

/** What several stores share. */
interface Database {
  readonly records: Map<string, StoredRecord>;
  /** The keys of the records, in order. */
  readonly keys: string[];
  aside: MemoryStoreAside[];
  /** Settles when the last operation has ended. */
  last: Promise<unknown>;
}

interface StoredRecord {
  readonly version: number;
  readonly value: unknown;
}

/**
 * Makes a store in memory.
 *
 * @param options Additional options.
 * @returns The store, which is empty.
 *
 * @example Testing what is left after the worker was stopped
 * ```ts
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { assertEquals } from "@std/assert";
 *
 * const store = memoryStore();
 * await store.set("draft", { text: "Hello" });
 * store.close();
 *
 * const next = store.reopen({
 *   version: 2,
 *   migrate: (value) => ({ ...Object(value), sent: false }),
 * });
 * assertEquals(await next.get("draft"), { text: "Hello", sent: false });
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const database = {
    records: new Map(),
    keys: [],
    aside: [],
    last: Promise.resolve(),
  };
  return openMemory(database, options);
}

function openMemory(
  database: Database,
  options: MemoryStoreOptions,
): MemoryStore {
  const { version = 1, migrate } = options;
  const { records, keys } = database;
  let closed = false;
  /** What was there before the operation that runs changed it. */
  let undo: [key: string, record: StoredRecord | undefined][] = [];

  function enqueue<T>(work: () => T | Promise<T>): Promise<T> {
    if (closed) {
      return Promise.reject(
        new DOMException(
          "Cannot use the store: it is closed",
          "InvalidStateError",
        ),
      );
    }
    const result = database.last.then(() => {
      undo = [];
      return work();
    });
    database.last = result.catch(() => {});
    return result;
  }

  function put(key: string, record: StoredRecord | undefined): void {
    checkKey(key);
    const index = countWhile(keys, (other) => other < key);
    const found = records.get(key);
    undo.push([key, found]);
    if (record) records.set(key, record);
    else records.delete(key);
    keys.splice(index, found ? 1 : 0, ...(record ? [key] : []));
  }

  /** The value in this version, if it can be had. */
  function read(key: string): { value: unknown } | undefined {
    const record = records.get(key);
    if (!record || record.version > version) return undefined;
    const old = structuredClone(record.value);
    if (record.version === version) return { value: old };
    try {
      if (migrate) {
        const value = migrate(old, record.version, key);
        put(key, { version, value: structuredClone(value) });
        return { value };
      }
    } catch {
      // It is set aside.
    }
    put(key, undefined);
    database.aside = [...database.aside, { key, ...record }];
    return undefined;
  }

  function get(key: string): unknown {
    checkKey(key);
    const found = records.get(key)?.version ?? version;
    if (found <= version) return read(key)?.value;
    throw new DOMException(
      `Cannot get "${key}": version ${found} of the code wrote it, and this is version ${version}`,
      "VersionError",
    );
  }

  function list(
    options: MemoryStoreListOptions = {},
  ): [key: string, value: unknown][] {
    const { prefix = "", start = "", end, limit = Infinity, reverse = false } =
      options;
    const range = keys.slice(
      countWhile(keys, (key) => key < start || key < prefix),
      countWhile(keys, (key) =>
        (key < prefix || key.startsWith(prefix)) &&
        (end === undefined || key < end)),
    );
    if (reverse) range.reverse();
    const found: [key: string, value: unknown][] = [];
    for (const key of range) {
      if (found.length >= limit) break;
      const record = read(key);
      if (record) found.push([key, record.value]);
    }
    return found;
  }

  async function transact<T>(
    work: (transaction: MemoryStoreTransaction) => T | Promise<T>,
  ): Promise<T> {
    const { aside } = database;
    let over = false;
    function checkActive(): void {
      if (!over) return;
      throw new DOMException(
        "Cannot use the transaction: it has ended",
        "TransactionInactiveError",
      );
    }
    // All that a transaction does is done before the next task.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stalled = new Promise<never>((_, reject) => {
      const stall = () =>
        reject(
          new DOMException(
            "Cannot commit the transaction: its work waits for something else",
            "TransactionInactiveError",
          ),
        );
      timer = setTimeout(stall, 0);
    });
    try {
      const result = work({
        async get(key) {
          checkActive();
          return await get(key);
        },
        async list(options) {
          checkActive();
          return await list(options);
        },
        set(key, value) {
          checkActive();
          put(key, { version, value: structuredClone(value) });
        },
        delete(key) {
          checkActive();
          put(key, undefined);
        },
      });
      return await Promise.race([result, stalled]);
    } catch (error) {
      database.aside = aside;
      for (const [key, record] of undo.toReversed()) put(key, record);
      throw error;
    } finally {
      over = true;
      clearTimeout(timer);
    }
  }

  return {
    get: (key) => enqueue(() => get(key)),
    async set(key, value) {
      const copy = structuredClone(value);
      await enqueue(() => put(key, { version, value: copy }));
    },
    delete: (key) => enqueue(() => put(key, undefined)),
    list: (options) => enqueue(() => list(options)),
    transact: (work) => enqueue(() => transact(work)),
    listAside: () =>
      enqueue(() => {
        const newer = [...records]
          .filter(([, record]) => record.version > version)
          .map(([key, record]) => ({ key, ...record }));
        return structuredClone([...database.aside, ...newer]);
      }),
    deleteAside: (key) =>
      enqueue(() => {
        checkKey(key);
        database.aside = database.aside.filter((record) => record.key !== key);
      }),
    close() {
      closed = true;
    },
    reopen: (options = {}) => openMemory(database, options),
  };
}

/** How many items at the beginning pass a test which those after them fail. */
function countWhile<T>(
  items: readonly T[],
  test: (item: T) => boolean,
): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkKey(key: unknown): void {
  if (typeof key === "string") return;
  throw new TypeError(
    `Cannot use the key: it must be a string, got ${typeof key}`,
  );
}
