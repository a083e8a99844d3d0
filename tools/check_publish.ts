// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Checks that JSR would accept the package, and that it holds the entry points
 * with their parts (`testing/host/` of `testing/host.ts`), the README, the
 * licence and `deno.json`, and nothing else.
 *
 * Run it with `deno run -A tools/check_publish.ts`.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runDeno, serveStandIn, standardArguments } from "./deno.ts";

/**
 * What is wrong with the package in the folder `root`.
 *
 * @param root The folder.
 * @param standIns Whether JSR cannot be reached, which `deno publish` asks for
 * what is imported from there.
 */
export async function checkPublish(
  root: string,
  { standIns = false } = {},
): Promise<string[]> {
  const { exports }: { exports: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(join(root, "deno.json")),
  );
  const wanted = [
    "LICENSE",
    "README.md",
    "deno.json",
    ...Object.values(exports).map((path) => path.replace("./", "")),
  ];
  await using registry = standIns ? await serveStandIn("@std/path") : null;
  const { success, stdout, stderr } = await runDeno(
    ["publish", "--dry-run", "--allow-dirty"],
    root,
    registry?.env,
  );
  if (!success) return [stderr];
  const base = pathToFileURL(join(root, "/")).href;
  const isPart = (path: string) =>
    wanted.some((entry) =>
      entry.endsWith(".ts") && path.startsWith(entry.replace(/\.ts$/, "/"))
    );
  const found = [...(stdout + stderr).matchAll(/^\s+(file:\S+) \([^)]+\)$/gm)]
    .map(([, url]) => url!.slice(base.length));
  return [
    ...found.filter((path) => !wanted.includes(path) && !isPart(path))
      .map((path) => `${path} would be published`),
    ...wanted.filter((path) => !found.includes(path))
      .map((path) => `${path} would not be published`),
  ];
}

if (import.meta.main) {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const standIns = (await standardArguments()).length > 0;
  const problems = await checkPublish(root, { standIns });
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
}
