// Copyright 2026 the @serviceworker/std authors. MIT license.

import { type Column, controller, order, start, takeTurns } from "../page.ts";
import { contenders } from "./contenders.ts";
import { type Counter, prepare } from "./prepare.ts";

start(async (parameters) => {
  const clients = parseInt(parameters.case);
  const worker = await controller();
  let current = "";
  let missing = 0;
  let arrived = () => {};
  let unprepared = clients;
  const counter: Counter = {
    got(name) {
      if (name === current && --missing === 0) arrived();
    },
    prepared() {
      if (--unprepared === 0) arrived();
    },
  };
  Object.assign(globalThis, counter);

  await new Promise<void>((resolve) => {
    arrived = resolve;
    for (let i = 1; i < clients; i++) {
      const frame = document.createElement("iframe");
      frame.src = "/frame";
      document.body.append(frame);
    }
    prepare();
  });

  const { port1: orders, port2 } = new MessageChannel();
  worker.postMessage("orders", [port2]);

  /** Milliseconds until every client received all that was posted `times` times. */
  async function post(name: string, times: number): Promise<number> {
    current = name;
    missing = clients * times;
    const done = new Promise<void>((resolve) => arrived = resolve);
    const start = performance.now();
    orders.postMessage({ name, times });
    await done;
    return performance.now() - start;
  }

  const columns: Column<string>[] = [
    {
      name: "one post, µs",
      turns: 40,
      async turn(name) {
        let time = 0;
        for (let i = 0; i < 5; i++) time += await post(name, 1);
        return time / 5 * 1000;
      },
    },
    {
      name: "50 posts, deliveries/s",
      turns: 10,
      turn: async (name) => 50 * clients / await post(name, 50) * 1000,
    },
  ];
  const only = new RegExp(parameters.only);
  const names = contenders.keys().filter((name) => only.test(name));
  return await takeTurns(
    new Map(names.map((name) => [name, name])),
    columns,
    () => order(worker, "stay awake"),
  );
});
