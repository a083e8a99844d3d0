// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Drives Chromium (DevTools protocol) and Firefox (WebDriver BiDi).
 *
 * @module
 */

import puppeteer, {
  type CDPSession,
  type Page,
  type Protocol,
} from "puppeteer";
import type { Browser as PuppeteerBrowser } from "puppeteer";
import type { FoundBrowser } from "../../tools/find_browser.ts";
import type { Browser, LaunchOptions, ScriptCoverage, Tab } from "./driver.ts";
import { within } from "./driver.ts";
import { endGroup, endWithUs, hasEnded, untilEnded } from "./process.ts";

/** Starts Chromium. */
export async function launchChromium(
  found: FoundBrowser,
  options: LaunchOptions = {},
): Promise<Browser> {
  const { profile, args = [], env, measure = false } = options;
  const browser = await puppeteer.launch({
    executablePath: found.executablePath,
    headless: true,
    args: [
      ...found.args,
      // No name leaves the machine.
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost",
      ...args,
    ],
    env: { ...found.env ?? Deno.env.toObject(), ...env },
    ...(profile !== undefined && { userDataDir: profile }),
  });
  const workers = await ChromiumWorkers.watch(browser, measure);
  return {
    name: "chromium",
    version: (await browser.version()).replace(/^.*\//, ""),
    ...shared(browser),
    async openTab(type) {
      const page = await browser.newPage({ type });
      const session = await page.createCDPSession();
      const coverage: ScriptCoverage[] = [];
      const take = async () => {
        if (measure) coverage.push(...await takeMeasured(session));
      };
      if (measure) await startMeasuring(session);
      const { goto, reload, close, ...rest } = tab(page);
      return {
        ...rest,
        // What ran in a page is lost when the page goes away.
        goto: (url) => take().then(() => goto(url)),
        reload: () => take().then(reload),
        close: () => take().then(close),
        async setView({ scheme, ...size }) {
          await page.setViewport(size);
          await page.emulateMediaFeatures([
            { name: "prefers-color-scheme", value: scheme },
          ]);
        },
        async setFrozen(frozen) {
          await session.send("Page.setWebLifecycleState", {
            state: frozen ? "frozen" : "active",
          });
        },
        takeCoverage: () => Promise.resolve(coverage.splice(0)),
      };
    },
    stopWorkers: (origin) => workers.stop(origin),
    setWorkerOffline: (origin, offline) => workers.setOffline(origin, offline),
    takeWorkerCoverage: () => workers.takeCoverage(),
  };
}

/** Starts Firefox. */
export async function launchFirefox(
  found: FoundBrowser,
  options: LaunchOptions = {},
): Promise<Browser> {
  const { profile, prefs = {}, env } = options;
  if (profile !== undefined) await untilRestored(profile);
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
    env: { ...found.env ?? Deno.env.toObject(), ...env },
    ...(profile !== undefined && { userDataDir: profile }),
  });
  return {
    name: "firefox",
    version: (await browser.version()).replace(/^.*\//, ""),
    ...shared(browser),
    openTab: async (type) => tab(await browser.newPage({ type })),
    stopWorkers: (origin) => stopFirefoxWorkers(browser, origin),
  };
}

function shared(
  browser: PuppeteerBrowser,
): Omit<Browser, "name" | "version" | "openTab"> {
  const child = browser.process();
  if (!child) throw new Error("Cannot control the browser: it has no process");
  endWithUs(child);
  const kill = () => endGroup(child, "SIGKILL");
  return {
    ended: () => hasEnded(child) || !browser.connected,
    async close() {
      const closed = browser.close().then(() => untilEnded(child));
      await within(10_000, "close the browser", closed).catch(kill);
    },
    kill,
    setNotificationPermission: (origin, state) =>
      browser.setPermission(origin, {
        permission: { name: "notifications" },
        state,
      }),
    async openedTab(url) {
      const target = await browser.waitForTarget((one) => one.url() === url);
      const page = await target.page();
      if (!page) throw new Error(`Cannot find ${url}: it is not a page`);
      return tab(page);
    },
    async closeTabs(origin) {
      for (const page of await browser.pages()) {
        if (page.url().startsWith(`${origin}/`)) await page.close();
      }
    },
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
    screenshot: (type) =>
      page.screenshot({ type, ...(type === "webp" && { quality: 90 }) }),
    bringToFront: () => page.bringToFront(),
    async close() {
      if (!page.isClosed()) await page.close();
    },
  };
}

/** The workers of a Chromium, for as long as it runs. */
class ChromiumWorkers {
  readonly #browser: PuppeteerBrowser;
  readonly #page: CDPSession;
  readonly #versions = new Map<
    string,
    Protocol.ServiceWorker.ServiceWorkerVersion
  >();
  /** By the identifier of the worker's target. */
  readonly #sessions = new Map<string, CDPSession>();
  readonly #offline = new Map<string, CDPSession>();
  #coverage: ScriptCoverage[] = [];
  #changed = Promise.withResolvers<void>();

