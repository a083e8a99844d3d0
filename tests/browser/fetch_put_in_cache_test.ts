// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { browserTest } from "./harness.ts";

const QUOTA = 8 << 20;
const SIZE = 500_000;

type Page = typeof import("./fixtures/fetch_put_in_cache_page.ts");
const page = "./fixtures/fetch_put_in_cache_page.ts";

browserTest<Page>(
  "putInCache() stores what may be stored, and nothing else",
  { page },
  async ({ page, server }) => {
    const answers: [string, () => Response, boolean][] = [
      ["/plain", () => new Response("a"), true],
      ["/varies", () => varying("Accept, Cookie"), true],
      ["/varies/any", () => varying("Accept, *"), false],
      ["/missing", () => new Response("a", { status: 404 }), false],
      ["/part", () => new Response("a", { status: 206 }), false],
      [
        "/no-store",
        () => new Response("a", { headers: { "cache-control": "no-store" } }),
        false,
      ],
    ];
    for (const [path, answer] of answers) server.route(path, answer);
    const paths = answers.map(([path]) => path);
    assertEquals(
      await page.call("store", ...paths),
      answers.map(([, , isStored]) => isStored),
    );
    for (const [path, , isStored] of answers) {
      assertEquals(
        await page.call("stored", path) ?? undefined,
        isStored ? "a" : undefined,
        path,
      );
    }
    // Whether it has succeeded, nobody knows.
    const opaque = `${server.otherOrigin("other")}/plain`;
    assertEquals(await page.call("store", opaque), [false]);
  },
);

browserTest<Page>(
  "putInCache() keeps what was stored when a body breaks off",
  { page },
  async ({ page, server }) => {
    const text = "a".repeat(2000);
    const headers = { "content-length": String(text.length) };
    server.route("/cut", () => new Response(text, { headers }));
    assertEquals(await page.call("store", "/cut"), [true]);
    const mend = server.cut("/cut", 1000);
    const ended = await page.call("storeCut", "/cut");
    mend();
    // Each engine has a name of its own for it.
    assert(ended !== "true" && ended !== "false", ended);
    assertEquals(await page.call("stored", "/cut"), text);
  },
);

browserTest<Page>(
  "putInCache() makes room when the storage is full",
  {
    page,
    prefs: { "dom.quotaManager.temporaryStorage.fixedLimit": QUOTA / 1024 },
  },
  async ({ page, server, engine, skip }) => {
    if (engine.name === "webkit") skip("its quota cannot be set");
    const body = noise();
    server.route(
      "/noise",
      () => new Response(body, { headers: { "content-length": String(SIZE) } }),
    );
    const { filled, ...rest } = await page.call("fill", "/noise", QUOTA);
    assert(filled > 3 && filled < QUOTA / SIZE, `${filled}`);
    assertEquals(rest, {
      without: false,
      inVain: false,
      within: true,
      asked: [SIZE, SIZE],
      length: SIZE,
    });
    assertEquals([...page.log, ...server.log], []);
  },
);

function varying(vary: string): Response {
  return new Response("a", { headers: { vary } });
}

/** A text that does not get smaller where it is compressed. */
function noise(): string {
  const part = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(SIZE * 0.075));
    return btoa(
      Array.from(bytes, (code) => String.fromCharCode(code)).join(""),
    );
  };
  return Array.from({ length: 10 }, part).join("");
}
