// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import {
  forceCloseDatabase,
  IDBFactory,
  IDBKeyRange,
  IDBTransaction,
} from "fake-indexeddb";
import { STORE_FACTS } from "../tests/store_conformance.ts";
import {
  openStore,
  type OpenStoreOptions,
  type Store,
  type StoreQuotaError,
} from "./open_store.ts";

/** The IndexedDB of one test, whose parts can be looked at and broken. */
class Platform {
  readonly IDBKeyRange = IDBKeyRange;
  readonly factory = new IDBFactory();
  readonly connections: IDBDatabase[] = [];
  readonly transactions: IDBTransaction[] = [];
  readonly stores: Store[] = [];
  /** Is told of each record that is put. */
  onput = (_transaction: IDBTransaction, _record: { key: unknown }) => {};
  /** Is told of each record that is asked for. */
  onget = (_request: IDBRequest) => {};
  navigator: object = {};
  indexedDB = {
    open: (name: string, version?: number): IDBOpenDBRequest => {
      const request = this.factory.open(name, version);
      request.addEventListener("success", () => this.#watch(request.result));
      return request;
    },
  };

  store(options: OpenStoreOptions = {}): Store {
    const store = openStore("test", { scope: this, ...options });
    this.stores.push(store);
    return store;
  }

  /** A connection of somebody else, which does not yield unless told to. */
  async connect(
    version?: number,
    upgrade: (database: IDBDatabase) => void = () => {},
  ): Promise<IDBDatabase> {
    const request = this.factory.open("test", version);
    const { promise, resolve } = Promise.withResolvers<void>();
    request.onupgradeneeded = () => upgrade(request.result);
    request.onsuccess = () => resolve();
    await promise;
    return request.result;
  }

  #watch(database: IDBDatabase): void {
    this.connections.push(database);
    const begin = database.transaction;
    database.transaction = (...args) => {
      const transaction = begin.apply(database, args);
      this.transactions.push(transaction);
      const records = transaction.objectStore("records");
      const { get, getKey, put } = records;
      records.put = (record, key) => {
        const request = put.call(records, record, key);
        request.addEventListener(
          "success",
          () => this.onput(transaction, record),
        );
        return request;
      };
      const tell = <R extends IDBRequest>(request: R): R => {
        this.onget(request);
        return request;
      };
      records.get = (key) => tell(get.call(records, key));
      records.getKey = (key) => tell(getKey.call(records, key));
      return transaction;
    };
  }

  [Symbol.dispose](): void {
    for (const store of this.stores) store.close();
  }
}

/** Never called: it compiles as long as the platform's own types fit. */
function _inWorker(self: ServiceWorkerGlobalScope, bucket: IDBFactory): Store {
  openStore("test", { scope: self });
  return openStore("test", { scope: { indexedDB: bucket, IDBKeyRange } });
}

/** Fails a transaction as the platform does. */
function fail(transaction: IDBTransaction, name: string): void {
  (transaction as unknown as { _abort(name: string): void })._abort(name);
}

/** The name of the `DOMException` with which a promise rejects. */
async function nameOf(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, DOMException)).name;
}

for (const [fact, show] of Object.entries(STORE_FACTS)) {
  Deno.test(`openStore() ${fact}`, async () => {
    using platform = new Platform();
    await show((options) => platform.store(options));
  });
}

Deno.test("openStore() does nothing before the first operation", async () => {
  using platform = new Platform();
  const store = platform.store();
  assertEquals(await platform.factory.databases(), []);
  store.close();
  assertEquals(await platform.factory.databases(), []);
});

Deno.test("openStore() keeps one connection", async () => {
  using platform = new Platform();
  const store = platform.store();
  await Promise.all([store.get("a"), store.set("a", 1), store.list()]);
  await store.set("b", 2);
  assertEquals(platform.connections.length, 1);
});

Deno.test("openStore() is strict unless told otherwise", async () => {
  using platform = new Platform();
  await platform.store().set("a", 1);
  await platform.store({ durability: "relaxed" }).set("a", 1);
  assertEquals(
    platform.transactions.map(({ durability }) => durability),
    ["strict", "relaxed"],
  );
});

Deno.test("openStore() writes only where something is written", async () => {
  using platform = new Platform();
  const store = platform.store();
  await Promise.all([store.get("a"), store.list(), store.listAside()]);
  assert(platform.transactions.every(({ mode }) => mode === "readonly"));
});