  static async watch(
    browser: PuppeteerBrowser,
    measure: boolean,
  ): Promise<ChromiumWorkers> {
    const [blank] = await browser.pages();
    if (!blank) throw new Error("Cannot control Chromium: it has no page");
    const page = await blank.createCDPSession();
    const workers = new ChromiumWorkers(browser, page);
    await page.send("ServiceWorker.enable");
    if (measure) await workers.#measure();
    return workers;
  }

  private constructor(browser: PuppeteerBrowser, page: CDPSession) {
    this.#browser = browser;
    this.#page = page;
    page.on("ServiceWorker.workerVersionUpdated", ({ versions }) => {
      for (const version of versions) this.#update(version);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  async stop(origin: string): Promise<void> {
    if (this.#offline.has(origin)) {
      // It would hang when it starts again.
      throw new Error(`Cannot stop the workers of "${origin}": one is offline`);
    }
    this.#coverage.push(...await this.#measured());
    // What Chromium knows arrives before a further command is answered.
    await this.#page.send("ServiceWorker.setForceUpdateOnPageLoad", {
      forceUpdateOnPageLoad: false,
    });
    const running = () =>
      [...this.#versions.values()].filter((version) =>
        version.scriptURL.startsWith(`${origin}/`) &&
        version.runningStatus !== "stopped"
      );
    for (const { versionId } of running()) {
      await this.#page.send("ServiceWorker.stopWorker", { versionId });
    }
    while (running().length > 0) await this.#changed.promise;
  }

  async setOffline(origin: string, offline: boolean): Promise<void> {
    const session = this.#offline.get(origin) ?? await this.#open(origin);
    this.#offline.set(origin, session);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", {
      offline,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: -1,
    });
    if (offline) return;
    this.#offline.delete(origin);
    await session.detach();
  }

  /** What all workers ran since this was last called, after which a stopped one is no longer measured. */
  async takeCoverage(): Promise<ScriptCoverage[]> {
    this.#coverage.push(...await this.#measured());
    for (const [id, session] of this.#sessions) {
      if (this.#runs(id)) continue;
      this.#sessions.delete(id);
      await session.detach().catch(() => {});
    }
    return this.#coverage.splice(0);
  }

  /** What the running workers ran since this was last called; others would not answer. */
  async #measured(): Promise<ScriptCoverage[]> {
    const running = [...this.#sessions].filter(([id]) => this.#runs(id));
    const taken = running.map(([, session]) => takeMeasured(session));
    return (await Promise.all(taken)).flat();
  }

  #runs(id: string): boolean {
    return [...this.#versions.values()].some(({ targetId, runningStatus }) =>
      targetId === id && runningStatus === "running"
    );
  }

  /** A session with the running worker of an origin. */
  async #open(origin: string): Promise<CDPSession> {
    const target = await this.#browser.waitForTarget(
      (target) =>
        target.type() === "service_worker" &&
        target.url().startsWith(`${origin}/`),
      { timeout: 2000 },
    );
    return await target.createCDPSession();
  }

  /** Measures every worker that starts from now on, from its first statement. */
  async #measure(): Promise<void> {
    const root = await this.#browser.target().createCDPSession();
    root.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
      const session = root.connection()?.session(sessionId);
      if (!session) return;
      this.#sessions.set(targetInfo.targetId, session);
      startMeasuring(session).catch(() => {});
    });
    await root.send("Target.setAutoAttach", {
      autoAttach: true,
      waitForDebuggerOnStart: true,
      flatten: true,
      filter: [{ type: "service_worker" }],
    });
  }

  #update(version: Protocol.ServiceWorker.ServiceWorkerVersion): void {
    const before = this.#versions.get(version.versionId);
    this.#versions.set(version.versionId, version);
    const { targetId = "", runningStatus, status } = version;
    const session = this.#sessions.get(targetId);
    if (!session || runningStatus !== "starting" || status === "new") return;
    // A worker which a session was attached to when it stopped waits, when it
    // starts again, for that session to let it go once more.
    const again = before?.runningStatus !== "starting" || !before.targetId;
    if (again) startMeasuring(session).catch(() => {});
  }
}

/** Measures what a page or a worker runs from now on, and lets a worker that waits go. */
async function startMeasuring(session: CDPSession): Promise<void> {
  // Sent together: a worker that waits for its debuggers answers nothing until
  // all have let it go, and then it is too late to start measuring.
  await Promise.all([
    session.send("Profiler.enable"),
    session.send("Profiler.startPreciseCoverage", {
      callCount: true,
      detailed: true,
    }),
    session.send("Runtime.runIfWaitingForDebugger"),
  ]);
}

/** What ran since it was last asked; nothing of what no longer answers. */
async function takeMeasured(session: CDPSession): Promise<ScriptCoverage[]> {
  const taken = session.send("Profiler.takePreciseCoverage");
  const { result } = await within(1000, "take the coverage", taken)
    .catch(() => ({ result: [] }));
  return result;
}

/** Waits until Puppeteer has put back the preferences of a profile that was in use. */
async function untilRestored(profile: string): Promise<void> {
  for (const name of ["prefs.js", "user.js"]) {
    const backup = `${profile}/${name}.puppeteer`;
    for (let attempt = 0; attempt < 100; attempt++) {
      if (!await Deno.stat(backup).catch(() => undefined)) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
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
