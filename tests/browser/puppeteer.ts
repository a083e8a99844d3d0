// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Drives Chromium (DevTools protocol) and Firefox (WebDriver BiDi).
 *
 * @module
 */

import puppeteer, { type CDPSession, type Page } from "puppeteer";
import type { Browser as PuppeteerBrowser } from "puppeteer";
import type { Browser, FoundEngine, LaunchOptions, Tab } from "./driver.ts";
import { within } from "./driver.ts";

/** Starts Chromium. */
export async function launchChromium(
  found: FoundEngine,
  options: LaunchOptions = {},
): Promise<Browser> {
  const { profile, args = [] } = options;
  const browser = await puppeteer.launch({
    executablePath: found.executablePath,
    headless: true,
    args: [
      ...found.args,
      // No name leaves the machine.
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost",
      ...args,
    ],
    ...(found.env && { env: found.env }),
    ...(profile !== undefined && { userDataDir: profile }),
  });
  const [blank] = await browser.pages();
  if (!blank) throw new Error("Cannot control Chromium: it has no page");
  // A session with a worker itself would make it hang when it starts again.
  const workers = new ChromiumWorkers(await blank.createCDPSession());
  return {
    name: "chromium",
    version: (await browser.version()).replace(/^.*\//, ""),
    ...shared(browser),
    async openTab() {
      const page = await browser.newPage({ type: "window" });
      const session = await page.createCDPSession();
      return {
        ...tab(page),
        async setFrozen(frozen) {
          await session.send("Page.setWebLifecycleState", {
            state: frozen ? "frozen" : "active",
          });
        },
      };
    },
    stopWorkers: (origin) => workers.stop(origin),
  };
}

/** Starts Firefox. */
export async function launchFirefox(
  found: FoundEngine,
  options: LaunchOptions = {},
): Promise<Browser> {
  const { profile, prefs = {} } = options;
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: found.executablePath,
    headless: true,
    args: [...found.args, "--remote-allow-system-access"],
    extraPrefsFirefox: {
      // No name leaves the machine; loopback does without either.
      "network.dns.disabled": true,
      "network.proxy.type": 1,
      "network.proxy.http": "127.0.0.1",
      "network.proxy.http_port": 9,
      "network.proxy.ssl": "127.0.0.1",
      "network.proxy.ssl_port": 9,
      ...prefs,
    },
    ...(found.env && { env: found.env }),
    ...(profile !== undefined && { userDataDir: profile }),
  });
  return {
    name: "firefox",
    version: (await browser.version()).replace(/^.*\//, ""),
    ...shared(browser),
    // A tab behind another one is hidden, and its timers are slowed down.
    openTab: async () => tab(await browser.newPage({ type: "window" })),
    stopWorkers: (origin) => stopFirefoxWorkers(browser, origin),
  };
}

function shared(
  browser: PuppeteerBrowser,
): Pick<Browser, "connected" | "close" | "kill"> {
  const child = browser.process();
  const ended = new Promise<void>((resolve) => {
    if (!child || child.exitCode !== null) resolve();
    child?.on("exit", () => resolve());
  });
  const kill = async () => {
    child?.kill("SIGKILL");
    await within(5000, "end the browser", ended);
  };
  return {
    get connected() {
      return browser.connected;
    },
    async close() {
      await within(10_000, "close the browser", browser.close()).catch(kill);
    },
    kill,
  };
}

function tab(page: Page): Tab {
  const log: string[] = [];
  page.on("console", (message) => {
    log.push(`page: ${message.type()} ${message.text()}`);
  });
  page.on("pageerror", (error) => {
    log.push(`page: ${error instanceof Error ? error.stack : error}`);
  });
  return {
    log,
    evaluate: async (expression) => String(await page.evaluate(expression)),
    goto: async (url) => {
      await page.goto(url);
    },
    reload: async () => {
      await page.reload();
    },
    screenshot: () => page.screenshot(),
    bringToFront: () => page.bringToFront(),
    close: () => page.close(),
  };
}

/** What Chromium says of its workers, for as long as it runs. */
class ChromiumWorkers {
  readonly #session: CDPSession;
  readonly #versions = new Map<
    string,
    { scriptURL: string; runningStatus: string }
  >();
  #changed = Promise.withResolvers<void>();

  constructor(session: CDPSession) {
    this.#session = session;
    session.on("ServiceWorker.workerVersionUpdated", ({ versions }) => {
      for (const version of versions) {
        this.#versions.set(version.versionId, version);
      }
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  async stop(origin: string): Promise<void> {
    await this.#session.send("ServiceWorker.enable");
    // What Chromium knows arrives before a further command is answered.
    await this.#session.send("ServiceWorker.setForceUpdateOnPageLoad", {
      forceUpdateOnPageLoad: false,
    });
    const running = () =>
      [...this.#versions].filter(([, { scriptURL, runningStatus }]) =>
        scriptURL.startsWith(`${origin}/`) && runningStatus !== "stopped"
      );
    for (const [versionId] of running()) {
      await this.#session.send("ServiceWorker.stopWorker", { versionId });
    }
    while (running().length > 0) await this.#changed.promise;
  }
}

/** Runs a function body in Firefox's own window, where it may do anything. */
async function inFirefox(
  browser: PuppeteerBrowser,
  body: string,
): Promise<void> {
  const { connection } = browser as unknown as {
    connection: {
      send(method: string, parameters: unknown): Promise<{ result: unknown }>;
    };
  };
  const { result: tree } = await connection.send("browsingContext.getTree", {
    "moz:scope": "chrome",
  }) as { result: { contexts: { context: string; url: string }[] } };
  const window = tree.contexts.find(({ url }) => url.endsWith("browser.xhtml"));
  const { result } = await connection.send("script.evaluate", {
    expression: `(async () => { ${body} })()`,
    target: { context: window?.context },
    awaitPromise: true,
  }) as { result: { type: string; exceptionDetails?: { text: string } } };
  if (result.type === "exception") {
    throw new Error(`Cannot control Firefox: ${result.exceptionDetails?.text}`);
  }
}

/** Stops the workers of an origin in Firefox. */
function stopFirefoxWorkers(
  browser: PuppeteerBrowser,
  origin: string,
): Promise<void> {
  return inFirefox(
    browser,
    `
    const all = Cc["@mozilla.org/serviceworkers/manager;1"]
      .getService(Ci.nsIServiceWorkerManager).getAllRegistrations();
    for (let i = 0; i < all.length; i++) {
      const registration = all.queryElementAt(i, Ci.nsIServiceWorkerRegistrationInfo);
      if (!registration.scope.startsWith(${
      JSON.stringify(`${origin}/`)
    })) continue;
      for (const state of ["installing", "waiting", "active"]) {
        await registration[state + "Worker"]?.terminateWorker();
      }
    }
  `,
  );
}
