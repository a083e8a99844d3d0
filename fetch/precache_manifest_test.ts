// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { build, stop } from "esbuild";
import { createHash } from "node:crypto";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runDeno, standardArguments } from "../tools/deno.ts";
import { tempFolder } from "../tools/temp_folder.ts";
import { createHost } from "../testing/host.ts";
import { precache } from "./precache.ts";
import {
  precacheManifest,
  type PrecacheManifestOptions,
  precacheManifestPlugin,
} from "./precache_manifest.ts";

const MODULE = fileURLToPath(new URL("precache_manifest.ts", import.meta.url));

Deno.test.afterAll(stop);

const FILES = {
  "index.html": "<!doctype html>",
  "about.html": "about",
  "docs/index.html": "docs",
  "assets/app-7F3A9C21.js": "app",
  "assets/app-7F3A9C21.js.map": "{}",
  "sw.js": "the worker itself",
  ".hidden/a": "",
};

/** The URLs of the files in a folder. */
async function urlsOf(
  files: Record<string, string>,
  options?: PrecacheManifestOptions,
): Promise<string[]> {
  await using folder = await tempFolder(files);
  const { manifest } = await precacheManifest(folder.path, options);
  return manifest.entries.map(({ url }) => url);
}

Deno.test("precacheManifest() lists files with the hash of their content", async () => {
  await using folder = await tempFolder(FILES);
  const { manifest, files, size, warnings } = await precacheManifest(
    pathToFileURL(folder.path),
    { hashed: ["assets/**"], optional: ["docs/**"], directoryIndex: "" },
  );
  const revision = (text: string) =>
    createHash("sha256").update(text).digest("hex").slice(0, 16);
  assertEquals(manifest.entries, [
    { url: "/about.html", revision: revision("about"), size: 5 },
    { url: "/assets/app-7F3A9C21.js", size: 3 },
    {
      url: "/docs/index.html",
      revision: revision("docs"),
      size: 4,
      required: false,
    },
    { url: "/index.html", revision: revision("<!doctype html>"), size: 15 },
  ]);
  assertEquals(files, manifest.entries.map(({ url }) => url.slice(1)));
  assertEquals([size, warnings], [27, []]);
});

Deno.test("precacheManifest() makes the same of the same files, and another version of others", async () => {
  const versionOf = async (
    files: Record<string, string>,
    options?: PrecacheManifestOptions,
  ) => {
    await using folder = await tempFolder(files);
    const { manifest } = await precacheManifest(folder.path, options);
    return [manifest.version, JSON.stringify(manifest)];
  };
  const first = await versionOf(FILES);
  const backwards = Object.fromEntries(Object.entries(FILES).reverse());
  assertEquals(await versionOf(backwards), first);
  assert(/^[0-9a-f]{16}$/.test(first[0]!));
  const others = [
    await versionOf({ ...FILES, "about.html": "other" }),
    await versionOf({ ...FILES, "new.html": "" }),
    await versionOf(FILES, { optional: ["about.html"] }),
  ];
  for (const [version] of others) assertNotEquals(version, first[0]);
  assertEquals(await versionOf({ ...FILES, "sw.js": "another" }), first);
});

Deno.test("precacheManifest() takes what the globs say", async () => {
  assertEquals(await urlsOf(FILES, { globs: ["*.html"] }), [
    "/about.html",
    "/index.html",
  ]);
  assertEquals(await urlsOf(FILES, { ignore: ["**/*.{html,map,js}"] }), [
    "/.hidden/a",
  ]);
});

Deno.test("precacheManifest() encodes names as browsers do", async () => {
  const names = ["a b.js", "ü.js", "50%.js", "a#b.js", "c+d@2,$&=.js"];
  const urls = await urlsOf(Object.fromEntries(names.map((n) => [n, ""])));
  assertEquals(urls, [
    "/%C3%BC.js",
    "/50%25.js",
    "/a%20b.js",
    "/a%23b.js",
    "/c+d@2,$&=.js",
  ]);
  for (const url of urls) {
    assertEquals(new URL(url, "https://example.test").pathname, url);
  }
});

Deno.test("precacheManifest() puts the base before the URLs", async () => {
  const files = { "a/b.js": "" };
  for (
    const [base, url] of [
      ["/app/", "/app/a/b.js"],
      ["https://cdn.test/", "https://cdn.test/a/b.js"],
      ["", "a/b.js"],
    ] as const
  ) {
    assertEquals(await urlsOf(files, { base }), [url]);
  }
});

Deno.test("precacheManifest() refuses a base that is no folder", async () => {
  const error = await assertRejects(
    () => urlsOf({ "a.js": "" }, { base: "/app" }),
    TypeError,
  );
  assertStringIncludes(error.message, 'current value is "/app"');
});

Deno.test("precacheManifest() names indexes and pages as the server does", async () => {
  const globs = ["**/*.html"];
  assertEquals(
    await urlsOf(FILES, { globs, directoryIndex: "index.html" }),
    ["/", "/about.html", "/docs/"],
  );
  assertEquals(
    await urlsOf(FILES, {
      globs,
      directoryIndex: "index.html",
      cleanURLs: true,
    }),
    ["/", "/about", "/docs/"],
  );
});

Deno.test("precacheManifest() refuses two files with one URL", async () => {
  const error = await assertRejects(
    () => urlsOf({ "a": "", "a.html": "" }, { cleanURLs: true }),
    TypeError,
  );
  assertStringIncludes(error.message, "Cannot precache /a: ");
});

Deno.test("precacheManifest() rejects if the folder is not there", async () => {
  const path = await Deno.makeTempDir();
  await Deno.remove(path);
  await assertRejects(() => precacheManifest(path), Error);
});

