// Copyright 2026 the @serviceworker/std authors. MIT license.

/** The server's half of push, on other runtimes than Deno. */

import { assert, assertEquals } from "@std/assert";
import { bundle, stop } from "../tools/build.ts";
import { tempFolder } from "../tools/temp_folder.ts";
import { createPushReceiver } from "./push_receiver.ts";

const SERVER = `
  import {
    createVapid,
    generateVapidKeys,
    send,
    vapidKeysFromJWK,
    vapidKeysToJWK,
  } from "@serviceworker/std/push";

  const subscription = JSON.parse(process.argv[2]);
  const offCurve = "BA" + "A".repeat(85);
  const { endpoint, keys: { auth } } = subscription;
  const made = vapidKeysFromJWK(vapidKeysToJWK(await generateVapidKeys()));
  const others = await generateVapidKeys();
  const subject = "mailto:push@example.com";
  const vapid = await createVapid(made, { subject });
  const mixed = { ...made, privateKey: others.privateKey };

  const refused = await createVapid(mixed, { subject }).catch(String);
  const options = { vapid, ttl: 60, allow: () => true };
  const answers = [
    await send(subscription, { title: "Episode 7" }, options),
    await send(subscription, "a".repeat(3_993), options),
    await send(subscription, undefined, options),
    await send({ endpoint, keys: { auth, p256dh: offCurve } }, "", options),
    await send({ endpoint: endpoint + "/redirect" }, undefined, options),
    await send({ endpoint: endpoint + "/gone" }, undefined, options),
    await send({ endpoint: endpoint + "/limit" }, undefined, options),
    await send({ endpoint: "http://127.0.0.1:1/" }, undefined, options),
  ];
  const reason = await send({ endpoint: endpoint + "/never" }, undefined, {
    ...options,
    signal: AbortSignal.timeout(100),
  }).catch(({ name }) => name);
  console.log(JSON.stringify({
    outcomes: answers.map(({ outcome, status, body, retryAfter }) =>
      [outcome, status ?? null, body, retryAfter ?? null]
    ),
    publicKey: vapid.publicKey,
    refused,
    reason,
  }));
`;

for (const runtime of ["node", "bun"]) {
  Deno.test({
    name: `send() and createVapid() work on ${runtime}`,
    ignore: !(await isThere(runtime)),
    async fn() {
      const { code } = await bundle(new URL("server.ts", import.meta.url), {
        source: SERVER,
        platform: "node",
      });
      await stop();
      await using folder = await tempFolder({ "server.mjs": code });
      const bodies: Uint8Array[] = [];
      const headers: Headers[] = [];
      const never = Promise.withResolvers<Response>();
      await using server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        async (request) => {
          const { pathname } = new URL(request.url);
          const body = await request.bytes();
          if (pathname === "/push/redirect") {
            const elsewhere = { location: "/push" };
            return new Response("", { status: 307, headers: elsewhere });
          }
          if (pathname === "/push/gone") {
            return new Response("the end", { status: 410 });
          }
          if (pathname === "/push/limit") {
            const wait = { "retry-after": "7" };
            return new Response("x".repeat(9_999), {
              status: 429,
              headers: wait,
            });
          }
          if (pathname === "/push/never") return await never.promise;
          headers.push(request.headers);
          bodies.push(body);
          return new Response(null, { status: 201 });
        },
      );
      const receiver = createPushReceiver(
        `http://127.0.0.1:${server.addr.port}/push`,
      );
      const { success, stdout, stderr } = await new Deno.Command(runtime, {
        args: [
          `${folder.path}/server.mjs`,
          JSON.stringify(receiver.subscription),
        ],
      }).output();
      never.resolve(new Response());
      assert(success, new TextDecoder().decode(stderr));
      const { outcomes, publicKey, refused, reason } = JSON.parse(
        new TextDecoder().decode(stdout),
      );
      assertEquals(outcomes, [
        ["delivered", 201, "", null],
        ["delivered", 201, "", null],
        ["delivered", 201, "", null],
        ["invalid", null, "", null],
        ["misconfigured", 307, "", null],
        ["gone", 410, "the end", null],
        ["rate-limited", 429, "x".repeat(1_000), 7_000],
        ["unavailable", null, "", null],
      ]);
      assert(refused.startsWith("TypeError: Cannot use the keys: "), refused);
      assertEquals(reason, "TimeoutError");

      const [first, second, empty] = bodies;
      assert(first && second && empty && bodies.length === 3);
      assertEquals(await receiver.decryptText(first), '{"title":"Episode 7"}');
      assertEquals(await receiver.decryptText(second), "a".repeat(3_993));
      assertEquals(empty.length, 0);
      assertEquals(headers[2]?.get("content-length"), "0");
      const authorization = headers[0]?.get("authorization") ?? "";
      assert(await isSigned(authorization, publicKey), authorization);
    },
  });
}

