// Copyright 2026 the @serviceworker/std authors. MIT license.

/** How fast a fan-out is, over a queue of Deno KV in a file. No browser. */

import { Buffer } from "node:buffer";
import process from "node:process";
import {
  createFanOut,
  type FanOut,
  kvQueue,
} from "@serviceworker/std/push/fan-out";
import { send } from "@serviceworker/std/push/send";
import { createVapid, generateVapidKeys } from "@serviceworker/std/push/vapid";
import { type Results, summarize } from "../report.ts";

interface Subscription {
  endpoint: string;
  keys: { p256dh: string; auth: string };
}

const LATENCY = 50;
const COLUMNS = {
  add: "add, /s",
  flush: "flush, /s",
  processor: "flush, µs of the processor each",
};

/** With which concurrency, how many subscriptions are sent to. */
const CASES: [concurrency: number, subscriptions: number][] = [
  [16, 1_000],
  [64, 3_000],
  [256, 8_000],
  [1_024, 16_000],
];

/** Measures each case so many times. */
export async function measureFanOut(
  conditions: { machine: string; rounds: number },
): Promise<Results> {
  const keys = await makeKeys();
  const samples: Record<string, Record<string, number[]>> = {};
  const note = (column: string, contender: string, value: number) => {
    const cells = samples[column] ??= {};
    (cells[contender] ??= []).push(value);
  };
  const vapid = await createVapid(await generateVapidKeys(), {
    subject: "mailto:push@example.com",
  });
  const answer = async () => {
    await new Promise((resolve) => setTimeout(resolve, LATENCY));
    return { outcome: "delivered" };
  };
  const taken = async () => {
    await new Promise((resolve) => setTimeout(resolve, LATENCY));
    return new Response(null, { status: 201 });
  };
  for (let round = 0; round < conditions.rounds; round++) {
    for (const [concurrency, count] of CASES) {
      const ways = {
        "nothing sent": answer,
        "encrypted by send": (subscription: Subscription, message: unknown) =>
          send(subscription, message, { vapid, fetch: taken }),
      };
      for (const [way, work] of Object.entries(ways)) {
        const file = await Deno.makeTempFile();
        const kv = await Deno.openKv(file);
        const fanOut: FanOut<Subscription, unknown> = createFanOut(
          kvQueue(kv),
          work,
          { concurrency },
        );
        const name = `${way}, ${concurrency} at once`;
        const start = performance.now();
        await fanOut.add(subscriptions(count, keys), { title: "Seven" });
        note(COLUMNS.add, name, count / (performance.now() - start) * 1_000);
        const began = performance.now();
        const usage = process.cpuUsage();
        const { delivered } = await fanOut.flush();
        if (delivered !== count) throw new Error(`${delivered} of ${count}`);
        const { user, system } = process.cpuUsage(usage);
        note(COLUMNS.flush, name, count / (performance.now() - began) * 1_000);
        note(COLUMNS.processor, name, (user + system) / count);
        kv.close();
        await Deno.remove(file);
      }
    }
  }
  return summarize(
    "fan_out",
    {
      title:
        `Push messages to many subscriptions of one service, which answers after ${LATENCY} ms, from one process`,
      floor: "nothing sent, 16 at once",
      rounds: conditions.rounds,
      cases: [],
      targets: [{
        column: COLUMNS.flush,
        of: "nothing sent, 64 at once",
        by: "nothing sent, 16 at once",
        atLeast: 3,
      }],
    },
    conditions,
    [{ case: "one service", result: { samples, failures: [] } }],
  );
}

async function makeKeys(): Promise<Subscription["keys"]> {
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const pair = await crypto.subtle.generateKey(curve, true, ["deriveBits"]);
  const point = await crypto.subtle.exportKey("raw", pair.publicKey);
  return {
    p256dh: Buffer.from(point).toString("base64url"),
    auth: Buffer.alloc(16, 7).toString("base64url"),
  };
}

/** Subscriptions with endpoints as long as those of Chromium. */
function* subscriptions(
  count: number,
  keys: Subscription["keys"],
): Generator<Subscription> {
  for (let id = 0; id < count; id++) {
    const name = String(id).padStart(160, "x");
    yield { endpoint: `https://push.example.net/${name}`, keys };
  }
}
