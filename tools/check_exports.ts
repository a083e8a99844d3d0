// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Checks that files, `mod.ts` files and the entry points of `deno.json` agree:
 * every module is exported under its name in kebab case, from the `mod.ts` of
 * its folder, and has a test beside it; and nothing else is exported.
 *
 * Run it with `deno run -A tools/check_exports.ts`.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BUILD_TIME } from "./build_time.ts";

const NOT_PUBLISHED = ["bench", "decisions", "examples", "tests", "tools"];
// What tests run on is not for pages and workers: decisions/the_host_has_parts.md
const NOT_IN_ROOT = ["testing"];
const REEXPORT_REGEXP = /^export \* from "\.\/(.+)";$/gm;

/** Where the collection in the folder `root` contradicts its `deno.json`. */
export async function checkExports(root: string): Promise<string[]> {
  const problems: string[] = [];
  const expected = new Map([[".", "./mod.ts"]]);
  const folders = [];
  for (const { name, isDirectory } of await list(root)) {
    if (!isDirectory || name.startsWith(".") || NOT_PUBLISHED.includes(name)) {
      continue;
    }
    const files = (await list(join(root, name))).map((entry) => entry.name);
    const modules = files.filter((file) =>
      /^(?!mod\.ts)[^.]*(?<!_test)\.ts$/.test(file)
    );
    if (!NOT_IN_ROOT.includes(name)) folders.push(`${name}/mod.ts`);
    expected.set(`./${name}`, `./${name}/mod.ts`);
    for (const file of modules) {
      const stem = file.slice(0, -".ts".length);
      expected.set(
        `./${name}/${stem.replaceAll("_", "-")}`,
        `./${name}/${file}`,
      );
      if (!/^[a-z0-9]+(_[a-z0-9]+)*$/.test(stem)) {
        problems.push(`${name}/${file} is not in snake case`);
      }
      if (!files.includes(`${stem}_test.ts`)) {
        problems.push(`${name}/${file} has no test beside it`);
      }
    }
    problems.push(
      ...await barrelProblems(
        root,
        `${name}/mod.ts`,
        modules.filter((file) => !BUILD_TIME.includes(`${name}/${file}`)),
      ),
    );
  }
  problems.push(...await barrelProblems(root, "mod.ts", folders));

  const { exports: actual }: { exports: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(join(root, "deno.json")),
  );
  for (const [key, path] of expected) {
    if (actual[key] !== path) {
      problems.push(
        `deno.json exports "${key}" as ${actual[key]}, not ${path}`,
      );
    }
  }
  for (const key of Object.keys(actual)) {
    if (!expected.has(key)) {
      problems.push(`deno.json exports no file: "${key}"`);
    }
  }
  return problems;
}

/** Where the `mod.ts` at `path` re-exports something else than `wanted`. */
async function barrelProblems(
  root: string,
  path: string,
  wanted: string[],
): Promise<string[]> {
  const text = await Deno.readTextFile(join(root, path)).catch(() => "");
  const found = [...text.matchAll(REEXPORT_REGEXP)].map(([, name]) => name!);
  return [
    ...wanted.filter((name) => !found.includes(name))
      .map((name) => `${path} does not export ${name}`),
    ...found.filter((name) => !wanted.includes(name))
      .map((name) => `${path} exports ${name}, which is missing`),
  ];
}

async function list(folder: string): Promise<Deno.DirEntry[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.sort((a, b) => a.name < b.name ? -1 : 1);
}

if (import.meta.main) {
  const problems = await checkExports(
    fileURLToPath(new URL("../", import.meta.url)),
  );
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
}
