// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { browserTestOf, pause } from "./harness.ts";
import { makeCertificate } from "./certificate.ts";

type Page = typeof import("./fixtures/fetch_streams_page.ts");

const CHUNKS = "chunk 0;chunk 1;chunk 2;";
// Engines say so themselves, of every request that fails.
const NETWORK_REGEXP =
  /Failed to load|Load failed|unexpected error\.$|status of|Cross-Origin Request Blocked|due to access control checks/;

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/fetch_streams_worker.ts",
  page: "./fixtures/fetch_streams_page.ts",
  handler: answer,
}, async (context, run) => {
  await run(context);
  const log = [...context.page.log, ...context.server.log];
  assertEquals(log.filter((line) => !NETWORK_REGEXP.test(line)), []);
});

browserTest(
  "compose() gives the header of a page while its content is on its way",
  async ({ page, server }) => {
    await page.register();
    const release = server.hold("/slow");
    const header = await page.call("readUntil", "/pages/a", "</header>");
    assert(header.endsWith("<header>é</header>"), header);
    release();
    const text = await page.call("read", "/pages/a");
    assert(text.endsWith("<main>slow</main><footer>end</footer>"), text);
    await page.goto("/pages/b");
    assertEquals(await page.evaluate(() => document.title), "b");
    assertEquals((await page.text()).replaceAll("\n", " "), "é slow end");
  },
);

browserTest(
  "compose() lets go of its sources when nobody reads any more",
  async ({ page }) => {
    await page.register();
    await page.call("readUntil", "/pages/endless", "<p>more</p>");
    while (await page.call("ask", "endless") !== "returned") await pause();
  },
);

browserTest(
  "compose() goes on with a fallback, or breaks off",
  async ({ page }) => {
    await page.register();
    assertEquals(
      await page.call("read", "/pages/broken"),
      "<p>first</p><p>fallback</p>",
    );
    assertEquals(await page.call("read", "/pages/failing"), "it breaks off");
  },
);

browserTest(
  "streamUpload() sends all, from a page and a worker",
  async ({ page, server }) => {
    await page.register();
    const url = server.url("/upload");
    assertEquals(await page.call("upload", url), {
      sent: "buffered",
      progress: [8, 16, 24],
      text: CHUNKS,
    });
    // Nothing was tried that Chromium would have complained about.
    assertEquals(page.log, []);
    assertEquals(await page.call("ask", "upload", { url }), [
      "buffered",
      CHUNKS,
    ]);
    assertEquals(server.count("/upload"), 2);
  },
);

browserTest(
  "streamUpload() ends with the reason of its signal",
  async ({ page, server }) => {
    await page.register();
    const url = server.url("/upload");
    assertEquals(await page.call("abortUpload", url), ["enough", "enough"]);
    assertEquals(server.count("/upload"), 0);
  },
);

browserTest(
  "streamUpload() streams over HTTP/2",
  async ({ page, engine, skip }) => {
    if (engine.name !== "chromium") skip("it streams no uploads");
    await using server = await serveTLS(skip);
    await page.register();
    const url = `${server.origin}/upload`;
    assertEquals(await page.call("upload", url), {
      sent: "streamed",
      progress: [8, 16, 24],
      text: CHUNKS,
    });
    assertEquals(await page.call("ask", "upload", { url }), [
      "streamed",
      CHUNKS,
    ]);
    assertEquals(await page.call("abortUpload", url), ["enough", "enough"]);
    const redirected = `${server.origin}/redirect`;
    assertEquals(
      await page.call("failUpload", redirected),
      `TypeError: Cannot upload to ${redirected}: the request failed, and 24 bytes of the stream are read`,
    );
    assertEquals(server.posts, [
      "/upload",
      "/upload",
      "/upload",
      "/redirect",
    ]);
  },
  { args: ["--ignore-certificate-errors"] },
);

browserTest(
  "createMock() answers a page, and leaves it the rest",
  async ({ page, server }) => {
    await page.register();
    assertEquals(await page.call("read", "/mock/7"), '{"id":"7"}');
    assertEquals(await page.call("read", "/mock/7", "PUT"), "real");
    assertEquals(await page.call("read", "/mock"), "it breaks off");
    assertEquals(server.count("/mock"), 0);
  },
);

browserTest(
  "transform() lets a page load another language",
  async ({ page }) => {
    await page.register();
    assertEquals(await page.call("load", "/module.ts"), "compiled");
    assertEquals(await page.call("load", "/module.ts?again"), "compiled");
    await page.reload();
    assertEquals(await page.call("load", "/module.ts"), "compiled");
    assertEquals(await page.call("ask", "compiled"), 2);
    const error = await page.call("load", "/wrong.ts");
    assert(String(error).includes("/wrong.ts: 1:1 no enum here"), `${error}`);
  },
);

for (const enabled of [false, true]) {
  browserTest(
    `createContentIndex() ${
      enabled ? "lists what is stored" : "does without an index"
    }`,
    async ({ page, engine, skip }) => {
      if (enabled && engine.name !== "chromium") skip("there is no index");
      await page.register();
      assertEquals(await page.call("index"), {
        refused: "InvalidStateError",
        added: enabled,
        listed: enabled && ["One"],
        inWorker: enabled && 1,
        deleted: true,
        left: enabled && [],
        stored: 0,
      });
    },
    enabled ? { args: ["--enable-blink-features=ContentIndex"] } : {},
  );
}

async function answer(request: Request): Promise<Response | undefined> {
  switch (new URL(request.url).pathname) {
    case "/slow":
      return new Response("<main>slow</main>");
    case "/upload":
      return new Response(await request.text());
    case "/mock/7":
      return new Response("real");
    case "/module.ts":
      return new Response(
        'const name: string = "compiled"; export default name;',
      );
    case "/wrong.ts":
      return new Response("enum A {}");
  }
}

/** A server of another origin, with which browsers speak HTTP/2. */
async function serveTLS(skip: (reason: string) => never) {
  const { key, cert } = await makeCertificate().catch(() =>
    skip("there is no openssl to make a certificate")
  );
  const posts: string[] = [];
  const allowed = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "*",
  };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, key, cert, onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (request.method !== "POST") {
        return new Response(null, { headers: allowed });
      }
      posts.push(pathname);
      const text = await request.text().catch(() => "");
      const redirect = pathname === "/redirect";
      return new Response(redirect ? null : text, {
        status: redirect ? 307 : 200,
        headers: { ...allowed, ...(redirect && { location: "/upload" }) },
      });
    },
  );
  return {
    origin: `https://127.0.0.1:${server.addr.port}`,
    posts,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
