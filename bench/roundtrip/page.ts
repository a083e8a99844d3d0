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

/** Microseconds for each of `calls` calls, one after the other. */
async function inTurn(
  calls: number,
  call: () => Promise<unknown>,
): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < calls; i++) await call();
  return (performance.now() - start) * 1000 / calls;
}

const columns: Column<Echo>[] = [
  {
    name: "100 B, µs",
    turns: 60,
    turn: (echo) => inTurn(50, () => echo(SMALL)),
  },
  {
    name: "100 KB, µs",
    turns: 40,
    turn: (echo) => inTurn(8, () => echo(MEDIUM)),
  },
  {
    name: "10 MB, µs",
    turns: 12,
    async turn(echo) {
      let buffer = new ArrayBuffer(LARGE);
      new Uint8Array(buffer)[12345] = 77;
      const time = await inTurn(2, async () => {
        buffer = await echo(buffer, [buffer]) as ArrayBuffer;
      });
      if (buffer.byteLength !== LARGE || new Uint8Array(buffer)[12345] !== 77) {
        throw new Error("not the same came back");
      }
      return time;
    },
  },
  {
    name: "1000 at once, /s",
    turns: 16,
    async turn(echo) {
      const start = performance.now();
      await Promise.all(Array.from({ length: 1000 }, () => echo(SMALL)));
      return 1000 / (performance.now() - start) * 1000;
    },
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