/** Sends to many over a queue of its own, which is what other runtimes need. */
const FAN_OUT = `
  import { createFanOut } from "@serviceworker/std/push";

  const { subscription, count } = JSON.parse(process.argv[2]);
  const table = new Map();
  let versions = 0;
  const queue = {
    get: async (keys) => keys.map((key) => table.get(key)),
    list: async ({ start, end, limit }) =>
      [...table.values()].filter(({ key }) => key >= start && key < end)
        .sort((a, b) => a.key < b.key ? -1 : 1).slice(0, limit),
    commit: async ({ check, delete: removed, set }) => {
      for (const [key, version] of check) {
        if ((table.get(key)?.version ?? null) !== version) return undefined;
      }
      const version = String(++versions);
      for (const key of removed) table.delete(key);
      for (const [key, value] of set) table.set(key, { key, value, version });
      return version;
    },
  };

  const gone = [];
  let failures = 0;
  const fanOut = createFanOut(
    queue,
    async ({ endpoint }, message, { signal }) => {
      const body = JSON.stringify(message);
      const response = await fetch(endpoint, { method: "POST", body, signal });
      if (response.status === 503) failures++;
      const outcomes = { 201: "delivered", 410: "gone", 503: "unavailable" };
      return { outcome: outcomes[response.status] };
    },
    { backoff: () => 1, onGone: ({ endpoint }) => gone.push(endpoint) },
  );
  const all = Array.from({ length: count }, (_, id) => ({
    endpoint: subscription + "/" + id,
  }));
  await fanOut.add(all, { title: "Episode 7" }, { id: "7" });
  const counts = await fanOut.flush();
  const { left, complete } = await fanOut.status("7");
  await fanOut.cancel("7");
  const rest = [...table.keys()];
  console.log(JSON.stringify({ counts, failures, gone, left, complete, rest }));
`;

for (const runtime of ["node", "bun"]) {
  Deno.test({
    name: `createFanOut() works on ${runtime}, over a queue that is passed in`,
    ignore: !(await isThere(runtime)),
    // The bundler's process outlives the test.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const { code } = await bundle(new URL("server.ts", import.meta.url), {
        source: FAN_OUT,
        platform: "node",
      });
      await stop();
      await using folder = await tempFolder({ "server.mjs": code });
      const asked = new Map<string, number>();
      await using server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        async (request) => {
          const { pathname } = new URL(request.url);
          const times = (asked.get(pathname) ?? 0) + 1;
          asked.set(pathname, times);
          assertEquals(await request.json(), { title: "Episode 7" });
          const isGone = pathname === "/11";
          const isBusy = pathname.endsWith("5") && times === 1;
          return new Response(null, {
            status: isGone ? 410 : isBusy ? 503 : 201,
          });
        },
      );
      const subscription = `http://127.0.0.1:${server.addr.port}`;
      const { success, stdout, stderr } = await new Deno.Command(runtime, {
        args: [
          `${folder.path}/server.mjs`,
          JSON.stringify({ subscription, count: 250 }),
        ],
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      assertEquals(JSON.parse(new TextDecoder().decode(stdout)), {
        counts: { delivered: 249, gone: 1, failed: {}, retried: 25 },
        failures: 25,
        gone: [`${subscription}/11`],
        left: 0,
        complete: true,
        rest: [],
      });
      assertEquals(asked.size, 250);
    },
  });
}

async function isThere(command: string): Promise<boolean> {
  try {
    const asked = new Deno.Command(command, { args: ["--version"] });
    return (await asked.output()).success;
  } catch {
    return false;
  }
}

/** Whether a header has a token that the owner of a key has signed. */
async function isSigned(header: string, publicKey: string): Promise<boolean> {
  const [, text = "", signature = ""] = header.match(
    /^vapid t=([^,]+)\.([^.,]+), k=/,
  ) ?? [];
  const key = await crypto.subtle.importKey(
    "raw",
    Uint8Array.fromBase64(publicKey, { alphabet: "base64url" }),
    { name: "ECDSA", namedCurve: "P-256" },
    false,
    ["verify"],
  );
  return await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" },
    key,
    Uint8Array.fromBase64(signature, { alphabet: "base64url" }),
    new TextEncoder().encode(text),
  );
}
