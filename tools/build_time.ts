// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The modules that run where scripts are built, not in pages and workers. They
 * import what they need, may have parts, and no `mod.ts` exports them:
 * decisions/build_time_modules.md
 */
export const BUILD_TIME = [
  "fetch/precache_manifest.ts",
  "lifecycle/check_worker.ts",
];

/** Whether the file at `path` is such a module, or in the folder of its parts. */
export function isBuildTime(path: string): boolean {
  return BUILD_TIME.some((module) =>
    path === module || path.startsWith(module.replace(/\.ts$/, "/"))
  );
}
