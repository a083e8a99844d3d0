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
 * test calls. Values go both ways as JSON.
 *
 * Run one file with `deno run -A tools/deno.ts run -A tests/browser/run.ts
 * tests/browser/request_test.ts`; add `--engine=firefox` or `--filter=answered`
 * to run less. Every scenario has a server, hence an origin, and a page of its own; the
 * browser is shared, unless the scenario asks for a `profile`, `prefs` or `args`.
 *
 * A control which the engine does not give (`stopWorkers()` in WebKit) ends the
 * scenario there as skipped, with the reason in the report; so does `skip(reason)`.
 *
 * @module
 */

import {
  type Browser,
  type EngineName,
  ENGINES,
  type LaunchOptions,
  type Tab,
  within,
} from "./driver.ts";
import { findEngine } from "./engines.ts";
import { launchChromium, launchFirefox } from "./puppeteer.ts";
import { type ServerOptions, TestServer } from "./server.ts";
import { launchWebKit } from "./webkit.ts";

export type { EngineName } from "./driver.ts";
export type { ReceivedRequest, Script } from "./server.ts";
export { TestServer } from "./server.ts";

/** The exports of a page's script. */
// deno-lint-ignore no-explicit-any
type Exports = Record<string, (...args: any[]) => unknown>;

/** What a scenario is made of. */
export interface BrowserTestOptions extends ServerOptions {
  /** Whether the browser is started for this test, with a profile that survives `restartBrowser()`. @default {false} */
  profile?: boolean;
  /** Preferences of Firefox, for which it is started anew. */
  prefs?: Record<string, unknown>;
  /** Arguments of Chromium, for which it is started anew. */
  args?: string[];
  /** Milliseconds after which the test has failed. @default {30000} */
  timeout?: number;
}

/** What a scenario is given. */
export interface BrowserTestContext<T = Exports> {
  /** The engine that runs the scenario now. */
  readonly engine: { readonly name: EngineName; readonly version: string };
  readonly server: TestServer;
  /** A page at `/`. */
  readonly page: TestPage<T>;
  /** Opens another page. */
  openPage(path?: string): Promise<TestPage<T>>;
  /** Ends the test here, as skipped. */
  skip(reason: string): never;
  /** Stops the workers of the origin, as the browser does when they are idle; resolves when they are stopped. Not in WebKit. */
  stopWorkers(): Promise<void>;
  /** Kills the browser with SIGKILL, or closes it, and starts it again with the same profile; then a page at `/`. Not in WebKit. */
  restartBrowser(options?: { kill?: boolean }): Promise<TestPage<T>>;
}

type Scenario = (context: BrowserTestContext) => Promise<void> | void;

/** A registered scenario. */
export interface BrowserTest {
  readonly name: string;
  readonly options: BrowserTestOptions;
  readonly run: Scenario;
}

/** How a scenario ended in an engine. */
export interface BrowserTestResult {
  readonly status: "passed" | "failed" | "skipped";
  readonly ms: number;
  /** Why it failed or was skipped. */
  readonly reason?: string;
}

/** Ends a test as skipped. */
class Skip extends Error {}

/** The scenarios of the files that were imported. */
export const browserTests: BrowserTest[] = [];

/**
 * Declares a scenario.
 *
 * @typeParam T The page's exports, `typeof import("./fixtures/page.ts")`, if its calls are to be typed.
 */
export function browserTest<T = Exports>(
  name: string,
  options: BrowserTestOptions,
  run: (context: BrowserTestContext<T>) => Promise<void> | void,
): void {
  const test: BrowserTest = { name, options, run: run as unknown as Scenario };
  browserTests.push(test);
  // For `deno test` of a file; nothing happens there under run.ts.
  for (const engine of chosenEngines()) {
    Deno.test({
      name: `${name} (${engine})`,
      // The browser outlives the test.
      sanitizeOps: false,
      sanitizeResources: false,
      async fn() {
        const { status, reason } = await runBrowserTest(engine, test);
        if (status === "skipped") console.log(`skipped: ${reason}`);
        if (status === "failed") throw new Error(reason);
      },
    });
  }
  if (browserTests.length === 1) Deno.test.afterAll(closeBrowsers);
}

