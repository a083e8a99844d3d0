// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What every store does, whatever keeps its records. It runs in Deno and,
 * bundled, in pages and workers, so it imports nothing.
 *
 * @module
 */

/** A store, as far as it is the same in IndexedDB and in memory. */
export interface TestedStore extends TestedReads {
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  transact<T>(
    work: (transaction: TestedTransaction) => T | Promise<T>,
  ): Promise<T>;
  listAside(): Promise<{ key: string; version: number; value: unknown }[]>;
  deleteAside(key: string): Promise<void>;
  close(): void;
}

interface TestedReads {
  get(key: string): Promise<unknown>;
  list(options?: ListOptions): Promise<[key: string, value: unknown][]>;
}

interface TestedTransaction extends TestedReads {
  set(key: string, value: unknown): void;
  delete(key: string): void;
}

interface ListOptions {
  prefix?: string | undefined;
  start?: string | undefined;
  end?: string | undefined;
  limit?: number | undefined;
  reverse?: boolean | undefined;
}

/** Opens one more store over the records of the test, which closes it. */
export type OpenTestedStore = (options?: {
  version?: number;
  migrate?: (value: unknown, fromVersion: number, key: string) => unknown;
}) => TestedStore;

/** Plain facts, and what shows them over records that are empty at first. */
export const STORE_FACTS: Record<
  string,
  (open: OpenTestedStore) => Promise<void>
