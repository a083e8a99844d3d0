// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Push: tell the user, from the server to the notification.
 *
 * @module
 */

export * from "./badge.ts";
export * from "./fan_out.ts";
export * from "./notification_click.ts";
export * from "./notify.ts";
export * from "./send.ts";
export * from "./subscribe.ts";
export * from "./vapid.ts";
