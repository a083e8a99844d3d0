// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * `deno task bench [scenario] [--rounds N] [--only regex] [--cases regex]
 * [--full] [--asleep]`
 *
 * Runs one scenario, or all that are quick, prints tables, and writes `results/<scenario>.json`
 * and `RESULTS.md`. See README.md for how it measures.
 */

import { parseArgs } from "node:util";
import { bundle, stop } from "../tools/build.ts";
import { writeSizes } from "../tools/readme_sizes.ts";
import {
  type Browser,
  chromiumVersion,
  keepCoresAwake,
  kill,
  memoryOf,
  openChromium,
} from "./browser.ts";
import {
  type Page,
  render,
  type Results,
  summarize,
  writeReport,
} from "./report.ts";
import { measureFanOut } from "./fan_out/measure.ts";
import { measureSend } from "./send/measure.ts";
import { measureSizes, sizeOf } from "./sizes.ts";
import type { PageResult, Parameters, Scenario } from "./types.ts";

const QUICK = ["roundtrip", "broadcast", "sizes"];
const SCENARIOS = [
  ...QUICK,
  "cold_start",
  "download",
  "expire",
  "fan_out",
  "lifecycle",
  "outbox",
  "precache",
  "router",
  "send",
  "strategies",
];
const STEP_LIMIT = 180_000;
const HEADERS = {
  "cache-control": "no-store",
  // Cross-origin isolated pages have a clock with steps of 5 µs.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    only: { type: "string", default: "" },
    cases: { type: "string", default: "" },
    full: { type: "boolean", default: false },
    asleep: { type: "boolean", default: false },
  },
});

const wanted = positionals.length > 0 ? positionals : QUICK;
for (const name of wanted) {
  if (SCENARIOS.includes(name)) continue;
  console.error(`Cannot run ${name}: there are ${SCENARIOS.join(", ")}`);
  Deno.exit(2);
}

await Deno.mkdir(new URL("results", import.meta.url), { recursive: true });
for (const name of wanted) {
  const results = name === "sizes"
    ? await measureSizes()
    : name === "send"
    ? await measureSend({
      rounds: values.rounds === undefined ? undefined : Number(values.rounds),
      only: values.only,
      cases: values.cases,
      machine: await describeMachine(false),
    })
    : name === "fan_out"
    ? await measureFanOut({
      rounds: Number(values.rounds ?? 3),
      machine: await describeMachine(false),
    })
    : await run(name);
  if (results.sizes) await writeSizes(results.sizes);
  await save(name, results);
  console.log(render(results));
}
await writeReport(SCENARIOS);
await stop();
Deno.exit();

function save(name: string, results: Results): Promise<void> {
  return Deno.writeTextFile(
    new URL(`results/${name}.json`, import.meta.url),
    JSON.stringify(results, null, 2) + "\n",
  );
}

/** Runs a scenario: each round of each case in a browser of its own. */
async function run(name: string): Promise<Results> {
  const folder = new URL(`${name}/`, import.meta.url);
  const { scenario }: { scenario: Scenario } = await import(
    new URL("scenario.ts", folder).href
  );
  const files = await build(folder);
  const rounds = Number(values.rounds ?? scenario.rounds);
  const { cases: quick, fullCases = [], alone = {} } = scenario;
  const cases = (values.full ? [...quick, ...fullCases] : quick)
    .filter((name) => new RegExp(values.cases).test(name));
  const pages: Page[] = [];
  const awake = values.asleep ? [] : keepCoresAwake();
  const conditions = {
    browser: await chromiumVersion(),
    machine: await describeMachine(awake.length > 0),
    rounds,
  };
  for (let round = 1; round <= rounds; round++) {
    for (const current of cases) {
      console.error(`${name}, ${current}, round ${round} of ${rounds}`);
      const chosen = new RegExp(values.only);
      const parts = alone[current]?.filter((name) => chosen.test(name))
        .map((name) => `^${name}$`) ?? [values.only];
      const results: PageResult[] = [];
      for (const only of parts) {
        const parameters = { case: current, only, full: values.full };
        const result = await step(files, scenario, parameters);
        for (const failure of result.failures) console.error(failure);
        results.push(result);
      }
      pages.push({ case: current, result: merge(results) });
    }
    // A run of an hour that is cut off has not been for nothing.
    await save(
      name,
      summarize(name, scenario, { ...conditions, rounds: round }, pages),
    );
  }
  awake.forEach(kill);
  const { bundles } = scenario;
  if (bundles && new RegExp(values.cases).test("bundle")) {
    pages.push({ case: "bundle", result: measureBundles(bundles, files) });
  }
  return summarize(name, scenario, conditions, pages);
}

/** Takes what contenders did in browsers of their own for one page's turn. */
function merge(results: PageResult[]): PageResult {
  const samples: PageResult["samples"] = {};
  for (const result of results) {
    for (const [column, cells] of Object.entries(result.samples)) {
      samples[column] = { ...samples[column], ...cells };
    }
  }
  return { samples, failures: results.flatMap(({ failures }) => failures) };
}

/** Bundles the scripts of a scenario, by their path on the server. */
async function build(folder: URL): Promise<Map<string, string>> {
  const scripts = new Map<string, string>();
  for await (const { name } of Deno.readDir(folder)) {
    const [, script] = name.match(/^(page|frame|worker\w*)\.ts$/) ?? [];
    if (script === undefined) continue;
    const { code } = await bundle(new URL(name, folder), {
      format: "iife",
      minify: true,
      define: { "process.env.NODE_ENV": '"production"' },
    });
    scripts.set(`/${script}.js`, code);
  }
  return scripts;
}

/** The sizes of scripts, as if a page had measured them. */
function measureBundles(
  bundles: Record<string, string>,
  scripts: Map<string, string>,
): PageResult {
  const samples: PageResult["samples"] = { "minified, B": {}, "gzip, B": {} };
  for (const [contender, script] of Object.entries(bundles)) {
    const { minified, gzip } = sizeOf(scripts.get(script) ?? "");
    samples["minified, B"]![contender] = [minified];
    samples["gzip, B"]![contender] = [gzip];
  }
  return { samples, failures: [] };
}

/** Opens the page in a new browser, at a new origin, and waits for its result. */
async function step(
  scripts: Map<string, string>,
  scenario: Scenario,
  parameters: Parameters,
): Promise<PageResult> {
  const { promise, resolve } = Promise.withResolvers<PageResult>();
  const serve = scenario.serve?.();
  const { limit = STEP_LIMIT } = scenario;
  const opened = Promise.withResolvers<Browser>();
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/result") {
        resolve(await request.json());
        return new Response();
      }
      if (pathname === "/memory") {
        return Response.json(await memoryOf((await opened.promise).pid));
      }
      if (pathname === "/stop-workers") {
        await (await opened.promise).stopWorkers();
        return new Response();
      }
      const answer = await serve?.(request);
      if (answer) return answer;
      const script = scripts.get(pathname);
      const type = script ? "text/javascript" : "text/html; charset=utf-8";
      const headers = { ...HEADERS, "content-type": type };
      const html = `<!doctype html><title>bench</title>
        <link rel="icon" href="data:,">
        <script defer src="${
        pathname === "/" ? "/page" : pathname
      }.js"></script>`;
      return new Response(script ?? html, { headers });
    },
  );
  const failed = (failure: string) =>
    resolve({ samples: {}, failures: [failure] });
  const timer = setTimeout(
    () => failed(`no result within ${limit / 1000} s`),
    limit,
  );
  const query = encodeURIComponent(JSON.stringify(parameters));
  const browser = await openChromium(
    `http://localhost:${server.addr.port}/?parameters=${query}`,
    scenario.flags,
  );
  opened.resolve(browser);
  browser.closed.then(() => failed("the browser ended"));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    await browser.close();
    await server.shutdown();
  }
}

/** The processor, and whether its cores were kept awake. */
async function describeMachine(awake: boolean): Promise<string> {
  const { hardwareConcurrency } = navigator;
  const cores = `${hardwareConcurrency} cores, ${
    awake ? "kept awake" : "free to sleep"
  }`;
  try {
    const info = await Deno.readTextFile("/proc/cpuinfo");
    const [, model = Deno.build.arch] = info.match(/model name\s*: (.*)/) ?? [];
    return `${model}, ${cores}`;
  } catch {
    return `${Deno.build.os} ${Deno.build.arch}, ${cores}`;
  }
}
