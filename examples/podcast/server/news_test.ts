// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { createHandler } from "./handler.ts";
import { type News, openNews } from "./news.ts";

const KEYS = {
  p256dh:
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
  auth: "BTBZMqHH6r4Tts7J_aSIgg",
};

/** A subscription whose push service answers with this status. */
function subscription(status: number) {
  return { endpoint: `https://push.example.net/${status}`, keys: KEYS };
}

/** Stands for the push service. */
function pushService(sent: string[]) {
  return (url: string): Promise<Response> => {
    sent.push(url);
    const status = Number(new URL(url).pathname.slice(1));
    return Promise.resolve(new Response("Because", { status }));
  };
}

async function post(news: News, path: string, body?: unknown) {
  return await news.answer(
    new Request(`http://localhost/api/news/${path}`, {
      method: "POST",
      body: JSON.stringify(body ?? null),
    }),
  );
}

Deno.test("openNews() keeps keys and episodes in its file", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/news.sqlite`;
  const key = async (news: News) =>
    await (await news.answer(new Request("http://localhost/api/news/key")))
      .text();
  try {
    const before = await openNews({ path });
    const publicKey = await key(before);
    await post(before, "publish");
    await post(before, "publish");
    await before[Symbol.asyncDispose]();

    await using after = await openNews({ path });
    assertEquals(await key(after), publicKey);
    assertEquals(after.episodes().map(({ id }) => id), [
      "transmission-2",
      "transmission-1",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("openNews() tells every subscription, and forgets those that are gone", async () => {
  const sent: string[] = [];
  await using news = await openNews({ fetch: pushService(sent) });
  for (const status of [201, 410, 403]) {
    await post(news, "subscription", {
      oldSubscription: null,
      newSubscription: subscription(status),
    });
  }
  const first = await (await post(news, "publish")).json();
  assertEquals(first, {
    title: "Test transmission 1",
    subscriptions: 3,
    delivered: 1,
    gone: 1,
    problems: ["misconfigured: Because"],
  });
  await post(news, "subscription", {
    oldSubscription: subscription(403),
    newSubscription: null,
  });
  const second = await (await post(news, "publish")).json();
  assertEquals(second.subscriptions, 1);
  assertEquals(sent.length, 4);
});

Deno.test("openNews() sends nothing into its own network", async () => {
  const sent: string[] = [];
  await using news = await openNews({ fetch: pushService(sent) });
  await post(news, "subscription", {
    newSubscription: { endpoint: "http://127.0.0.1/201", keys: KEYS },
  });
  assertEquals((await (await post(news, "publish")).json()).gone, 1);
  assertEquals(sent, []);
});

Deno.test("openNews() has its episodes in the list, with all that belongs to one", async () => {
  await using news = await openNews({ duration: 2 });
  const handle = createHandler({ assets: new Map(), duration: 2, news });
  const ask = (path: string) => handle(new Request(`http://localhost${path}`));
  await handle(
    new Request("http://localhost/api/news/publish", { method: "POST" }),
  );
  const [latest] = await (await ask("/api/episodes")).json();
  assertEquals([latest.id, latest.number], ["transmission-1", 7]);
  assertEquals((await ask(latest.cover)).status, 200);
  const audio = await ask(latest.audio);
  assertEquals((await audio.bytes()).length, latest.bytes);
  assertEquals((await ask("/api/comments/transmission-1")).status, 200);
});
