// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { createCacheStorage } from "../testing/cache_storage.ts";
import { createHost } from "../testing/host.ts";
import {
  type ContentIndexEntry,
  type ContentIndexIndex,
  createContentIndex,
} from "./content_index.ts";

const SCOPE = "https://example.com/app/";
const ENTRY = {
  url: `${SCOPE}1`,
  title: "One",
  description: "The first",
} as const satisfies ContentIndexEntry;
const LISTED: ContentIndexEntry = { ...ENTRY, category: "", icons: [] };

/** What an engine's index does. */
class TestIndex implements ContentIndexIndex {
  readonly entries = new Map<string, ContentIndexEntry & { id: string }>();
  add(entry: ContentIndexEntry & { id: string }): Promise<void> {
    this.entries.set(entry.id, entry);
    return Promise.resolve();
  }
  delete(id: string): Promise<void> {
    this.entries.delete(id);
    return Promise.resolve();
  }
  getAll() {
    return Promise.resolve([...this.entries.values()]);
  }
}

async function setUp(index?: TestIndex) {
  const cache = await createCacheStorage().open("pages");
  const put = (name: string, headers: Record<string, string> = {}) =>
    cache.put(`${SCOPE}${name}`, new Response(name, { headers }));
  await put("1");
  const registration = { scope: SCOPE, index };
  return { cache, put, contents: createContentIndex(registration, cache) };
}

Deno.test("createContentIndex() lists what is stored", async () => {
  const { contents, put } = await setUp(new TestIndex());
  await put("2", { vary: "accept" });
  assertEquals(await contents.add(ENTRY), true);
  const icons = [{ src: "/icon.png", sizes: "128x128", type: "image/png" }];
  const second = {
    ...ENTRY,
    url: `${SCOPE}2`,
    category: "article",
    icons,
  } as const;
  assertEquals(await contents.add(second), true);
  assertEquals(await contents.list(), [LISTED, second]);
});

Deno.test("createContentIndex() lists a page once", async () => {
  const { contents } = await setUp(new TestIndex());
  await contents.add(ENTRY);
  await contents.add({ ...ENTRY, url: "1", title: "Two" });
  assertEquals(await contents.list(), [{ ...LISTED, title: "Two" }]);
});

Deno.test("createContentIndex() knows a page whatever it was asked for with", async () => {
  const { contents, cache } = await setUp(new TestIndex());
  const url = `${SCOPE}2`;
  await cache.put(
    new Request(url, { headers: { accept: "text/html" } }),
    new Response("2", { headers: { vary: "accept" } }),
  );
  assertEquals(await contents.add({ ...ENTRY, url }), true);
  assertEquals((await contents.list() || []).length, 1);
  assertEquals(await contents.delete(url), true);
});

Deno.test("createContentIndex() deletes a page from index and cache", async () => {
  const index = new TestIndex();
  const { contents, cache, put } = await setUp(index);
  await put("1", { vary: "accept" });
  await contents.add(ENTRY);
  assertEquals(await contents.delete(ENTRY.url), true);
  assertEquals([index.entries.size, (await cache.keys()).length], [0, 0]);
  assertEquals(await contents.delete(ENTRY.url), false);
});

Deno.test("createContentIndex() lists no page that has gone from the cache", async () => {
  const index = new TestIndex();
  const { contents, cache } = await setUp(index);
  await contents.add(ENTRY);
  await cache.delete(ENTRY.url);
  assertEquals(await contents.list(), []);
  assertEquals(index.entries.size, 0);
});

Deno.test("createContentIndex() leaves the entries of others alone", async () => {
  const index = new TestIndex();
  const { contents } = await setUp(index);
  await index.add({ ...ENTRY, id: "theirs", url: `${SCOPE}theirs` });
  assertEquals(await contents.list(), []);
  assertEquals([...index.entries.keys()], ["theirs"]);
});

Deno.test("createContentIndex() keeps the cache in order where there is no index", async () => {
  const { contents, cache } = await setUp();
  assertEquals(await contents.add(ENTRY), false);
  assertEquals(await contents.list(), false);
  assertEquals(await contents.delete(ENTRY.url), true);
  assertEquals((await cache.keys()).length, 0);
});

Deno.test("createContentIndex() refuses to list what is not stored", async () => {
  const { contents } = await setUp();
  const { name, message } = await assertRejects(
    () => contents.add({ ...ENTRY, url: `${SCOPE}2` }),
    DOMException,
  );
  assertEquals(
    [name, message],
    ["InvalidStateError", `Cannot list ${SCOPE}2: it is not in the cache`],
  );
});

Deno.test("createContentIndex() refuses an entry that is not valid", async () => {
  const { contents } = await setUp();
  for (
    const [change, fact] of [
      [{ url: "https://example.com/" }, `is not in the scope ${SCOPE}`],
      [{ url: "https://" }, `is not in the scope ${SCOPE}`],
      [{ url: "https://other.com/app/1" }, `is not in the scope ${SCOPE}`],
      [{ title: "" }, 'its title is "", not a text'],
      [{ title: 1 }, "its title is 1, not a text"],
      [{ description: undefined }, "its description is undefined, not a text"],
      [{ category: "news" }, '"news" is none of the categories'],
      [{ icons: [{ src: "https://" }] }, '"https://" is no URL of an icon'],
    ] as [object, string][]
  ) {
    const entry = { ...ENTRY, ...change } as ContentIndexEntry;
    await assertRejects(() => contents.add(entry), TypeError, fact);
  }
});

Deno.test("createContentIndex() passes on what the browser refuses", async () => {
  class Refusing extends TestIndex {
    override add(): Promise<void> {
      return Promise.reject(new TypeError("No active registration available"));
    }
  }
  const { contents } = await setUp(new Refusing());
  await assertRejects(() => contents.add(ENTRY), TypeError, "No active");
});

Deno.test("createContentIndex() deletes in a worker what the user deletes", async () => {
  using host = createHost({ network: () => new Response("page") });
  await host.register((scope) => {
    scope.addEventListener("message", (event) => {
      event.waitUntil((async () => {
        const cache = await scope.caches.open("pages");
        const { registration } = scope;
        await createContentIndex(registration, cache).delete("/a");
      })());
    });
  });
  const cache = await host.caches.open("pages");
  await cache.put("/a", new Response("a"));
  const page = await host.openWindow("/");
  page.postMessage("delete");
  await host.idle();
  assertEquals(await cache.match("/a"), undefined);
});
