// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Install, update, control and leave: a worker's way from its registration to
 * its end, and how pages move on with it.
 *
 * @module
 */

export * from "./activate.ts";
export * from "./apply_update.ts";
export * from "./check_for_update.ts";
export * from "./hold_update.ts";
export * from "./launch.ts";
export * from "./own_worker.ts";
export * from "./page_state.ts";
export * from "./register.ts";
export * from "./reload_on_update.ts";
export * from "./report_install.ts";
export * from "./reset_origin.ts";
export * from "./retire.ts";
export * from "./scope.ts";
export * from "./set_launch_consumer.ts";
export * from "./skip_waiting.ts";
export * from "./unregister.ts";
export * from "./watch_updates.ts";
