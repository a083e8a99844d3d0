// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The files that the app is made of, built from what is beside this folder.
 *
 * @module
 */

import { bundle } from "../../../tools/build.ts";

/** A file as it is sent. */
export interface Asset {
  type: string;
  body: string;
}

const ROOT = new URL("../", import.meta.url);
const RELOAD = `<script type="module">
  new EventSource("/reload").onmessage = () => location.reload();
</script>`;

/**
 * Builds the app's files, by path.
 *
 * @param reload Whether the page is to reload when the server says so.
 */
export async function buildAssets(
  reload = false,
): Promise<Map<string, Asset>> {
  const [html, css, icon, manifest, page, worker] = await Promise.all([
    Deno.readTextFile(new URL("index.html", ROOT)),
    Deno.readTextFile(new URL("style.css", ROOT)),
    Deno.readTextFile(new URL("icon.svg", ROOT)),
    Deno.readTextFile(new URL("manifest.webmanifest", ROOT)),
    bundle(new URL("page.ts", ROOT), { sourcemap: true }),
    bundle(new URL("sw.ts", ROOT), { sourcemap: true, format: "iife" }),
  ]);
  const assets = new Map<string, Asset>([
    ["/", {
      type: "text/html; charset=utf-8",
      body: reload ? html.replace("</head>", `${RELOAD}\n</head>`) : html,
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
