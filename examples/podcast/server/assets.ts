// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The files that the app is made of, built from what is beside this folder.
 *
 * @module
 */

import {
  type PrecacheManifest,
  precacheManifest,
} from "../../../fetch/precache_manifest.ts";
import { bundle } from "../../../tools/build.ts";
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
  const [html, css, icon, manifest, page] = await Promise.all([
    Deno.readTextFile(new URL("index.html", ROOT)),
    Deno.readTextFile(new URL("style.css", ROOT)),
    Deno.readTextFile(new URL("icon.svg", ROOT)),
    Deno.readTextFile(new URL("manifest.webmanifest", ROOT)),
    bundle(new URL("page.ts", ROOT), { sourcemap: true }),
  ]);
  const assets = new Map<string, Asset>([
    ["/", {
      type: "text/html; charset=utf-8",
      body: watch ? html.replace("</head>", `${WATCH}\n</head>`) : html,
    }],
    ["/style.css", { type: "text/css; charset=utf-8", body: css }],
    ["/icon.svg", { type: "image/svg+xml", body: icon }],
    ["/manifest.webmanifest", {
      type: "application/manifest+json",
      body: manifest,
    }],
    ["/app.js", script("/app.js", page.code)],
  ]);
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
  for (
    const [path, { map }] of [["/app.js", page], ["/sw.js", worker]] as const
  ) {
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
      const file = path === "/" ? "/index.html" : path;
      await Deno.writeTextFile(folder + file, body);
    }
    const options = { directoryIndex: "index.html" };
    return (await precacheManifest(folder, options)).manifest;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
