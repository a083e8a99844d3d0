// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { createHost } from "../testing/host.ts";
import { bundle, stop } from "../tools/build.ts";
import {
  type Behaviour,
  behaviours,
  type ConformancePage,
} from "./host_conformance.ts";
import { answerConformance, IMPORTED } from "./host_conformance_server.ts";

const OTHER = "https://other.test";

let code = "";

Deno.test.beforeAll(async () => {
  const entry = new URL("browser/fixtures/host_worker.ts", import.meta.url);
  code = (await bundle(entry, { format: "iife" })).code;
});

Deno.test.afterAll(stop);

/** Runs a behaviour on the host. */
async function run(name: string, behaviour: Behaviour): Promise<unknown> {
  const host = createHost({
    // What is imported, the host has to have at once.
    scripts: { "/lib.js": IMPORTED },
    async network(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/sw.js") {
        return new Response(code, {
          headers: { "content-type": "text/javascript" },
        });
      }
      if (pathname === "/blank.html" || pathname === "/") {
        return new Response("<!doctype html>", {
          headers: { "content-type": "text/html" },
        });
      }
      return await answerConformance(request) ??
        new Response("No route", { status: 404 });
    },
  });
  host.permissions.set("notifications", "prompt");
  const window = await host.openWindow("/");
  const page = {
    serviceWorker: window.serviceWorker,
    locks: window.navigator.locks,
    kept: {},
    origin: host.origin,
    otherOrigin: OTHER,
    BroadcastChannel: window.BroadcastChannel,
    fetch: (path: string, init?: RequestInit) => window.fetch(path, init),
    register(version = 1, options = {}) {
      const query = new URLSearchParams({
        behaviour: name,
        version: String(version),
      });
      return window.serviceWorker.register(`/sw.js?${query}`, options);
    },
    async open(path: string) {
      const frame = await host.openWindow(path, {
        frameType: "nested",
        focused: false,
      });
      return {
        text: await frame.response.text(),
        serviceWorker: frame.serviceWorker,
        fetch: (path: string) => frame.fetch(path),
        focus: () => frame.focus(),
        close: () => frame.close(),
      };
    },
  } as unknown as ConformancePage;
  try {
    const result = await behaviour.page(page);
    if (!behaviour.afterStop) return result;
    host.stopWorker();
    return await behaviour.afterStop(page);
  } finally {
    // What the worker throws on purpose.
    host.errors.length = 0;
    host.close();
  }
}

for (const [name, behaviour] of Object.entries(behaviours)) {
  Deno.test(`createHost() conforms: ${name}`, async () => {
    const actual = await run(name, behaviour);
    assertEquals(JSON.parse(JSON.stringify(actual)), behaviour.expected);
  });
}
