// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The smallest update prompt, as the README gives it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { browserTest, type TestPage } from "./harness.ts";

const WORKER = await Deno.readTextFile(
  new URL("../../examples/update_prompt/sw.ts", import.meta.url),
);

/** Whether the page offers an update. */
function offers(page: TestPage): Promise<unknown> {
  return page.waitFor(() => document.querySelector("button"));
}

browserTest("an update prompt takes 15 lines", {
  page: "../../examples/update_prompt/page.ts",
  worker: "../../examples/update_prompt/sw.ts",
}, async ({ page, openPage, server }) => {
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

  for (let update = 0; update < 2; update++) {
    for (const tab of [page, other]) {
      await tab.waitFor(() => navigator.serviceWorker.controller);
    }
    const before = server.count("/");
    server.replaceWorker(`${WORKER}\nconsole.debug(${update});`);
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
});
