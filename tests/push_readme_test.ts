// Copyright 2026 the @serviceworker/std authors. MIT license.

/** The program of `push/README.md`, as it is there. */

import { assert, assertEquals } from "@std/assert";
import { tempFolder } from "../tools/temp_folder.ts";
import { createPushReceiver } from "./push_receiver.ts";

Deno.test("push/README.md has a program that sends to all, and forgets who is gone", async () => {
  const text = await Deno.readTextFile(
    new URL("../push/README.md", import.meta.url),
  );
  const [, code = ""] = text.match(/```ts\n([^]*?)```/) ?? [];
  await using folder = await tempFolder({});
  const file = `${folder.path}/push.sqlite3`;
  assert(code.includes("= Deno.args;"));
  const args = JSON.stringify([file, "7", "Episode 7"]);
  const source = encodeURIComponent(code.replace("Deno.args", args));

  const services = ["https://push.example.net", "https://push.example.org"];
  const endpoints = Array.from(
    { length: 30 },
    (_, id) => `${services[id % 2]}/${id}`,
  );
  const receiver = createPushReceiver("");
  using kv = await Deno.openKv(file);
  for (const endpoint of endpoints) {
    const subscription = { ...receiver.subscription, endpoint };
    await kv.set(["subscriber", endpoint], subscription);
  }
  const received: string[] = [];
  const logged: unknown[] = [];
  const { fetch } = globalThis;
  const { log } = console;
  globalThis.fetch = async (url, init) => {
    if (url === endpoints[7]) return new Response(null, { status: 410 });
    assertEquals(new Headers(init?.headers).get("ttl"), "3600");
    const body = init?.body as Uint8Array<ArrayBuffer>;
    assertEquals(await receiver.decryptText(body), '{"title":"Episode 7"}');
    received.push(String(url));
    return new Response(null, { status: 201 });
  };
  console.log = (...values) => void logged.push(values);
  try {
    // All are told once.
    for (const run of [1, 2]) {
      await import(`data:application/typescript,${source}//${run}`);
    }
  } finally {
    globalThis.fetch = fetch;
    console.log = log;
  }
  assertEquals(logged, [["7", 29, 1, {}], ["7", 0, 0, {}]]);
  const live = endpoints.filter((endpoint) => endpoint !== endpoints[7]);
  assertEquals(received.toSorted(), live.toSorted());
  const left: unknown[] = [];
  for await (const { key } of kv.list({ prefix: ["subscriber"] })) {
    left.push(key[1]);
  }
  assertEquals(left.toSorted(), live.toSorted());
});
