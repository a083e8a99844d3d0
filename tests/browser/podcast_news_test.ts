// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * New episodes of the podcast app, told by push.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { PUBLISH_PATH } from "../../examples/podcast/news.ts";
import {
  type Asset,
  buildAssets,
} from "../../examples/podcast/server/assets.ts";
import { createHandler } from "../../examples/podcast/server/handler.ts";
import {
  openNews,
  type Published,
} from "../../examples/podcast/server/news.ts";
import {
  browserTest,
  pause,
  type TestPage,
  type TestServer,
} from "./harness.ts";

type Handle = ReturnType<typeof createHandler>;
type Fetch = (url: string, init: RequestInit) => Promise<Response>;

let assets: Promise<Map<string, Asset>> | undefined;
/** Each scenario has an origin of its own, */
const apps = new Map<string, Promise<Handle>>();
/** and its own way to the push service of its browser. */
const senders = new Map<string, Fetch>();

async function createApp(origin: string): Promise<Handle> {
  const news = await openNews({
    duration: 2,
    allow: () => true,
    fetch: (url, init) => (senders.get(origin) ?? fetch)(url, init),
  });
  return createHandler({ assets: await (assets ??= buildAssets()), news });
}

const app = {
  async handler(request: Request): Promise<Response> {
    const { origin } = new URL(request.url);
    const handle = apps.get(origin) ?? createApp(origin);
    apps.set(origin, handle);
    return (await handle)(request);
  },
};

async function shows(
  page: TestPage,
  name: string,
  text: string,
): Promise<void> {
  await page.waitFor(
    (name, text) =>
      document.querySelector(`[data-part="${name}"]`)?.textContent?.trim()
        .startsWith(text),
    name,
    text,
  );
}

async function publish(server: TestServer): Promise<Published> {
  const response = await fetch(server.url(PUBLISH_PATH), { method: "POST" });
  return await response.json();
}

/** Waits until an episode has the focus. */
async function reveals(page: TestPage, id: string): Promise<void> {
  await page.waitFor(
    (id) =>
      document.activeElement?.closest<HTMLElement>("[data-id]")?.dataset.id ===
        id,
    id,
  );
}

browserTest("podcast: a new episode is told, and a click opens it", {
  ...app,
  push: true,
}, async ({ page, server, push, notifications, openedPage }) => {
  senders.set(new URL(server.url("/")).origin, push.fetch);
  await shows(page, "worker", "Version");
  await shows(page, "news-state", "Off");
  await page.click("[data-part=news]");
  await shows(page, "news-state", "On");
  // The outbox has told the server.
  while (server.count("/api/news/subscription") === 0) await pause();
  await page.reload();
  await shows(page, "news-state", "On");

  const first = await publish(server);
  assertEquals([first.subscriptions, first.delivered], [1, 1]);
  const notification = await notifications.next("Test transmission 1");
  await shows(page, "show-new", "Show 1 new episode");
  notification.click();
  await reveals(page, "transmission-1");

  await page.close();
  await publish(server);
  (await notifications.next("Test transmission 2")).click();
  const opened = await openedPage("/?episode=transmission-2");
  await reveals(opened, "transmission-2");

  await shows(opened, "news-state", "On");
  const told = server.count("/api/news/subscription");
  await opened.click("[data-part=news]");
  await shows(opened, "news-state", "Off");
  while (server.count("/api/news/subscription") === told) await pause();
  assertEquals((await publish(server)).subscriptions, 0);
});

browserTest(
  "podcast: a new episode is shown where there is no push",
  app,
  async ({ page, openPage, server, engine }) => {
    await shows(page, "worker", "Version");
    const other = await openPage();
    await shows(other, "network-text", "Online");
    if (engine.name === "webkit") {
      await shows(page, "news-note", "Not in this browser");
    }
    const scenes = await openPage("/behind-the-scenes/");
    await shows(scenes, "state", "activated");
    await scenes.click("[data-part=publish]");
    await shows(
      scenes,
      "published",
      "Test transmission 1 is published · No browser wants to be told",
    );
    assertEquals(server.count(PUBLISH_PATH), 1);
    await shows(other, "show-new", "Show 1 new episode");
    await other.click("[data-part=show-new]");
    assertEquals(
      await other.evaluate(() =>
        document.querySelector<HTMLElement>(".episode")?.dataset.id
      ),
      "transmission-1",
    );
  },
);
