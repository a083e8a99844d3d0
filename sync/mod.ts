// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Do it later: an outbox whose entries are not lost, what runs it again when
 * there is a network, work done now and then, and jobs for a date.
 *
 * @module
 */

export * from "./background_sync.ts";
export * from "./outbox.ts";
export * from "./periodic_sync.ts";
export * from "./schedule.ts";
