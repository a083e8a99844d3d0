// Copyright 2026 the @serviceworker/std authors. MIT license.

import { controller, order, start, takeTurns } from "../page.ts";
import type { PageResult } from "../types.ts";
import {
  ANSWERING,
  CACHE,
  ENTRIES,
  EXPIRED,
  EXPIRING,
  EXPIRING_ENTRIES,
  urlOf,
} from "./contenders.ts";
import type { Order } from "./worker.ts";

/** Takes longer than the second after which a batch of what was used is written. */
const HITS = 700;
const BODY = "x".repeat(500);
/** Longer than anybody waits before it writes what was used. */
const REST = 1_200;

start(async ({ case: current, only }) => {
  const worker = await controller();
  const obey = async (value: Order) => {
    const number = await order(worker, value);
    if (typeof number !== "number") throw new Error("the worker failed");
    return number;
  };
  const isHit = current.startsWith("hits");
  const names = Object.keys(isHit ? ANSWERING : EXPIRING)
    .filter((name) => new RegExp(only).test(name));
  const measure = isHit ? measureHits : measureExpiring;
  return await measure(names, obey);
});

type Obey = (order: Order) => Promise<number>;

async function measureHits(names: string[], obey: Obey): Promise<PageResult> {
  const note = await fill(CACHE, ENTRIES);
  for (const answering of names) await obey({ answering, note });
  const column = "a hit, µs";
  const turn = async () => {
    const begin = performance.now();
    for (let hit = 0; hit < HITS; hit++) {
      const url = urlOf(Math.floor(Math.random() * ENTRIES));
      const text = await (await fetch(url)).text();
      if (text !== BODY) throw new Error(`${url} is "${text}"`);
    }
    return (performance.now() - begin) / HITS * 1000;
  };
  const take = (names: string[], turns: number) =>
    takeTurns(
      new Map(names.map((name) => [name, name])),
      [{ name: column, turns, turn }],
      async (answering) => {
        // What the one before has to write is written.
        await new Promise((resolve) => setTimeout(resolve, REST));
        await obey({ answering });
      },
    );
  // Peers go on working after their turn, and would do so in that of others.
  const own = await take(names.filter((name) => !isPeer(name)), 6);
  const peers = await take(names.filter(isPeer), 3);
  return {
    samples: { [column]: { ...own.samples[column], ...peers.samples[column] } },
    failures: [...own.failures, ...peers.failures],
  };
}

function isPeer(name: string): boolean {
  return name === "workbox" || name === "serwist";
}

async function measureExpiring(
  names: string[],
  obey: Obey,
): Promise<PageResult> {
  /** Puts back what has expired. */
  const refill = async (name: string) =>
    await obey({ expiring: name, note: await fill(name, EXPIRING_ENTRIES) });
  for (const name of names) await refill(name);
  let first = 0;
  return await takeTurns(
    new Map(names.map((name) => [name, name])),
    [{
      name: `${EXPIRED} of ${EXPIRING_ENTRIES} expire, ms`,
      turns: 5,
      turn: async (name) => {
        first = (first + EXPIRED) % EXPIRING_ENTRIES;
        const expire = numbers(EXPIRED).map((index) => first + index);
        const taken = await obey({ expiring: name, expire });
        const left = await (await caches.open(name)).keys();
        if (left.length === EXPIRING_ENTRIES - EXPIRED) return taken;
        throw new Error(`${left.length} entries are left`);
      },
    }],
    refill,
  );
}

/** Puts into a cache what is not there; resolves with what that was. */
async function fill(name: string, count: number): Promise<number[]> {
  const cache = await caches.open(name);
  const stored = new Set((await cache.keys()).map(({ url }) => url));
  const missing = numbers(count).filter((index) => !stored.has(urlOf(index)));
  const rest = missing.values();
  const work = async () => {
    for (const index of rest) {
      await cache.put(urlOf(index), new Response(BODY));
    }
  };
  await Promise.all(Array.from({ length: 20 }, work));
  return missing;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
