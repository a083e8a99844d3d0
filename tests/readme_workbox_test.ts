// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import * as std from "../mod.ts";
import { runDeno, standardArguments } from "../tools/deno.ts";
import { tempFolder } from "../tools/temp_folder.ts";

const ROOT = new URL("../", import.meta.url);

/** What the lines for users of Workbox take as given. */
const GIVEN = `
import * as std from "${new URL("mod.ts", ROOT)}";
import type { PrecacheManifest, RouterRoute } from "${new URL("mod.ts", ROOT)}";
import {
  precacheManifest,
  precacheManifestPlugin,
} from "${new URL("fetch/precache_manifest.ts", ROOT)}";

declare const self: ServiceWorkerGlobalScope;
declare const [event, response, headers, registration, sw]: [
  FetchEvent, Response, Headers, ServiceWorkerRegistration, ServiceWorker,
];
declare const [urls, data, manifest]: [string[], object, PrecacheManifest];
declare function save(request: Request, id?: string): Promise<Response>;
declare function withoutToken(url: string): string;
declare function reload(url: string): void;
declare function show(state: string): void;
declare function makeRoom(): Promise<void>;
const DAY = 86_400_000;
const { ${Object.keys(std).join(", ")} } = std;
const store = openStore("app");
const files = precache(self, manifest, { name: "app" });
const images = expireCache(self.caches, "images", { store });
const routes: RouterRoute<FetchEvent>[] = [];
void [precacheManifest, precacheManifestPlugin, save, withoutToken, reload, show, makeRoom, DAY, images];
void [event, response, headers, registration, sw, urls, data];
`;

Deno.test("README.md gives users of Workbox lines that compile", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const [, table = ""] =
    readme.match(/<!-- workbox -->([\s\S]*)<!-- \/workbox -->/) ?? [];
  const rows = [...table.matchAll(/^\| .* \| (.*`.*`.*) \|$/gm)];
  // But for the heads.
  assertEquals(rows.length, [...table.matchAll(/^\|/gm)].length - 2);
  const blocks = rows.map(([, cell = ""]) => {
    const lines = [...cell.matchAll(/`([^`]+)`/g)]
      .map(([, code = ""]) => code.replaceAll("\\|", "|"))
      .map((code) => code.startsWith("{") ? `routes.push(${code})` : code);
    return `async () => {\n  ${lines.join(";\n  ")};\n},\n`;
  });
  const program = `${GIVEN}void [\n${blocks.join("")}];\n`;

  await using folder = await tempFolder({ "lines.ts": program });
  const { success, stderr } = await runDeno([
    "check",
    "-q",
    ...await standardArguments(),
    `--config=${new URL("deno.json", ROOT).pathname}`,
    join(folder.path, "lines.ts"),
  ]);
  assert(success, stderr);
});
