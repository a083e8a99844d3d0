// Copyright 2026 the @serviceworker/std authors. MIT license.

import { STORE_FACTS } from "../tests/store_conformance.ts";
import { memoryStore } from "./memory_store.ts";

for (const [fact, show] of Object.entries(STORE_FACTS)) {
  Deno.test(`memoryStore() ${fact}`, async () => {
    const first = memoryStore();
    await show((options) => first.reopen(options));
  });
}
