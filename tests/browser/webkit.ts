// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Drives WebKitGTK: WebKitWebDriver, spoken to with `fetch`, under an X server
 * of its own.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import type { FoundBrowser } from "../../tools/find_browser.ts";
import type { Browser, Tab } from "./driver.ts";
import { within } from "./driver.ts";
import { endGroup, endWithUs, hasEnded } from "./process.ts";

type Call = (
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: unknown,
) => Promise<unknown>;

/** Starts an X server, a driver and a browser. */
export async function launchWebKit(found: FoundBrowser): Promise<Browser> {
  const x = await startXvfb();
  const port = await freePort();
  const driver = spawn(found.executablePath, [
    "--host=127.0.0.1",
    `--port=${port}`,
  ], {
    env: {
      ...Deno.env.toObject(),
      ...found.env,
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
  };

  const call = caller(`http://127.0.0.1:${port}`);
  try {
    await within(10_000, "start WebKitWebDriver", untilReady(call));
    const { sessionId, capabilities } = await within(
      20_000,
      "start MiniBrowser",
      call("POST", "/session", {
        capabilities: {
          alwaysMatch: { timeouts: { script: 60_000, pageLoad: 30_000 } },
        },
      }),
    ) as { sessionId: string; capabilities: { browserVersion: string } };
    const session: Call = (method, path, body) =>
      call(method, `/session/${sessionId}${path}`, body);
    const turns = new Turns();
    // The session ends with its last window: this one stays.
    const first = await session("GET", "/window");
    const browser: Browser = {
      name: "webkit",
      version: capabilities.browserVersion,
      ended: () => hasEnded(driver),
      openTab: () =>
        turns.take(async () => {
          await session("POST", "/window", { handle: first });
          return await openTab(session, turns);
        }),
      async close() {
        await within(3000, "end the session", session("DELETE", ""))
          .catch(() => {});
        await end("SIGTERM");
      },
      kill: () => end("SIGKILL"),
    };
    return browser;
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }
}

/** One command at a time, since a command is about the window chosen before it. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

async function openTab(session: Call, turns: Turns): Promise<Tab> {
  const { handle } = await session("POST", "/window/new", {
    type: "window",
  }) as { handle: string };
  const inTab = <T>(work: () => Promise<T>): Promise<T> =>
    turns.take(async () => {
      await session("POST", "/window", { handle });
      return await work();
    });
  const log: string[] = [];
  /** Takes what the page logged, before it goes away. */
  const drain = async () => {
    const lines = await session("POST", "/execute/sync", {
      script: "return globalThis.harness?.log.splice(0) ?? [];",
      args: [],
    }).catch(() => []) as string[];
    log.push(...lines);
  };
  let calls = 0;
  let closed: Promise<void> | undefined;

  return {
    log,
    async evaluate(expression) {
      const id = `${handle}/${calls++}`;
      // A command would keep all other tabs waiting until it ends: the value is
      // left in the page and asked for in turns.
      let script = `
        const { 0: id, [1]: done } = arguments;
        const values = globalThis.harnessValues ??= {};
        values[id] = (${expression});
      `;
      while (true) {
        const answer = await inTab(async () => {
          const answer = await session("POST", "/execute/async", {
            script: `${script}
              if (!values || !(id in values)) return done({ gone: true });
              const later = new Promise((resolve) => setTimeout(resolve, 25, {}));
              Promise.race([values[id].then((value) => ({ value })), later]).then((answer) => {
                if ("value" in answer) delete values[id];
                done(answer);
              });`,
            args: [id],
          }) as { value?: string; gone?: boolean };
          await drain();
          return answer;
        });
        if (answer.gone) {
          throw new Error("Cannot evaluate: the page was navigated away");
        }
        if (answer.value !== undefined) return answer.value;
        script = `
          const { 0: id, [1]: done } = arguments;
          const values = globalThis.harnessValues;
        `;
      }
    },
    goto: (url) =>
      inTab(async () => {
        await drain();
        await session("POST", "/url", { url });
      }),
    reload: () =>
      inTab(async () => {
        await drain();
        await session("POST", "/refresh", {});
      }),
    screenshot: () =>
      inTab(async () =>
        Uint8Array.from(
          atob(await session("GET", "/screenshot") as string),
          (char) => char.charCodeAt(0),
        )
      ),
    bringToFront: () => inTab(() => Promise.resolve()),
    close: () =>
      closed ??= inTab(async () => {
        await drain();
        await session("DELETE", "/window");
      }),
  };
}

function caller(base: string): Call {
  return async (method, path, body) => {
    const response = await fetch(base + path, {
      method,
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
