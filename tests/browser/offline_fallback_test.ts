// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A page for when there is no network, as its example gives it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { browserTest } from "./harness.ts";

const texts = new Map<string, [text: string, status: number]>([
  ["/offline.html", ["You are offline", 200]],
  ["/news", ["News", 200]],
  ["/gone", ["Gone", 404]],
  ["/broken", ["Broken", 503]],
]);

browserTest("an offline page takes one route", {
  page: "../../examples/offline_fallback/page.ts",
  worker: "../../examples/offline_fallback/sw.ts",
  // Not by routes: the page registers its worker before the scenario begins.
  handler({ url }) {
    const answer = texts.get(new URL(url).pathname);
    if (!answer) return;
    const [text, status] = answer;
    return new Response(`<!doctype html><title>${text}</title>${text}`, {
      status,
      headers: { "content-type": "text/html" },
    });
  },
}, async ({ page, server }) => {
  // WebKitGTK may never fire `install` if the page is left meanwhile.
  await page.waitFor(() => navigator.serviceWorker.controller);

  for (
    const [path, text] of [
      ["/news", "News"],
      ["/gone", "Gone"],
      ["/broken", "You are offline"],
    ] as const
  ) {
    await page.goto(path);
    assertEquals(await page.text(), text);
  }
  await server.stop();
  await page.goto("/news?later");
  assertEquals(await page.text(), "You are offline");
  await server.restart();
  await page.goto("/news");
  assertEquals(await page.text(), "News");
  // Once: for the worker, and for no navigation.
  assertEquals(server.count("/offline.html"), 1);
});
