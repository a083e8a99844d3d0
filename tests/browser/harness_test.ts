// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { browserTest } from "./harness.ts";

const worker = `
  declare const VERSION: string;
  declare const self: ServiceWorkerGlobalScope;
  let messages = 0;
  addEventListener("message", async (event) => {
    const fetched = event.data.fetch &&
      await fetch(event.data.fetch).then((response) => response.text(), () => "failed");
    event.ports[0].postMessage({ messages: ++messages, fetched });
  });
  addEventListener("fetch", (event) => {
    const { pathname } = new URL(event.request.url);
    if (pathname === "/version") event.respondWith(new Response(VERSION));
  });
`;

const page = `
  export async function ask(data = {}) {
    const { port1, port2 } = new MessageChannel();
    navigator.serviceWorker.controller.postMessage(data, [port2]);
    return await new Promise((resolve) => { port1.onmessage = (event) => resolve(event.data); });
  }
  export async function load(path) {
    return await (await fetch(path)).text();
  }
  export function fail(message) {
    throw new RangeError(message);
  }
`;

interface Page extends Record<string, unknown> {
  ask(data?: { fetch?: string }): Promise<{
    messages: number;
    fetched?: string;
  }>;
  load(path: string): Promise<string>;
  fail(message: string): never;
}

const fixture = { worker, page, define: { VERSION: "1" } };

browserTest<Page>(
  "register() waits until the worker controls the page",
  fixture,
  async ({ page, server }) => {
    await page.register();
    assertEquals((await page.call("ask")).messages, 1);
    assertEquals(await page.call("load", "/version"), "1");
    assertEquals(server.count("/sw.js"), 1);
    assertEquals(server.count("/version"), 0);
  },
);

browserTest<Page>(
  "register() registers a module worker",
  { ...fixture, module: true },
  async ({ page }) => {
    await page.register();
    assertEquals(await page.call("load", "/version"), "1");
  },
);

browserTest(
  "register() only waits for an active worker when it does not claim",
  { ...fixture, claim: false },
  async ({ page }) => {
    await page.register();
    const controls = () => navigator.serviceWorker.controller !== null;
    assertEquals(await page.evaluate(controls), false);
    await page.reload();
    assertEquals(await page.evaluate(controls), true);
  },
);

browserTest<Page>("call() rejects with the page's error", fixture, async (
  { page },
) => {
  const error = await assertRejects(
    () => page.call("fail", "too far"),
    Error,
    "too far",
  );
  assertEquals(error.name, "RangeError");
});

browserTest("click() rejects where there is nothing to click", {}, async (
  { page },
) => {
  await page.evaluate(() => {
    document.body.innerHTML = "<button>";
    document.body.onclick = () => document.title = "clicked";
  });
  await page.click("button");
  assertEquals(await page.evaluate(() => document.title), "clicked");
  await assertRejects(() => page.click("a"), Error, "there is no a");
});

browserTest(
  "evaluate() runs at the same time in two pages, and in one",
  fixture,
  async ({ page, openPage }) => {
    const other = await openPage();
    const wait = () =>
      new Promise<number>((resolve) => {
        new BroadcastChannel("go").onmessage = (event) => resolve(event.data);
      });
    const waiting = [page.evaluate(wait), page.evaluate(wait)];
    await other.evaluate(async () => {
      const go = new BroadcastChannel("go");
      // Nothing tells when the pages listen.
      const timer = setInterval(() => go.postMessage(7), 10);
      await new Promise((resolve) => setTimeout(resolve, 300));
      clearInterval(timer);
    });
    assertEquals(await Promise.all(waiting), [7, 7]);
  },
);

