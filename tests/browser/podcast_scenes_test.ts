// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The podcast app's page "Behind the scenes".
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Recording,
  recordings,
} from "../../examples/podcast/server/episodes.ts";
import { browserTest, type TestPage } from "./harness.ts";
import { podcastApp } from "./podcast_app.ts";

/** Seconds. */
const DURATION = 40;
/** Bytes a second: long enough to see a download. */
const THROTTLE = 1_500_000;

const [episode] = recordings(DURATION) as [Recording];

const app = podcastApp({ duration: DURATION, throttle: THROTTLE });

/** Waits until a part of the page has a text that fits. */
async function shows(
  page: TestPage,
  name: string,
  pattern: string,
): Promise<string> {
  const [text = ""] = await page.waitFor(
    (name, pattern) => {
      const part = document.querySelector<HTMLElement>(`[data-part=${name}]`);
      const text = part?.innerText.replaceAll(/\s+/g, " ").trim() ?? "";
      return new RegExp(pattern).test(text) ? [text] : undefined;
    },
    name,
    pattern,
  ) ?? [];
  return text;
}

browserTest(
  "podcast: what the worker does is seen behind the scenes",
  app,
  async ({ page, openPage, server, engine }) => {
    await shows(page, "worker", "^Version");
    const scenes = await openPage("/behind-the-scenes/");
    await shows(scenes, "state", "^activated$");
    await shows(scenes, "version", String.raw`^\d+\.\d+\.\d+$`);
    await shows(scenes, "awake", String.raw`^\d+:\d\d$`);
    await shows(scenes, "events", String.raw`\d fetch`);
    assertEquals(await shows(scenes, "starts", "."), "1");
    await shows(scenes, "tabs", "Behind the scenes, this tab (active|passive)");
    await shows(scenes, "tabs", "Episodes (active|passive|hidden)");
    await shows(scenes, "caches", String.raw`Files of the app \d+ kB`);
    await shows(scenes, "schedules", "Refresh the list .+ Tidy up");
    await shows(scenes, "outbox", "^Everything is sent$");
    await shows(scenes, "downloads", "^Nothing is downloaded$");
    await shows(
      scenes,
      "requests",
      "/api/episodes network first network",
    );
    const quota = await shows(scenes, "quota", ".");
    const note = await shows(scenes, "room-note", "");
    if (engine.name === "webkit") {
      assertEquals(quota, "in caches");
      assert(note.includes("does not tell"), note);
    } else {
      assert(/^of .+ that the browser allows$/.test(quota), quota);
      assertEquals(note, "");
    }

    await page.click(`[data-id="${episode.id}"] [data-part=action]`);
    await shows(scenes, "downloads", `${episode.title} Loading`);
    await scenes.waitFor(() =>
      Number(document.querySelector("[data-part=rate]")?.textContent) > 0
    );
    await shows(
      scenes,
      "downloads",
      `${episode.title} On this device 3.5 MB`,
    );
    await shows(scenes, "caches", "Episodes 3.5 MB");

    await server.stop();
    await page.evaluate((id) => {
      const form = document.querySelector<HTMLFormElement>(
        `[data-id="${id}"] form`,
      );
      const field = form?.querySelector("textarea");
      if (field) field.value = "From behind";
      form?.requestSubmit();
    }, episode.id);
    await shows(scenes, "outbox", "From behind pending");
    await server.restart();
    await shows(scenes, "outbox", "^Everything is sent$");

    await page.close();
    await scenes.waitFor(() =>
      !document.querySelector("[data-part=tabs]")?.textContent
        ?.includes("Episodes")
    );
  },
);

browserTest(
  "podcast: behind the scenes, a worker that is stopped is seen to start again",
  app,
  async ({ page, stopWorkers }) => {
    // WebKitGTK may never fire `install` if the page is left meanwhile.
    await shows(page, "worker", "^Version");
    await page.goto("/behind-the-scenes/");
    await shows(page, "starts", "^1$");
    await stopWorkers();
    await shows(page, "starts", "^2$");
    await shows(page, "state", "^activated$");

    // Nothing keeps the worker awake for a page that does not look.
    await page.click("[data-part=pause]");
    await shows(page, "state", "^Not looked at");
    await stopWorkers();
    await page.click("[data-part=pause]");
    await shows(page, "starts", "^3$");
  },
);

browserTest(
  "podcast: the page behind the scenes opens without the server",
  app,
  async ({ page, server }) => {
    await shows(page, "worker", "^Version");
    await page.waitFor(() => navigator.serviceWorker.controller);
    await server.stop();
    await page.goto("/behind-the-scenes/");
    await shows(page, "state", "^activated$");
    await shows(page, "requests", "/behind-the-scenes/ .*device");
    await page.click(".home");
    await shows(page, "worker", "^Version");
  },
);
