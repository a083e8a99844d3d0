// Copyright 2026 the @serviceworker/std authors. MIT license.

/** Starts Chromium without a debugger, which would slow workers and keep them alive. */

import { findBrowser } from "../tools/find_browser.ts";

const FLAGS = [
  "--headless=new",
  "--no-first-run",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-background-timer-throttling",
  "--disable-component-update",
  "--disable-renderer-backgrounding",
  "--disable-sync",
];

const running = new Set<Deno.ChildProcess>();
const profiles = new Set<string>();

/** What the browser calls itself. */
export async function chromiumVersion(): Promise<string> {
  const { executablePath, env = {} } = await findBrowser("chromium");
  const { stdout } = await new Deno.Command(executablePath, {
    args: ["--version"],
    env,
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

/** Starts a process that ends with this one at the latest. */
function spawn(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Deno.ChildProcess {
  const child = new Deno.Command(command, {
    args,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  running.add(child);
  child.status.then(() => running.delete(child));
  return child;
}

/** Ends a process that was started here. */
export function kill(child: Deno.ChildProcess): void {
  if (running.has(child)) child.kill("SIGKILL");
}

/** A browser that was opened here. */
export interface Browser {
  /** The number of its process. */
  pid: number;
  /** Resolves when it has ended. */
  closed: Promise<unknown>;
  /** Stops its service workers, if it has the flag `--remote-debugging-port=0`. */
  stopWorkers(): Promise<void>;
  /** Ends it, and deletes its profile. */
  close(): Promise<void>;
}

/**
 * The memory, in MB, that each process of a browser holds, by their numbers;
 * of none, where that is not known.
 */
export async function memoryOf(
  root: number,
): Promise<Record<string, number>> {
  const memory: Record<string, number> = {};
  const left = [`${root}`];
  for (let pid = left.pop(); pid !== undefined; pid = left.pop()) {
    try {
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      // Without what is mapped from files.
      const sizes = status.matchAll(/^Rss(?:Anon|Shmem):\s*(\d+)/gm)
        .map(([, kilobytes]) => Number(kilobytes) / 1024);
      memory[pid] = sizes.reduce((sum, size) => sum + size, 0);
      for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
        const file = `/proc/${pid}/task/${name}/children`;
        left.push(
          ...(await Deno.readTextFile(file)).split(" ").filter(Boolean),
        );
      }
    } catch {
      // It has ended.
    }
  }
  return memory;
}

/** Opens `url` in a new Chromium with a new profile. */
export async function openChromium(
  url: string,
  flags: string[] = [],
): Promise<Browser> {
  const profile = await Deno.makeTempDir({ prefix: "bench-" });
  profiles.add(profile);
  const { executablePath, args, env } = await findBrowser("chromium");
  const all = [...args, ...FLAGS, ...flags, `--user-data-dir=${profile}`, url];
  const child = spawn(executablePath, all, env);
  return {
    pid: child.pid,
    closed: child.status,
    stopWorkers: () => stopWorkers(profile),
    async close() {
      kill(child);
      await child.status;
      remove(profile);
    },
  };
}

/** An answer of the debugger, of as much as is used of it. */
interface DebuggerAnswer {
  id: number;
  result: {
    targetInfos: { type: string; targetId: string }[];
    sessionId: string;
  };
}

/** Has a debugger stop all workers, which is gone before they start again. */
async function stopWorkers(profile: string): Promise<void> {
  const file = await Deno.readTextFile(`${profile}/DevToolsActivePort`);
  const [port, path] = file.split("\n");
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  let last = 0;
  const send = (method: string, params: object = {}, sessionId?: string) =>
    new Promise<DebuggerAnswer["result"]>((resolve) => {
      const id = ++last;
      socket.addEventListener("message", ({ data }) => {
        const answer: DebuggerAnswer = JSON.parse(data);
        if (answer.id === id) resolve(answer.result);
      });
      socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  await new Promise((resolve) => socket.onopen = resolve);
  const { targetInfos } = await send("Target.getTargets");
  const target = targetInfos.find(({ type }) => type === "page");
  const { sessionId } = await send("Target.attachToTarget", {
    targetId: target?.targetId,
    flatten: true,
  });
  await send("ServiceWorker.enable", {}, sessionId);
  await send("ServiceWorker.stopAllWorkers", {}, sessionId);
  socket.close();
}

/** Deletes a profile. */
function remove(profile: string): void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      Deno.removeSync(profile, { recursive: true });
      profiles.delete(profile);
      return;
    } catch {
      // The browser's helpers die a little after it, and write until then.
      Atomics.wait(clock, 0, 0, 50);
    }
  }
}

/**
 * Keeps every core awake with a process that runs only when nothing else wants
 * to; see README.md. Returns those processes: none, where that is not possible.
 */
export function keepCoresAwake(): Deno.ChildProcess[] {
  const loop = `while kill -0 ${Deno.pid} 2>&-; do ` +
    `i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; done`;
  try {
    return Array.from(
      { length: navigator.hardwareConcurrency },
      () => spawn("chrt", ["--idle", "0", "sh", "-c", loop]),
    );
  } catch {
    return [];
  }
}

addEventListener("unload", () => {
  running.forEach(kill);
  profiles.forEach(remove);
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  if (Deno.build.os === "windows" && signal !== "SIGINT") continue;
  Deno.addSignalListener(signal, () => Deno.exit(1));
}