> = {
  async "has nothing at first"(open) {
    const store = open();
    equal(await store.get("missing"), undefined);
    equal(await store.list(), []);
    equal(await store.listAside(), []);
  },

  async "keeps, replaces and deletes"(open) {
    const store = open();
    await store.set("a", 1);
    await store.set("b", 2);
    await store.set("a", 3);
    await store.delete("b");
    await store.delete("missing");
    equal(await store.get("a"), 3);
    equal(await store.get("b"), undefined);
    equal(await store.list(), [["a", 3]]);
  },

  async "keeps whatever can be cloned"(open) {
    const store = open();
    const cyclic: unknown[] = ["cyclic"];
    cyclic.push(cyclic);
    const values = {
      null: null,
      undefined: undefined,
      numbers: [NaN, -0, Infinity, 1e300, 2n ** 70n],
      texts: ["", "\0", "é😀\ud800"],
      date: new Date(1.7e12),
      pattern: /a.b/giu,
      map: new Map<unknown, unknown>([["a", new Set([1, "1"])], [{ k: 1 }, 2]]),
      bytes: new Uint8Array([0, 1, 255]).subarray(1),
      buffer: new Float64Array([0.5]).buffer,
      sparse: [1, , 3],
      cyclic,
    };
    await store.set("values", values);
    equal(await store.get("values"), values);
    await store.set("undefined", undefined);
    equal(await store.list({ prefix: "u" }), [["undefined", undefined]]);
    await store.set("error", new RangeError("Cannot count: too far"));
    const error = await store.get("error") as Error;
    equal([error.name, error.message], ["RangeError", "Cannot count: too far"]);
  },

  async "keeps the bytes of blobs and files"(open) {
    const store = open();
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i * 7 % 256);
    const file = new File([bytes], "a.bin", { type: "x/y", lastModified: 5 });
    await store.set("blobs", { blob: new Blob([bytes, ""]), files: [file] });
    await store.set("empty", new Blob());
    const { blob, files: [kept] } = await store.get("blobs") as {
      blob: Blob;
      files: File[];
    };
    equal(new Uint8Array(await blob.arrayBuffer()), bytes);
    equal(new Uint8Array(await kept!.arrayBuffer()), bytes);
    equal([kept!.name, kept!.type, kept!.lastModified], ["a.bin", "x/y", 5]);
    equal((await store.get("empty") as Blob).size, 0);
  },

  async "keeps keys that cannot be exported"(open) {
    const store = open();
    const key = await crypto.subtle.generateKey(
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    await store.set("key", { key });
    const kept = await store.get("key") as { key: CryptoKey };
    const sign = async (key: CryptoKey) =>
      new Uint8Array(await crypto.subtle.sign("HMAC", key, new Uint8Array(3)));
    equal(await sign(kept.key), await sign(key));
    equal(kept.key.extractable, false);
  },

  async "clones values in and out"(open) {
    const store = open();
    const value = { list: [1] };
    const set = store.set("a", value);
    value.list.push(2);
    await set;
    value.list.push(3);
    const got = await store.get("a") as typeof value;
    equal(got, { list: [1] });
    got.list.push(4);
    const [[, listed]] = await store.list() as [[string, typeof value]];
    listed.list.push(5);
    equal(await store.get("a"), { list: [1] });
    await store.transact((transaction) => {
      transaction.set("a", value);
      value.list.push(6);
    });
    equal(await store.get("a"), { list: [1, 2, 3] });
  },

  async "refuses what cannot be cloned"(open) {
    const store = open();
    await store.set("a", 1);
    await rejects(store.set("a", () => {}), "DataCloneError");
    await rejects(store.set("a", [Symbol("no")]), "DataCloneError");
    equal(await store.get("a"), 1);
    const caught = await store.transact((transaction) => {
      transaction.set("b", 2);
      try {
        transaction.set("a", () => {});
      } catch (error) {
        return (error as Error).name;
      }
    });
    equal(caught, "DataCloneError");
    equal(await store.list(), [["a", 1], ["b", 2]]);
    const thrown = store.transact((transaction) => {
      transaction.set("c", 3);
      transaction.set("a", () => {});
    });
    await rejects(thrown, "DataCloneError");
    equal(await store.get("c"), undefined);
  },

  async "takes no key but a string"(open) {
    const store = open();
    for (const key of [1, null, undefined, ["a"]] as unknown as string[]) {
      await rejects(store.get(key), "TypeError");
      await rejects(store.set(key, 1), "TypeError");
      await rejects(store.delete(key), "TypeError");
      await rejects(store.deleteAside(key), "TypeError");
      await rejects(
        store.transact((transaction) => transaction.get(key)),
        "TypeError",
      );
    }
    equal(await store.list(), []);
  },

  async "lists in the order of code units"(open) {
    const store = open();
    const keys = [
      "",
      "\0",
      "10",
      "9",
      "A",
      "Z",
      "a",
      "a\0",
      "a\0b",
      "aa",
      "é",
      "\ud7ff",
      "\ud800",
      "😀",
      "\udfff",
      "\ue000",
      "\uffff",
      "\uffff\uffff",
    ];
    for (const key of [3, 0, 17, 8, 12, 1, 15, 5, 10]) {
      store.set(keys[key]!, key);
    }
    await Promise.all(keys.map((key, value) => store.set(key, value)));
    equal((await store.list()).map(([key]) => key), keys);
    for (const [value, key] of keys.entries()) {
      equal(await store.get(key), value);
    }
    await store.transact((transaction) => transaction.delete(""));
    equal((await store.list({ limit: 1 }))[0], ["\0", 1]);
  },

  async "lists by prefix, start, end, limit and direction"(open) {
    const store = open();
    const keys = [
      "",
      "a",
      "a/",
      "a/1",
      "a/1\uffff",
      "a/2",
      "a0",
      "b",
      "\uffff",
    ];
    await Promise.all(keys.map((key) => store.set(key, `value of ${key}`)));
    const bounds = [undefined, "", "a/", "a/1\uffff", "a0", "c"];
    for (const prefix of [undefined, "a", "a/", "a/1\uffff", "\uffff", "x"]) {
      for (const start of bounds) {
        for (const end of bounds) {
          const expected = keys.filter((key) =>
            key.startsWith(prefix ?? "") && key >= (start ?? "") &&
            (end === undefined || key < end)
          );
          const range = { prefix, start, end };
          const listed = (options: ListOptions) =>
            store.list({ ...range, ...options }).then((entries) =>
              entries.map(([key, value]) => {
                equal(value, `value of ${key}`);
                return key;
              })
            );
          const lists = await Promise.all([
            listed({}),
            listed({ reverse: true }),
            listed({ limit: 2 }),
            listed({ limit: 2, reverse: true }),
          ]);
          equal(lists, [
            expected,
            expected.toReversed(),
            expected.slice(0, 2),
            expected.toReversed().slice(0, 2),
          ]);
        }
      }
    }
    equal(await store.list({ limit: 0 }), []);
    equal((await store.list({ limit: 1e10 })).length, keys.length);
    equal((await store.list({ limit: 1e10, reverse: true })).length, 9);
  },

  async "does what it is told in that order, awaited or not"(open) {
    const store = open();
    const results = await Promise.all([
      store.get("a"),
      store.set("a", 1),
      store.get("a"),
      store.transact(async (transaction) => {
        const value = Number(await transaction.get("a"));
        transaction.set("a", value + 1);
        return value;
      }),
      store.list(),
      store.delete("a"),
      store.list(),
      store.set("a", 9),
    ]);
    equal(results, [
      undefined,
      undefined,
      1,
      1,
      [["a", 2]],
      undefined,
      [],
      undefined,
    ]);
    equal(await store.get("a"), 9);
  },

  async "keeps a thousand records set at once"(open) {
    const store = open();
    const key = (i: number) => `entry/${String(i).padStart(6, "0")}`;
    const all = Array.from({ length: 1000 }, (_, i) => store.set(key(i), i));
    await Promise.all(all);
    const entries = await store.list({ prefix: "entry/" });
    equal(entries.length, 1000);
    equal(entries[999], [key(999), 999]);
    await store.transact((transaction) => {
      for (let i = 0; i < 1000; i += 2) transaction.delete(key(i));
    });
    equal((await store.list()).length, 500);
  },

  async "reads in a transaction what it wrote"(open) {
    const store = open();
    await store.set("b", 0);
    const result = await store.transact(async (transaction) => {
      transaction.set("c", 3);
      transaction.set("a", 1);
      transaction.delete("b");
      const all = await transaction.list();
      transaction.set("a", 2);
      return [all, await transaction.get("a"), await transaction.get("b")];
    });
    equal(result, [[["a", 1], ["c", 3]], 2, undefined]);
    equal(await store.list(), [["a", 2], ["c", 3]]);
  },

  async "lists backwards in a transaction"(open) {
    const store = open();
    const listed = await store.transact(async (transaction) => {
      for (let i = 10; i < 60; i++) transaction.set(`${i}`, i);
      return await transaction.list({ reverse: true, limit: 40 });
    });
    equal([listed.length, listed[0], listed[39]], [40, ["59", 59], ["20", 20]]);
  },

  async "undoes a transaction whose work throws"(open) {
    const store = open();
    await Promise.all([store.set("a", 1), store.set("b", 2)]);
    const reason = { not: "an error" };
    const works: ((transaction: TestedTransaction) => unknown)[] = [
      (transaction) => {
        transaction.set("a", 9);
        throw reason;
      },
      async (transaction) => {
        transaction.delete("b");
        transaction.set("c", 9);
        transaction.set("a", await transaction.list());
        transaction.delete("a");
        transaction.list();
        throw reason;
      },
      () => Promise.reject(reason),
    ];
    for (const work of works) {
      const thrown = await store.transact(work).catch((error) => error);
      equal(thrown, reason);
      equal(await store.list(), [["a", 1], ["b", 2]]);
    }
    await rejects(
      store.transact(async (transaction) => {
        transaction.set("a", 9);
        await transaction.get(1 as unknown as string);
      }),
      "TypeError",
    );
    equal(await store.get("a"), 1);
  },

  async "lets a failing operation fail alone"(open) {
    const store = open();
    const ends = await Promise.allSettled([
      store.set("a", 1),
      store.transact((transaction) => {
        transaction.set("a", 9);
        throw new RangeError("Cannot go on: no");
      }),
      store.transact(async (transaction) => {
        const value = Number(await transaction.get("a"));
        transaction.set("b", value + 1);
        return value;
      }),
      store.set("c", 3),
      store.transact(async (transaction) => {
        transaction.delete("c");
        await transaction.get("c");
        throw new RangeError("Cannot go on: no");
      }),
      store.list(),
    ]);
    equal(
      ends.map((end) => end.status === "fulfilled" ? end.value : "failed"),
      [
        undefined,
        "failed",
        1,
        undefined,
        "failed",
        [["a", 1], ["b", 2], ["c", 3]],
      ],
    );
  },

  async "lets nobody in between the steps of a transaction"(open) {
    const stores = [open(), open()];
    const add = (store: TestedStore) =>
      store.transact(async (transaction) => {
        const value = Number(await transaction.get("count") ?? 0);
        await transaction.list({ prefix: "other" });
        transaction.set("count", value + 1);
        transaction.set("twice", 2 * (value + 1));
      });
    const torn: unknown[] = [];
    const look = async (store: TestedStore) => {
      const [[, count], [, twice]] = await store.list({ prefix: "" }) as [
        [string, number],
        [string, number],
      ];
      if (twice !== 2 * count) torn.push([count, twice]);
    };
    await add(stores[0]!);
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => [
        add(stores[i % 2]!),
        look(stores[(i + 1) % 2]!),
      ]).flat(),
    );
    equal(await stores[1]!.get("count"), 51);
    equal(torn, []);
  },

  async "undoes a transaction that waits for anything else"(open) {
    const store = open();
    await store.set("a", 1);
    const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
    const late: string[] = [];
    const works: ((transaction: TestedTransaction) => Promise<unknown>)[] = [
      async (transaction) => {
        transaction.set("a", 9);
        await pause();
      },
      async (transaction) => {
        await pause();
        try {
          transaction.set("a", 9);
        } catch (error) {
          late.push((error as Error).name);
        }
      },
      async (transaction) => {
        transaction.set("a", await transaction.list());
        await pause();
        await transaction.get("a").catch((error) => late.push(error.name));
      },
      async (transaction) => {
        transaction.delete("a");
        return await store.get("a");
      },
      (transaction) => {
        transaction.set("b", 9);
        return new Promise(() => {});
      },
    ];
    for (const work of works) {
      await rejects(store.transact(work), "TransactionInactiveError");
      equal(await store.list(), [["a", 1]]);
    }
    await pause();
    equal(late, ["TransactionInactiveError", "TransactionInactiveError"]);
    equal(await store.list(), [["a", 1]]);
  },

  async "lets work take as many steps as it likes"(open) {
    const store = open();
    const deep = async (levels: number): Promise<number> =>
      levels === 0 ? 0 : 1 + await deep(levels - 1);
    const result = await store.transact(async (transaction) => {
      let steps = await deep(100);
      transaction.set("a", steps);
      await deep(100);
      steps += Number(await transaction.get("a"));
      for (let i = 0; i < 20; i++) {
        steps += await deep(i) - i;
        await Promise.all([transaction.get("a"), transaction.list()]);
      }
      await deep(100);
      transaction.set("a", steps);
      return steps;
    });
    equal([result, await store.get("a")], [200, 200]);
  },

  async "ends a transaction with its work"(open) {
    const store = open();
    let kept: TestedTransaction | undefined;
    await store.transact((transaction) => {
      kept = transaction;
      // Nobody waits for it.
      transaction.get("a");
    });
    await rejects(kept!.get("a"), "TransactionInactiveError");
    await rejects(kept!.list(), "TransactionInactiveError");
    for (const use of [() => kept!.set("a", 1), () => kept!.delete("a")]) {
      await rejects(new Promise(use), "TransactionInactiveError");
    }
    equal(await store.get("a"), undefined);
  },

  async "does what it was told before it was closed, and nothing later"(open) {
    const store = open();
    const other = open();
    const before = [store.set("a", 1), store.get("a")];
    store.close();
    store.close();
    equal(await Promise.all(before), [undefined, 1]);
    await rejects(store.get("a"), "InvalidStateError");
    await rejects(store.set("a", 2), "InvalidStateError");
    await rejects(store.list(), "InvalidStateError");
    await rejects(store.transact(() => {}), "InvalidStateError");
    equal(await other.get("a"), 1);
    open().close();
  },

  async "migrates a record when it is read, once"(open) {
    const old = open({ version: 2 });
    await Promise.all(["a", "b", "c"].map((key) => old.set(key, key)));
    const calls: unknown[] = [];
    const store = open({
      version: 4,
      migrate(value, fromVersion, key) {
        calls.push([value, fromVersion, key]);
        return { text: value };
      },
    });
    equal(calls, []);
    equal(await store.get("b"), { text: "b" });
    equal(calls[0], ["b", 2, "b"]);
    const all = ["a", "b", "c"].map((text) => [text, { text }]);
    equal(await store.list(), all);
    equal(await store.list({ reverse: true, limit: 2 }), [all[2], all[1]]);
    equal(calls.length, 3);
    equal(await open({ version: 4 }).list(), all);
    equal(await store.listAside(), []);
  },

  async "migrates in a transaction, and undoes it"(open) {
    const old = open();
    await old.set("a", 1);
    const store = open({ version: 2, migrate: (value) => [value] });
    const work = async (transaction: TestedTransaction) => {
      equal(await transaction.get("a"), [1]);
      equal(await transaction.list(), [["a", [1]]]);
      transaction.set("b", await transaction.get("a"));
    };
    const failing = store.transact(async (transaction) => {
      await work(transaction);
      throw new RangeError("Cannot go on: no");
    });
    await rejects(failing, "RangeError");
    equal(await old.get("a"), 1);
    const strict = open({ version: 2 });
    const losing = strict.transact(async (transaction) => {
      equal(await transaction.get("a"), undefined);
      transaction.set("b", 2);
      throw new RangeError("Cannot go on: no");
    });
    await rejects(losing, "RangeError");
    equal(await strict.listAside(), []);
    await store.transact(work);
    equal(await open({ version: 2 }).list(), [["a", [1]], ["b", [1]]]);
  },

  async "sets aside what cannot be migrated"(open) {
    const old = open();
    await Promise.all(["a", "b", "c"].map((key) => old.set(key, { key })));
    const store = open({
      version: 2,
      migrate(value) {
        const record = value as { key: string };
        record.key += " spoilt";
        if (record.key.startsWith("b")) throw new Error("Cannot read: b");
        // A function cannot be stored.
        return record.key.startsWith("c") ? () => {} : "fine";
      },
    });
    equal(await store.list({ limit: 1 }), [["a", "fine"]]);
    equal(await store.list({ limit: 5 }), [["a", "fine"]]);
    equal(await store.get("b"), undefined);
    equal(await old.get("b"), undefined);
    const aside = ["b", "c"].map((key) => ({
      key,
      version: 1,
      value: { key },
    }));
    const listed = await store.listAside();
    equal(listed, aside);
    (listed[0]!.value as { key: string }).key = "changed";
    equal(await store.listAside(), aside);
    await store.set("b", "new");
    await old.set("c", { key: "c" });
    equal(await open({ version: 3 }).get("c"), undefined);
    equal(await store.listAside(), [...aside, aside[1]]);
    await store.deleteAside("c");
    await store.deleteAside("missing");
    equal(await store.listAside(), [aside[0]]);
    equal(await store.list(), [["a", "fine"], ["b", "new"]]);
  },

  async "leaves alone what a newer version wrote"(open) {
    const store = open({ version: 1, migrate: () => "never" });
    const newer = open({ version: 2, migrate: (value) => value });
    await newer.set("b", "new");
    for (const key of ["a", "c", "d"]) await store.set(key, key);
    await rejects(store.get("b"), "VersionError");
    await rejects(
      store.transact(async (transaction) => {
        transaction.set("a", 9);
        transaction.set("b", await transaction.get("b"));
      }),
      "VersionError",
    );
    equal(await store.list({ limit: 2 }), [["a", "a"], ["c", "c"]]);
    equal(await store.list({ limit: 3, reverse: true }), [
      ["d", "d"],
      ["c", "c"],
      ["a", "a"],
    ]);
    equal(await store.listAside(), [{ key: "b", version: 2, value: "new" }]);
    await store.deleteAside("b");
    equal(await newer.get("b"), "new");
    await store.set("b", "old");
    equal(await newer.list({ end: "c" }), [["a", "a"], ["b", "old"]]);
  },
};

