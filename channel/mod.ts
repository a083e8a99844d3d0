// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Page and worker talk: questions and answers, long-lived channels, broadcasts,
 * data attached to clients, and one source shared by many tabs.
 *
 * @module
 */

export * from "./accept.ts";
export * from "./ask_clients.ts";
export * from "./broadcast.ts";
export * from "./client_data.ts";
export * from "./connect.ts";
export * from "./post_to_clients.ts";
export * from "./request.ts";
export * from "./respond.ts";
export * from "./shared_source.ts";
