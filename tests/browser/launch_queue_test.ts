// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * An app that is installed and launched, in a Chromium of its own, as those
 * commands come by a pipe only.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import puppeteer from "puppeteer";
import { findBrowser } from "../../tools/find_browser.ts";
import { browserTest } from "./harness.ts";

const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" width="512" height="512"><path d="M0 0h512v512H0z"/></svg>';
const MANIFEST = `{
  "id": "/app",
  "name": "App",
  "start_url": "/app",
  "display": "standalone",
  "launch_handler": { "client_mode": "focus-existing" },
  "icons": [{ "src": "/icon.svg", "sizes": "512x512", "type": "image/svg+xml" }]
}`;

browserTest(
  "setLaunchConsumer() is given what Chromium has queued, and what comes",
  { page: "./fixtures/lifecycle_state_page.ts" },
  async ({ engine, server, skip }) => {
    if (engine.name !== "chromium") skip("it has no launch queue");
    const serve = (path: string, body: string, type: string) =>
      server.route(
        path,
        () => new Response(body, { headers: { "content-type": type } }),
      );
    serve("/app", '<link rel="manifest" href="/app.webmanifest">', "text/html");
    serve("/app.webmanifest", MANIFEST, "application/json");
    serve("/icon.svg", ICON, "image/svg+xml");

    const found = await findBrowser("chromium");
    const browser = await puppeteer.launch({
      executablePath: found.executablePath,
      headless: true,
      pipe: true,
      args: [
        ...found.args,
        // No name leaves the machine.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
      ],
      env: found.env ?? Deno.env.toObject(),
    });
    try {
      const devtools = await browser.target().createCDPSession();
      const page = await browser.newPage();
      await page.goto(server.url("/app"));
      const manifestId = server.url("/app");
      await devtools.send("PWA.install", {
        manifestId,
        installUrlOrBundleUrl: manifestId,
      });
      for (const count of [1, 2]) {
        const url = server.url(`/app?${count}`);
        await devtools.send("PWA.launch", { manifestId, url });
        // The consumer is set by the script, which nothing has loaded before.
        await page.waitForFunction(
          `import("/page.js").then((page) => page.launches.length === ${count})`,
          { timeout: 20_000 },
        );
      }
      assertEquals(
        await page.evaluate('import("/page.js").then((page) => page.launches)'),
        ["?1", "?2"],
      );
      assertEquals(page.url(), server.url("/app"));
    } finally {
      await browser.close();
    }
  },
);
