// Copyright 2026 the @serviceworker/std authors. MIT license.

/** The page's half of a scenario. */

import type { PageResult, Parameters } from "./types.ts";

/** A quantity to measure. */
export interface Column<T> {
  /** What is measured, with its unit. */
  name: string;
  /** How many turns each contender gets. */
  turns: number;
  /** One turn of one contender: a number in the column's unit. */
  turn(contender: T): Promise<number>;
}

const TURN_LIMIT = 10_000;

/** Runs `measure` and posts what it finds; nothing, where it resolves with `undefined`. */
export async function start(
  measure: (parameters: Parameters) => Promise<PageResult | undefined>,
): Promise<void> {
  const query = new URLSearchParams(location.search);
  const parameters = JSON.parse(query.get("parameters") ?? "{}");
  let result: PageResult | undefined;
  try {
    result = await measure(parameters);
  } catch (error) {
    result = { samples: {}, failures: [describe(error)] };
  }
  if (result === undefined) return;
  await fetch("/result", { method: "POST", body: JSON.stringify(result) });
}

/** Registers the scenario's worker and waits until it controls this page. */
export async function controller(): Promise<ServiceWorker> {
  const container = navigator.serviceWorker;
  const controlled = new Promise((resolve) =>
    container.addEventListener("controllerchange", resolve, { once: true })
  );
  await container.register("/worker.js");
  if (container.controller === null) await controlled;
  return container.controller!;
}

/** Sends the worker an order, e.g. whose turn it is, and waits until it is done. */
export function order(worker: ServiceWorker, value: unknown): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => {
      port1.close();
      resolve(data);
    };
    worker.postMessage({ order: value }, [port2]);
  });
}

/**
 * Lets contenders take turns, so that whatever disturbs the machine for longer
 * than a turn disturbs them all. The order is drawn each time, as a contender
 * may leave garbage to the next. Who fails or takes too long is out.
 */
export async function takeTurns<T>(
  contenders: Map<string, T>,
  columns: Column<T>[],
  begin: (name: string) => Promise<unknown>,
): Promise<PageResult> {
  const result: PageResult = { samples: {}, failures: [] };
  const names = [...contenders.keys()];
  for (const column of columns) {
    const samples: Record<string, number[]> = {};
    for (const name of names) samples[name] = [];
    result.samples[column.name] = samples;
    // Two turns to warm up do not count.
    for (let turn = -2; turn < column.turns; turn++) {
      for (const name of shuffled(names)) {
        try {
          await limited(begin(name));
          const sample = await limited(column.turn(contenders.get(name)!));
          if (turn >= 0) samples[name]?.push(sample);
        } catch (error) {
          result.failures.push(`${name}, ${column.name}: ${describe(error)}`);
          names.splice(names.indexOf(name), 1);
          delete samples[name];
        }
      }
    }
  }
  return result;
}

/** The same values in an order drawn by lot. */
export function shuffled<V>(values: V[]): V[] {
  const lots = values.map((value) => ({ value, lot: Math.random() }));
  return lots.sort((a, b) => a.lot - b.lot).map(({ value }) => value);
}

/** Rejects where `work` takes too long. */
export async function limited<R>(
  work: Promise<R>,
  limit = TURN_LIMIT,
): Promise<R> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no end within ${limit} ms`)),
    limit,
  );
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** What to say about an error. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
