// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Runs the browser tests, all engines at once; those that are done help the
 * slowest, in another browser of its engine:
 *
 *     deno run -A tools/deno.ts run -A tests/browser/run.ts [options] [files]
 *
 * `--engine=firefox,webkit` and `--filter=<part of a name>` run less. A run of
 * all files writes `.cov/browser.json`, with how many passed, failed and were
 * skipped, and `.cov/browser.lcov`, with what Chromium ran of the modules.
 *
 * @module
 */

import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { stop as stopBundler } from "../../tools/build.ts";
import type { BrowserName } from "../../tools/find_browser.ts";
import {
  type BrowserTest,
  type BrowserTestResult,
  browserTests,
  chosenEngines,
} from "./harness.ts";
import { Skip } from "./page.ts";
import { Browsers, runScenario } from "./scenario.ts";

interface Ended extends BrowserTestResult {
  readonly name: string;
}

interface Lane {
  readonly engine: BrowserName;
  /** Engine and version. */
  label: string;
  /** What has not begun. */
  readonly waiting: BrowserTest[];
  readonly results: Ended[];
}

type Count = Record<BrowserTestResult["status"], number>;

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    engine: { type: "string" },
    filter: { type: "string", default: "" },
  },
});
const files = new Map<BrowserTest, string>();
for (const file of await testFiles(positionals)) {
  await import(pathToFileURL(file).href);
  for (const test of browserTests.slice(files.size)) files.set(test, file);
}
const engines = chosenEngines(values.engine);
const tests = browserTests.filter(({ name }) => name.includes(values.filter));
const browsers = new Browsers({ coverage: true });
const failures: string[] = tests.length === 0 ? ["No test has that name"] : [];
const start = performance.now();

// Browsers end when the process exits, which a signal alone does not bring about.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => process.exit(1));
}

// Nothing of a test may be lost: what it did not wait for fails the run.
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  // What a scenario that was given up still asked of its closed page.
  if (text(event.reason).includes("no such window")) return;
  failures.push(`A rejection that nobody handles: ${text(event.reason)}`);
});

// One after the other, as each may install packages.
for (const engine of engines) await browsers.find(engine).catch(() => {});
const lanes = engines.map((engine): Lane => (
  { engine, label: engine, waiting: [...tests], results: [] }
));
await Promise.all(lanes.map(work));
for (const lane of lanes) await repeatFailures(lane);
await browsers.close();
await stopBundler();
await report();

/** Runs the tests of an engine, then some of the engine that has most left. */
async function work(own: Lane): Promise<void> {
  await runTests(own, browsers);
  await browsers.end(own.engine);
  // A soak measures the memory of all browsers of an engine.
  if (Deno.env.get("SW_SOAK") === "1") return;
  const others = new Browsers({ others: browsers });
  for (;;) {
    const [slowest] = lanes.toSorted((a, b) =>
      b.waiting.length - a.waiting.length
    );
    // Fewer are not worth another browser.
    if (!slowest || slowest.waiting.length < 10) break;
    await runTests(slowest, others);
  }
  await others.close();
}

/** Runs what waits, from the end if in `browsers` of another lane. */
async function runTests(lane: Lane, from: Browsers): Promise<void> {
  const { engine, waiting, results } = lane;
  const next = () => from === browsers ? waiting.shift() : waiting.pop();
  let file: string | undefined;
  try {
    lane.label = `${engine} ${(await from.shared(engine)).version}`;
    for (let test = next(); test; test = next()) {
      // What other tests do there can keep Chromium from beginning a download.
      if (engine === "chromium" && file !== files.get(test)) {
        await from.end(engine);
      }
      file = files.get(test);
      const result = await runScenario(engine, test, from);
      results.push({ ...result, name: test.name });
      const { status, ms, reason = "" } = result;
      const note = status === "passed" ? `${ms.toFixed(0)} ms` : reason;
      console.log(
        `${lane.label}: ${test.name} … ${status} (${firstLine(note)})`,
      );
    }
  } catch (error) {
    const rest = waiting.splice(0);
    if (error instanceof Skip) {
      const skipped = {
        status: "skipped",
        ms: 0,
        reason: error.message,
      } as const;
      for (const { name } of rest) results.push({ ...skipped, name });
    } else failures.push(`${lane.label}: ${text(error)}`);
  }
}

/**
 * Runs what failed once more, alone: three browsers on a small machine disturb
 * each other. What passes now is named as unsteady, and is worth a look.
 */
async function repeatFailures({ engine, label, results }: Lane): Promise<void> {
  const failed = results.filter(({ status }) => status === "failed");
  // So many are no accident.
  if (failed.length > 5) return;
  for (const result of failed) {
    const test = tests.find(({ name }) => name === result.name);
    if (!test) continue;
    const { reason = "" } = result;
    await browsers.end(engine);
    Object.assign(result, await runScenario(engine, test, browsers));
    if (result.status !== "passed") continue;
    console.log(
      `${label}: ${test.name} … unsteady, passed alone. It had failed:\n${reason}`,
    );
  }
}

async function report(): Promise<void> {
  const total: Count = { passed: 0, failed: failures.length, skipped: 0 };
  for (const { label, results } of lanes) {
    for (const { name, status, reason } of results) {
      total[status]++;
      if (status === "failed") failures.push(`${label}: ${name}\n${reason}`);
    }
  }
  for (const failure of failures) {
    console.log(`\nFAILED ${failure.replaceAll("\n", "\n  ")}`);
  }
  console.log();
  for (const { label, results } of lanes) {
    const count: Count = { passed: 0, failed: 0, skipped: 0 };
    for (const { status } of results) count[status]++;
    console.log(`${label}: ${phrase(count)}`);
    for (const { name, status, reason } of results) {
      if (status === "skipped") console.log(`  skipped: ${name}: ${reason}`);
    }
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`Browser tests: ${phrase(total)} (${seconds} s)`);

  if (positionals.length === 0 && values.filter === "") await save(total);
  process.exit(failures.length > 0 ? 1 : 0);
}

async function save(total: Count): Promise<void> {
  const folder = new URL("../../.cov/", import.meta.url);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    new URL("browser.json", folder),
    JSON.stringify(total),
  );
  await Deno.writeTextFile(
    new URL("browser.lcov", folder),
    browsers.coverage?.toLcov() ?? "",
  );
}

function phrase({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}

function text(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

async function testFiles(chosen: string[]): Promise<string[]> {
  if (chosen.length > 0) return chosen;
  const folder = new URL("./", import.meta.url);
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.map(({ name }) => name)
    .filter((name) => name.endsWith("_test.ts"))
    .sort()
    .map((name) => fileURLToPath(new URL(name, folder)));
}
