// Copyright 2026 the @serviceworker/std authors. MIT license.

import { openStore } from "@serviceworker/std/storage/open-store";
import { createOutbox } from "@serviceworker/std/sync/outbox";
import { BackgroundSyncQueue as SerwistQueue } from "npm:serwist@9.5.12";
import { Queue as WorkboxQueue } from "npm:workbox-background-sync@7.4.1";

/** A queue of requests, which is empty to begin with. */
export interface Contender {
  /** Adds a request, where that is natural; resolves when it is saved. */
  add?(request: Request): Promise<unknown>;
  /** Adds many, where the queue can. */
  addAll?(requests: Request[]): Promise<unknown>;
  /** Sends all that there are, and resolves when the queue is empty. */
  replay(): Promise<unknown>;
  /** The same, but nothing is sent: each is answered at once. */
  replayUnsent?(): Promise<unknown>;
}

type Durability = "strict" | "relaxed";

interface Saved {
  url: string;
  method: string;
  headers: [string, string][];
  body: ArrayBuffer;
}

const BATCH = 100;
const CONCURRENCY = 6;

function ended(request: IDBRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function committed(transaction: IDBTransaction): Promise<void> {
  transaction.commit();
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

async function save(request: Request): Promise<Saved> {
  const { url, method, headers } = request;
  const body = await request.arrayBuffer();
  return { url, method, headers: [...headers], body };
}

async function send({ url, ...init }: Saved): Promise<void> {
  const response = await fetch(new Request(url, init));
  await response.arrayBuffer();
}

/** What raw contenders share: a database with one store. */
async function openRaw(name: string, durability: Durability) {
  const opening = indexedDB.open(name);
  opening.onupgradeneeded = () =>
    opening.result.createObjectStore("queue", { autoIncrement: true });
  const database = await ended(opening) as IDBDatabase;
  const begin = (mode: IDBTransactionMode) =>
    database.transaction("queue", mode, { durability });
  return {
    begin,
    async addAll(requests: Request[]) {
      const values = await Promise.all(requests.map(save));
      const transaction = begin("readwrite");
      const queue = transaction.objectStore("queue");
      for (const value of values) queue.add(value);
      await committed(transaction);
    },
  };
}

/** As few transactions as can be: one for an array, one to delete 100 that were sent. */
async function rawBatched(
  name: string,
  durability: Durability,
): Promise<Contender> {
  const { begin, addAll } = await openRaw(name, durability);
  async function replay(send: (value: Saved) => unknown) {
    while (true) {
      const queue = begin("readonly").objectStore("queue");
      const [keys, values] = await Promise.all([
        ended(queue.getAllKeys(null, BATCH)) as Promise<IDBValidKey[]>,
        ended(queue.getAll(null, BATCH)) as Promise<Saved[]>,
      ]);
      if (keys.length === 0) return;
      const left = values.values();
      await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
        for (const value of left) await send(value);
      }));
      const transaction = begin("readwrite");
      const range = IDBKeyRange.bound(keys[0], keys.at(-1));
      transaction.objectStore("queue").delete(range);
      await committed(transaction);
    }
  }
  return {
    addAll,
    replay: () => replay(send),
    replayUnsent: () => replay(() => {}),
  };
}

/** One transaction for each, which is removed before it is sent, as peers do. */
async function rawEach(
  name: string,
  durability: Durability,
): Promise<Contender> {
  const { begin, addAll } = await openRaw(name, durability);
  return {
    add: (request) => addAll([request]),
    async replay() {
      while (true) {
        const transaction = begin("readwrite");
        const request = transaction.objectStore("queue").openCursor();
        const cursor = await ended(request) as IDBCursorWithValue | null;
        cursor?.delete();
        const value = cursor?.value;
        await committed(transaction);
        if (!value) return;
        await send(value);
      }
    },
  };
}

function ours(name: string, durability: Durability): Contender {
  const store = openStore(name, { durability });
  const outbox = createOutbox(store);
  const unsent = createOutbox(store, { send: () => new Response() });
  return {
    add: (request) => outbox.add(request),
    addAll: (requests) => outbox.addAll(requests),
    replay: () => outbox.flush(),
    replayUnsent: () => unsent.flush(),
  };
}

/** Without Background Sync, which would replay by itself, and costs them more. */
const PEER_OPTIONS = { forceSyncFallback: true, onSync: async () => {} };

function peer(queue: WorkboxQueue | SerwistQueue): Contender {
  return {
    add: (request) => queue.pushRequest({ request }),
    replay: () => queue.replayRequests(),
  };
}

/** Relaxed is what Chromium does where nothing is said, as peers do. */
export const contenders = new Map<
  string,
  () => Contender | Promise<Contender>
>([
  ["raw-batched", () => rawBatched("raw-batched", "strict")],
  ["raw-batched again", () => rawBatched("raw-batched again", "strict")],
  ["raw-batched, relaxed", () => rawBatched("raw-batched, relaxed", "relaxed")],
  ["raw-each, relaxed", () => rawEach("raw-each, relaxed", "relaxed")],
  ["outbox", () => ours("outbox", "strict")],
  ["outbox, relaxed", () => ours("outbox, relaxed", "relaxed")],
  ["workbox", () => peer(new WorkboxQueue("queue", PEER_OPTIONS))],
  ["serwist", () => peer(new SerwistQueue("queue", PEER_OPTIONS))],
]);

/** The contenders that take minutes for 10,000, and one turn only. */
export const SLOW = ["raw-each, relaxed", "workbox", "serwist"];
