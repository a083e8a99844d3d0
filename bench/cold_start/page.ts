// Copyright 2026 the @serviceworker/std authors. MIT license.

import { type Column, start, takeTurns } from "../page.ts";
import type { Frame } from "./frame.ts";

/** The worker of each. */
const CONTENDERS = new Map([
  ["empty", "empty"],
  ["empty again", "empty"],
  ["all five", "std"],
  ["workbox", "workbox"],
  ["serwist", "serwist"],
]);

start(async ({ only }) => {
  const frames = new Map<string, Frame>();
  for (const [name, worker] of CONTENDERS) {
    if (!new RegExp(only).test(name)) continue;
    const element = document.createElement("iframe");
    // Browsers look at prefixes: the last character ends the number.
    element.src = `/frame?${frames.size}-`;
    const loaded = new Promise((resolve) => element.onload = resolve);
    document.body.append(element);
    await loaded;
    const frame = element.contentWindow as unknown as Frame;
    await frame.control(worker);
    frames.set(name, frame);
  }
  const column: Column<Frame> = {
    name: "first answer, ms",
    turns: 60,
    turn: (frame) => frame.ask(),
  };
  return await takeTurns(frames, [column], () => fetch("/stop-workers"));
});
