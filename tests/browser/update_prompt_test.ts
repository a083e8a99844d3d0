// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The smallest update prompt, as the README gives it, and by what it says there
 * for workers that import nothing.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { browserTest, type TestPage } from "./harness.ts";

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
}

const README = await read("README.md");
const [, SECTION = ""] = README.split("### An update prompt in 15 lines\n");
const [PAGE = "", WORKER = "", PLAIN_WORKER = ""] = [
  ...SECTION.matchAll(/^```\w+\n(.*?)^```$/gms),
].map(([, code = ""]) => code);
const EXAMPLE = await read("examples/update_prompt/page.ts");

/** Whether the page offers an update. */
function offers(page: TestPage): Promise<unknown> {
  return page.waitFor(() => document.querySelector("button"));
}

browserTest(
  "an update prompt takes 15 lines",
  { page: PAGE, worker: WORKER },
  async ({ page, openPage, server }) => {
    assertEquals(PAGE.trim().split(/\n+/).length, 15);
    assert(EXAMPLE.endsWith(PAGE));
    await page.waitFor(async () =>
      (await navigator.serviceWorker.getRegistration())?.active?.state ===
        "activated"
    );
    assertEquals(
      await page.evaluate(() => document.querySelector("button")),
      null,
    );
    await page.reload();
    const other = await openPage();

    for (const worker of [`${WORKER}\nconsole.debug(2);`, PLAIN_WORKER]) {
      for (const tab of [page, other]) {
        await tab.waitFor(() => navigator.serviceWorker.controller);
      }
      const before = server.count("/");
      server.replaceWorker(worker);
      await page.evaluate(async () => {
        await (await navigator.serviceWorker.ready).update();
      });
      for (const tab of [page, other]) await offers(tab);
      await other.evaluate(() => document.querySelector("button")?.click())
        .catch(() => {
          // It reloaded before it said that it has done this.
        });
      for (const tab of [page, other]) {
        await tab.waitFor(() => !document.querySelector("button"));
      }
      assertEquals(server.count("/"), before + 2);
    }
  },
);
