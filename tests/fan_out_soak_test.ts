// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A fan-out whose processes are killed, against services that fail in many ways,
 * counted at the services. `SW_SOAK=1` makes it long.
 */

import { assert, assertEquals } from "@std/assert";
import { createFanOut, type FanOutStatus, kvQueue } from "../push/fan_out.ts";
import type { FanOutSetup } from "./fan_out_process.ts";

const SOAK = Deno.env.get("SW_SOAK") === "1";
const SUBSCRIBERS = SOAK ? 100_000 : 2_000;
const KILLS = SOAK ? 5 : 2;
const SERVICES = 4;
const CONCURRENCY = 16;
const LEASE = 2_000;
/** How many a second the service takes that limits the rate. */
const RATE = SOAK ? 300 : 200;
const DOWN = 1_500;

function isGone(id: number): boolean {
  return id % 50 === 7;
}

function isRefused(id: number): boolean {
  return id % 500 === 11;
}

/** Push services of four kinds, and what they have seen. */
class Services {
  /** How often each subscription was delivered. */
  readonly delivered = new Uint8Array(SUBSCRIBERS);
  readonly answers: Record<number, number> = {};
  arrived = 0;
  reached = 0;
  #second = 0;
  #taken = 0;

  async handle(kind: number, request: Request): Promise<Response> {
    this.arrived++;
    await request.arrayBuffer();
    const id = Number(new URL(request.url).pathname.slice(1));
    const status = this.#fate(kind, id);
    this.answers[status] = (this.answers[status] ?? 0) + 1;
    if (status === 201) {
      const before = this.delivered[id] ?? 0;
      this.delivered[id] = before + 1;
      if (before === 0) this.reached++;
    }
    const headers = status === 429 ? { "retry-after": "1" } : {};
    return new Response(null, { status, headers });
  }

  #fate(kind: number, id: number): number {
    if (kind === 1 && Math.random() < 0.05) return 503;
    if (kind === 2) {
      const second = Math.floor(Date.now() / 1_000);
      if (second !== this.#second) this.#taken = 0;
      this.#second = second;
      if (++this.#taken > RATE) return 429;
    }
    if (isGone(id)) return 410;
    return isRefused(id) ? 403 : 201;
  }
}

function serve(
  port: number,
  handler: (request: Request) => Promise<Response>,
) {
  const hostname = "127.0.0.1";
  return Deno.serve({ port, hostname, onListen() {} }, handler);
}

function start(setup: FanOutSetup): Deno.ChildProcess {
  const script = new URL("fan_out_process.ts", import.meta.url).pathname;
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--unstable-kv",
      script,
      JSON.stringify(setup),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Cancels the job, and resolves with the keys that are there all the same. */
async function cancelled(file: string): Promise<string[]> {
  const kv = await Deno.openKv(file);
  const send = () => Promise.resolve({ outcome: "delivered" });
  await createFanOut(kvQueue(kv), send).cancel("episode");
  const keys: string[] = [];
  for await (const { key } of kv.list({ prefix: [] })) keys.push(key.join(" "));
  kv.close();
  return keys;
}

Deno.test("flush() reaches every live subscription though its processes are killed", async () => {
  const services = new Services();
  const gone = new Set<number>();
  const failed = new Map<number, string>();
  const open = [...Array(SERVICES).keys()].map((kind) =>
    serve(0, (request) => services.handle(kind, request))
  );
  const ports = open.map(({ addr }) => addr.port);
  const control = serve(0, (request) => {
    const { pathname, search } = new URL(request.url);
    const [, what, id] = pathname.split("/");
    if (what === "gone") gone.add(Number(id));
    else failed.set(Number(id), search);
    return Promise.resolve(new Response());
  });
  const folder = await Deno.makeTempDir();
  const setup: FanOutSetup = {
    file: `${folder}/push.sqlite3`,
    services: ports.map((port) => `http://127.0.0.1:${port}`),
    control: `http://127.0.0.1:${control.addr.port}`,
    subscribers: SUBSCRIBERS,
    concurrency: CONCURRENCY,
    lease: LEASE,
    adds: true,
  };
  const began = Date.now();
  let crashed = 0;
  const begin = (adds: boolean) => {
    const process = start({ ...setup, adds });
    void process.status.then(({ success, signal }) => {
      if (!success && signal === null) crashed++;
    });
    return process;
  };
  const processes = [begin(true), begin(false)];
  /** Kills the process at an index, and starts another in its place. */
  const kill = async (index: number) => {
    const { [index]: victim } = processes;
    victim?.kill("SIGKILL");
    await victim?.output();
    processes[index] = begin(index === 0);
  };
  try {
    for (let kills = 0; kills < KILLS; kills++) {
      const goal = (kills + 0.5) / KILLS * SUBSCRIBERS * 0.9;
      while (services.reached < goal) {
        assertEquals(crashed, 0);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await kill(kills % 2);
      if (kills > 0) continue;
      // One service is dead for a while.
      const { [3]: dead } = open;
      await dead?.shutdown();
      await new Promise((resolve) => setTimeout(resolve, DOWN));
      const port = ports[3] ?? 0;
      open[3] = serve(port, (request) => services.handle(3, request));
    }
  } catch (error) {
    for (const { pid } of processes) {
      // It may have ended already.
      await new Deno.Command("kill", { args: ["-9", `${pid}`] }).output();
    }
    throw error;
  }
  const outputs = await Promise.all(processes.map((one) => one.output()));
  const [last] = outputs.map(({ stdout }) =>
    JSON.parse(new TextDecoder().decode(stdout))
  ) as { status: FanOutStatus; rss: number }[];
  const seconds = (Date.now() - began) / 1_000;
  await Promise.all([...open, control].map((server) => server.shutdown()));
  const keys = await cancelled(setup.file);
  await Deno.remove(folder, { recursive: true });

  const all = [...Array(SUBSCRIBERS).keys()];
  const live = all.filter((id) => !isGone(id) && !isRefused(id));
  assertEquals(live.filter((id) => !services.delivered[id]), []);
  assertEquals([...gone].toSorted((a, b) => a - b), all.filter(isGone));
  assertEquals(failed.size, all.filter(isRefused).length);
  const twice =
    live.reduce((sum, id) => sum + (services.delivered[id] ?? 0), 0) -
    live.length;
  // No more than what a process had on its way when it was killed.
  assert(twice <= KILLS * SERVICES * CONCURRENCY, `${twice} were sent twice`);
  const { status } = last ?? {};
  assertEquals(
    [status?.delivered, status?.gone, status?.left],
    [live.length, gone.size, 0],
  );
  assertEquals(status?.failed, { misconfigured: failed.size });
  assertEquals(keys, []);
  if (SOAK) {
    console.log({ seconds, twice, rss: last?.rss, ...services.answers });
    console.log(status);
  }
});
