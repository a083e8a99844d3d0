// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * `deno task test`: checks and tests everything, and ends with how many tests
 * passed, failed and were skipped, each check of `deno task ok` counted as one.
 * Names of runs as arguments choose some of them: `ok`, `unit`, `docs`,
 * `browser`.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import denoJson from "../deno.json" with { type: "json" };
import { parseLcov, report } from "./coverage.ts";
import { runDeno, standardArguments } from "./deno.ts";
import { ok } from "./ok.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const OUT = join(ROOT, ".cov");
const FLOOR = 85;
const PATHS = Object.values(denoJson.exports);

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** A run, given what makes `deno` find `@std/*`. */
type Run = (standard: string[]) => Promise<Partial<Count>>;

const RUNS: Record<string, Run> = { ok, unit, docs, browser };

async function unit(standard: string[]): Promise<Partial<Count>> {
  const raw = join(OUT, "unit");
  const count = await denoTest("unit", [
    ...standard,
    `--coverage=${raw}`,
    "--coverage-raw-data-only",
    "--parallel",
    "--ignore=tests/browser",
    ".",
  ]);
  await runDeno(["coverage", raw, "--lcov", `--output=${raw}.lcov`]);
  return count;
}

function docs(standard: string[]): Promise<Count> {
  const guides = ["README.md", "testing/README.md"];
  return denoTest("docs", [
    ...standard,
    "--parallel",
    "--doc",
    ...PATHS,
    ...guides,
  ]);
}

/** Runs the scenarios, which write down how many there were. */
async function browser(standard: string[]): Promise<Count> {
  const { success } = await deno("run", ...standard, "tests/browser/run.ts");
  const none = '{ "passed": 0, "failed": 0, "skipped": 0 }';
  const count: Count = JSON.parse(
    await Deno.readTextFile(join(OUT, "browser.json")).catch(() => none),
  );
  return { ...count, failed: success ? count.failed : count.failed || 1 };
}

/** Runs `deno` with all permissions; its output is seen. */
function deno(command: string, ...args: string[]): Promise<Deno.CommandStatus> {
  return new Deno.Command(Deno.execPath(), {
    args: [command, "-A", ...args],
    cwd: ROOT,
  }).spawn().status;
}

/** Runs `deno test`, and counts. */
async function denoTest(name: string, args: string[]): Promise<Count> {
  const path = join(OUT, `${name}.xml`);
  const { success } = await deno("test", `--junit-path=${path}`, ...args);
  const xml = await Deno.readTextFile(path).catch(() => "");
  const number = (regexp: RegExp) => xml.match(regexp)?.length ?? 0;
  const skipped = number(/<skipped\b/g);
  const failed = number(/<(failure|error)\b/g);
  const passed = number(/<testcase\b/g) - skipped - failed;
  // What does not compile, or fails outside a test, is counted too.
  return { passed, skipped, failed: success ? failed : failed || 1 };
}

/** Prints how much of the modules ran; the floor counts as a test. */
async function coverage(): Promise<Partial<Count>> {
  const read = async (file: string) => {
    const text = await Deno.readTextFile(join(OUT, file)).catch(() => "");
    return parseLcov(text.replaceAll(`SF:${ROOT}`, "SF:"));
  };
  const modules = PATHS.map((path) => path.replace("./", ""))
    .filter((path) => !path.endsWith("mod.ts"));
  const browser = await read("browser.lcov");
  const { table, unit, missing } = report(
    modules,
    await read("unit.lcov"),
    browser.size > 0 ? browser : undefined,
  );
  console.log(`\n${table}\n`);
  for (const path of missing) console.log(`No unit test loads ${path}`);
  if (unit < FLOOR) console.log(`Unit tests reach less than ${FLOOR} %`);
  return missing.length > 0 || unit < FLOOR ? { failed: 1 } : { passed: 1 };
}

if (import.meta.main) {
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  const add = (count: Partial<Count>) => {
    total.passed += count.passed ?? 0;
    total.failed += count.failed ?? 0;
    total.skipped += count.skipped ?? 0;
  };
  const names = Deno.args.length > 0 ? Deno.args : Object.keys(RUNS);
  await Deno.remove(OUT, { recursive: true }).catch(() => {});
  await Deno.mkdir(OUT);
  const standard = await standardArguments();
  for (const name of names) {
    const run = RUNS[name];
    if (run === undefined) {
      console.error(`Runs are ${Object.keys(RUNS).join(", ")}, not ${name}`);
      Deno.exit(1);
    }
    // What `ok` has checked is not checked again.
    const checked = run !== ok && names.includes("ok") ? ["--no-check"] : [];
    add(await run([...standard, ...checked]));
  }
  if (names.includes("unit")) add(await coverage());
  const { passed, failed, skipped } = total;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0) Deno.exit(1);
}