Deno.test("openStore() does in few transactions what it is told at once", async () => {
  using platform = new Platform();
  const store = platform.store();
  const all = Array.from({ length: 1000 }, async (_, i) => {
    await store.set(`${i}`, i);
    return await store.get(`${i}`);
  });
  assertEquals((await Promise.all(all))[999], 999);
  assert(platform.transactions.length <= 6);
});

Deno.test("openStore() does not repeat much for one failure among many", async () => {
  using platform = new Platform();
  const store = platform.store();
  const all = Array.from(
    { length: 1000 },
    (_, i) =>
      i === 700
        ? store.transact((transaction) => {
          transaction.set("700", 700);
          throw new RangeError("Cannot go on: no");
        })
        : store.set(`${i}`, i),
  );
  const ends = await Promise.allSettled(all);
  assertEquals(
    ends.flatMap(({ status }, i) => status === "rejected" ? i : []),
    [700],
  );
  assertEquals((await store.list()).length, 999);
  assert(platform.transactions.length < 30);
});

Deno.test("openStore() repeats nothing for a failure that has no effect", async () => {
  using platform = new Platform();
  await platform.store({ version: 2 }).set("newer", 1);
  const store = platform.store();
  await store.get("a");
  const { length } = platform.transactions;
  let runs = 0;
  const ends = await Promise.allSettled([
    store.delete("a"),
    store.set("b", 1),
    store.transact(() => void runs++),
    store.get("newer"),
    store.transact(() => Promise.reject(new RangeError("Cannot go on: no"))),
    store.set("c", 3),
  ]);
  assertEquals(
    ends.flatMap(({ status }, i) => status === "rejected" ? i : []),
    [3, 4],
  );
  assertEquals(runs, 1);
  assert(platform.transactions.length - length <= 2);
});

Deno.test("openStore() asks at once for what it reads at once", async () => {
  using platform = new Platform();
  const store = platform.store();
  let asked = 0;
  let most = 0;
  platform.onget = (request) => {
    most = Math.max(most, ++asked);
    request.addEventListener("success", () => asked--);
  };
  await Promise.all(["a", "b", "c", "d"].map((key) => store.get(key)));
  assertEquals(most, 3);
});

Deno.test("openStore() asks for nothing more than a transaction does", async () => {
  using platform = new Platform();
  let asked = 0;
  platform.onget = () => asked++;
  const store = platform.store();
  await store.transact(async (transaction) => {
    const value = await transaction.get("a");
    await Promise.resolve();
    transaction.set("a", [value, await transaction.get("b")]);
  });
  assertEquals(asked, 2);
});

Deno.test("openStore() opens again when the browser closed the connection", async () => {
  using platform = new Platform();
  const store = platform.store();
  await store.set("a", 1);
  forceCloseDatabase(platform.connections[0] as never);
  assertEquals(await store.get("a"), 1);
  assertEquals(platform.connections.length, 2);
});

Deno.test("openStore() opens again when the connection was closed unheard", async () => {
  using platform = new Platform();
  const store = platform.store();
  await store.set("a", 1);
  platform.connections[0]!.close();
  assertEquals(await store.get("a"), 1);
  assertEquals(platform.connections.length, 2);
});

Deno.test("openStore() does again what the loss of the connection undid", async () => {
  using platform = new Platform();
  const store = platform.store();
  let runs = 0;
  platform.onput = (transaction) => {
    if (runs === 1) fail(transaction, "AbortError");
  };
  await store.transact(async (transaction) => {
    runs++;
    transaction.set("a", runs);
    await transaction.get("a");
    transaction.set("b", runs);
  });
  assertEquals(await store.list(), [["a", 2], ["b", 2]]);
  assertEquals(platform.connections.length, 2);
});

Deno.test("openStore() does not repeat a transaction that may be stored", async () => {
  using platform = new Platform();
  const store = platform.store();
  platform.onput = (transaction, { key }) => {
    if (key !== "c") return;
    // Everything is answered, and it is about to commit.
    platform.onput = () => {};
    fail(transaction, "AbortError");
  };
  let runs = 0;
  const before = store.get("a");
  const work = nameOf(store.transact((transaction) => {
    runs++;
    transaction.set("a", runs);
  }));
  const others = [store.set("b", 2), store.set("c", 3)];
  await before;
  assertEquals(await work, "AbortError");
  await Promise.all(others);
  assertEquals(runs, 1);
  assertEquals(await store.list(), [["b", 2], ["c", 3]]);
});

