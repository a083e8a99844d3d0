// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * `deno task ok`: checks all that can be checked without running a test. Every
 * step says its time in a line of its own; a step that fails says why.
 *
 * @module
 */

import { stop } from "esbuild";
import { fileURLToPath } from "node:url";
import denoJson from "../deno.json" with { type: "json" };
import { checkWorker } from "../lifecycle/check_worker.ts";
import { checkDocs, checkMarkdown } from "./check_docs.ts";
import { checkExports } from "./check_exports.ts";
import { checkPublish } from "./check_publish.ts";
import { checkStandalone, standaloneModules } from "./check_standalone.ts";
import { runDeno, standardArguments } from "./deno.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PATHS = Object.values(denoJson.exports);
const GUIDES = ["README.md", "testing/README.md", "push/README.md"];

/** How many steps of `ok` passed and failed. */
export interface OkResult {
  passed: number;
  failed: number;
}

/** Runs every step; `standard` is what makes `deno` find `@std/*`. */
export async function ok(standard: string[]): Promise<OkResult> {
  const steps: [name: string, run: () => Promise<string[]>][] = [
    [
      "types",
      () => deno("check", "-q", ...standard, "--doc", ".", ...GUIDES),
    ],
    ["standalone", () => checkStandalone(standaloneModules())],
    ["publish", () => checkPublish(ROOT, { standIns: standard.length > 0 })],
    ["fmt", () => deno("fmt", "--check")],
    ["lint", () => deno("lint")],
    ["doc lint", () => deno("doc", "--lint", ...standard, ...PATHS)],
    ["docs", () => docs(standard)],
    ["exports", () => checkExports(ROOT)],
    ["workers", workers],
  ];
  const result = { passed: 0, failed: 0 };
  const waiting = steps.values();
  // Most of them keep one core busy.
  await Promise.all(
    Array.from({ length: navigator.hardwareConcurrency }, async () => {
      for (const [name, run] of waiting) {
        const start = performance.now();
        const problems = await run().catch((error) => [String(error)]);
        const seconds = ((performance.now() - start) / 1000).toFixed(1);
        const passed = problems.length === 0;
        result[passed ? "passed" : "failed"]++;
        console.log(
          `${passed ? "ok  " : "FAIL"} ${name.padEnd(12)} ${seconds} s`,
        );
        for (const problem of problems) console.log(problem);
      }
    }),
  );
  return result;
}

async function deno(...args: string[]): Promise<string[]> {
  const { success, stdout, stderr } = await runDeno(args);
  return success ? [] : [stdout + stderr];
}

async function docs(standard: string[]): Promise<string[]> {
  return [
    ...await checkDocs(PATHS, standard),
    ...(await Promise.all(
      GUIDES.map(async (path) =>
        checkMarkdown(await Deno.readTextFile(ROOT + path))
      ),
    )).flat(),
  ];
}

/** Checks the workers of the examples. */
async function workers(): Promise<string[]> {
  const problems: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}examples`)) {
    const path = `${ROOT}examples/${name}/sw.ts`;
    if (!(await Deno.stat(path).catch(() => undefined))) continue;
    const build = { absWorkingDir: ROOT };
    for (const finding of await checkWorker(path, { build })) {
      const { file, line, column, rule, why } = finding;
      problems.push(`${file}:${line}:${column} ${rule} ${why}`);
    }
  }
  await stop();
  return problems;
}

if (import.meta.main) {
  const { failed } = await ok(await standardArguments());
  if (failed > 0) Deno.exit(1);
}
