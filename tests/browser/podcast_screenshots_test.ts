// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Makes the screenshots of the podcast app, if `SW_SCREENSHOTS` is set.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { buildAssets } from "../../examples/podcast/server/assets.ts";
import { createHandler } from "../../examples/podcast/server/handler.ts";
import { openNews } from "../../examples/podcast/server/news.ts";
import { browserTest, type TestPage } from "./harness.ts";

const FOLDER = new URL("../../examples/podcast/screenshots/", import.meta.url);
const SIZES = {
  wide: { width: 1200, height: 800 },
  narrow: { width: 390, height: 780 },
};

let handler: Promise<ReturnType<typeof createHandler>> | undefined;

async function createApp() {
  const [assets, news] = await Promise.all([buildAssets(), openNews()]);
  return createHandler({ assets, news, throttle: 1_000_000 });
}

/** Takes pictures of a page, of each size and in both colors. */
async function take(page: TestPage, name: string): Promise<void> {
  await page.bringToFront();
  for (const [size, view] of Object.entries(SIZES)) {
    for (const scheme of ["light", "dark"] as const) {
      await page.setView({ ...view, scheme });
      // The colors and the height change.
      await new Promise((resolve) => setTimeout(resolve, 500));
      const file = new URL(`${name}-${size}-${scheme}.webp`, FOLDER);
      await page.screenshot(fileURLToPath(file));
    }
  }
}

if (Deno.env.get("SW_SCREENSHOTS")) {
  browserTest("podcast: screenshots", {
    async handler(request) {
      return (await (handler ??= createApp()))(request);
    },
  }, async ({ page, openPage }) => {
    await Deno.mkdir(FOLDER, { recursive: true });
    await page.waitFor(() =>
      document.querySelector("[data-part=worker]")?.textContent
        ?.startsWith("Version")
    );
    await page.evaluate(() => {
      const audio = document.querySelector("audio");
      if (audio) audio.muted = true;
    });
    await page.click("[data-id=orchard] [data-part=play]");
    await page.waitFor(() => {
      const audio = document.querySelector("audio");
      if (audio && audio.currentTime < 30) audio.currentTime = 34;
      return audio && audio.currentTime > 34;
    });
    await page.click("[data-id=orchard] [data-part=action]");
    await page.waitFor(() =>
      Number(
        document.querySelector("[data-id=orchard] [role=progressbar]")
          ?.getAttribute("aria-valuenow"),
      ) > 25
    );
    await take(page, "app");

    await page.waitFor(() =>
      document.querySelector<HTMLElement>("[data-id=orchard]")?.dataset
        .state === "saved"
    );
    const scenes = await openPage("/behind-the-scenes/");
    await scenes.waitFor(() =>
      document.querySelector("[data-part=caches]")?.textContent
        ?.includes("Episodes")
    );
    await take(scenes, "scenes");
  });
}
