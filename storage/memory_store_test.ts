// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import {
  getClientData,
  keepClientData,
  setClientData,
} from "../channel/client_data.ts";
import { STORE_FACTS } from "../tests/store_conformance.ts";
import { memoryStore } from "./memory_store.ts";
import type { Store } from "./open_store.ts";

/** Never called: it compiles as long as one store can stand for the other. */
function _asStore(): Store {
  return memoryStore({ version: 2, migrate: (value) => value });
}

for (const [fact, show] of Object.entries(STORE_FACTS)) {
  Deno.test(`memoryStore() ${fact}`, async () => {
    const first = memoryStore();
    await show((options) => first.reopen(options));
  });
}

Deno.test("memoryStore() gives each call records of its own", async () => {
  const store = memoryStore();
  await store.set("a", 1);
  assertEquals(await memoryStore().list(), []);
});

Deno.test("memoryStore() has the same records when it is opened again", async () => {
  const store = memoryStore();
  await store.set("a", 1);
  store.close();
  const next = store.reopen();
  await next.set("b", 2);
  assertEquals(await next.reopen().list(), [["a", 1], ["b", 2]]);
});

Deno.test("memoryStore() keeps the data of clients while their worker restarts", async () => {
  const store = memoryStore();
  const clients = { matchAll: () => Promise.resolve([{ id: "a" }]) };
  const listen = keepClientData(clients, store);
  const worker = {
    postMessage: (data: unknown, ports: Transferable[]) =>
      listen({
        data,
        ports: ports as MessagePort[],
        source: { id: "a" },
        waitUntil: () => {},
      }),
  };
  await store.set("client-data/gone", { typing: true });
  await setClientData(worker, { typing: true });
  store.close();
  assertEquals(await getClientData(clients, store.reopen()), [
    { client: { id: "a" }, data: { typing: true } },
  ]);
  assertEquals((await store.reopen().list()).length, 1);
});
