// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A process that sends push messages in one of the ways to compare. Its argument
 * are {@linkcode Parameters} as JSON, and what it prints is, by column, one number
 * for each turn.
 */

import { Buffer } from "node:buffer";
import { request } from "node:https";
import process from "node:process";
import { send } from "@serviceworker/std/push/send";
import { createVapid, generateVapidKeys } from "@serviceworker/std/push/vapid";
import webPush from "npm:web-push@3.6.7";

/** What a process is told. */
export interface Parameters {
  /** Where to send; nowhere, if left out. */
  readonly endpoint?: string;
  /** In which of the ways. */
  readonly contender: "send" | "send, by node:https" | "web-push";
  readonly turns: number;
}

const SIZES = [100, 3_993];
const TURN = 200;
/** For the compiler: after 200 ms the first size seems slower than the second. */
const WARM_UP = 2_000;
const IN_FLIGHT = 16;
const SUBJECT = "mailto:push@example.com";
const TTL = 3_600;

/** A way to send, with keys of its own. */
async function prepare(
  { endpoint, contender }: Parameters,
): Promise<(message: Buffer) => unknown> {
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const pair = await crypto.subtle.generateKey(curve, true, ["deriveBits"]);
  const point = await crypto.subtle.exportKey("raw", pair.publicKey);
  const subscription = {
    endpoint: endpoint ?? "https://push.example.net/7f3a",
    keys: {
      p256dh: Buffer.from(point).toString("base64url"),
      auth: Buffer.alloc(16, 7).toString("base64url"),
    },
  };
  const keys = await generateVapidKeys();
  if (contender === "web-push") {
    const options = { vapidDetails: { subject: SUBJECT, ...keys }, TTL };
    return (message) =>
      endpoint === undefined
        ? webPush.generateRequestDetails(subscription, message, options)
        : webPush.sendNotification(subscription, message, options);
  }

  const vapid = await createVapid(keys, { subject: SUBJECT });
  const taken = () => Promise.resolve(new Response(null, { status: 201 }));
  const options = {
    vapid,
    ttl: TTL,
    allow: () => true,
    fetch: endpoint === undefined
      ? taken
      : contender === "send, by node:https"
      ? fetchByNode
      : fetch,
  };
  return async (message) => {
    const answer = await send(subscription, message, options);
    const { outcome, error } = answer;
    if (outcome !== "delivered") throw error ?? new Error(outcome);
  };
}

/** What web-push sends with, in place of `fetch`. */
function fetchByNode(url: string, init: RequestInit): Promise<Response> {
  const { method = "POST", headers, body, signal } = init;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method,
      headers: {
        ...headers as Record<string, string>,
        "content-length": (body as Uint8Array).length,
      },
      ...(signal && { signal }),
    }, (incoming) => {
      let text = "";
      incoming.on("data", (chunk) => text += chunk);
      incoming.on("end", () => {
        const { statusCode = 0 } = incoming;
        resolve(new Response(text || null, { status: statusCode }));
      });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** How many messages go in a second of the processor, in one turn. */
async function measure(
  send: (message: Buffer) => unknown,
  message: Buffer,
  duration: number,
): Promise<number> {
  const end = performance.now() + duration;
  const start = process.cpuUsage();
  let count = 0;
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (performance.now() < end) {
      await send(message);
      count++;
    }
  }));
  const { user, system } = process.cpuUsage(start);
  return count * 1e6 / (user + system);
}

async function main(): Promise<void> {
  const parameters: Parameters = JSON.parse(process.argv[2] ?? "");
  const send = await prepare(parameters);
  const columns: Record<string, number[]> = {};
  for (const size of SIZES) {
    const message = Buffer.alloc(size, "a");
    await measure(send, message, WARM_UP);
    const rates: number[] = [];
    for (let turn = 0; turn < parameters.turns; turn++) {
      rates.push(await measure(send, message, TURN));
    }
    columns[`${size.toLocaleString("en-US")} B, /s`] = rates;
  }
  console.log(JSON.stringify(columns));
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