Deno.test("precacheManifest() adds the integrity that browsers compare", async () => {
  await using folder = await tempFolder({ "a.js": "text" });
  const { manifest } = await precacheManifest(folder.path, { integrity: true });
  const hash = createHash("sha384").update("text").digest("base64");
  assertEquals(manifest.entries[0]?.integrity, `sha384-${hash}`);
});

Deno.test("precacheManifest() warns of much, and of nothing", async () => {
  await using folder = await tempFolder({ "a.js": "123456", "b.js": "1" });
  const much = await precacheManifest(folder.path, { maxSize: 6 });
  assertEquals(much.warnings, [
    "7 bytes are precached, more than 6; the largest file is /a.js with 6",
  ]);
  const nothing = await precacheManifest(folder.path, { globs: ["*.css"] });
  assertStringIncludes(nothing.warnings[0] ?? "", "No file in ");
});

Deno.test({
  name: "precacheManifestPlugin() gives the manifest to the worker",
  // esbuild's process goes on.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using folder = await tempFolder({
      "dist/a.js": "text",
      "sw.ts":
        'import manifest from "./precache.json"; console.log(manifest.entries);',
    });
    const { outputFiles, warnings } = await build({
      absWorkingDir: folder.path,
      entryPoints: ["sw.ts"],
      bundle: true,
      write: false,
      logLevel: "silent",
      plugins: [precacheManifestPlugin("dist", {
        specifier: "./precache.json",
        maxSize: 3,
      })],
    });
    assertStringIncludes(outputFiles[0]?.text ?? "", 'url: "/a.js"');
    assertEquals(warnings.map(({ text }) => text), [
      "4 bytes are precached, more than 3; the largest file is /a.js with 4",
    ]);
  },
});

Deno.test("precacheManifest() warns of an index that is not found as its folder", async () => {
  const warningsOf = async (
    files: Record<string, string>,
    options?: PrecacheManifestOptions,
  ) => {
    await using folder = await tempFolder(files);
    return (await precacheManifest(folder.path, options)).warnings;
  };
  const advice =
    'the directory index should be "index.html" if the server has it there, or "" if not';
  const docs = { "docs/index.html": "", "a.html": "" };
  assertEquals(await warningsOf(FILES), [
    `/index.html is precached, but not /: ${advice}`,
  ]);
  assertEquals(await warningsOf(docs, { base: "" }), [
    `docs/index.html is precached, but not docs/: ${advice}`,
  ]);
  assertEquals(await warningsOf(FILES, { base: "" }), [
    `index.html is precached, but not the scope: ${advice}`,
  ]);
  assertEquals(await warningsOf(docs, { cleanURLs: true }), [
    `/docs/index is precached, but not /docs/: ${advice}`,
  ]);
  for (const directoryIndex of ["index.html", "a.html", ""]) {
    assertEquals(await warningsOf(docs, { directoryIndex }), []);
  }
  assertEquals(await warningsOf(FILES, { ignore: ["**/index.html"] }), []);
  assertEquals(await warningsOf({ "reindex.html": "" }), []);
});

Deno.test("precacheManifest() has an index answer as its folder or as itself", async () => {
  await using folder = await tempFolder({ "index.html": "the app" });
  for (const directoryIndex of ["index.html", ""]) {
    const options = { directoryIndex };
    const { manifest } = await precacheManifest(folder.path, options);
    const host = createHost({ network: () => new Response("the app") });
    await host.register((self) => {
      const files = precache(self, manifest, { name: "app" });
      self.addEventListener("install", (event) => {
        event.waitUntil(files.install());
      });
      self.addEventListener("fetch", (event) => {
        if (files.has(event.request)) event.respondWith(files.respond(event));
      });
    });
    const page = await host.openWindow("/elsewhere");
    host.network.offline = true;
    const [url, other] = directoryIndex
      ? ["/", "/index.html"]
      : ["/index.html", "/"];
    assertEquals(await (await page.fetch(url)).text(), "the app");
    await assertRejects(() => page.fetch(other), TypeError);
    host.close();
  }
});

/** Runs the command line. */
async function run(...args: string[]) {
  return await runDeno([
    "run",
    "-A",
    ...await standardArguments(),
    MODULE,
    ...args,
  ]);
}

Deno.test("precache_manifest.ts prints or writes the manifest", async () => {
  await using folder = await tempFolder({
    "index.html": "",
    "a.js": "text",
    "b.css": "text",
  });
  const args = [
    folder.path,
    "--glob=*.js",
    "--glob=*.html",
    "--hashed=*.js",
    "--directory-index=index.html",
    "--base=/app/",
    "--max-size=1",
  ];
  const { stdout, stderr, success } = await run(...args);
  assert(success);
  assertStringIncludes(stderr, "4 bytes are precached, more than 1");
  const { entries } = JSON.parse(stdout);
  assertEquals(
    entries.map(({ url }: { url: string }) => url),
    ["/app/", "/app/a.js"],
  );
  assertEquals(entries[1].revision, undefined);

  const output = `${folder.path}/precache.json`;
  await run(...args, `--output=${output}`);
  assertEquals(await Deno.readTextFile(output), stdout);
});

Deno.test("precache_manifest.ts explains itself, and what fails", async () => {
  assertStringIncludes((await run("--help")).stdout, "--directory-index");
  for (const args of [[], ["dist", "--unknown"], ["a", "b"]]) {
    const { success, stderr } = await run(...args);
    assertEquals(success, false);
    assertStringIncludes(stderr, "Usage: precache-manifest");
  }
  const { success, stderr } = await run("/does/not/exist");
  assertEquals(success, false);
  assertStringIncludes(stderr, "/does/not/exist");
});
