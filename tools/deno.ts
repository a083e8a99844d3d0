// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * `deno run -A tools/deno.ts <arguments>` runs `deno <arguments>` whether or not
 * JSR can be reached: where it cannot, the `@std/*` entries of deno.json are
 * replaced, for this one run, by the stand-ins in `tools/closed/`.
 *
 * `SW_STD=jsr` or `SW_STD=local` decides without asking JSR.
 */

import { fileURLToPath } from "node:url";
import denoJson from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);
const STAND_INS: Record<string, string> = {
  "@std/assert": "tools/closed/assert.ts",
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

/** Runs `deno` to its end, in silence, and resolves with what it said. */
export async function runDeno(
  args: string[],
  cwd: string = fileURLToPath(ROOT),
): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1" },
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
