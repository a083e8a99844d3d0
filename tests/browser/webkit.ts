// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Drives WebKitGTK: WebKitWebDriver, spoken to with `fetch`, under an X server
 * of its own.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { FoundBrowser } from "../../tools/find_browser.ts";
import type { Browser, LaunchOptions, Tab } from "./driver.ts";
import { within } from "./driver.ts";
import { endGroup, endWithUs, hasEnded } from "./process.ts";

type Call = (
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: unknown,
  signal?: AbortSignal,
) => Promise<unknown>;

const OWN_BROWSER = fileURLToPath(
  new URL("webkit_browser.py", import.meta.url),
);

/**
 * Milliseconds after which a script is given up: one that arrives in the moment
 * in which a page goes to the back/forward cache, or comes back, is not answered.
 */
const LOST = 3_000;

/** Starts an X server, a driver and a browser: MiniBrowser, or ours if it has to keep a profile or to show notifications. */
export async function launchWebKit(
  found: FoundBrowser,
  options: LaunchOptions = {},
): Promise<Browser> {
  const { env, notifier } = options;
  // Without a profile, workers show no notifications.
  const passing = notifier !== undefined && options.profile === undefined
    ? await Deno.makeTempDir({ prefix: "profile-" })
    : undefined;
  const profile = options.profile ?? passing;
  const x = await startXvfb();
  const port = await freePort();
  const driver = spawn(found.executablePath, [
    "--host=127.0.0.1",
    `--port=${port}`,
  ], {
    env: {
      ...Deno.env.toObject(),
      ...found.env,
      ...env,
      ...(profile !== undefined && { SW_PROFILE: profile }),
      ...(notifier !== undefined && { SW_NOTIFIER: notifier }),
      DISPLAY: x.display,
      // Neither the user's session bus nor accessibility bus is of use.
      NO_AT_BRIDGE: "1",
    },
    stdio: "ignore",
    detached: true,
  });
  endWithUs(driver);
  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    await endGroup(driver, signal);
    await endGroup(x.process, signal);
    if (passing !== undefined) {
      // A helper process may still write into it.
      await Deno.remove(passing, { recursive: true }).catch(() => {});
    }
  };

  const call = caller(`http://127.0.0.1:${port}`);
  try {
    await within(10_000, "start WebKitWebDriver", untilReady(call));
    const { sessionId, capabilities } = await within(
      20_000,
      "start MiniBrowser",
      call("POST", "/session", {
        capabilities: {
          alwaysMatch: {
            timeouts: { script: 10_000, pageLoad: 30_000 },
            ...(profile !== undefined && {
              "webkitgtk:browserOptions": {
                binary: "/usr/bin/python3",
                args: [OWN_BROWSER],
              },
            }),
          },
        },
      }),
    ) as { sessionId: string; capabilities: { browserVersion: string } };
    const session: Call = (method, path, ...rest) =>
      call(method, `/session/${sessionId}${path}`, ...rest);
    // The session ends with its last window: this one stays.
    const first = await session("GET", "/window") as string;
    const windows = new Windows(session, first);
    return {
      name: "webkit",
      version: capabilities.browserVersion,
      ended: () => hasEnded(driver),
      openTab: () =>
        windows.within(first, async () => {
          // MiniBrowser hides a tab that was opened this way.
          const { handle } = await session("POST", "/window/new", {
            type: "window",
          }) as { handle: string };
          return tab(session, windows, handle);
        }),
      async close() {
        await within(3000, "end the session", session("DELETE", ""))
          .catch(() => {});
        await end("SIGTERM");
      },
      kill: () => end("SIGKILL"),
    };
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }
}

/** One command at a time, since a command is about the window chosen before it. */
class Windows {
  readonly #session: Call;
  #current: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(session: Call, current: string) {
    this.#session = session;
    this.#current = current;
  }

  /** Does work in a window when it is its turn. */
  within<T>(handle: string, work: () => Promise<T>): Promise<T> {
    const turn = this.#last.catch(() => {}).then(async () => {
      if (handle !== this.#current) {
        await this.#session("POST", "/window", { handle });
        this.#current = handle;
      }
      return await work();
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}

