// Copyright 2026 the @serviceworker/std authors. MIT license.

import { describe, limited, shuffled, start } from "../page.ts";
import { type Build, filesOf } from "./files.ts";

const TURN_LIMIT = 60_000;
const SAMPLE = 50;
/** How many requests may be answered for a worker that does not live to see it. */
const IN_FLIGHT = 6;

/** By contender, which worker it has, and how many percent are required. */
const CONTENDERS = new Map<string, [worker: string, required: number]>([
  ["raw", ["raw", 100]],
  ["raw again", ["raw", 100]],
  ["raw, in generations", ["generations", 100]],
  ["precache", ["std", 100]],
  ["precache, 10 % required", ["std", 10]],
  ["precache, 10 % required, stopped", ["std", 10]],
  ["workbox", ["workbox", 100]],
  ["serwist", ["serwist", 100]],
  ["empty", ["empty", 100]],
]);
/** Fetches one file after the other, which can take half a minute. */
const SLOW = "workbox";
/** Left out where everything takes long. */
const BESIDE_REGEXP = /again|generations/;

const INSTALL = "install, ms";
const SAME = "update with nothing new, ms";
const ONE = "update with 1 % new, ms";
const GROWTH = "most growth, MB";
const COLUMNS = [INSTALL, SAME, ONE, GROWTH] as const;
type Found = { [Column in typeof COLUMNS[number]]?: number };

const container = navigator.serviceWorker;
let scopes = 0;

/** Registers a build; resolves when it is active. */
async function register(
  worker: string,
  build: Build,
  { scope, attempt }: { scope: string; attempt: number },
): Promise<ServiceWorker> {
  const query = encodeURIComponent(JSON.stringify(build));
  const url = `/worker_${worker}.js?build=${query}&attempt=${attempt}`;
  const registration = await container.register(url, { scope });
  const { installing, waiting, active } = registration;
  const newest = installing ?? waiting ?? active!;
  await limited(
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (newest.state === "activated") resolve();
        if (newest.state === "redundant") reject(new Error("not installed"));
      };
      newest.addEventListener("statechange", look);
      look();
    }),
    TURN_LIMIT,
  );
  return newest;
}

/** Has the rest stored; resolves when it is there. */
async function storeRest(worker: ServiceWorker): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
  });
  worker.postMessage("rest", [port2]);
  const failed = await limited(answer, TURN_LIMIT);
  if (failed !== 0) throw new Error(`${failed} files are missing`);
}

/** The same, of a worker that is stopped once half of it is there. */
async function storeRestStopped(
  worker: ServiceWorker,
  half: number,
): Promise<void> {
  worker.postMessage("rest");
  while (await readCount() < half) await delay(SAMPLE);
  await fetch("/stop-workers");
  await storeRest(worker);
}

/** How many files were asked for since this was reset. */
async function readCount(reset = false): Promise<number> {
  return Number(await (await fetch(reset ? "/reset" : "/count")).text());
}

async function expectCount(least: number, most = least): Promise<void> {
  const count = await readCount(true);
  if (count < least || count > most) {
    throw new Error(`${count} files were asked for, not ${least} to ${most}`);
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** Installs once and updates twice. */
async function measure(
  contender: string,
  current: string,
): Promise<Found> {
  const set = filesOf(current);
  const [worker, required] = CONTENDERS.get(contender)!;
  const isStopped = contender.endsWith("stopped");
  // Browsers look at prefixes: the last character ends the number.
  const scope = `/scope-${scopes++}-`;
  const build: Build = { set, changed: 0, required };
  const found: Found = {};
  const all = worker === "empty" ? 0 : set.count;

  await readCount(true);
  const install = async () => {
    const active = await register(worker, build, { scope, attempt: 1 });
    if (isStopped) await storeRestStopped(active, set.count / 2);
    else if (required < 100) await storeRest(active);
  };
  found[INSTALL] = await time(install);
  await expectCount(all, isStopped ? all + IN_FLIGHT : all);

  if (required === 100) {
    const update = async (changed: number, attempt: number) => {
      // Else Chromium gives it a second before the next is active.
      await fetch("/stop-workers");
      const next = { ...build, changed };
      return await time(() => register(worker, next, { scope, attempt }));
    };
    found[SAME] = await update(0, 2);
    await expectCount(0);
    found[ONE] = await update(1, 3);
    await expectCount(Math.ceil(all / 100));
  }
  await clear();
  return found;
}

async function clear(): Promise<void> {
  for (const registration of await container.getRegistrations()) {
    await registration.unregister();
  }
  for (const name of await caches.keys()) await caches.delete(name);
}

/** By how many MB the browser grows at most while a build is installed. */
async function measureGrowth(
  contender: string,
  current: string,
): Promise<Found> {
  const set = filesOf(current);
  const [worker, required] = CONTENDERS.get(contender)!;
  const build: Build = { set, changed: 0, required };
  // So that what any worker needs is there.
  await register("empty", build, { scope: "/scope-first-", attempt: 1 });
  const before = await readMemory();
  let grown = 0;
  const look = async () => {
    const after = Object.entries(await readMemory());
    const sum = after.reduce(
      (sum, [pid, size]) => sum + Math.max(0, size - (before[pid] ?? 0)),
      0,
    );
    grown = Math.max(grown, sum);
  };
  const timer = setInterval(look, SAMPLE);
  const active = await register(worker, build, {
    scope: "/scope-",
    attempt: 1,
  });
  if (required < 100) await storeRest(active);
  clearInterval(timer);
  await look();
  return { [GROWTH]: grown };
}

async function readMemory(): Promise<Record<string, number>> {
  return await (await fetch("/memory")).json();
}

start(async ({ case: current, only, full }) => {
  const isMemory = current.startsWith("memory");
  const isMany = current.startsWith("1,000");
  const isLong = isMany && current.endsWith(" 20 ms");
  const turns = isMemory ? 1 : isMany ? 2 : 5;
  const names = [...CONTENDERS.keys()].filter((name) =>
    new RegExp(only).test(name)
  );
  const failures: string[] = [];
  const found = new Map<string, Found[]>();
  if (!isMemory) {
    // So that the first turn finds the browser warm.
    for (const name of names) await measure(name, "10 × 2 KB, 0 ms");
  }
  for (let turn = 0; turn < turns; turn++) {
    const isOut = (name: string) =>
      isLong && BESIDE_REGEXP.test(name) ||
      name === SLOW && (isLong && !full || isMany && turn > 0);
    for (const name of shuffled(names.filter((name) => !isOut(name)))) {
      try {
        const work = isMemory ? measureGrowth : measure;
        const turnFound = await work(name, current);
        found.set(name, [...found.get(name) ?? [], turnFound]);
      } catch (error) {
        failures.push(`${name}, turn ${turn}: ${describe(error)}`);
        names.splice(names.indexOf(name), 1);
        await clear();
      }
    }
  }
  const samples: Record<string, Record<string, number[]>> = {};
  for (const column of COLUMNS) {
    // In their own order, not in the one that was drawn.
    for (const name of CONTENDERS.keys()) {
      const values = found.get(name)?.flatMap((turn) => turn[column] ?? []);
      if (values?.length) (samples[column] ??= {})[name] = values;
    }
  }
  return { samples, failures };
});