/** Asserts that two values are the same, whatever they are. */
function equal(actual: unknown, expected: unknown): void {
  const [is, should] = [show(actual), show(expected)];
  if (is !== should) throw new Error(`Expected ${should}, got ${is}`);
}

async function rejects(promise: Promise<unknown>, name: string): Promise<void> {
  const error = await promise.then(() => undefined, (error) => error);
  equal(Object(error).name, name);
  if (name !== "DataCloneError" && !error.message.startsWith("Cannot ")) {
    throw new Error(`The message is of no use: ${error.message}`);
  }
}

function show(value: unknown, above: readonly unknown[] = []): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return String(value);
  if (above.includes(value)) return `<${above.indexOf(value)}>`;
  const inner = (part: unknown) => show(part, [...above, value]);
  const { name } = value.constructor;
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof RegExp) return String(value);
  if (value instanceof ArrayBuffer) {
    return `ArrayBuffer ${new Uint8Array(value)}`;
  }
  if (ArrayBuffer.isView(value)) return `${name} ${value}`;
  if (value instanceof Map || value instanceof Set) {
    return `${name} ${[...value].map(inner)}`;
  }
  const entries = Object.entries(value).map(([key, part]) =>
    `${JSON.stringify(key)}: ${inner(part)}`
  );
  return `${name} ${Array.isArray(value) ? value.length : ""}{${entries}}`;
}
