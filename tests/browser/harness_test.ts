// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { browserTest } from "./harness.ts";

const worker = `
  let calls = 0;
  addEventListener("message", (event) => {
    event.ports[0].postMessage({ calls: ++calls, data: event.data });
  });
  addEventListener("fetch", (event) => {
    if (event.request.url.endsWith("/from-worker")) event.respondWith(new Response("worker"));
  });
`;

const page = `
  export function ask(data: unknown) {
    const { port1, port2 } = new MessageChannel();
    navigator.serviceWorker.controller.postMessage(data, [port2]);
    return new Promise((resolve) => { port1.onmessage = (event) => resolve(event.data); });
  }
`;

browserTest("register() waits until the worker controls the page", {
  worker,
  page,
}, async ({ page, server }) => {
  await page.register();
  assertEquals(await page.call("ask", "hello"), { calls: 1, data: "hello" });
  const text = await page.evaluate(
    async (path) => await (await fetch(path)).text(),
    "/from-worker",
  );
  assertEquals(text, "worker");
  assertEquals(server.count("/sw.js"), 1);
  assertEquals(server.count("/from-worker"), 0);
});

browserTest("stopWorkers() ends the worker, and a message starts it again", {
  worker,
  page,
}, async ({ page, stopWorkers }) => {
  await page.register();
  await page.call("ask", 1);
  await stopWorkers();
  assertEquals(await page.call("ask", 2), { calls: 1, data: 2 });
});
