// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The files that the app is made of, built from what is beside this folder.
 *
 * @module
 */

import { dirname } from "node:path";
import {
  type PrecacheManifest,
  precacheManifest,
} from "../../../fetch/precache_manifest.ts";
import { type Bundle, bundle } from "../../../tools/build.ts";
import type { Release } from "../protocol.ts";

/** A file as it is sent. */
export interface Asset {
  type: string;
  body: string;
}

/** How to build. */
export interface BuildOptions {
  /** What is new, instead of what `release.json` says. */
  release?: Release;
  /** Whether pages look for a new version when the server says so. @default {false} */
  watch?: boolean;
}

const ROOT = new URL("../", import.meta.url);
const HTML = "text/html; charset=utf-8";
const CSS = "text/css; charset=utf-8";
const FILES = [
  ["/", "index.html", HTML],
  ["/behind-the-scenes/", "scenes.html", HTML],
  ["/style.css", "style.css", CSS],
  ["/scenes.css", "scenes.css", CSS],
  ["/icon.svg", "icon.svg", "image/svg+xml"],
  [
    "/manifest.webmanifest",
    "manifest.webmanifest",
    "application/manifest+json",
  ],
] as const;
const SCRIPTS = [["/app.js", "page.ts"], ["/scenes.js", "scenes.ts"]] as const;
const WATCH = `<script type="module">
  new EventSource("/built").onmessage = async () => {
    const registration = await navigator.serviceWorker.ready;
    registration.update();
  };
</script>`;

/**
 * Builds the app's files, by path. The worker is another one whenever a file is,
 * so that a change of the page is an update as well.
 */
export async function buildAssets(
  { release, watch = false }: BuildOptions = {},
): Promise<Map<string, Asset>> {
  const news = release ??
    JSON.parse(await Deno.readTextFile(new URL("release.json", ROOT)));
  const assets = new Map<string, Asset>();
  for (const [path, name, type] of FILES) {
    const text = await Deno.readTextFile(new URL(name, ROOT));
    const body = watch ? text.replace("</head>", `${WATCH}\n</head>`) : text;
    assets.set(path, { type, body });
  }
  const scripts: [path: string, built: Bundle][] = [];
  for (const [path, name] of SCRIPTS) {
    const built = await bundle(new URL(name, ROOT), { sourcemap: true });
    scripts.push([path, built]);
    assets.set(path, script(path, built.code));
  }
  const worker = await bundle(new URL("sw.ts", ROOT), {
    sourcemap: true,
    format: "iife",
    worker: true,
    define: {
      RELEASE: JSON.stringify(news),
      MANIFEST: JSON.stringify(await manifestOf(assets)),
    },
  });
  assets.set("/sw.js", script("/sw.js", worker.code));
  for (const [path, { map }] of [...scripts, ["/sw.js", worker] as const]) {
    if (map) assets.set(`${path}.map`, { type: "application/json", body: map });
  }
  return assets;
}

function script(path: string, code: string): Asset {
  return {
    type: "text/javascript; charset=utf-8",
    body: `${code}//# sourceMappingURL=${path}.map\n`,
  };
}

/** What the worker is to store of a version, as if the files were in a folder. */
async function manifestOf(
  assets: ReadonlyMap<string, Asset>,
): Promise<PrecacheManifest> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [path, { body }] of assets) {
      const file = path.endsWith("/") ? `${path}index.html` : path;
      await Deno.mkdir(dirname(folder + file), { recursive: true });
      await Deno.writeTextFile(folder + file, body);
    }
    const options = { directoryIndex: "index.html" };
    return (await precacheManifest(folder, options)).manifest;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