/** The engines to run, those of `SW_ENGINES` or all. */
export function chosenEngines(
  chosen: string | undefined = Deno.env.get("SW_ENGINES"),
): EngineName[] {
  if (!chosen) return [...ENGINES];
  const names = chosen.split(",").map((name) => name.trim());
  const unknown = names.find((name) =>
    !ENGINES.some((engine) => engine === name)
  );
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot run "${unknown}": the engines are ${ENGINES.join(", ")}`,
    );
  }
  return ENGINES.filter((engine) => names.includes(engine));
}

/** A page of a test. */
export class TestPage<T = Exports> {
  readonly #tab: Tab;
  readonly #server: TestServer;
  readonly #options: BrowserTestOptions;

  constructor(tab: Tab, server: TestServer, options: BrowserTestOptions) {
    this.#tab = tab;
    this.#server = server;
    this.#options = options;
  }

  /** What the page logged. */
  get log(): readonly string[] {
    return this.#tab.log;
  }

  /** Registers `/sw.js` and waits until it is active and, if it claims, controls this page. */
  async register(options: { scope?: string } = {}): Promise<void> {
    const { module = false, claim = true } = this.#options;
    const how = { ...options, type: module ? "module" : "classic" } as const;
    await this.evaluate(
      async (how, claim) => {
        const { serviceWorker } = navigator;
        const registration = await serviceWorker.register("/sw.js", how);
        const worker = registration.installing ?? registration.waiting ??
          registration.active;
        await new Promise<void>((resolve, reject) => {
          const look = () => {
            if (worker?.state === "activated") resolve();
            if (worker?.state === "redundant") {
              reject(new Error("Cannot register: the worker became redundant"));
            }
          };
          worker?.addEventListener("statechange", look);
          look();
        });
        const controls = () =>
          serviceWorker.controller !== null ||
          !location.href.startsWith(registration.scope);
        while (claim && !controls()) {
          await new Promise((resolve) =>
            serviceWorker.addEventListener("controllerchange", resolve, {
              once: true,
            })
          );
        }
      },
      how,
      claim,
    );
  }

  /** Calls an export of the page's script. */
  call<K extends keyof T & string>(
    name: K,
    ...args: T[K] extends (...args: infer A) => unknown ? A : never
  ): Promise<T[K] extends (...args: never[]) => infer R ? Awaited<R> : never> {
    const expression = `harness.page.then((page) => page[${
      JSON.stringify(name)
    }](...${JSON.stringify(args)}))`;
    return this.#evaluate(expression) as ReturnType<typeof this.call<K>>;
  }

  /** Evaluates a function in the page; it sees nothing of the test but its arguments. */
  evaluate<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...args: A
  ): Promise<Awaited<R>> {
    return this.#evaluate(`(${fn})(...${JSON.stringify(args)})`) as Promise<
      Awaited<R>
    >;
  }

  /** Waits until a function returns something truthy in the page, and resolves with it. */
  async waitFor<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...args: A
  ): Promise<Awaited<R>> {
    while (true) {
      const value = await this.evaluate(fn, ...args);
      if (value) return value;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Navigates to a path or URL. */
  async goto(path: string): Promise<void> {
    await this.#tab.goto(this.#server.url(path));
  }

  /** Loads the page again. */
  async reload(): Promise<void> {
    await this.#tab.reload();
  }

  /** Goes back in the history; resolves with whether the page came from the back/forward cache. */
  async back(): Promise<boolean> {
    await this.evaluate(() => {
      Object.assign(globalThis, { harnessLeft: true });
      setTimeout(() => history.back());
    });
    while (true) {
      // The evaluation fails in the moment of the navigation.
      const left = await this.evaluate(() =>
        document.readyState === "complete" && !("harnessLeft" in globalThis)
      ).catch(() => false);
      if (left) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return await this.evaluate(() => "harnessCached" in globalThis);
  }

  /** The text that a reader sees. */
  text(): Promise<string> {
    return this.evaluate(() => document.body.innerText);
  }

  /** Writes what the page looks like to a PNG file. */
  async screenshot(path: string): Promise<void> {
    await Deno.writeFile(path, await this.#tab.screenshot());
  }

  /** Makes this the page that a user sees. */
  async bringToFront(): Promise<void> {
    await this.#tab.bringToFront();
  }

  /** Freezes the page as the browser does to save power. Only in Chromium. */
  async freeze(): Promise<void> {
    const { setFrozen } = this.#tab;
    if (!setFrozen) throw new Skip("this engine cannot freeze a page");
    await setFrozen(true);
  }

  /** Ends `freeze()`. */
  async resume(): Promise<void> {
    await this.#tab.setFrozen?.(false);
  }

  /** Closes the page. */
  async close(): Promise<void> {
    await this.#tab.close();
  }

  async #evaluate(expression: string): Promise<unknown> {
    const json = await this.#tab.evaluate(`(async () => {
      try {
        return JSON.stringify({ value: await (${expression}) });
      } catch (error) {
        const { name, message, stack } = Object(error);
        return JSON.stringify({ error: { name, message: message ?? String(error), stack } });
      }
    })()`);
    const { value, error } = JSON.parse(json);
    if (!error) return value;
    throw Object.assign(new Error(error.message), {
      name: error.name ?? "Error",
      stack: `${error.name}: ${error.message}\n${error.stack}`,
    });
  }
}

// Shared by all tests, by engine.
const browsers = new Map<EngineName, Promise<Browser>>();

/** Starts the browser of an engine, or takes the one that runs. */
export async function sharedBrowser(engine: EngineName): Promise<Browser> {
  const running = await browsers.get(engine)?.catch(() => undefined);
  if (running?.connected) return running;
  const browser = launch(engine);
  browsers.set(engine, browser);
  return await browser;
}

/** Closes what `sharedBrowser()` started. */
export async function closeBrowsers(): Promise<void> {
  const running = await Promise.allSettled(browsers.values());
  browsers.clear();
  for (const browser of running) {
    if (browser.status === "fulfilled") await browser.value.close();
  }
}

async function launch(
  engine: EngineName,
  options: LaunchOptions = {},
): Promise<Browser> {
  const found = await findEngine(engine);
  const start = {
    chromium: launchChromium,
    firefox: launchFirefox,
    webkit: launchWebKit,
  }[engine];
  return await within(60_000, `start ${engine}`, start(found, options));
}

/** Runs a scenario in an engine. */
export async function runBrowserTest(
  engine: EngineName,
  test: BrowserTest,
): Promise<BrowserTestResult> {
  const { timeout = 30_000 } = test.options;
  const start = performance.now();
  const run = new Run(engine, test);
  try {
    await run.prepare();
    await within(timeout, `end "${test.name}"`, run.execute());
    return { status: "passed", ms: performance.now() - start };
  } catch (error) {
    const ms = performance.now() - start;
    if (error instanceof Skip) {
      return { status: "skipped", ms, reason: error.message };
    }
    const text = error instanceof Error ? error.stack ?? error.message : error;
    return {
      status: "failed",
      ms,
      reason: [text, ...run.log()].join("\n"),
    };
  } finally {
    await run.cleanUp();
  }
}

/** One scenario in one engine. */
class Run {
  readonly #engine: EngineName;
  readonly #test: BrowserTest;
  readonly #own: boolean;
  readonly #tabs = new Set<Tab>();
  #browser: Browser | undefined;
  #server: TestServer | undefined;
  #profile: string | undefined;

  constructor(engine: EngineName, test: BrowserTest) {
    this.#engine = engine;
    this.#test = test;
    const { profile, prefs, args } = test.options;
    this.#own = profile === true ||
      engine === "firefox" && prefs !== undefined ||
      engine === "chromium" && args !== undefined;
  }

  async prepare(): Promise<void> {
    if (this.#test.options.profile) {
      if (this.#engine === "webkit") {
        throw new Skip("MiniBrowser keeps no profile when it is automated");
      }
      this.#profile = await Deno.makeTempDir({ prefix: "profile-" });
    }
    this.#server = await TestServer.start(this.#test.options);
    await this.#launch();
  }

  async execute(): Promise<void> {
    const server = this.#server!;
    const browser = this.#browser!;
    const page = await this.#open("/");
    await this.#test.run({
      engine: { name: this.#engine, version: browser.version },
      server,
      page,
      openPage: (path = "/") => this.#open(path),
      skip: (reason) => {
        throw new Skip(reason);
      },
      stopWorkers: async () => {
        const { stopWorkers } = this.#browser!;
        if (!stopWorkers) throw new Skip("this engine cannot stop a worker");
        await within(5000, "stop the workers", stopWorkers(server.origin));
      },
      restartBrowser: async ({ kill = false } = {}) => {
        if (!this.#own) {
          throw new TypeError(
            'Cannot restart the browser: the test does not ask for a "profile"',
          );
        }
        await (kill ? this.#browser!.kill() : this.#browser!.close());
        this.#tabs.clear();
        await this.#launch();
        return await this.#open("/");
      },
    });
  }

  /** What pages, worker and server said. */
  log(): string[] {
    return [
      ...[...this.#tabs].flatMap((tab) => tab.log),
      ...this.#server?.log ?? [],
    ];
  }

  async cleanUp(): Promise<void> {
    const closed = Promise.all([...this.#tabs].map((tab) => tab.close()));
    await within(5000, "close the pages", closed)
      // A browser which does not answer is of no use to the next test.
      .catch(() => this.#browser?.kill());
    await this.#server?.stop();
    if (this.#own) await this.#browser?.close();
    if (this.#profile) {
      await Deno.remove(this.#profile, { recursive: true }).catch(() => {});
    }
  }

  async #launch(): Promise<void> {
    const { prefs, args } = this.#test.options;
    this.#browser = this.#own
      ? await launch(this.#engine, { profile: this.#profile, prefs, args })
      : await sharedBrowser(this.#engine);
  }

  async #open(path: string): Promise<TestPage> {
    const server = this.#server!;
    const tab = await this.#browser!.openTab();
    this.#tabs.add(tab);
    await tab.goto(server.url(path));
    return new TestPage(tab, server, this.#test.options);
  }
}
