// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Browser tests: a scenario is written once and runs in Chromium, Firefox and
 * WebKitGTK.
 *
 * ```ts ignore
 * // tests/browser/request_test.ts
 * import { assertEquals } from "@std/assert";
 * import { browserTest } from "./harness.ts";
 *
 * browserTest("request() is answered", {
 *   worker: `
 *     import { respond } from "@serviceworker/std/channel/respond";
 *     addEventListener("message", respond({ version: () => "1" }));
 *   `,
 *   page: `
 *     import { request } from "@serviceworker/std/channel/request";
 *     export const ask = (type: string) => request(navigator.serviceWorker, { type });
 *   `,
 * }, async ({ page }) => {
 *   await page.register();
 *   assertEquals(await page.call("ask", "version"), "1");
 * });
 * ```
 *
 * `worker` and `page` are TypeScript: a text with line breaks, or a file relative
 * to this folder (`"./fixtures/request_worker.ts"`). What the page exports, the
 * test calls; `page.evaluate()` needs no export. Values go both ways as JSON.
 *
 * Scenarios that have their worker, their page and more in common:
 *
 * ```ts ignore
 * const browserTest = browserTestOf<typeof import("./fixtures/request_page.ts")>({
 *   worker: "./fixtures/request_worker.ts",
 *   page: "./fixtures/request_page.ts",
 * });
 * browserTest("request() is answered", async ({ page }) => { … });
 * ```
 *
 * Run one file with `deno run -A tools/deno.ts run -A tests/browser/run.ts
 * tests/browser/request_test.ts`; add `--engine=firefox` or `--filter=answered`
 * to run less.
 *
 * Every scenario has a page and a server of its own, hence an origin of its own.
 * The server counts requests, holds them, cuts their answers, goes away and comes
 * back ({@linkcode TestServer}). The browser is shared, unless the scenario asks
 * for a `profile`, `prefs` or `args`.
 *
 * With `push` a test is given the push service of the browser's vendor, and with
 * `notifications` the desktop on which notifications are shown, for its origin may
 * show them:
 *
 * ```ts ignore
 * browserTest("a push is shown, and clicked", { worker, page, push: true }, async (
 *   { page, push, notifications, openedPage },
 * ) => {
 *   await page.register();
 *   const subscription = await page.call("subscribe", push.keys.publicKey);
 *   await push.deliver(subscription, "Hello");
 *   (await notifications.next("Hello")).click();
 *   await openedPage("/hello");
 * });
 * ```
 *
 * A control which the engine does not give (`stopWorkers()` in WebKit) ends the
 * scenario there as skipped, with the reason in the report; so does `skip(reason)`.
 *
 * @module
 */

import { stop as stopBundler } from "../../tools/build.ts";
import type { BrowserFeature, BrowserName } from "../../tools/find_browser.ts";
import type { Notifications } from "./notifications.ts";
import type { Exports, TestPage } from "./page.ts";
import type { PushService } from "./push_service.ts";
import { Browsers, runScenario } from "./scenario.ts";
import type { ServerOptions, TestServer } from "./server.ts";

export type { ShownNotification } from "./notifications.ts";
export type { TestPage } from "./page.ts";
export type { TestServer } from "./server.ts";

/** What a scenario is made of. */
export interface BrowserTestOptions extends ServerOptions {
  /** Whether the browser is started for this test, with a profile that survives `restartBrowser()`. @default {false} */
  profile?: boolean;
  /** Preferences of Firefox, for which it is started anew. */
  prefs?: Record<string, unknown>;
  /** Arguments of Chromium, for which it is started anew. */
  args?: string[];
  /** Whether the origin may show notifications, which the test then sees and clicks. @default {false} */
  notifications?: boolean;
  /** Whether there is a push service, and notifications too. Not in WebKit. @default {false} */
  push?: boolean;
  /** What a build of an engine may lack, without which the test is skipped. */
  needs?: BrowserFeature[];
  /** Milliseconds after which the test has failed. @default {60000} */
  timeout?: number;
}

