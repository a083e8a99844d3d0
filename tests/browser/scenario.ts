// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Runs one scenario in one engine, and keeps the browsers between scenarios.
 *
 * @module
 */

import {
  type BrowserName,
  findBrowser,
  type FoundBrowser,
  prepareNotifications,
} from "../../tools/find_browser.ts";
import { ModuleCoverage } from "./coverage.ts";
import { Desktop } from "./desktop.ts";
import {
  type Browser,
  type LaunchOptions,
  type ScriptCoverage,
  type Tab,
  within,
} from "./driver.ts";
import type {
  BrowserTest,
  BrowserTestContext,
  BrowserTestResult,
} from "./harness.ts";
import type { Notifications } from "./notifications.ts";
import { Skip, TestPage } from "./page.ts";
import type { PushService } from "./push_service.ts";
import { launchChromium, launchFirefox } from "./puppeteer.ts";
import { TestServer } from "./server.ts";
import { launchWebKit } from "./webkit.ts";

const LAUNCH = {
  chromium: launchChromium,
  firefox: launchFirefox,
  webkit: launchWebKit,
};

/** The browsers of a run: each engine is found once, and started when needed. */
export class Browsers {
  /** What ran of the published modules, in the engines that tell. */
  readonly coverage: ModuleCoverage | undefined;
  readonly #found: Map<BrowserName, Promise<FoundBrowser>>;
  readonly #notifying: Map<BrowserName, Promise<void>>;
  readonly #running = new Map<BrowserName, Browser>();
  readonly #desktops = new Map<BrowserName, Promise<Desktop>>();

  /** Measures coverage if asked to; finds what others have found. */
  constructor(options: { coverage?: boolean; others?: Browsers } = {}) {
    const { coverage = false, others } = options;
    this.coverage = others?.coverage;
    if (coverage) this.coverage ??= new ModuleCoverage();
    this.#found = others ? others.#found : new Map();
    this.#notifying = others ? others.#notifying : new Map();
  }

  /** Where an engine is; rejects with a `Skip` if it does not exist for this system. */
  async find(name: BrowserName): Promise<FoundBrowser> {
    let found = this.#found.get(name);
    if (!found) this.#found.set(name, found = findBrowser(name));
    return await orSkip(found);
  }

  /** Gets what an engine needs to show notifications; rejects with a `Skip` if it cannot be had. */
  async prepareNotifications(name: BrowserName): Promise<void> {
    let ready = this.#notifying.get(name);
    if (!ready) this.#notifying.set(name, ready = prepareNotifications(name));
    await orSkip(ready);
  }

  /** What surrounds the browser that all scenarios share. */
  desktop(name: BrowserName): Promise<Desktop> {
    let desktop = this.#desktops.get(name);
    if (!desktop) this.#desktops.set(name, desktop = Desktop.start(name));
    return desktop;
  }

  /** The browser that all scenarios share. */
  async shared(name: BrowserName): Promise<Browser> {
    const running = this.#running.get(name);
    if (running && !running.ended()) return running;
    const browser = await this.launch(name, {
      ...(await this.desktop(name)).launch,
      measure: this.coverage !== undefined,
    });
    this.#running.set(name, browser);
    return browser;
  }

  /** Starts another browser. */
  async launch(name: BrowserName, options: LaunchOptions): Promise<Browser> {
    const found = await this.find(name);
    return await within(
      60_000,
      `start ${name}`,
      LAUNCH[name](found, options),
    );
  }

  /** Ends the one that scenarios shared: the next ones share another. */
  async end(name: BrowserName): Promise<void> {
    const running = this.#running.get(name);
    this.#running.delete(name);
    await running?.close();
  }

  /** Ends what the scenarios shared. */
  async close(): Promise<void> {
    const running = [...this.#running.values()];
    this.#running.clear();
    await Promise.all(running.map((browser) => browser.close()));
    const desktops = await Promise.all(this.#desktops.values());
    this.#desktops.clear();
    await Promise.all(desktops.map((desktop) => desktop.stop()));
  }
}

/** Makes a `Skip` of what does not exist here. */
async function orSkip<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw error instanceof DOMException ? new Skip(error.message) : error;
  }
}

