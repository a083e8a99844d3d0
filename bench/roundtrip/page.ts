// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  type Column,
  controller,
  limited,
  order,
  start,
  takeTurns,
} from "../page.ts";
import { contenders, type Echo } from "./contenders.ts";

const SMALL = { kind: "ping", text: "x".repeat(80) };
const MEDIUM = new Uint8Array(100 * 1024).fill(7);
const LARGE = 10 * 1024 * 1024;
const MARK = { at: 12345, value: 77 };

/** Goes back and forth, so that no turn pays for a new one. */
let large = new ArrayBuffer(0);

/** Milliseconds for each run, of at least `runs` that take at least `least`. */
async function time(
  run: () => Promise<unknown>,
  { runs = 1, least = 0 },
): Promise<number> {
  const start = performance.now();
  let elapsed = 0;
  let done = 0;
  while (done < runs || elapsed < least) {
    await run();
    done++;
    elapsed = performance.now() - start;
  }
  return elapsed / done;
}

async function sendLarge(echo: Echo): Promise<void> {
  large = await echo(large, [large]) as ArrayBuffer;
}

async function atOnce(echo: Echo): Promise<void> {
  await Promise.all(Array.from({ length: 1000 }, () => echo(SMALL)));
}

const columns: Column<Echo>[] = [
  {
    name: "100 B, µs",
    turns: 60,
    turn: async (echo) => await time(() => echo(SMALL), { runs: 50 }) * 1000,
  },
  {
    name: "100 KB, µs",
    turns: 40,
    turn: async (echo) => await time(() => echo(MEDIUM), { runs: 8 }) * 1000,
  },
  {
    name: "10 MB, µs",
    turns: 15,
    async turn(echo) {
      if (large.byteLength !== LARGE) large = new ArrayBuffer(LARGE);
      new Uint8Array(large)[MARK.at] = MARK.value;
      const result = await time(() => sendLarge(echo), { least: 20 });
      if (
        large.byteLength !== LARGE ||
        new Uint8Array(large)[MARK.at] !== MARK.value
      ) throw new Error("not the same came back");
      return result * 1000;
    },
  },
  {
    name: "1000 at once, /s",
    turns: 15,
    turn: async (echo) => 1e6 / await time(() => atOnce(echo), { least: 50 }),
  },
];

start(async (parameters) => {
  const worker = await controller();
  if (parameters.case === "another process" && !parameters.second) {
    // This tab's process runs the worker; a tab without opener gets its own.
    const query = JSON.stringify({ ...parameters, second: true });
    open(`?parameters=${encodeURIComponent(query)}`, "_blank", "noopener");
    return;
  }

  const only = new RegExp(parameters.only);
  const echoes = new Map<string, Echo>();
  const failures: string[] = [];
  for (const [name, contender] of contenders) {
    if (!only.test(name)) continue;
    await order(worker, name);
    const echo = contender.page(worker);
    try {
      const small = await limited(echo(SMALL)) as typeof SMALL;
      const medium = await limited(echo(MEDIUM)) as typeof MEDIUM;
      if (small.text !== SMALL.text || medium.length !== MEDIUM.length) {
        throw new Error("not the same came back");
      }
      // What runs often is compiled by now, and that is what is compared.
      for (let i = 0; i < 3; i++) await limited(atOnce(echo));
      echoes.set(name, echo);
    } catch (error) {
      failures.push(`${name}: ${error}`);
    }
  }
  const result = await takeTurns(
    echoes,
    columns,
    (name) => order(worker, name),
  );
  return { ...result, failures: [...failures, ...result.failures] };
});
