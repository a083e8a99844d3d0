// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Runs the browser tests: `run.ts [--engine=<name>,…] [--filter=<text>] [<file>…]`.
 *
 * @module
 */

import { fileURLToPath, pathToFileURL } from "node:url";
import { stop } from "../../tools/build.ts";
import type { EngineName } from "./driver.ts";
import {
  type BrowserTestResult,
  browserTests,
  chosenEngines,
  closeBrowsers,
  runBrowserTest,
  sharedBrowser,
} from "./harness.ts";

const flags = new Map<string, string>();
const files: string[] = [];
for (const arg of Deno.args) {
  const [, flag, value] = arg.match(/^--([^=]+)=?(.*)$/) ?? [];
  if (flag) flags.set(flag, value ?? "");
  else files.push(arg);
}
if (files.length === 0) {
  const folder = new URL("./", import.meta.url);
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith("_test.ts")) {
      files.push(fileURLToPath(new URL(name, folder)));
    }
  }
}
for (const file of files.sort()) await import(pathToFileURL(file).href);

const filter = flags.get("filter") ?? "";
const tests = browserTests.filter(({ name }) => name.includes(filter));
const engines = chosenEngines(flags.get("engine"));
const start = performance.now();

const results = new Map<string, BrowserTestResult[]>();
await Promise.all(engines.map(runEngine));
await closeBrowsers();
await stop();

let failed = tests.length === 0;
if (failed) console.log("No test has that name");
for (const [engine, ended] of results) {
  const count = (status: string) =>
    ended.filter((result) => result.status === status).length;
  console.log(
    `${engine}: ${count("passed")} passed, ${count("failed")} failed, ${
      count("skipped")
    } skipped`,
  );
  failed ||= count("failed") > 0;
}
console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`);
Deno.exit(failed ? 1 : 0);

async function runEngine(engine: EngineName): Promise<void> {
  const { version } = await sharedBrowser(engine);
  const ended: BrowserTestResult[] = [];
  results.set(`${engine} ${version}`, ended);
  for (const test of tests) {
    const result = await runBrowserTest(engine, test);
    ended.push(result);
    const { status, ms, reason } = result;
    console.log(
      `${engine} ${version} … ${test.name} … ${status} (${ms.toFixed(0)} ms)`,
    );
    if (reason !== undefined) console.log(reason.replace(/^/gm, "  "));
  }
}