/** Runs a scenario in an engine. */
export async function runScenario(
  name: BrowserName,
  test: BrowserTest,
  browsers: Browsers,
): Promise<BrowserTestResult> {
  const { timeout = 60_000 } = test.options;
  const start = performance.now();
  const scenario = new Scenario(name, test, browsers);
  try {
    await scenario.prepare();
    await within(timeout, `end "${test.name}"`, scenario.run());
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
      reason: [text, ...scenario.log()].join("\n"),
    };
  } finally {
    await scenario.end();
  }
}

class Scenario {
  readonly #name: BrowserName;
  readonly #test: BrowserTest;
  readonly #browsers: Browsers;
  readonly #own: boolean;
  readonly #notifies: boolean;
  readonly #tabs = new Set<Tab>();
  readonly #pages: TestPage[] = [];
  #browser: Browser | undefined;
  #server: TestServer | undefined;
  #desktop: Desktop | undefined;
  #profile: string | undefined;
  #offline = false;
  #ended = false;

  constructor(name: BrowserName, test: BrowserTest, browsers: Browsers) {
    this.#name = name;
    this.#test = test;
    this.#browsers = browsers;
    const { profile = false, prefs, args, push = false, notifications = push } =
      test.options;
    this.#notifies = notifications;
    this.#own = profile ||
      name === "webkit" && notifications ||
      name === "firefox" && prefs !== undefined ||
      name === "chromium" && args !== undefined;
  }

