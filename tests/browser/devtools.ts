// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Chromium's DevTools, for what the harness does not control: how much room an
 * origin has, and what the browser itself says in the console of a worker.
 *
 * ```ts ignore
 * const devTools = devToolsOf();
 * browserTest("…", { args: devTools.args }, async ({ server }) => {
 *   const { setQuota, close } = await devTools.connect();
 *   await setQuota(server.origin, 10_000_000);
 *   await close();
 * });
 * ```
 *
 * @module
 */

import puppeteer, { type Target } from "puppeteer";

/** The DevTools of a Chromium. */
export interface DevTools {
  /** What the browser said in the consoles of workers. */
  readonly workerLog: readonly string[];
  /** Sets how many bytes an origin may store. */
  setQuota(origin: string, bytes: number): Promise<void>;
  /** Lets go of the browser. */
  close(): Promise<void>;
}

/** Makes a scenario's Chromium one whose DevTools can be connected to. */
export function devToolsOf(): { args: string[]; connect(): Promise<DevTools> } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return {
    args: [`--remote-debugging-port=${port}`],
    connect: () => connect(`http://127.0.0.1:${port}`),
  };
}

async function connect(browserURL: string): Promise<DevTools> {
  const browser = await puppeteer.connect({ browserURL });
  const [page] = await browser.pages();
  const session = await page?.createCDPSession();
  const workerLog: string[] = [];
  const watch = async (target: Target) => {
    if (target.type() !== "service_worker") return;
    const worker = await target.createCDPSession();
    worker.on("Log.entryAdded", ({ entry: { level, text } }) => {
      workerLog.push(`worker: ${level} ${text}`);
    });
    // It tells what was said before, too.
    await worker.send("Log.enable");
  };
  browser.on("targetcreated", watch);
  await Promise.all(browser.targets().map(watch));
  return {
    workerLog,
    async setQuota(origin, quotaSize) {
      await session?.send("Storage.overrideQuotaForOrigin", {
        origin,
        quotaSize,
      });
    },
    close: () => browser.disconnect(),
  };
}
