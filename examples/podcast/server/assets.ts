// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The files that the app is made of, built from what is beside this folder.
 *
 * @module
 */

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
  release?: Omit<Release, "build">;
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
  const build = await hash([html, css, icon, manifest, page.code].join());
  const worker = await bundle(new URL("sw.ts", ROOT), {
    sourcemap: true,
    format: "iife",
    worker: true,
    define: { RELEASE: JSON.stringify({ ...news, build }) },
  });
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
  ]);
  for (
    const [path, { code, map }] of [["/app.js", page], [
      "/sw.js",
      worker,
    ]] as const
  ) {
    assets.set(path, {
      type: "text/javascript; charset=utf-8",
      body: `${code}//# sourceMappingURL=${path}.map\n`,
    });
    if (map) assets.set(`${path}.map`, { type: "application/json", body: map });
  }
  return assets;
}

/** Tells one text from another: a few digits of its SHA-256. */
async function hash(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toHex().slice(0, 12);
}
