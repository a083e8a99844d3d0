// Copyright 2026 the @serviceworker/std authors. MIT license.

import { makeCertificate } from "../../tests/browser/certificate.ts";
import { bundle } from "../../tools/build.ts";
import { tempFolder } from "../../tools/temp_folder.ts";
import { type Page, type Results, summarize } from "../report.ts";
import type { PageResult, Scenario } from "../types.ts";
import type { Parameters } from "./contenders.ts";

const TURNS = 5;
const RUNTIMES: Record<string, string[]> = {
  Deno: [
    Deno.execPath(),
    "run",
    "-A",
    "--unsafely-ignore-certificate-errors=127.0.0.1",
  ],
  Node: ["node"],
};
const KINDS = ["encrypt and sign", "send"];
const CONTENDERS: Record<string, Parameters["contender"]> = {
  "web-push": "web-push",
  "web-push again": "web-push",
  send: "send",
  "send, by node:https": "send, by node:https",
};
/** Where one of them has a meaning, if not everywhere. */
const ALONE: Record<string, string> = { "send, by node:https": "Node, send" };

const scenario: Scenario = {
  title: "Push messages a second of the processor, 16 at a time",
  floor: "web-push",
  rounds: 6,
  cases: Object.keys(RUNTIMES).flatMap((runtime) =>
    KINDS.map((kind) => `${runtime}, ${kind}`)
  ),
  targets: KINDS.flatMap((kind) => [
    { case: `Deno, ${kind}`, of: "send", by: "web-push", atLeast: 2 },
    { case: `Node, ${kind}`, of: "send", by: "web-push", atLeast: 1 },
  ]).concat({
    case: "Node, send",
    of: "send, by node:https",
    by: "web-push",
    atLeast: 1,
  }),
};

/** How to measure. */
export interface MeasureOptions {
  readonly rounds: number | undefined;
  /** The sources of regular expressions for contenders and cases. */
  readonly only: string;
  readonly cases: string;
  /** What it was measured on. */
  readonly machine: string;
}

/** Has processes of Deno and Node send to a service of ours. */
export async function measureSend(options: MeasureOptions): Promise<Results> {
  const { rounds = scenario.rounds, only, cases, machine } = options;
  const { code } = await bundle(new URL("contenders.ts", import.meta.url), {
    format: "iife",
    platform: "node",
  });
  await using folder = await tempFolder({ "contenders.cjs": code });
  const script = `${folder.path}/contenders.cjs`;
  const { key, cert } = await makeCertificate();
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, key, cert, onListen() {} },
    async (request) => {
      await request.bytes();
      return new Response(null, { status: 201 });
    },
  );
  const endpoint = `https://127.0.0.1:${server.addr.port}/7f3a`;

  const pages: Page[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const current of scenario.cases) {
      if (!new RegExp(cases).test(current)) continue;
      console.error(`send, ${current}, round ${round} of ${rounds}`);
      const [runtime = "", kind] = current.split(", ");
      const result: PageResult = { samples: {}, failures: [] };
      for (const [name, contender] of shuffle(Object.entries(CONTENDERS))) {
        if (!new RegExp(only).test(name)) continue;
        if ((ALONE[name] ?? current) !== current) continue;
        const to = kind === "send" ? { endpoint } : {};
        const parameters: Parameters = { ...to, contender, turns: TURNS };
        try {
          const columns = await run(
            RUNTIMES[runtime] ?? [],
            script,
            parameters,
          );
          for (const [column, rates] of Object.entries(columns)) {
            (result.samples[column] ??= {})[name] = rates;
          }
        } catch (error) {
          result.failures.push(`${name}, ${error}`);
        }
      }
      pages.push({ case: current, result });
    }
  }
  return summarize("send", scenario, {
    deno: Deno.version.deno,
    node: await versionOf("node"),
    "web-push": "3.6.7",
    machine,
    rounds,
  }, pages);
}

/** Runs a process; resolves with what it has measured. */
async function run(
  [command = "", ...args]: string[],
  script: string,
  parameters: Parameters,
): Promise<Record<string, number[]>> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args, script, JSON.stringify(parameters)],
    env: { NODE_TLS_REJECT_UNAUTHORIZED: "0", NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(decoder.decode(stderr).trim());
  return JSON.parse(decoder.decode(stdout));
}

function shuffle<T>(values: T[]): T[] {
  return values.map((value) => ({ value, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

async function versionOf(command: string): Promise<string> {
  const { stdout } = await new Deno.Command(command, { args: ["--version"] })
    .output();
  return new TextDecoder().decode(stdout).trim();
}