browserTest("log has what page and worker said", {
  worker: `
    addEventListener("message", () => { console.warn("from the worker", { a: 1 }); });
  `,
}, async ({ page, server }) => {
  await page.register();
  await page.evaluate(() => {
    console.error("from the page");
    navigator.serviceWorker.controller?.postMessage("");
  });
  await page.waitFor(() => true);
  assert(page.log.includes("page: error from the page"), page.log.join());
  while (server.log.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assertEquals(server.log, ['worker: warn from the worker {"a":1}']);
});

browserTest("screenshot() shows the page", {}, async ({ page }) => {
  const path = await Deno.makeTempFile({ suffix: ".png" });
  try {
    await page.screenshot(path);
    const [, ...magic] = (await Deno.readFile(path)).subarray(0, 4);
    assertEquals(String.fromCharCode(...magic), "PNG");
  } finally {
    await Deno.remove(path);
  }
});

browserTest(
  "hold() keeps a request waiting",
  fixture,
  async ({ page, server }) => {
    server.route("/slow", () => new Response("slow"));
    const release = server.hold("/slow");
    let settled = false;
    const answer = page.evaluate(async () =>
      await (await fetch("/slow")).text()
    );
    answer.then(() => settled = true);
    await page.waitFor(() => performance.now() > 0);
    while (server.count("/slow") === 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals(settled, false);
    release();
    assertEquals(await answer, "slow");
  },
);

browserTest("cut() destroys the connection", {}, async ({ page, server }) => {
  server.route("/file", () => {
    const headers = { "content-length": "1000" };
    return new Response(new Uint8Array(1000), { headers });
  });
  const load = async () => {
    let received = 0;
    try {
      const { body } = await fetch("/file");
      const reader = body!.getReader();
      while (true) {
        const { done, value } = await reader.read();
        if (done) return { received, complete: true };
        received += value.length;
      }
    } catch {
      return { received, complete: false };
    }
  };
  const mendFirst = server.cut("/file");
  assertEquals(await page.evaluate(load), { received: 0, complete: false });
  mendFirst();
  const mend = server.cut("/file", 400);
  assertEquals(await page.evaluate(load), { received: 400, complete: false });
  mend();
  assertEquals(await page.evaluate(load), { received: 1000, complete: true });
});

browserTest<Page>(
  "stop() takes the server away, and restart() brings it back",
  fixture,
  async ({ page, server }) => {
    server.route("/file", () => new Response("file"));
    await page.register();
    assertEquals((await page.call("ask", { fetch: "/file" })).fetched, "file");
    await server.stop();
    assertEquals(
      (await page.call("ask", { fetch: "/file" })).fetched,
      "failed",
    );
    assertEquals(await page.call("load", "/version"), "1");
    await server.restart();
    assertEquals((await page.call("ask", { fetch: "/file" })).fetched, "file");
  },
);

browserTest<Page>(
  "replaceWorker() makes an update",
  fixture,
  async ({ page, server }) => {
    await page.register();
    server.replaceWorker(undefined, { VERSION: "2" });
    await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      await registration.update();
      const waiting = registration.installing ?? registration.waiting;
      while (waiting?.state !== "installed") {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
    assertEquals(await page.call("load", "/version"), "1");
  },
);

browserTest(
  "otherOrigin() is another origin, which may have a worker too",
  fixture,
  async ({ openPage, server }) => {
    const other = await openPage(server.otherOrigin("other"));
    assertEquals(
      await other.evaluate(() => location.origin),
      server.otherOrigin("other"),
    );
    await other.register();
  },
);

browserTest(
  "isolated serves cross-origin isolated pages",
  { ...fixture, isolated: true },
  async ({ page }) => {
    await page.register();
    assertEquals(await page.evaluate(() => crossOriginIsolated), true);
  },
);

browserTest<Page>(
  "stopWorkers() ends the worker, and a message starts it again",
  fixture,
  async ({ page, stopWorkers }) => {
    await page.register();
    await page.call("ask");
    for (let i = 0; i < 3; i++) {
      await stopWorkers();
      assertEquals((await page.call("ask")).messages, 1);
      assertEquals((await page.call("ask")).messages, 2);
    }
  },
);

browserTest<Page>(
  "setWorkerOffline() cuts the worker off, and not the page",
  fixture,
  async ({ page, server, setWorkerOffline, stopWorkers }) => {
    server.route("/file", () => new Response("file"));
    await page.register();
    await setWorkerOffline(true);
    assertEquals(
      (await page.call("ask", { fetch: "/file" })).fetched,
      "failed",
    );
    assertEquals(await page.call("load", "/file"), "file");
    await setWorkerOffline(false);
    assertEquals((await page.call("ask", { fetch: "/file" })).fetched, "file");
    await stopWorkers();
    assertEquals((await page.call("ask", { fetch: "/file" })).fetched, "file");
  },
);

browserTest("freeze() holds the page back until resume()", {}, async (
  { page },
) => {
  await page.evaluate(() => {
    const events: string[] = [];
    Object.assign(globalThis, { events });
    for (const type of ["freeze", "resume"]) {
      document.addEventListener(type, () => events.push(type));
    }
  });
  await page.freeze();
  await page.resume();
  assertEquals(
    await page.evaluate(() => Reflect.get(globalThis, "events")),
    ["freeze", "resume"],
  );
});

browserTest("back() says whether the page was cached", {
  ...fixture,
  needs: ["back/forward cache"],
}, async ({ page }) => {
  await page.register();
  await page.evaluate(() => {
    Object.assign(globalThis, { mark: 1 });
  });
  await page.goto("/blank.html");
  assertEquals(await page.evaluate(() => document.title), "blank");
  assertEquals(await page.back(), true);
  assertEquals(await page.evaluate(() => Reflect.get(globalThis, "mark")), 1);
});

browserTest<Page>(
  "restartBrowser() keeps the profile, even of a killed browser",
  { ...fixture, profile: true },
  async ({ page, restartBrowser, server }) => {
    await page.register();
    // Browsers write a registration down a moment after it is active.
    await page.evaluate(() => caches.open("kept"));
    let next = await restartBrowser();
    assertEquals(await next.call("load", "/version"), "1");
    next = await restartBrowser({ kill: true });
    assertEquals(await next.call("load", "/version"), "1");
    assertEquals(server.count("/version"), 0);
  },
);
