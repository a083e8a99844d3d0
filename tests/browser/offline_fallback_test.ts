// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A page for when there is no network, as its example gives it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { browserTest } from "./harness.ts";

browserTest("an offline page takes one route", {
  page: "../../examples/offline_fallback/page.ts",
  worker: "../../examples/offline_fallback/sw.ts",
}, async ({ page, server }) => {
  const html = (text: string, status = 200) => () =>
    new Response(`<!doctype html><title>${text}</title>${text}`, {
      status,
      headers: { "content-type": "text/html" },
    });
  server.route("/offline.html", html("You are offline"));
  server.route("/news", html("News"));
  server.route("/gone", html("Gone", 404));
  server.route("/broken", html("Broken", 503));
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