function tab(session: Call, windows: Windows, handle: string): Tab {
  const log: string[] = [];
  let calls = 0;
  let read = "";
  let closed: Promise<void> | undefined;

  /** Runs a script, which returns at once, and takes what the page logged. */
  const execute = async (script: string, id = ""): Promise<unknown> => {
    const answer = await session("POST", "/execute/sync", {
      script: `const [id, read] = arguments;
        const values = globalThis.harnessValues ??= {};
        ${script}
        const log = globalThis.harness?.log?.splice(0) ?? [];
        delete values[read];
        return { value: values[id], gone: !(id in values), log };`,
      args: [id, read],
    }, AbortSignal.timeout(LOST)) as {
      value?: string | null;
      gone: boolean;
      log: string[];
    };
    if (typeof answer.value === "string") read = id;
    log.push(...answer.log);
    if (answer.gone && id) {
      throw new Error("Cannot evaluate: the page was navigated away");
    }
    return answer.value;
  };
  const inTab = <T>(work: () => Promise<T>): Promise<T> =>
    windows.within(handle, work);
  /** Does what makes the page go away, and with it what it logged. */
  const leave = (work: () => Promise<unknown>): Promise<void> =>
    inTab(async () => {
      await execute("").catch(() => {});
      await work();
    });

  return {
    log,
    async evaluate(expression) {
      const id = `${handle}/${calls++}`;
      // A command would keep all other pages waiting until it ends, and for ever
      // in a page that is put into the back/forward cache: the value is left in
      // the page and asked for.
      const ask = (script: string) =>
        inTab(() => execute(script, id)).catch((error) => {
          if (error.name !== "TimeoutError") throw error;
        });
      let value = await ask(
        `values[id] = null; (${expression}).then((value) => { values[id] = value; });`,
      );
      for (
        let pause = 1;
        typeof value !== "string";
        pause = Math.min(pause * 2, 20)
      ) {
        await new Promise((resolve) => setTimeout(resolve, pause));
        value = await ask("").catch((error) => {
          // The test closed the page and waits no more, as in the other engines
          // what was asked of a page is dropped with it.
          if (closed) return new Promise<never>(() => {});
          throw error;
        });
      }
      return value;
    },
    goto: (url) => leave(() => session("POST", "/url", { url })),
    reload: () => leave(() => session("POST", "/refresh", {})),
    screenshot: () =>
      inTab(async () =>
        Uint8Array.from(
          atob(await session("GET", "/screenshot") as string),
          (char) => char.charCodeAt(0),
        )
      ),
    bringToFront: () => inTab(() => Promise.resolve()),
    close: () => closed ??= leave(() => session("DELETE", "/window")),
  };
}

function caller(base: string): Call {
  return async (method, path, body, signal) => {
    const response = await fetch(base + path, {
      method,
      signal: signal ?? null,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    });
    const { value } = await response.json();
    if (value?.error) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
}

async function untilReady(call: Call): Promise<void> {
  while (true) {
    try {
      await call("GET", "/status");
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function startXvfb(): Promise<
  { display: string; process: ChildProcess }
> {
  // With -displayfd it picks a free display and writes its number.
  const xvfb = spawn("Xvfb", [
    "-displayfd",
    "3",
    "-screen",
    "0",
    "1280x800x24",
    "-nolisten",
    "tcp",
  ], { stdio: ["ignore", "ignore", "ignore", "pipe"], detached: true });
  endWithUs(xvfb);
  const started = new Promise<string>((resolve, reject) => {
    let text = "";
    xvfb.stdio[3]?.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolve(`:${text.trim()}`);
    });
    xvfb.on("error", reject);
    xvfb.on("exit", (code) => reject(new Error(`Xvfb ended with ${code}`)));
  });
  try {
    return {
      display: await within(10_000, "start Xvfb", started),
      process: xvfb,
    };
  } catch (error) {
    await endGroup(xvfb, "SIGKILL");
    throw error;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
