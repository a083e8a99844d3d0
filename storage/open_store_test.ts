// Copyright 2026 the @serviceworker/std authors. MIT license.

import { IDBFactory, IDBKeyRange } from "fake-indexeddb";
import { STORE_FACTS } from "../tests/store_conformance.ts";
import { openStore, type Store } from "./open_store.ts";

for (const [fact, show] of Object.entries(STORE_FACTS)) {
  Deno.test(`openStore() ${fact}`, async () => {
    const scope = { indexedDB: new IDBFactory(), IDBKeyRange };
    const stores: Store[] = [];
    try {
      await show((options) => {
        const store = openStore("test", { ...options, scope });
        stores.push(store);
        return store;
      });
    } finally {
      for (const store of stores) store.close();
    }
  });
}
