// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Scenarios that have their worker, their page and more in common.
 *
 * ```ts ignore
 * const browserTest = browserTestOf<typeof import("./fixtures/request_page.ts")>({
 *   worker: "./fixtures/request_worker.ts",
 *   page: "./fixtures/request_page.ts",
 * });
 * browserTest("request() is answered", async ({ page }) => { … });
 * ```
 *
 * @module
 */

import {
  browserTest,
  type BrowserTestContext,
  type BrowserTestOptions,
} from "./harness.ts";

type Run<T> = (context: BrowserTestContext<T>) => Promise<void>;

/**
 * Makes a `browserTest()` for scenarios that have options in common.
 *
 * @typeParam T The page's exports.
 * @param common The options, which those of a scenario replace.
 * @param around What each scenario does before and after it is run.
 */
export function browserTestOf<T>(
  common: BrowserTestOptions,
  around: (context: BrowserTestContext<T>, run: Run<T>) => Promise<void> = (
    context,
    run,
  ) => run(context),
): (name: string, run: Run<T>, options?: BrowserTestOptions) => void {
  return (name, run, options = {}) =>
    browserTest<T>(
      name,
      { ...common, ...options },
      (context) => around(context, run),
    );
}
