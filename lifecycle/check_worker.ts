// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Checks a service worker and all that it imports, at build time, for what a
 * browser refuses or what fails only later, in a worker that was stopped and
 * started again: top-level await, `import()`, listeners added late, `waitUntil()`
 * and `respondWith()` that are given a function or called late, globals that
 * only pages have, `importScripts()` where it throws, and state in globals.
 *
 * From the command line, which ends with code 1 where it finds something:
 *
 * ```sh
 * deno run -A jsr:@serviceworker/std/lifecycle/check-worker sw.ts
 * ```
 *
 * What is found and meant is allowed on its line or the line before it, with a
 * reason: `// check-worker-allow module-state: a cache, rebuilt when it is lost`.
 *
 * It reports what it is sure of. A listener is late where it is added inside of
 * another listener, after an `await`, in a callback of `then()` or of a timer, or
 * in a function that the same file calls only from such places. What files that
 * a bundler makes up hold, and which functions another file calls, it does not
 * know.
 *
 * This module is for build scripts, not for workers: it needs esbuild, which
 * resolves the imports, and a parser. In Deno it takes `--allow-read`,
 * `--allow-env` and `--allow-run`; it writes nothing.
 *
 * @module
 */

import * as esbuild from "esbuild";
import { readFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { checkText } from "./check_worker/check_text.ts";
import { denoImports, keepMissing, REMOTE } from "./check_worker/imports.ts";
import { linesIn } from "./check_worker/lines.ts";
import { RULES } from "./check_worker/rules.ts";

/**
 * What is looked for. `"not-checked"` is an import that was not found, and
 * `"invalid-allow"` a comment without a reason or a rule that there is.
 */
export type CheckWorkerRule =
  | "top-level-await"
  | "dynamic-import"
  | "late-listener"
  | "function-as-promise"
  | "late-respond-with"
  | "late-wait-until"
  | "page-global"
  | "import-scripts"
  | "module-state"
  | "unbounded-state"
  | "not-checked"
  | "invalid-allow";

/** What was found at one place. */
export interface CheckWorkerFinding {
  /** What is broken. */
  rule: CheckWorkerRule;
  /** `"error"` fails whenever the place is reached, `"warning"` may. */
  severity: "error" | "warning";
  /** The path of the file, relative to the working folder. */
  file: string;
  /** The line, from 1. */
  line: number;
  /** The column, from 1. */
  column: number;
  /** The text of that line. */
  lineText: string;
  /** What happens, in a sentence. */
  why: string;
  /** What to do instead, in a sentence. */
  mend: string;
}

/** Options for {@linkcode checkWorker}. */
export interface CheckWorkerOptions {
  /** The text of the entry, which is then not read, and need not exist. */
  source?: string | undefined;
  /**
   * What your own build says about imports. Without it, they resolve as they do
   * in Deno, where that is at hand, and as in esbuild for browsers.
   *
   * @default {{}}
   */
  build?: CheckWorkerBuild | undefined;
}

/**
 * Those of esbuild's options that decide what an import means; its documentation
 * explains them.
 */
export interface CheckWorkerBuild {
  /** The working folder, to which the paths of findings are relative. */
  absWorkingDir?: string | undefined;
  /** Packages that stand for others. */
  alias?: Record<string, string> | undefined;
  /** Conditions of `exports` in `package.json`. */
  conditions?: string[] | undefined;
  /** Names that are replaced. Code which is then never reached imports nothing. */
  define?: Record<string, string> | undefined;
  /** Imports that are left alone, and not checked. */
  external?: string[] | undefined;
  /** How files are read, by extension. */
  loader?: Record<string, CheckWorkerLoader> | undefined;
  /** Plugins, which come before what is ours. */
  plugins?: { name: string; setup(build: never): unknown }[] | undefined;
  /** The path of a `tsconfig.json` with `paths`. */
  tsconfig?: string | undefined;
}

/** A loader of esbuild. */
export type CheckWorkerLoader =
  | "base64"
  | "binary"
  | "copy"
  | "css"
  | "dataurl"
  | "default"
  | "empty"
  | "file"
  | "js"
  | "json"
  | "jsx"
  | "text"
  | "ts"
  | "tsx";

/** Options for {@linkcode checkWorkerPlugin}. */
export interface CheckWorkerPluginOptions {
  /**
   * Which entry points are workers, by their paths, where the build makes pages
   * as well. Without it, all are.
   */
  entryPoints?: string[] | undefined;
}

/** A plugin for esbuild, of any version that has `onEnd()`. */
export interface CheckWorkerPlugin {
  /** Who says it, in esbuild's output. */
  name: string;
  /** Called by esbuild when a build begins. */
  setup(build: CheckWorkerPluginBuild): void;
}

/** The part of esbuild's build that {@linkcode checkWorkerPlugin} uses. */
export interface CheckWorkerPluginBuild {
  /** The options of the build, of which `metafile` is set. */
  readonly initialOptions: {
    metafile?: boolean | undefined;
    readonly absWorkingDir?: string | undefined;
    readonly bundle?: boolean | undefined;
    readonly format?: string | undefined;
    readonly splitting?: boolean | undefined;
    readonly stdin?: {
      readonly contents: string | Uint8Array;
      readonly sourcefile?: string | undefined;
    } | undefined;
  };
  /** Has a function called after the build. */
  onEnd(
    callback: (result: { readonly metafile?: unknown }) => Promise<
      { errors: CheckWorkerMessage[]; warnings: CheckWorkerMessage[] } | null
    >,
  ): void;
}

/** A finding as esbuild prints it. */
export interface CheckWorkerMessage {
  /** The rule. */
  id: string;
  /** Why, and the rule. */
  text: string;
  /** Where; the column is in bytes, from 0. */
  location: { file: string; line: number; column: number; lineText: string };
  /** What to do instead. */
  notes: { text: string }[];
}

/** What esbuild takes for external by itself. */
const URL_REGEXP = /^(https?:)?\/\//;
const SCRIPT_REGEXP = /\.[cm]?[jt]sx?$/;

const USAGE = `Checks a service worker and all that it imports.

Usage: check-worker [--external=<name>]... <entry>...

  --external=<name>  leave out an import, such as one that your bundler makes up

Prints "file:line:column  rule  why  mend" for each finding, and ends with code 1
if there is one. Allow one in place, on its line or the line before:

  // check-worker-allow <rule>: <reason>

Rules: ${Object.keys(RULES).join(", ")}
`;

/**
 * Checks the service worker `entry` and all that it imports, as it is bundled:
 * what does not end up in the bundle, a file or a function, does not matter.
 *
 * As after any build, esbuild's process goes on, but keeps nobody waiting; its
 * `stop()` ends it.
 *
 * @param entry The worker's script, as a path or a file URL.
 * @param options How its imports resolve.
 * @returns What was found, by file, in the order of the imports, and line.
 * @throws {Error} esbuild's, if a file cannot be read or is no script.
 *
 * @example Prints, in a build script, what is wrong with a worker
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const script = `
 *   import { checkWorker } from "@serviceworker/std/lifecycle/check-worker";
 *
 *   const source = "await caches.open('v1');";
 *   for (const finding of await checkWorker("sw.ts", { source })) {
 *     console.log(finding.line, finding.rule);
 *   }
 * `;
 * const { stdout } = await new Deno.Command(Deno.execPath(), {
 *   args: ["eval", script],
 *   env: { NO_COLOR: "1" },
 * }).output();
 *
 * assertEquals(new TextDecoder().decode(stdout), "1 top-level-await\n");
 * ```
 */
export async function checkWorker(
  entry: string | URL,
  options: CheckWorkerOptions = {},
): Promise<CheckWorkerFinding[]> {
  const { source, build = {} } = options;
  const folder = build.absWorkingDir ?? process.cwd();
  const path = resolve(
    folder,
    String(entry).startsWith("file:") ? fileURLToPath(entry) : String(entry),
  );
  const { plugins = [], ...resolution } = build;
  const missing = new Set<string>();
  const texts = new Map<string, string>();
  if (source !== undefined) texts.set(path, source);
  const { metafile, outputFiles } = await esbuild.build({
    platform: "browser",
    target: "esnext",
    logLevel: "silent",
    ...resolution as esbuild.BuildOptions,
    ...(source === undefined ? { entryPoints: [path] } : {
      stdin: {
        contents: source,
        sourcefile: path,
        resolveDir: dirname(path),
        loader: "ts",
      },
    }),
    absWorkingDir: folder,
    outfile: resolve(folder, "check-worker.js"),
    bundle: true,
    format: "esm",
    splitting: false,
    write: false,
    metafile: true,
    sourcemap: "external",
    sourcesContent: false,
    plugins: [
      ...plugins as esbuild.Plugin[],
      ...("deno" in process.versions ? [denoImports(path, texts)] : []),
      keepMissing(missing),
    ],
  });
  const map = outputFiles.find(({ path }) => path.endsWith(".map"));
  return await checkGraph(metafile, {
    folder,
    missing,
    texts,
    ...(map && { lines: linesIn(map.text) }),
    isWorker: () => true,
    isInlined: false,
  });
}

/**
 * Makes an esbuild plugin that checks the workers of a build. An error fails the
 * build, with its place; a warning is reported as any other.
 *
 * `import()` of a file that esbuild puts into the same script is no finding here.
 * A function that nobody calls is looked at, unless its whole file is left out.
 * In a build of classic scripts (`iife`), it is esbuild itself which refuses a
 * top-level await.
 *
 * @param options Which entry points are workers.
 * @returns The plugin, to be listed in `plugins`. It sets `metafile`.
 *
 * @example Checks the worker of a build that makes a page as well
 * ```ts
 * import { checkWorkerPlugin } from "@serviceworker/std/lifecycle/check-worker";
 * import { assertEquals } from "@std/assert";
 * import type { BuildOptions } from "esbuild";
 *
 * const options = {
 *   entryPoints: ["src/page.ts", "src/sw.ts"],
 *   outdir: "dist",
 *   bundle: true,
 *   plugins: [checkWorkerPlugin({ entryPoints: ["src/sw.ts"] })],
 * } satisfies BuildOptions;
 *
 * assertEquals(options.plugins[0]?.name, "check-worker");
 * ```
 */
export function checkWorkerPlugin(
  options: CheckWorkerPluginOptions = {},
): CheckWorkerPlugin {
  const { entryPoints } = options;
  return {
    name: "check-worker",
    setup(build) {
      const { initialOptions } = build;
      initialOptions.metafile = true;
      const folder = initialOptions.absWorkingDir ?? process.cwd();
      const workers = entryPoints?.map((path) => resolve(folder, path));
      const { stdin } = initialOptions;
      build.onEnd(async ({ metafile }) => {
        if (metafile === undefined) return null;
        const name = stdin?.sourcefile ?? "<stdin>";
        const texts = new Map<string, string>();
        if (stdin !== undefined) {
          const { contents } = stdin;
          texts.set(
            resolve(folder, name),
            typeof contents === "string"
              ? contents
              : new TextDecoder().decode(contents),
          );
        }
        const findings = await checkGraph(metafile as esbuild.Metafile, {
          folder,
          missing: new Set(),
          texts,
          isWorker: (path) => workers?.includes(path) ?? true,
          isInlined: initialOptions.bundle === true &&
            initialOptions.splitting !== true,
          ...(initialOptions.format && { format: initialOptions.format }),
        });
        const messages = (severity: string) =>
          findings.filter((finding) => finding.severity === severity)
            .map(messageOf);
        return { errors: messages("error"), warnings: messages("warning") };
      });
    },
  };
}

/** Where a graph is, and how it is bundled. */
interface Graph {
  folder: string;
  /** Imports that nothing resolves. */
  missing: Set<string>;
  /** Files that are not read, by path. */
  texts: Map<string, string>;
  /** The lines of which something is in the bundle, by source, if that is known. */
  lines?: Map<string, Set<number>>;
  isWorker(entryPoint: string): boolean;
  /** Whether `import()` of a bundled file is a function call. */
  isInlined: boolean;
  format?: string;
}

/** A finding in esbuild's form. */
function messageOf(
  { rule, file, line, column, why, mend, lineText }: CheckWorkerFinding,
): CheckWorkerMessage {
  const bytes = new TextEncoder().encode(lineText.slice(0, column - 1));
  return {
    id: rule,
    text: `${why} [${rule}]`,
    location: { file, line, column: bytes.length, lineText },
    notes: [{ text: mend }],
  };
}

/** Checks the files of which something is in a worker's bundle. */
async function checkGraph(
  { inputs, outputs }: esbuild.Metafile,
  graph: Graph,
): Promise<CheckWorkerFinding[]> {
  const absolute = (path: string) =>
    path.startsWith(REMOTE)
      ? path.slice(REMOTE.length)
      : resolve(graph.folder, path);
  const isNamed = (external: string) =>
    !graph.missing.has(external) && !URL_REGEXP.test(external);
  const entries = Object.values(outputs)
    .flatMap(({ entryPoint }) => entryPoint ?? [])
    .filter((path) => graph.isWorker(absolute(path)));
  const used = new Set(entries);
  for (const output of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      if (bytesInOutput > 0) used.add(path);
    }
  }
  const reached = new Set(entries);
  for (const path of reached) {
    for (const { path: next, external } of inputs[path]?.imports ?? []) {
      if (!external) reached.add(next);
    }
  }
  const lines = new Map(
    [...graph.lines ?? []].map(([path, lines]) => [absolute(path), lines]),
  );
  const findings = [];
  for (const path of reached) {
    if (!used.has(path)) continue;
    const file = absolute(path);
    // A plugin's own files have a namespace in front, and no text to show.
    const text = graph.texts.get(path) ?? graph.texts.get(file) ??
      (SCRIPT_REGEXP.test(path)
        ? await readFile(file, "utf8").catch(() => undefined)
        : undefined);
    if (text === undefined) continue;
    const { imports = [] } = inputs[path] ?? {};
    const leftAlone = imports.filter(({ path, external }) =>
      external ? isNamed(path) : graph.isInlined
    ).map(({ path, original = path }) => original);
    const name = path.startsWith(REMOTE) ? file : relative(graph.folder, file);
    findings.push(...checkText(name, text, {
      missing: graph.missing,
      leftAlone: new Set(leftAlone),
      lines: lines.get(file),
      ...(graph.format && { format: graph.format }),
    }));
  }
  return findings;
}

/** Checks what the arguments name; resolves with the exit code. */
async function main(args: string[]): Promise<number> {
  const entries = args.filter((argument) => !argument.startsWith("-"));
  const flags = args.filter((argument) => argument.startsWith("-"));
  const external = flags.filter((flag) => flag.startsWith("--external="))
    .map((flag) => flag.slice("--external=".length));
  if (flags.includes("--help") || flags.includes("-h")) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (entries.length === 0 || external.length < flags.length) {
    process.stderr.write(USAGE);
    return 2;
  }
  let count = 0;
  for (const entry of entries) {
    const findings = await checkWorker(entry, { build: { external } })
      .catch((error) => error instanceof Error ? error.message : String(error));
    if (typeof findings === "string") {
      process.stderr.write(`${findings}\n`);
      count++;
      continue;
    }
    for (const { file, line, column, rule, why, mend } of findings) {
      process.stdout.write(
        `${file}:${line}:${column}  ${rule}  ${why}  ${mend}\n`,
      );
    }
    count += findings.length;
  }
  await esbuild.stop();
  return count > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
