// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { browserTest as declare, type BrowserTestContext } from "./harness.ts";

type Page = typeof import("./fixtures/storage_page.ts");

function browserTest(
  name: string,
  run: (context: BrowserTestContext<Page>) => Promise<void>,
  options: Partial<Parameters<typeof declare>[1]> = {},
): void {
  declare<Page>(name, {
    worker: "./fixtures/storage_worker.ts",
    page: "./fixtures/storage_page.ts",
    ...options,
  }, run);
}

browserTest("openStore() is a store in a page", async ({ page }) => {
  assertEquals(await page.call("failingFacts"), {});
}, { timeout: 60_000 });

browserTest("openStore() is a store in a worker", async ({ page }) => {
  await page.register();
  assertEquals(await page.call("ask", "facts"), {});
}, { timeout: 60_000 });