  async prepare(): Promise<void> {
    const { profile = false, needs = [] } = this.#test.options;
    const { lacks } = await this.#browsers.find(this.#name);
    const lacking = (this.#notifies ? [...needs, "notifications"] : needs)
      .find((need) => lacks.some((lack) => lack === need));
    if (lacking) throw new Skip(`this build has no ${lacking}`);
    if (profile) {
      // MiniBrowser keeps none; what does needs the same.
      if (this.#name === "webkit") {
        await this.#browsers.prepareNotifications(this.#name);
      }
      this.#profile = await Deno.makeTempDir({ prefix: "profile-" });
    }
    if (this.#notifies) await this.#prepareDesktop();
    this.#server = await TestServer.start(this.#test.options);
    this.#browser = await this.#launch();
  }

  async run(): Promise<void> {
    const { server, browser } = this.#prepared();
    const page = await this.#open("/");
    const context: BrowserTestContext = {
      engine: { name: this.#name, version: browser.version },
      server,
      page,
      openPage: (path = "/") => this.#open(path),
      skip: (reason) => {
        throw new Skip(reason);
      },
      stopWorkers: async () => {
        const { stopWorkers } = this.#prepared().browser;
        if (!stopWorkers) throw new Skip("no worker can be stopped");
        await within(5000, "stop the workers", stopWorkers(server.origin));
      },
      setWorkerOffline: async (offline) => {
        const { setWorkerOffline } = this.#prepared().browser;
        if (!setWorkerOffline) throw new Skip("no worker can be taken offline");
        await setWorkerOffline(server.origin, offline);
        this.#offline = offline;
      },
      push: this.#desktop?.push as PushService,
      notifications: this.#desktop?.notifications as Notifications,
      setNotificationPermission: async (state) => {
        const { browser } = this.#prepared();
        if (!browser.setNotificationPermission) {
          throw new Skip("no permission can be set");
        }
        await browser.setNotificationPermission(server.origin, state);
      },
      openedPage: async (path) => {
        const { browser } = this.#prepared();
        if (!browser.openedTab) throw new Skip("a worker opens no page here");
        return this.#add(await browser.openedTab(server.url(path)));
      },
      restartBrowser: async ({ kill = false } = {}) => {
        const { browser } = this.#prepared();
        if (this.#profile === undefined) {
          throw new TypeError(
            'Cannot restart the browser: the test has no "profile"',
          );
        }
        await (kill ? browser.kill() : browser.close());
        this.#tabs.clear();
        this.#browser = await this.#launch();
        return await this.#open("/");
      },
    };
    await this.#test.run(context);
  }

  /** What pages, worker and server said, and what was not answered. */
  log(): string[] {
    return this.#pages.flatMap(({ log, pending }) => [...log, ...pending])
      .concat(this.#server?.log ?? []);
  }

  async end(): Promise<void> {
    this.#ended = true;
    const browser = this.#browser;
    const closed = (async () => {
      await Promise.all([...this.#tabs].map((tab) => tab.close()));
      if (this.#notifies) {
        await browser?.closeTabs?.(this.#server?.origin ?? "");
      }
      if (this.#offline) {
        await browser?.setWorkerOffline?.(this.#server?.origin ?? "", false);
      }
      // A measured worker does not stop by itself.
      await browser?.stopWorkers?.(this.#server?.origin ?? "");
      await this.#takeCoverage([
        browser?.takeWorkerCoverage?.(),
        ...[...this.#tabs].map((tab) => tab.takeCoverage?.()),
      ]);
    })();
    try {
      await within(5000, "close the pages", closed);
    } catch (error) {
      // Such a browser is of no use to the next scenario.
      console.log(`${this.#name} is started again: ${error}`);
      await browser?.kill();
    }
    await this.#server?.stop();
    if (this.#own) {
      await browser?.close();
      await this.#desktop?.stop();
    }
    if (this.#profile) {
      // A helper process may still write into it.
      await Deno.remove(this.#profile, { recursive: true }).catch(() => {});
    }
  }

  #prepared(): { server: TestServer; browser: Browser } {
    const [server, browser] = [this.#server, this.#browser];
    if (!server || !browser || this.#ended) {
      throw new Error("Cannot go on: the scenario has ended");
    }
    return { server, browser };
  }

  async #prepareDesktop(): Promise<void> {
    await this.#browsers.prepareNotifications(this.#name);
    this.#desktop = this.#own
      ? await Desktop.start(this.#name)
      : await this.#browsers.desktop(this.#name);
    this.#desktop.clear();
    if (this.#test.options.push && !this.#desktop.push) {
      throw new Skip(
        this.#name === "webkit"
          ? "WebKitGTK has no push service"
          : "there is no openssl to make a certificate",
      );
    }
  }

  async #launch(): Promise<Browser> {
    const { prefs, args } = this.#test.options;
    const { origin = "" } = this.#server ?? {};
    const around = this.#desktop?.launch;
    const browser = this.#own
      ? await this.#browsers.launch(this.#name, {
        ...around,
        profile: this.#profile,
        prefs: { ...around?.prefs, ...prefs },
        args: [...around?.args ?? [], ...args ?? []],
        notifier: this.#notifies ? origin : undefined,
      })
      : await this.#browsers.shared(this.#name);
    if (this.#notifies) {
      await browser.setNotificationPermission?.(origin, "granted");
    }
    return browser;
  }

  async #open(path: string): Promise<TestPage> {
    const { server, browser } = this.#prepared();
    const tab = await browser.openTab(this.#tabs.size === 0 ? "tab" : "window");
    this.#tabs.add(tab);
    await tab.goto(server.url(path));
    return this.#add(tab);
  }

  #add(tab: Tab): TestPage {
    const { server } = this.#prepared();
    const page = new TestPage(tab, server, this.#test.options);
    this.#tabs.add(tab);
    this.#pages.push(page);
    return page;
  }

  async #takeCoverage(
    taken: (Promise<ScriptCoverage[]> | undefined)[],
  ): Promise<void> {
    const { coverage } = this.#browsers;
    if (!coverage || !this.#server) return;
    for (const script of (await Promise.all(taken)).flat()) {
      const served = script && this.#server.served(script);
      if (served) coverage.add(script, served);
    }
  }
}
