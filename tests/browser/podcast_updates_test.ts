// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * New versions of the podcast app, and the way back from a broken one.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Asset,
  buildAssets,
} from "../../examples/podcast/server/assets.ts";
import { answerEvents } from "../../examples/podcast/server/events.ts";
import { createHandler } from "../../examples/podcast/server/handler.ts";
import { recordings } from "../../examples/podcast/server/episodes.ts";
import { browserTest, type TestPage } from "./harness.ts";

const [episode, , third] = recordings(3).map(({ id }) => id);
const CHANGES = ["Episodes sound warmer", "The sea is calmer"];

/** A server of the app while somebody works on it. */
class Workshop {
  readonly #assets = new Map<string, Asset>();
  readonly #built = new EventTarget();
  readonly #handle = createHandler({ assets: this.#assets, duration: 3 });

  /** What happens when a file is saved. */
  async release(version: string, changes: string[]): Promise<void> {
    const release = { version, changes };
    const files = await buildAssets({ release, watch: true });
    for (const [path, asset] of files) this.#assets.set(path, asset);
    this.#built.dispatchEvent(new Event("built"));
  }

  async answer(request: Request): Promise<Response> {
    if (this.#assets.size === 0) await this.release("1", []);
    const { pathname } = new URL(request.url);
    return pathname === "/built"
      ? answerEvents(this.#built, "built")
      : this.#handle(request);
  }
}

/** Each scenario has an origin of its own. */
const workshops = new Map<string, Workshop>();

function workshopAt(url: string): Workshop {
  const { origin } = new URL(url);
  const workshop = workshops.get(origin) ?? new Workshop();
  workshops.set(origin, workshop);
  return workshop;
}

const app = {
  handler: (request: Request) => workshopAt(request.url).answer(request),
};

/** Waits for a version of the worker to be shown. */
async function shows(page: TestPage, version: string): Promise<void> {
  await page.waitFor(
    (text) =>
      document.querySelector("[data-part=worker]")?.textContent === text,
    `Version ${version}`,
  );
}

/** Waits until the prompt has a title. */
async function offers(page: TestPage, title: string): Promise<void> {
  await page.waitFor((title) => {
    const prompt = document.querySelector<HTMLElement>("[data-part=update]");
    return prompt?.hidden === false &&
      prompt.querySelector("h2")?.textContent === title;
  }, title);
}

async function write(page: TestPage, text: string): Promise<void> {
  await page.evaluate((text) => {
    const area = document.querySelector("textarea");
    if (!area) return;
    area.value = text;
    area.dispatchEvent(new Event("input"));
  }, text).catch(() => {
    // As above.
  });
}

for (const way of ["posted", "overridden"] as const) {
  browserTest(
    `podcast: an update waits for a comment that is ${way}`,
    app,
    async ({ page, openPage, server }) => {
      await shows(page, "1");
      const other = await openPage();
      await shows(other, "1");
      await write(other, "A draft");

      await workshopAt(server.url("/")).release("2", CHANGES);
      for (const tab of [page, other]) await offers(tab, "Version 2 is here");
      assertEquals(
        await page.evaluate(() =>
          [...document.querySelectorAll("[data-part=update] li")]
            .map((item) => item.textContent ?? "")
        ),
        CHANGES,
      );

      // As soon as the hold is seen in the other tab.
      await page.waitFor(async () =>
        (await navigator.locks.query()).held?.some(({ name }) =>
          name?.includes("update")
        )
      );
      await page.click("[data-part=update-apply]");
      await offers(page, "A comment is being written");
      await shows(other, "1");

      if (way === "overridden") {
        await page.click("[data-part=update-apply]");
        await shows(page, "2");
        assertEquals(
          await other.evaluate(() => document.querySelector("textarea")?.value),
          "A draft",
        );
        await write(other, "");
        // It has let go, and reloads.
        await other.waitFor(() =>
          document.querySelector<HTMLElement>("[data-part=update]")?.hidden &&
          document.querySelector("[data-part=worker]")?.textContent ===
            "Version 2"
        );
      } else {
        await write(other, "");
        await other.waitFor(async () =>
          !(await navigator.locks.query()).held?.some(({ name }) =>
            name?.includes("update")
          )
        );
        await page.click("[data-part=update-apply]");
        for (const tab of [page, other]) await shows(tab, "2");
      }
    },
  );
}

browserTest(
  "podcast: a reset leaves nothing behind",
  app,
  async ({ page }) => {
    await shows(page, "1");
    await page.evaluate(async () => {
      const cache = await caches.open("leftover");
      await cache.put("/leftover", new Response("x"));
      document.documentElement.dataset.old = "";
    });
    await page.click("[data-part=reset]");
    await page.waitFor(() => document.querySelector("dialog")?.open);
    await page.click("[data-part=reset-confirm]");
    await page.waitFor(() => {
      const root = document.querySelector("html");
      return root && !("old" in root.dataset);
    });
    assertEquals(await page.evaluate(() => caches.has("leftover")), false);
    await shows(page, "1");
    assert((await page.text()).includes("Nothing yet"));
  },
);

browserTest(
  "podcast: a link leads to its episode",
  app,
  async ({ page, openPage, server }) => {
    await shows(page, "1");
    const tab = await openPage(`/?episode=${third}`);
    await tab.waitFor(
      (id) =>
        document.activeElement?.closest<HTMLElement>("[data-id]")?.dataset
          .id === id,
      third,
    );
    await server.stop();
    await page.goto(`/?episode=${episode}`);
    await page.waitFor(
      (id) =>
        document.activeElement?.closest<HTMLElement>("[data-id]")?.dataset
          .id === id,
      episode,
    );
  },
);
