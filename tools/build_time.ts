// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The modules that run where scripts are built, not in pages and workers. They
 * import what they need, and no `mod.ts` exports them:
 * decisions/build_time_modules.md
 */
export const BUILD_TIME = ["lifecycle/check_worker.ts"];
