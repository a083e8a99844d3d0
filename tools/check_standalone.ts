// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Checks that modules can be copied one by one: each is put alone into an empty
 * folder and type-checked there, as strictly as can be, with the libraries of
 * Deno, of a page and of a worker.
 *
 * Run it with `deno run -A tools/check_standalone.ts`.
 *
 * @module
 */

import { basename, dirname, join, relative } from "node:path";
import denoJson from "../deno.json" with { type: "json" };
import { BUILD_TIME } from "./build_time.ts";
import { runDeno } from "./deno.ts";
import { tempFolder } from "./temp_folder.ts";

/** What is stricter than Deno, in the compilers of those who copy a module. */
const STRICT = {
  exactOptionalPropertyTypes: true,
  erasableSyntaxOnly: true,
  noFallthroughCasesInSwitch: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noPropertyAccessFromIndexSignature: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
};

const LIBRARIES = {
  "Deno": ["deno.window"],
  "a page": ["esnext", "dom", "dom.iterable"],
  "a worker": ["esnext", "webworker"],
};

/** Which of the modules at `paths` do not compile alone, and why. */
export async function checkStandalone(paths: string[]): Promise<string[]> {
  const copies: Record<string, string> = {};
  for (const [index, path] of paths.entries()) {
    for (const part of await partsOf(path)) {
      const name = relative(dirname(path), part);
      copies[`${index}/${name}`] = await Deno.readTextFile(part);
    }
  }
  const problems = await Promise.all(
    Object.entries(LIBRARIES).map(async ([name, lib]) => {
      await using folder = await tempFolder({
        "deno.json": JSON.stringify({
          compilerOptions: { ...STRICT, lib },
          lock: false,
        }),
        ...copies,
      });
      const { success, stderr } = await runDeno(
        ["check", "-q", "."],
        folder.path,
      );
      return success ? [] : [`In ${name}:\n${stderr}`];
    }),
  );
  return problems.flat();
}

/**
 * What is copied with a module: itself alone, or, where its parts have a folder
 * of its name, that folder and the modules beside it.
 */
async function partsOf(path: string): Promise<string[]> {
  const folder = path.replace(/\.ts$/, "");
  if (!(await Deno.stat(folder).catch(() => undefined))?.isDirectory) {
    return [path];
  }
  const parts = [];
  for (const place of [dirname(path), folder]) {
    for await (const { name } of Deno.readDir(place)) {
      if (/(?<!_test)\.ts$/.test(name)) parts.push(join(place, name));
    }
  }
  return parts;
}

/** The published modules, without the `mod.ts` files and what builds scripts. */
export function standaloneModules(): string[] {
  return Object.values(denoJson.exports).filter((path) =>
    basename(path) !== "mod.ts" && !BUILD_TIME.includes(path.slice("./".length))
  );
}

if (import.meta.main) {
  const problems = await checkStandalone(standaloneModules());
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
}