/** What a scenario is given. */
export interface BrowserTestContext<T = Exports> {
  /** The engine that runs the scenario now. */
  readonly engine: { readonly name: BrowserName; readonly version: string };
  readonly server: TestServer;
  /** A page at `/`. */
  readonly page: TestPage<T>;
  /** Opens another page. */
  openPage(path?: string): Promise<TestPage<T>>;
  /** Ends the test here, as skipped. */
  skip(reason: string): never;
  /** Stops the workers of the origin, as the browser does to idle ones; resolves when they are stopped. Not in WebKit. */
  stopWorkers(): Promise<void>;
  /** Cuts the running worker off the network, or reconnects it. Only in Chromium. */
  setWorkerOffline(offline: boolean): Promise<void>;
  /** What is sent to the browser by push, of a test with `push`. */
  readonly push: PushService;
  /** What the browser shows on the desktop, of a test with `notifications` or `push`. */
  readonly notifications: Notifications;
  /** Sets whether the origin may show notifications. Not in WebKit. */
  setNotificationPermission(state: PermissionState): Promise<void>;
  /** The page at a path that the worker opens, or has opened. Not in WebKit. */
  openedPage(path: string): Promise<TestPage<T>>;
  /** Ends the browser, by SIGKILL if asked to, and starts it again with the test's `profile`; resolves with a page at `/`. */
  restartBrowser(options?: { kill?: boolean }): Promise<TestPage<T>>;
}

type Run<T> = (context: BrowserTestContext<T>) => Promise<void> | void;

/** A registered scenario. */
export interface BrowserTest {
  readonly name: string;
  readonly options: BrowserTestOptions;
  readonly run: Run<Exports>;
}

/** How a scenario ended in an engine. */
export interface BrowserTestResult {
  readonly status: "passed" | "failed" | "skipped";
  readonly ms: number;
  /** Why it failed or was skipped. */
  readonly reason?: string;
}

/** The engines, in the order in which they are reported. */
const ENGINES: readonly BrowserName[] = ["chromium", "firefox", "webkit"];

/** The scenarios of the files that were imported. */
export const browserTests: BrowserTest[] = [];

// Of `deno test` of one file.
const browsers = new Browsers();

/**
 * Declares a scenario.
 *
 * @typeParam T The page's exports, `typeof import("./fixtures/page.ts")`, if its calls are to be typed.
 */
export function browserTest<T = Exports>(
  name: string,
  options: BrowserTestOptions,
  run: Run<T>,
): void {
  const test: BrowserTest = { name, options, run: run as Run<unknown> };
  browserTests.push(test);
  if (browserTests.length === 1) {
    Deno.test.afterAll(() => browsers.close().then(stopBundler));
  }
  // This does nothing under run.ts.
  for (const engine of chosenEngines()) {
    Deno.test({
      name: `${name} (${engine})`,
      // The browser is there for the next test too.
      sanitizeOps: false,
      sanitizeResources: false,
      async fn() {
        const { status, reason } = await runScenario(engine, test, browsers);
        if (status === "skipped") console.log(`skipped: ${reason}`);
        if (status === "failed") throw new Error(reason);
      },
    });
  }
}

/**
 * Makes a `browserTest()` for scenarios that have options in common.
 *
 * @typeParam T The page's exports.
 * @param common The options, which those of a scenario replace.
 * @param around What each scenario does before and after it is run.
 */
export function browserTestOf<T>(
  common: BrowserTestOptions,
  around: (
    context: BrowserTestContext<T>,
    run: Run<T>,
  ) => Promise<void> | void = (context, run) => run(context),
): (name: string, run: Run<T>, options?: BrowserTestOptions) => void {
  return (name, run, options = {}) =>
    browserTest<T>(
      name,
      { ...common, ...options },
      (context) => around(context, run),
    );
}

/** Leaves the browser time for other things than our questions. */
export function pause(ms = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The engines to run, those of `SW_ENGINES` or all. */
export function chosenEngines(
  chosen: string | undefined = Deno.env.get("SW_ENGINES"),
): BrowserName[] {
  if (!chosen) return [...ENGINES];
  const names = chosen.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !ENGINES.some((one) => one === name));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot run "${unknown}": the engines are ${ENGINES.join(", ")}`,
    );
  }
  return ENGINES.filter((engine) => names.includes(engine));
}
