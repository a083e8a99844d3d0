// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A process that sends a message to all subscribers, which the test kills. Its
 * argument is {@linkcode FanOutSetup} as JSON.
 */

import { Buffer } from "node:buffer";
import { createFanOut, kvQueue } from "../push/fan_out.ts";
import { send } from "../push/send.ts";
import { createVapid, generateVapidKeys } from "../push/vapid.ts";

/** What the process is told. */
export interface FanOutSetup {
  /** The file of the queue. */
  file: string;
  /** Where each service is, and where the process tells what it has done. */
  services: string[];
  control: string;
  subscribers: number;
  concurrency: number;
  lease: number;
  /** Whether it adds the subscribers. */
  adds: boolean;
}

interface Subscriber {
  id: number;
  endpoint: string;
  keys: { p256dh: string; auth: string };
}

function* subscribersAfter(
  after: Subscriber | undefined,
  { services, subscribers }: FanOutSetup,
  keys: Subscriber["keys"],
): Generator<Subscriber> {
  for (let id = (after?.id ?? -1) + 1; id < subscribers; id++) {
    yield { id, endpoint: `${services[id % services.length]}/${id}`, keys };
  }
}

/** Opens a database, which another process may be opening. */
async function openKv(file: string): Promise<Deno.Kv> {
  while (true) {
    try {
      return await Deno.openKv(file);
    } catch (error) {
      if (!String(error).includes("locked")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

if (import.meta.main) {
  const setup: FanOutSetup = JSON.parse(Deno.args[0] ?? "");
  const { control, concurrency, lease, adds } = setup;
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const pair = await crypto.subtle.generateKey(curve, true, ["deriveBits"]);
  const point = await crypto.subtle.exportKey("raw", pair.publicKey);
  const keys = {
    p256dh: Buffer.from(point).toString("base64url"),
    auth: Buffer.alloc(16, 7).toString("base64url"),
  };
  const vapid = await createVapid(await generateVapidKeys(), {
    subject: "mailto:push@example.com",
  });

  const tell = async (path: string) => {
    const response = await fetch(`${control}${path}`, { method: "POST" });
    await response.body?.cancel();
  };
  const kv = await openKv(setup.file);
  const fanOut = createFanOut<Subscriber>(
    kvQueue(kv),
    (subscriber, message, { signal }) =>
      send(subscriber, message, { vapid, signal, allow: () => true }),
    {
      concurrency,
      lease,
      attempts: 12,
      backoff: (failures) => 100 * Math.min(10, failures),
      onGone: ({ id }) => tell(`/gone/${id}`),
      onFailed: ({ id }, { reason }) => tell(`/failed/${id}?${reason}`),
    },
  );

  if (adds) {
    const source = (after?: Subscriber) => subscribersAfter(after, setup, keys);
    await fanOut.add(source, { title: "Seven" }, { id: "episode" });
  }
  while (true) {
    await fanOut.flush();
    const status = await fanOut.status("episode");
    if (status?.complete && status.left === 0) {
      console.log(JSON.stringify({ status, rss: Deno.memoryUsage().rss }));
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  kv.close();
}
