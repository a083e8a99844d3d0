// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Durable state: an ordered key-value store over IndexedDB and the same in
 * memory, asking the browser to keep it, and noticing that it did not.
 *
 * @module
 */

export * from "./detect_eviction.ts";
export * from "./memory_store.ts";
export * from "./open_store.ts";
export * from "./persist.ts";
