// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  controller,
  describe,
  limited,
  order,
  shuffled,
  start,
} from "../page.ts";
import type { PageResult, Parameters } from "../types.ts";
import { contenders, SLOW } from "./contenders.ts";
import type { Order } from "./worker.ts";

const TURN_LIMIT = 600_000;
const AWAKE = 5_000;
const SAMPLE = 250;
/** How many are added one after the other, in a queue of any size. */
const AWAITED = 100;
/** How many are added at once where memory is measured. */
const PART = 1_000;
/** So many, before the first turn, have the code compiled. */
const WARMING = 100;

const COLUMNS = [
  "replay, /s",
  "add each, awaited, /s",
  "add at once, /s",
  "add an array, /s",
  "replay, nothing sent, /s",
  "most growth, MB",
] as const;

/** What one turn of one contender found. */
type Found = { [Column in typeof COLUMNS[number]]?: number };

/** Has the worker do something; resolves with how many entries a second it did. */
type Run = (
  work: Order["work"],
  count: number,
  part?: number,
) => Promise<number>;

const COUNTED = /^(.*) of ([\d,]+)$/;

/** The turns of a case, and who takes part. */
function plan({ case: current, full }: Parameters): {
  names: string[];
  turns: number;
  take(name: string, run: Run): Promise<Found>;
} {
  if (current === "memory") {
    const names = ["1,000", "5,000", "20,000", "60,000"].flatMap((count) =>
      contenders.keys().map((name) => `${name} of ${count}`).toArray()
    );
    return { names, turns: 1, take: measureMemory };
  }
  if (current === "100,000") {
    const names = ["outbox", "raw-batched"].flatMap((name) =>
      ["10,000", "100,000"].map((count) => `${name} of ${count}`)
    );
    return { names, turns: 1, take: measureOwnCost };
  }
  const count = toNumber(current);
  const names = contenders.keys().toArray();
  const isLong = count > 1_000;
  return {
    names: isLong && !full
      ? names.filter((name) => /^(outbox|raw-batched)$/.test(name))
      : names,
    turns: isLong && full ? 1 : 3,
    take: (name, run) => measureAll(name, run, count),
  };
}

function toNumber(count: string): number {
  return Number(count.replaceAll(",", ""));
}

async function measureAll(
  name: string,
  run: Run,
  count: number,
): Promise<Found> {
  const found: Found = {};
  const isSlow = SLOW.includes(name);
  const inArray = isSlow ? 0 : count / 2;
  if (name.startsWith("raw-batched")) await run("array", count - inArray);
  else {
    found["add each, awaited, /s"] = await run("await each", AWAITED);
    const atOnce = count - AWAITED - inArray;
    found["add at once, /s"] = await run("at once", atOnce);
  }
  if (!isSlow) found["add an array, /s"] = await run("array", inArray);
  found["replay, /s"] = await run("replay", count);
  if (!isSlow && count <= 1_000) {
    await run("array", count);
    found["replay, nothing sent, /s"] = await run("replay unsent", count);
  }
  return found;
}

async function measureOwnCost(name: string, run: Run): Promise<Found> {
  const count = toNumber(name.match(COUNTED)?.[2] ?? "");
  const added = await run("array", count);
  const { result, grown } = await measureGrowth(() =>
    run("replay unsent", count)
  );
  return {
    "add an array, /s": added,
    "replay, nothing sent, /s": result,
    "most growth, MB": grown,
  };
}

async function measureMemory(name: string, run: Run): Promise<Found> {
  const [, contender = "", digits = ""] = name.match(COUNTED) ?? [];
  const count = toNumber(digits);
  const work = SLOW.includes(contender) ? "at once" : "array";
  // From the empty queue on: garbage of the adding would hide that of a replay.
  const { grown } = await measureGrowth(async () => {
    await run(work, count, PART);
    await run("replay", count);
  });
  return { "most growth, MB": grown };
}

/** Does something; says by how many MB the browser has grown at most meanwhile. */
async function measureGrowth<R>(
  work: () => Promise<R>,
): Promise<{ result: R; grown: number }> {
  const before = await readMemory();
  let grown = 0;
  const look = async () => {
    grown = Math.max(grown, growth(before, await readMemory()));
  };
  const timer = setInterval(look, SAMPLE);
  const result = await work();
  clearInterval(timer);
  await look();
  return { result, grown };
}

async function readMemory(): Promise<Record<string, number>> {
  return await (await fetch("/memory")).json();
}

/** By how many MB processes have grown. */
function growth(
  before: Record<string, number>,
  after: Record<string, number>,
): number {
  const grown = Object.entries(after).map(([pid, size]) =>
    Math.max(0, size - (before[pid] ?? 0))
  );
  return grown.reduce((sum, size) => sum + size, 0);
}

start(async (parameters) => {
  const result: PageResult = { samples: {}, failures: [] };
  const worker = await controller();
  const { port1: orders, port2 } = new MessageChannel();
  worker.postMessage("orders", [port2]);
  const timer = setInterval(() => order(worker, "stay awake"), AWAKE);

  let queued = 0;
  async function run(order: Order): Promise<number> {
    const isReplay = order.work.startsWith("replay");
    const count = isReplay ? queued : order.count;
    queued = isReplay ? 0 : queued + count;
    const answer = new Promise<{ taken: number; failure?: string }>(
      (resolve) => orders.onmessage = ({ data }) => resolve(data),
    );
    orders.postMessage(order);
    const { taken, failure } = await limited(answer, TURN_LIMIT);
    if (failure !== undefined) throw new Error(failure);
    if (isReplay) {
      const arrived = await (await fetch("/arrived")).json();
      const sent = order.work === "replay" ? count : 0;
      if (arrived.count !== sent || arrived.distinct !== sent) {
        throw new Error(
          `${arrived.distinct} of ${sent} arrived, in ${arrived.count} requests`,
        );
      }
    }
    return count / taken * 1000;
  }

  const { names, turns, take } = plan(parameters);
  const left = names.filter((name) => new RegExp(parameters.only).test(name));
  const found = new Map<string, Found[]>();
  for (let turn = -1; turn < turns; turn++) {
    const isTooLong = (name: string) =>
      turn > 0 && SLOW.includes(name) && parameters.case !== "1,000";
    for (const name of shuffled(left.filter((name) => !isTooLong(name)))) {
      const contender = name.match(COUNTED)?.[1] ?? name;
      try {
        const turnFound = await take(
          name,
          (work, count, part) =>
            run({ contender, work, count: turn < 0 ? WARMING : count, part }),
        );
        if (turn >= 0) found.set(name, [...found.get(name) ?? [], turnFound]);
      } catch (error) {
        queued = 0;
        result.failures.push(`${name}, turn ${turn}: ${describe(error)}`);
        left.splice(left.indexOf(name), 1);
      }
    }
  }
  clearInterval(timer);
  for (const column of COLUMNS) {
    // In their own order, not in the one that was drawn.
    for (const name of left) {
      const samples = found.get(name)?.flatMap((turn) => turn[column] ?? []);
      if (!samples?.length) continue;
      (result.samples[column] ??= {})[name] = samples;
    }
  }
  return result;
});
