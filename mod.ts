// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The standard modules for service workers.
 *
 * Every module is also an entry of its own, and every file stands alone: import
 * the one you need, or copy it.
 *
 * @module
 */

export * from "./channel/mod.ts";
export * from "./fetch/mod.ts";
export * from "./lifecycle/mod.ts";
export * from "./push/mod.ts";
export * from "./storage/mod.ts";
export * from "./sync/mod.ts";
