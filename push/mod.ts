// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Push: tell the user, from the server to the notification.
 *
 * @module
 */

export * from "./send.ts";
export * from "./vapid.ts";