Deno.test("openStore() opens again when the database takes nothing for a moment", async () => {
  using platform = new Platform();
  const store = platform.store();
  await store.get("a");
  const first = platform.connections[0]!;
  const begin = first.transaction;
  first.transaction = (...args) => {
    const transaction = begin.apply(first, args);
    let puts = 0;
    const records = transaction.objectStore("records");
    const { put } = records;
    records.put = (record, key) => {
      if (puts++ === 0) return put.call(records, record, key);
      throw new DOMException("Not now", "InvalidStateError");
    };
    return transaction;
  };
  await store.transact((transaction) => {
    transaction.set("a", 1);
    transaction.set("b", 2);
  });
  assertEquals(platform.connections.length, 2);
  assertEquals(await store.list(), [["a", 1], ["b", 2]]);
});

Deno.test("openStore() takes an error of the work for no loss", async () => {
  using platform = new Platform();
  const store = platform.store();
  const reason = new DOMException("Cannot go on: no", "AbortError");
  let runs = 0;
  const thrown = await assertRejects(() =>
    store.transact((transaction) => {
      runs++;
      transaction.set("a", 1);
      throw reason;
    })
  );
  assertStrictEquals(thrown, reason);
  assertEquals([runs, platform.connections.length], [1, 1]);
});

Deno.test("openStore() rejects when the connection is lost twice", async () => {
  using platform = new Platform();
  const store = platform.store();
  platform.onput = (transaction) => fail(transaction, "UnknownError");
  assertEquals(await nameOf(store.set("a", 1)), "UnknownError");
  assertEquals(platform.connections.length, 2);
  platform.onput = () => {};
  await store.set("a", 1);
  assertEquals(await store.list(), [["a", 1]]);
});

Deno.test("openStore() yields to who deletes the database", async () => {
  using platform = new Platform();
  const store = platform.store();
  await store.set("a", 1);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = platform.factory.deleteDatabase("test");
  request.onblocked = () => reject(new Error("Cannot delete: it is blocked"));
  request.onsuccess = () => resolve();
  await promise;
  assertEquals(await store.get("a"), undefined);
  await store.set("b", 2);
  assertEquals(await store.list(), [["b", 2]]);
});

Deno.test("openStore() yields to who upgrades the database, and goes on", async () => {
  using platform = new Platform();
  const store = platform.store();
  await store.set("a", 1);
  const other = await platform.connect(
    7,
    (database) => database.createObjectStore("other"),
  );
  assertEquals(await store.get("a"), 1);
  other.close();
});

Deno.test("openStore() adds its records to a database without them", async () => {
  using platform = new Platform();
  const other = await platform.connect(
    3,
    (database) => database.createObjectStore("other"),
  );
  other.onversionchange = () => other.close();
  const store = platform.store();
  await store.set("a", 1);
  assertEquals(await store.list(), [["a", 1]]);
  assertEquals(platform.connections.at(-1)!.version, 4);
});

Deno.test("openStore() rejects when it is blocked for 10 seconds", async () => {
  using platform = new Platform();
  const other = await platform.connect(1);
  const time = new FakeTime();
  const blocked = Promise.withResolvers<void>();
  const { open } = platform.indexedDB;
  platform.indexedDB.open = (name, version) => {
    const request = open(name, version);
    request.addEventListener("blocked", () => blocked.resolve());
    return request;
  };
  const store = platform.store();
  const all = [store.set("a", 1), store.get("a")];
  try {
    await blocked.promise;
    all.push(store.list());
    time.tick(11_000);
    for (const promise of all) {
      assertEquals(await nameOf(promise), "TimeoutError");
    }
  } finally {
    time.restore();
  }
  other.close();
  await store.set("b", 2);
  assertEquals(await store.list(), [["b", 2]]);
  // What had been waiting for so long does not block anybody else now.
  await platform.connect(9, () => {}).then((database) => database.close());
});

Deno.test("openStore() opens what it was about to when its page was suspended", async () => {
  using platform = new Platform();
  const other = await platform.connect(1);
  const time = new FakeTime();
  const blocked = Promise.withResolvers<void>();
  const { open } = platform.indexedDB;
  platform.indexedDB.open = (name, version) => {
    const request = open(name, version);
    request.addEventListener("blocked", () => blocked.resolve());
    return request;
  };
  try {
    const set = platform.store().set("a", 1);
    await blocked.promise;
    // A timer that is late is the first to be heard.
    time.tick(10_000);
    other.close();
    await set;
  } finally {
    time.restore();
  }
});

