// Copyright 2026 the @serviceworker/std authors. MIT license.

import { type Column, start, takeTurns } from "../page.ts";
import type { Frame } from "./frame.ts";

/** Who registers, and the worker. */
const CONTENDERS = new Map<string, Parameters<Frame["measure"]>>([
  ["raw", ["raw", "raw"]],
  ["raw again", ["raw", "raw"]],
  ["raw, deleting caches", ["raw", "deleting"]],
  ["raw, deleting caches, of the same size", ["raw", "sized"]],
  ["raw, of 1,100 bytes", ["raw", "long"]],
  ["register", ["std", "raw"]],
  ["activate", ["raw", "std"]],
  ["register + activate", ["std", "std"]],
]);
/** Browsers look at prefixes: the last character ends the number. */
const frameURL = (name: string, turn: number) =>
  `/frame?${encodeURIComponent(name)}-${turn}-`;

start(async (parameters) => {
  let turn = 0;

  /** Registers in a new frame, with a scope of its own. */
  async function measure(
    name: string,
    how: Parameters<Frame["measure"]>,
  ): Promise<[number, number]> {
    const frame = document.createElement("iframe");
    frame.src = frameURL(name, turn++);
    const loaded = new Promise((resolve) => frame.onload = resolve);
    document.body.append(frame);
    await loaded;
    const { measure } = frame.contentWindow as unknown as Frame;
    const times = await measure(...how);
    frame.remove();
    return times;
  }

  const columns: Column<() => Promise<[number, number]>>[] = [
    {
      name: "until controlled, ms",
      turns: 40,
      turn: async (measure) => (await measure())[0],
    },
    {
      name: "until the first answer, ms",
      turns: 40,
      turn: async (measure) => (await measure())[1],
    },
  ];
  const only = new RegExp(parameters.only);
  const contenders = new Map(
    CONTENDERS.entries().filter(([name]) => only.test(name))
      .map(([name, how]) => [name, () => measure(name, how)]),
  );
  return await takeTurns(contenders, columns, () => Promise.resolve());
});
