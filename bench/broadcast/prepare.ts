// Copyright 2026 the @serviceworker/std authors. MIT license.

import { contenders } from "./contenders.ts";

/** What the topmost page offers to its frames. */
export interface Counter {
  /** Counts a message. */
  got(name: string): void;
  /** Counts a page that is prepared. */
  prepared(): void;
}

/** Makes this page a client of every contender. */
export async function prepare(): Promise<void> {
  const counter = top as unknown as Counter;
  for (const [name, { page }] of contenders) {
    await page(() => counter.got(name));
  }
  counter.prepared();
}