Deno.test("openStore() passes on why a database cannot be opened", async () => {
  using platform = new Platform();
  const error = new DOMException("No", "SecurityError");
  const { open } = platform.indexedDB;
  platform.indexedDB.open = () => {
    throw error;
  };
  const store = platform.store();
  const ends = await Promise.allSettled([store.set("a", 1), store.get("a")]);
  for (const end of ends) {
    assertStrictEquals(end.status === "rejected" && end.reason, error);
  }
  platform.indexedDB.open = () => open("test", -1);
  await assertRejects(() => store.set("a", 1), TypeError);
  platform.indexedDB.open = open;
  assertEquals(await store.get("a"), undefined);
});

Deno.test("openStore() rejects with the error of a failed request to open", async () => {
  using platform = new Platform();
  (await platform.connect(5)).close();
  const { open } = platform.indexedDB;
  platform.indexedDB.open = () => open("test", 2);
  assertEquals(await nameOf(platform.store().get("a")), "VersionError");
});

Deno.test("openStore() rejects where there is no IndexedDB", async () => {
  const store = openStore("test", { scope: {} });
  assertEquals(await nameOf(store.set("a", 1)), "NotSupportedError");
  assertEquals(await nameOf(openStore("test").get("a")), "NotSupportedError");
});

Deno.test("openStore() closes its connection when it is closed", async () => {
  using platform = new Platform();
  const isClosed = (database: IDBDatabase) =>
    (database as unknown as { _closed: boolean })._closed;
  const idle = platform.store();
  await idle.set("a", 1);
  await new Promise((resolve) => setTimeout(resolve));
  idle.close();
  const busy = platform.store();
  const set = busy.set("a", 2);
  busy.close();
  await set;
  // Whoever waits for a connection that is closed is not in its way.
  await platform.store().get("a");
  assertEquals(platform.connections.map(isClosed), [true, true, false]);
});

/** Fails what does not fit into so many bytes of text. */
function limit(platform: Platform, available: number): void {
  platform.onput = (transaction, record) => {
    const text = JSON.stringify(
      record,
      (key, value) => key === "list" ? undefined : value,
    );
    if (text.length > available) fail(transaction, "QuotaExceededError");
  };
}

Deno.test("openStore() says what was needed and what is available", async () => {
  using platform = new Platform();
  platform.navigator = {
    storage: { estimate: () => Promise.resolve({ usage: 600, quota: 1000 }) },
  };
  limit(platform, 400);
  const store = platform.store();
  const value = {
    text: "x".repeat(500),
    bytes: new Uint8Array(300),
    map: new Map([["file", new Blob(["y".repeat(200)])]]),
    list: [1, null, true] as unknown[],
  };
  value.list.push(value.list);
  const error = await assertRejects(
    () => store.set("a", value),
    DOMException,
  ) as StoreQuotaError;
  assertEquals(error.name, "QuotaExceededError");
  assert(error.needed > 1000 && error.needed < 1200);
  assertEquals(error.available, 400);
  assertEquals(
    error.message,
    `Cannot store "a": about ${error.needed} bytes are needed, 400 are available`,
  );
  assert(error.cause instanceof DOMException);
  assertEquals(await store.list(), []);
});

Deno.test("openStore() reports a full disk where nothing can be measured", async () => {
  using platform = new Platform();
  limit(platform, 400);
  for (
    const storage of [undefined, {}, {
      estimate: () => Promise.reject(new Error("Cannot estimate: no")),
    }]
  ) {
    platform.navigator = { storage };
    const store = platform.store();
    const full = store.transact((transaction) => {
      transaction.set("a", 1);
      transaction.set("b", "x".repeat(500));
    });
    const error = await assertRejects(
      () => full,
      DOMException,
    ) as StoreQuotaError;
    assertEquals(error.name, "QuotaExceededError");
    assertEquals(error.available, undefined);
    assertEquals(await store.list(), []);
  }
});

Deno.test("openStore() stores what fits of what it is told at once", async () => {
  using platform = new Platform();
  limit(platform, 400);
  const store = platform.store();
  const ends = await Promise.allSettled(
    [100, 500, 200, 600, 300].map((length, i) =>
      store.set(`${i}`, "x".repeat(length))
    ),
  );
  assertEquals(
    ends.map(({ status }) => status === "fulfilled"),
    [true, false, true, false, true],
  );
  assertEquals((await store.list()).map(([key]) => key), ["0", "2", "4"]);
});

