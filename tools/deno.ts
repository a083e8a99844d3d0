// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * `deno run -A tools/deno.ts <arguments>` runs `deno <arguments>` whether or not
 * JSR can be reached: where it cannot, the `@std/*` entries of deno.json are
 * replaced, for this one run, by the stand-ins in `tools/closed/`.
 *
 * `SW_STD=jsr` or `SW_STD=local` decides without asking JSR.
 */

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import denoJson from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);
const STAND_INS: Record<string, string> = {
  "@std/assert": "tools/closed/assert.ts",
  "@std/path": "tools/closed/path.ts",
  "@std/testing/time": "tools/closed/time.ts",
};

/** Whether JSR answers within two seconds. */
async function jsrAnswers(): Promise<boolean> {
  const base = Deno.env.get("JSR_URL") ?? "https://jsr.io/";
  try {
    const response = await fetch(new URL("@std/assert/meta.json", base), {
      signal: AbortSignal.timeout(2000),
    });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** The imports of deno.json with the stand-ins in place of `@std/*`, as a URL. */
function standInImportMap(): string {
  const kept = Object.entries(denoJson.imports)
    .filter(([, target]) => !target.startsWith("jsr:@std/"));
  const closed = Object.entries(STAND_INS)
    .map(([name, path]) => [name, new URL(path, ROOT).href]);
  const imports = Object.fromEntries([...kept, ...closed]);
  return `data:application/json,${
    encodeURIComponent(JSON.stringify({ imports }))
  }`;
}

/**
 * What to add to a `deno` command so that it finds `@std/*`: nothing where JSR
 * answers. Says on stderr which it is.
 */
export async function standardArguments(): Promise<string[]> {
  const wanted = Deno.env.get("SW_STD");
  const useJsr = wanted ? wanted === "jsr" : await jsrAnswers();
  console.error(
    useJsr
      ? "@std/*: from JSR"
      : "@std/*: JSR is not used; the stand-ins in tools/closed/ take its place",
  );
  return useJsr ? [] : [`--import-map=${standInImportMap()}`];
}

/**
 * Serves the stand-in of a package as JSR would, for what takes no import map:
 * the environment for it.
 */
export async function serveStandIn(
  name: string,
): Promise<AsyncDisposable & { env: Record<string, string> }> {
  const text = await Deno.readTextFile(new URL(STAND_INS[name] ?? "", ROOT));
  const hash = createHash("sha256").update(text).digest("hex");
  const manifest = { "/mod.ts": { size: 0, checksum: `sha256-${hash}` } };
  const files: Record<string, string> = {
    [`/${name}/meta.json`]: JSON.stringify({ versions: { "1.0.0": {} } }),
    [`/${name}/1.0.0_meta.json`]: JSON.stringify({
      manifest,
      exports: { ".": "./mod.ts" },
    }),
    [`/${name}/1.0.0/mod.ts`]: text,
  };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url }) => {
      const file = files[new URL(url).pathname];
      return new Response(file, { status: file === undefined ? 404 : 200 });
    },
  );
  return {
    env: { JSR_URL: `http://127.0.0.1:${server.addr.port}/` },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Runs `deno` to its end, in silence, and resolves with what it said. */
export async function runDeno(
  args: string[],
  cwd: string = fileURLToPath(ROOT),
  env: Record<string, string> = {},
): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const decoder = new TextDecoder();
  return {
    success,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

if (import.meta.main) {
  const [command = "test", ...rest] = Deno.args;
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [command, ...await standardArguments(), ...rest],
  }).spawn().status;
  Deno.exit(code);
}
