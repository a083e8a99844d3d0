// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { createHost, type HostScript } from "../testing/host.ts";
import { reportInstall } from "./report_install.ts";

/** A worker's `clients` with two windows, and what they are told. */
function openWindows() {
  const told: unknown[] = [];
  const queries: unknown[] = [];
  const client = { postMessage: (message: unknown) => void told.push(message) };
  const clients = {
    matchAll(query: object) {
      queries.push(query);
      return Promise.resolve([client, client]);
    },
  };
  return { clients, queries, told };
}

function failed(name: string, message: string) {
  return { "@serviceworker/std": { installFailed: { name, message } } };
}

Deno.test("reportInstall() passes on what the work resolves with", async () => {
  const { clients, queries, told } = openWindows();
  assertEquals(await reportInstall(clients, Promise.resolve(1)), 1);
  assertEquals(await reportInstall(clients, () => Promise.resolve(2)), 2);
  assertEquals(await reportInstall(clients, () => 3), 3);
  assertEquals([queries, told], [[], []]);
});

Deno.test("reportInstall() tells every window why, and rejects", async () => {
  const { clients, queries, told } = openWindows();
  const error = new DOMException("There is no room", "QuotaExceededError");
  const work = Promise.reject(error);
  const reason = await reportInstall(clients, work).catch((reason) => reason);
  assertEquals(reason === error, true);
  assertEquals(queries, [{ includeUncontrolled: true, type: "window" }]);
  const message = failed("QuotaExceededError", "There is no room");
  assertEquals(told, [message, message]);
});

Deno.test("reportInstall() reports what is thrown at once", async () => {
  const { clients, told } = openWindows();
  const work = () => {
    throw new SyntaxError("Unexpected end");
  };
  await assertRejects(() => reportInstall(clients, work), SyntaxError);
  assertEquals(told[0], failed("SyntaxError", "Unexpected end"));
});

Deno.test("reportInstall() reports what is no error", async () => {
  const { clients, told } = openWindows();
  await reportInstall(clients, Promise.reject("no")).catch(() => {});
  assertEquals(told[0], failed("Error", "no"));
  const exception = { name: "NS_ERROR_FAILURE", message: "It failed" };
  await reportInstall(clients, Promise.reject(exception)).catch(() => {});
  assertEquals(told[2], failed("NS_ERROR_FAILURE", "It failed"));
});

Deno.test("reportInstall() rejects with the work's error when nobody can be told", async () => {
  const clients = { matchAll: () => Promise.reject(new Error("gone")) };
  const work = Promise.reject(new RangeError("too much"));
  await assertRejects(() => reportInstall(clients, work), RangeError);
});

Deno.test("reportInstall() leaves the worker before it in place", async () => {
  const host = createHost({
    network: () => new Response(null, { status: 404 }),
  });
  const script = (version: string): HostScript => (scope) => {
    const precache = async () => {
      if (version === "1") return;
      const cache = await scope.caches.open(version);
      await cache.addAll(["/missing"]);
    };
    scope.addEventListener("install", (event) => {
      event.waitUntil(reportInstall(scope.clients, precache));
    });
    scope.addEventListener("fetch", (event) => {
      event.respondWith(new Response(version));
    });
  };
  host.deploy("/sw.js", script("1"));
  await host.register("/sw.js");
  const page = await host.openWindow("/");
  const told: unknown[] = [];
  page.serviceWorker.onmessage = ({ data }) => void told.push(data);
  host.deploy("/sw.js", script("2"));
  await (await page.serviceWorker.ready).update();
  await host.idle();
  assertEquals(told.length, 1);
  assertEquals(await (await page.fetch("/")).text(), "1");
  host.close();
});