Deno.test("openStore() reads what there is no room to migrate", async () => {
  using platform = new Platform();
  await platform.store().set("a", "x");
  await platform.store().set("b", "y");
  limit(platform, 400);
  const store = platform.store({
    version: 2,
    migrate(value) {
      if (value === "y") throw new RangeError("Cannot read: y");
      return String(value).repeat(500);
    },
  });
  assertEquals(await store.get("a"), "x".repeat(500));
  assertEquals(await store.list(), [["a", "x".repeat(500)]]);
  assertEquals(await platform.store().list(), [["a", "x"], ["b", "y"]]);
});

Deno.test("openStore() has nobody wait for a page in the back/forward cache", async () => {
  using platform = new Platform();
  const page = new EventTarget();
  const scope = Object.assign(page, {
    IDBKeyRange,
    indexedDB: platform.indexedDB,
  });
  const hidden = platform.store({ scope });
  const other = platform.store();
  await hidden.set("count", 1);
  let runs = 0;
  const counted = hidden.transact(async (transaction) => {
    const count = await transaction.get("count") as number;
    if (++runs === 1) {
      page.dispatchEvent(Object.assign(new Event("pagehide"), {
        persisted: true,
      }));
    }
    await transaction.get("count");
    transaction.set("count", count + 1);
  });
  const listed = hidden.list();

  while (runs === 0) await new Promise((resolve) => setTimeout(resolve));
  await other.set("count", 5);
  assertEquals(runs, 1);

  page.dispatchEvent(new Event("pageshow"));
  await counted;
  assertEquals(await listed, [["count", 6]]);
  assertEquals(runs, 2);
});

/** A page that goes, and may come back, and a store that it has. */
function pageOf(platform: Platform) {
  const page = new EventTarget();
  const { indexedDB } = platform;
  const store = platform.store({
    scope: Object.assign(page, { IDBKeyRange, indexedDB }),
  });
  return {
    store,
    hide: (persisted: boolean) =>
      page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted })),
    show: () => page.dispatchEvent(new Event("pageshow")),
  };
}

Deno.test("openStore() saves what it is told as the page goes", async () => {
  for (const persisted of [true, false]) {
    using platform = new Platform();
    const { store, hide } = pageOf(platform);
    await store.get("a");
    const { commit } = IDBTransaction.prototype;
    let commits = 0;
    IDBTransaction.prototype.commit = function () {
      commits++;
      commit.call(this);
    };
    try {
      const before = store.set("a", 1);
      // Until then it has put the record.
      for (let i = 0; i < 20; i++) await undefined;
      hide(persisted);
      await before;
      await store.set("b", 2);
    } finally {
      IDBTransaction.prototype.commit = commit;
    }
    assertEquals(commits, 2);
    assertEquals(await platform.store().list(), [["a", 1], ["b", 2]]);
  }
});

Deno.test("openStore() begins nothing else in the back/forward cache", async () => {
  using platform = new Platform();
  const { store, hide, show } = pageOf(platform);
  await store.set("a", 1);
  hide(true);
  const { length } = platform.transactions;
  const blob = store.set("blob", new Blob(["x"]));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const got = store.get("a");
  const ran = store.transact((transaction) => transaction.set("a", 2));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(await platform.store().list(), [["a", 1]]);
  // A blob that is committed at once is lost in WebKit, so it was given up.
  assertEquals(platform.transactions.length - length, 2);
  show();
  await blob;
  assertEquals(await got, 1);
  await ran;
  assertEquals((await store.list()).length, 2);
  assertEquals(await store.get("a"), 2);
});

Deno.test("openStore() leaves no listener behind when it is closed", async () => {
  using platform = new Platform();
  const signals: (AbortSignal | undefined)[] = [];
  const scope = {
    IDBKeyRange,
    indexedDB: platform.indexedDB,
    addEventListener: (
      _type: string,
      _listener: unknown,
      { signal }: AddEventListenerOptions,
    ) => signals.push(signal),
  };
  const store = platform.store({ scope });
  assertEquals(signals, []);
  await store.set("a", 1);
  await store.get("a");
  store.close();
  assertEquals(signals.map((signal) => signal?.aborted), [true, true]);
});

Deno.test("openStore() ends what it has begun in a page that is left for good", async () => {
  using platform = new Platform();
  const page = new EventTarget();
  const scope = Object.assign(page, {
    IDBKeyRange,
    indexedDB: platform.indexedDB,
  });
  const store = platform.store({ scope });
  platform.onput = () => {
    page.dispatchEvent(Object.assign(new Event("pagehide"), {
      persisted: false,
    }));
  };
  await store.set("draft", "kept");
  assertEquals(await platform.store().get("draft"), "kept");
});
