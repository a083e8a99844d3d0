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
 * `--allow-env`, `--allow-run` and, for esbuild, `--allow-sys`; nothing is
 * written.
 *
 * @module
 */

import { parse } from "@babel/parser";
import traverse, { type Binding, type NodePath } from "@babel/traverse";
import type { File, Node } from "@babel/types";
import * as esbuild from "esbuild";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, extname, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

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

interface Rule {
  severity: "error" | "warning";
  why: string;
  mend: string;
}

const RULES: Record<CheckWorkerRule, Rule> = {
  "top-level-await": {
    severity: "error",
    why: "A browser refuses a service worker with top-level await.",
    mend:
      "Await inside of a function, and hand its promise to waitUntil() or respondWith().",
  },
  "dynamic-import": {
    severity: "error",
    why: "import() always rejects in a service worker.",
    mend: "Import it statically, at the top of the file.",
  },
  "late-listener": {
    severity: "error",
    why:
      "The listener is added after the first run of the script, so the event that started the worker misses it.",
    mend:
      "Add it at the top level of the script, and decide inside of the listener.",
  },
  "function-as-promise": {
    severity: "error",
    why: "It takes a promise; a function given to it is never called.",
    mend: "Call the function, and pass the promise that it returns.",
  },
  "late-respond-with": {
    severity: "error",
    why:
      "The event has been dispatched by then: respondWith() throws an InvalidStateError, and the browser has already gone to the network.",
    mend:
      "Call respondWith() at once, with a promise of what is to be awaited.",
  },
  "late-wait-until": {
    severity: "warning",
    why:
      "The event has been dispatched by then: unless another promise still extends it, waitUntil() throws an InvalidStateError.",
    mend: "Call waitUntil() at once, with a promise of the whole work.",
  },
  "page-global": {
    severity: "error",
    why: "Service workers do not have it: this throws a ReferenceError.",
    mend: "Leave it to the page, or ask with typeof whether it is there.",
  },
  "import-scripts": {
    severity: "error",
    why: "importScripts() throws once the worker is installed.",
    mend: "Call it at the top level of the script.",
  },
  "module-state": {
    severity: "warning",
    why: "The browser stops workers at will, and this value is lost with it.",
    mend: "Keep it in IndexedDB or a cache, or attach it to the client.",
  },
  "unbounded-state": {
    severity: "warning",
    why: "It grows with every event, and is lost when the worker is stopped.",
    mend: "Give it a limit, or keep it in IndexedDB or a cache.",
  },
  "not-checked": {
    severity: "warning",
    why: "The import was not found, so what is behind it was not checked.",
    mend: "Pass the options of your build, or name it as external.",
  },
  "invalid-allow": {
    severity: "error",
    why: "An exemption needs the name of a rule, and a reason.",
    mend: "Write `check-worker-allow <rule>: <reason>`.",
  },
};

const RENAMED: Record<string, { why: string; mend: string }> = {
  XMLHttpRequest: {
    why: "Service workers have no XMLHttpRequest, synchronous or not.",
    mend: "Use fetch().",
  },
  localStorage: {
    why: "Service workers have no localStorage, which is synchronous.",
    mend: "Use IndexedDB or a cache.",
  },
  sessionStorage: {
    why: "Service workers have no sessionStorage, which is synchronous.",
    mend: "Use IndexedDB, or data attached to the client.",
  },
  window: {
    why: "Service workers have no window.",
    mend: "Use self or globalThis.",
  },
  document: {
    why: "Service workers have no document.",
    mend: "Post a message to the page, and let it do this.",
  },
};

const EVENT_REGEXP =
  /^(install|activate|fetch|message|messageerror|push|pushsubscriptionchange|notificationclick|notificationclose|sync|periodicsync|backgroundfetch(success|fail|abort|click)|contentdelete|cookiechange|canmakepayment|paymentrequest)$/;
const SCRIPT_REGEXP = /\.[cm]?[jt]sx?$/;
const ALLOW_REGEXP =
  /^[\s*]*check-worker-allow\b\s*([\w-]*)\s*:?\s*([^]*?)\s*$/;
const EVENT_NAME_REGEXP = /^(e|ev|evt|event|\w+Event)$/;
/** A package, and what may follow its name. */
const PACKAGE_REGEXP = /^((?:@[^/@]+\/)?[^./@:][^/@:]*)(.*)$/;
const DEFERRING_REGEXP =
  /^(setTimeout|setInterval|queueMicrotask|requestIdleCallback)$/;
/** What esbuild puts before the URL of a module that is not a file. */
const REMOTE = "remote:";
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
 * files of which nothing ends up in the bundle are not looked at.
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
  const { metafile } = await esbuild.build({
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
    plugins: [
      ...plugins as esbuild.Plugin[],
      ...("deno" in process.versions ? [denoImports(path, texts)] : []),
      keepMissing(missing),
    ],
  });
  return await checkGraph(metafile, {
    folder,
    missing,
    texts,
    isWorker: () => true,
    isInlined: false,
  });
}

/**
 * Makes an esbuild plugin that checks the workers of a build. An error fails the
 * build, with its place; a warning is reported as any other.
 *
 * `import()` of a file that esbuild puts into the same script is no finding here.
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

interface NpmPackage {
  name: string;
  dependencies: string[];
  localPath: string;
}

/** What `deno info --json` says. */
interface DenoGraph {
  redirects: Record<string, string>;
  modules: {
    specifier: string;
    local?: string;
    npmPackage?: string;
    dependencies?: { specifier: string; code?: { specifier?: string } }[];
  }[];
  npmPackages: Record<string, NpmPackage>;
}

/** What is imported by `entry`, as Deno sees it; nothing where Deno fails. */
async function readDenoGraph(entry: string): Promise<DenoGraph | undefined> {
  const { promise, resolve } = Promise.withResolvers<string>();
  execFile(
    process.execPath,
    // To import is to read, here.
    ["info", "--json", "--allow-import", entry],
    { cwd: dirname(entry), maxBuffer: Infinity },
    (_error, stdout) => resolve(stdout),
  );
  try {
    return JSON.parse(await promise);
  } catch {
    return undefined;
  }
}

/**
 * Resolves as Deno does, by the nearest `deno.json` and in its caches of JSR and
 * npm, and puts the texts of remote modules into `texts`.
 */
function denoImports(
  entry: string,
  texts: Map<string, string>,
): esbuild.Plugin {
  const ASKED = {};
  return {
    name: "deno-imports",
    async setup(build) {
      const graph = await readDenoGraph(entry);
      if (graph === undefined) return;
      const modules = new Map(
        graph.modules.map((module) => [module.specifier, module]),
      );

      /** Resolves a package, or a file in it. */
      async function inPackage(
        { name, localPath }: NpmPackage,
        path: string,
        kind: esbuild.ImportKind,
      ): Promise<esbuild.OnResolveResult | undefined> {
        // By its name it is found if it has "exports", and may name itself.
        for (const specifier of [name, localPath]) {
          const found = await build.resolve(specifier + path, {
            resolveDir: localPath,
            kind,
            pluginData: ASKED,
          });
          if (found.errors.length === 0) return found;
        }
      }

      build.onResolve({ filter: /.*/ }, async (args) => {
        const { path, kind } = args;
        if (args.pluginData === ASKED || kind === "entry-point") return;
        const owner = Object.values(graph.npmPackages).find(({ localPath }) =>
          !relative(localPath, args.resolveDir).startsWith("..")
        );
        if (owner !== undefined) {
          const [, name, rest = ""] = path.match(PACKAGE_REGEXP) ?? [];
          const used = owner.dependencies.map((id) => graph.npmPackages[id])
            .find((dependency) => dependency?.name === name);
          return used && await inPackage(used, rest, kind);
        }
        const importer = args.namespace === "file"
          ? pathToFileURL(args.importer).href
          : args.importer;
        const specifier = modules.get(importer)?.dependencies
          ?.find((dependency) => dependency.specifier === path)
          ?.code?.specifier ?? "";
        const module = modules.get(graph.redirects[specifier] ?? specifier);
        const npmPackage = graph.npmPackages[module?.npmPackage ?? ""];
        if (module && npmPackage) {
          const [, , rest = ""] = module.specifier.replace(/^npm:\//, "")
            .match(PACKAGE_REGEXP) ?? [];
          return await inPackage(npmPackage, rest.replace(/^@[^/]*/, ""), kind);
        }
        if (module?.local === undefined) return;
        return module.specifier.startsWith("file:")
          ? { path: module.local }
          : { path: module.specifier, namespace: "remote" };
      });

      build.onLoad({ filter: /.*/, namespace: "remote" }, async ({ path }) => {
        const contents = await readFile(modules.get(path)?.local ?? "", "utf8");
        texts.set(REMOTE + path, contents);
        const [, extension] = path.match(/\.m?(tsx?)\b[^/]*$/) ?? [];
        return { contents, loader: (extension ?? "jsx") as esbuild.Loader };
      });
    },
  };
}

/** Lets a build go on without what is not found, and remembers its name. */
function keepMissing(missing: Set<string>): esbuild.Plugin {
  const ASKED = {};
  return {
    name: "keep-missing",
    setup(build) {
      build.onResolve({ filter: /.*/ }, async (args) => {
        const { path, pluginData, kind, ...how } = args;
        if (pluginData === ASKED || kind === "entry-point") return;
        const { importer, namespace, resolveDir, with: attributes } = how;
        const found = await build.resolve(path, {
          importer,
          namespace,
          resolveDir,
          kind,
          with: attributes,
          pluginData: ASKED,
        });
        if (found.errors.length === 0) return found;
        missing.add(path);
        return { path, external: true };
      });
    },
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
    const inlined = graph.isInlined
      ? (inputs[path]?.imports ?? []).filter(({ external }) => !external)
        .map(({ path, original = path }) => original)
      : [];
    const name = path.startsWith(REMOTE) ? file : relative(graph.folder, file);
    findings.push(...checkText(name, text, {
      missing: graph.missing,
      inlined: new Set(inlined),
      ...(graph.format && { format: graph.format }),
    }));
  }
  return findings;
}

/** What the graph knows about the imports of a file. */
interface Imports {
  missing: Set<string>;
  inlined: Set<string>;
  format?: string;
}

/** Checks one file. */
function checkText(
  file: string,
  text: string,
  imports: Imports,
): CheckWorkerFinding[] {
  const ast = parseScript(file, text);
  if (ast === undefined) return [];
  const lines = text.split(/\r\n|\r|\n/);
  const findings: CheckWorkerFinding[] = [];
  const report: Report = (rule, { loc }, changes = {}) => {
    const { line = 1, column = 0 } = loc?.start ?? {};
    const { severity, why, mend } = RULES[rule];
    findings.push({
      rule,
      severity,
      file,
      line,
      column: column + 1,
      why,
      mend,
      lineText: lines[line - 1] ?? "",
      ...changes,
    });
  };
  visit(ast, imports, report);
  const allowed = readAllowed(ast, lines, report);
  return findings.filter(({ rule, line }) => !allowed.has(`${rule} ${line}`))
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

type Report = (
  rule: CheckWorkerRule,
  node: Pick<Node, "loc">,
  changes?: Partial<Rule>,
) => void;

/** The syntax of a file, unless it is in one that nobody knows. */
function parseScript(file: string, text: string): File | undefined {
  const extension = extname(file);
  try {
    return parse(text, {
      sourceType: "module",
      // What only strict code forbids is none of our business.
      strictMode: false,
      errorRecovery: true,
      allowReturnOutsideFunction: true,
      allowUndeclaredExports: true,
      plugins: [
        "decorators",
        "decoratorAutoAccessors",
        ...(/^\.[cm]?js$|x$/.test(extension) ? ["jsx" as const] : []),
        ...(/^\.[cm]?ts|^\.tsx$/.test(extension) || extension === ""
          ? ["typescript" as const]
          : []),
      ],
    });
  } catch {
    return undefined;
  }
}

/** The rule and line of each finding that a comment allows. */
function readAllowed(
  { comments }: File,
  lines: string[],
  report: Report,
): Set<string> {
  const allowed = new Set<string>();
  for (const { value, loc } of comments ?? []) {
    const [, rule, reason] = value.match(ALLOW_REGEXP) ?? [];
    if (rule === undefined || !loc) continue;
    if (!Object.hasOwn(RULES, rule) || !reason) {
      report("invalid-allow", { loc });
      continue;
    }
    let next = loc.end.line + 1;
    // A reason may go on over several lines.
    while (/^\s*\/\//.test(lines[next - 1] ?? "")) next++;
    for (const line of [loc.start.line, next]) allowed.add(`${rule} ${line}`);
  }
  return allowed;
}

/** Looks at every place of a file. */
function visit(ast: File, imports: Imports, report: Report): void {
  // Whoever asks for one knows that there are two kinds of globals.
  let asksForGlobals = false;
  let isModule = false;
  const pageGlobals: { path: NodePath; name: string }[] = [];
  const scriptImports: NodePath[] = [];

  function checkSource(node: Node, name: string): void {
    if (imports.missing.has(name)) report("not-checked", node);
  }

  function checkTarget(path: NodePath, target: NodePath): void {
    const name = globalName(target);
    if (name?.startsWith("on") && EVENT_REGEXP.test(name.slice(2))) {
      if (isLate(path)) report("late-listener", path.node);
    }
    checkAssignment(path, target, report);
  }

  traverse(ast, {
    AwaitExpression(path) {
      if (!path.getFunctionParent()) report("top-level-await", path.node);
    },
    ForOfStatement(path) {
      if (path.node.await && !path.getFunctionParent()) {
        report("top-level-await", path.node);
      }
    },
    VariableDeclaration(path) {
      if (path.node.kind === "await using" && !path.getFunctionParent()) {
        report("top-level-await", path.node);
      }
    },
    ImportDeclaration({ node }) {
      isModule = true;
      if (node.importKind !== "type") checkSource(node, node.source.value);
    },
    ExportAllDeclaration({ node }) {
      isModule = true;
      checkSource(node, node.source.value);
    },
    ExportNamedDeclaration({ node }) {
      isModule = true;
      if (node.source && node.exportKind !== "type") {
        checkSource(node, node.source.value);
      }
    },
    ExportDefaultDeclaration() {
      isModule = true;
    },
    ImportExpression({ node }) {
      const { source } = node;
      const isInlined = source.type === "StringLiteral" &&
        imports.inlined.has(source.value);
      if (!isInlined) report("dynamic-import", node);
    },
    UnaryExpression({ node }) {
      const { operator, argument } = node;
      asksForGlobals ||= operator === "typeof" &&
        argument.type === "Identifier" && Object.hasOwn(RENAMED, argument.name);
    },
    BinaryExpression({ node }) {
      const { operator, left } = node;
      asksForGlobals ||= operator === "in" && left.type === "StringLiteral" &&
        Object.hasOwn(RENAMED, left.value);
    },
    Identifier(path) {
      const { name } = path.node;
      if (!Object.hasOwn(RENAMED, name)) return;
      if (path.isReferencedIdentifier() && isValue(path) && isGlobal(path)) {
        pageGlobals.push({ path, name });
      }
    },
    MemberExpression(path) {
      const name = globalName(path);
      // By itself it is undefined, and can be asked for.
      if (name === undefined || !Object.hasOwn(RENAMED, name)) return;
      const isUsed = path.key === "object" || path.parentPath.isNewExpression();
      if (isUsed) pageGlobals.push({ path, name });
      else asksForGlobals = true;
    },
    CallExpression(path) {
      const name = globalName(path.get("callee"));
      if (name === "importScripts") scriptImports.push(path);
      if (name === "addEventListener" && eventIn(path) && isLate(path)) {
        report("late-listener", path.node);
      }
      checkExtension(path, report);
      checkGrowth(path, report);
    },
    AssignmentExpression(path) {
      checkTarget(path, path.get("left"));
    },
    UpdateExpression(path) {
      checkTarget(path, path.get("argument"));
    },
  });

  for (const { path, name } of asksForGlobals ? [] : pageGlobals) {
    if (path.findParent((parent) => parent.isTryStatement())) continue;
    report("page-global", path.node, {
      severity: path.getFunctionParent() ? "warning" : "error",
      ...RENAMED[name],
    });
  }
  for (const path of scriptImports) {
    const listener = listenersAround(path);
    if (isLate(path) && !listener.includes("install")) {
      report("import-scripts", path.node);
    } else if (
      isModule && !path.getFunctionParent() && imports.format !== "iife" &&
      imports.format !== "cjs"
    ) {
      report("import-scripts", path.node, {
        severity: "warning",
        why: "importScripts() throws in a module worker.",
        mend: "Import it statically, or bundle the worker as a classic script.",
      });
    }
  }
}

/** Checks a call of `waitUntil()` or `respondWith()`. */
function checkExtension(
  path: NodePath<Node & { type: "CallExpression" }>,
  report: Report,
): void {
  const method = extensionOf(path);
  if (method === undefined) return;
  const callee = unwrap(path.get("callee"));
  if (!callee.isMemberExpression()) return;
  const event = unwrap(callee.get("object"));
  const binding = event.isIdentifier() && bindingOf(event);
  if (!binding || binding.kind !== "param") return;
  const owner = functionOf(binding);
  if (owner === undefined) return;
  const isListener = listenerNames(owner).length > 0;
  if (!isListener && !EVENT_NAME_REGEXP.test(binding.identifier.name)) return;

  const [argument] = path.get("arguments");
  if (argument && isFunction(unwrap(argument))) {
    report("function-as-promise", argument.node, {
      why:
        `${method}() takes a promise; a function given to it is never called.`,
    });
  }
  if (!isLate(path, owner)) return;
  if (method === "respondWith") report("late-respond-with", path.node);
  // Elsewhere, and beside another promise, it may be in time.
  else if (isListener && isOnlyExtension(binding, path)) {
    report("late-wait-until", path.node);
  }
}

/** Whether nothing else can have extended the event of `binding`. */
function isOnlyExtension(binding: Binding, call: NodePath): boolean {
  return binding.referencePaths.every((reference) => {
    const member = reference.parentPath;
    if (!member?.isMemberExpression() || reference.key !== "object") {
      return false;
    }
    const other = member.parentPath;
    return !other?.isCallExpression() || other.node === call.node ||
      extensionOf(other) === undefined || isLate(other, functionOf(binding));
  });
}

/** The name of the method, if the call is one that extends an event. */
function extensionOf(
  path: NodePath<Node & { type: "CallExpression" }>,
): "waitUntil" | "respondWith" | undefined {
  const callee = unwrap(path.get("callee"));
  if (!callee.isMemberExpression()) return undefined;
  const name = propertyOf(callee.node);
  return name === "waitUntil" || name === "respondWith" ? name : undefined;
}

/** Checks a value that a listener gives to a variable of the module. */
function checkAssignment(
  path: NodePath,
  target: NodePath,
  report: Report,
): void {
  const place = unwrap(target);
  const isMember = place.isMemberExpression();
  const variable = isMember ? unwrap(place.get("object")) : place;
  if (!variable.isIdentifier()) return;
  const binding = bindingOf(variable);
  if (!binding || !isModuleVariable(binding)) return;
  if (listenersAround(path).length === 0) return;
  if (!isMember) {
    if (!isGuarded(path, binding)) report("module-state", path.node);
    return;
  }
  if (collectionOf(binding) === undefined) return;
  const { computed, property } = place.node;
  if (!computed || property.type === "StringLiteral") {
    const isSize = propertyOf(place.node) === "length";
    if (!isSize && !isGuarded(path, binding)) {
      report("module-state", path.node);
    }
  } else if (isUnbounded(binding)) report("unbounded-state", path.node);
}

/** Checks whether a listener adds to a collection of the module for ever. */
function checkGrowth(
  path: NodePath<Node & { type: "CallExpression" }>,
  report: Report,
): void {
  const callee = unwrap(path.get("callee"));
  if (!callee.isMemberExpression()) return;
  const object = callee.get("object");
  if (!object.isIdentifier()) return;
  const binding = bindingOf(object);
  const method = propertyOf(callee.node) ?? "";
  const kind = binding && isModuleVariable(binding) && collectionOf(binding);
  const grows = kind === "Map" && method === "set" ||
    kind === "Set" && method === "add" ||
    kind === "Array" && (method === "push" || method === "unshift");
  if (
    binding && grows && listenersAround(path).length > 0 && isUnbounded(binding)
  ) report("unbounded-state", path.node);
}

/** Whether an assignment makes anew what was lost, or forgets it. */
function isGuarded(path: NodePath, binding: Binding): boolean {
  const { node } = path;
  if (node.type !== "AssignmentExpression") return false;
  if (/^(\?\?|\|\||&&)=$/.test(node.operator)) return true;
  const mentions = (part: NodePath) =>
    binding.referencePaths.some((reference) =>
      reference === part || reference.isDescendant(part)
    );
  const { right } = node;
  if (
    right.type === "NullLiteral" ||
    right.type === "Identifier" && right.name === "undefined" ||
    // The time of what is done now and then: it is done once more.
    right.type === "CallExpression" &&
      right.callee.type === "MemberExpression" &&
      propertyOf(right.callee) === "now"
  ) return true;
  const value = path.get("right");
  if (
    !Array.isArray(value) && value.isLogicalExpression() && mentions(value)
  ) return true;
  const asks = (parent: NodePath): boolean => {
    if (
      !parent.isIfStatement() && !parent.isLogicalExpression() &&
      !parent.isConditionalExpression()
    ) return false;
    return mentions(
      parent.isLogicalExpression() ? parent.get("left") : parent.get("test"),
    );
  };
  return path.findParent(asks) !== null;
}

/** What kind of collection a variable holds. */
function collectionOf(binding: Binding): string | undefined {
  if (binding.path.node.type !== "VariableDeclarator") return undefined;
  const { init } = binding.path.node;
  if (init?.type === "ArrayExpression") return "Array";
  if (init?.type === "ObjectExpression") return "Object";
  return init?.type === "NewExpression" && init.callee.type === "Identifier" &&
      /^(Array|Map|Set)$/.test(init.callee.name)
    ? init.callee.name
    : undefined;
}

/** Whether all is seen that happens to a collection, and nothing limits it. */
function isUnbounded(binding: Binding): boolean {
  return binding.constant && binding.referencePaths.every((reference) => {
    const parent = reference.parentPath;
    if (parent?.isForOfStatement() || parent?.isSpreadElement()) return true;
    if (!parent?.isMemberExpression() || reference.key !== "object") {
      return false;
    }
    const isDeleted = parent.parentPath.isUnaryExpression() &&
      parent.parentPath.node.operator === "delete";
    return !isDeleted &&
      !/^(clear|delete|length|pop|shift|size|splice)$/
        .test(propertyOf(parent.node) ?? "");
  });
}

/** Whether a variable belongs to the module, and not to a type. */
function isModuleVariable(binding: Binding): boolean {
  return binding.scope.path.isProgram() && !isAmbient(binding) &&
    /^(const|let|var)$/.test(binding.kind);
}

/** The worker events in whose listeners a place is. */
function listenersAround(path: NodePath): string[] {
  const names = [];
  let at = path.getFunctionParent();
  while (at) {
    names.push(...listenerNames(at));
    at = at.getFunctionParent();
  }
  return names;
}

/** The worker events that a function listens to. */
function listenerNames(path: NodePath): string[] {
  const places = [path, ...referencesOf(path)];
  return places.flatMap((place) => {
    const parent = place.parentPath;
    if (parent?.isCallExpression() && place.listKey === "arguments") {
      const isListening = place.key === 1 &&
        globalName(parent.get("callee")) === "addEventListener";
      return isListening ? eventIn(parent) ?? [] : [];
    }
    if (parent?.isAssignmentExpression() && place.key === "right") {
      const name = globalName(parent.get("left"));
      return name?.startsWith("on") && EVENT_REGEXP.test(name.slice(2))
        ? [name.slice(2)]
        : [];
    }
    return [];
  });
}

/** The name of the worker event of a call of `addEventListener()`. */
function eventIn(
  path: NodePath<Node & { type: "CallExpression" }>,
): string | undefined {
  const [name] = path.node.arguments;
  return name?.type === "StringLiteral" && EVENT_REGEXP.test(name.value)
    ? name.value
    : undefined;
}

/**
 * Whether a place is reached only after the task in which the script, or the
 * function `until`, began.
 */
function isLate(
  path: NodePath,
  until?: NodePath,
  seen: ReadonlySet<Node> = new Set(),
): boolean {
  let at = path;
  for (
    let owner = at.getFunctionParent();
    owner;
    at = owner, owner = at.getFunctionParent()
  ) {
    // A function declaration is there before its place is reached.
    if (!at.isFunctionDeclaration() && isAfterAwait(at, owner)) return true;
    if (owner.node === until?.node) return false;
    if (isCalledLater(owner)) return true;
    const references = referencesOf(owner);
    if (references.length === 0 || seen.has(owner.node)) continue;
    const inner = new Set([...seen, owner.node]);
    const isEachLate = references.every((reference) =>
      isCalledLater(reference) ||
      reference.parentPath?.isCallExpression() && reference.key === "callee" &&
        isLate(reference, until, inner)
    );
    if (isEachLate) return true;
  }
  return false;
}

/** Whether a function is given to what calls it in a task or job of its own. */
function isCalledLater(path: NodePath): boolean {
  const parent = path.parentPath;
  if (parent?.isAssignmentExpression() && path.key === "right") {
    const { left } = parent.node;
    return left.type === "MemberExpression"
      ? /^on[a-z]+$/.test(propertyOf(left) ?? "")
      : globalName(parent.get("left")) !== undefined &&
        listenerNames(path).length > 0;
  }
  if (!parent?.isCallExpression() || path.listKey !== "arguments") return false;
  const callee = parent.get("callee");
  const name = globalName(callee);
  if (name !== undefined && DEFERRING_REGEXP.test(name)) return path.key === 0;
  if (name === "addEventListener") return path.key === 1;
  if (!callee.isMemberExpression()) return false;
  return /^(addEventListener|then|catch|finally)$/
    .test(propertyOf(callee.node) ?? "");
}

/** Whether a function that reaches `path` has awaited something before it. */
function isAfterAwait(path: NodePath, owner: NodePath): boolean {
  let found = false;
  const visitAwait = (awaited: NodePath) => {
    if (awaited.getFunctionParent()?.node !== owner.node) return;
    const isForAwait = awaited.isForOfStatement();
    const { end, start } = awaited.node;
    const isBefore = isForAwait
      ? (start ?? 0) < (path.node.start ?? 0) &&
        !path.findParent(({ key, parent }) =>
          parent === awaited.node && key === "right"
        )
      : (end ?? 0) <= (path.node.start ?? 0);
    if (isBefore && goesOnTo(awaited, path)) found = true;
  };
  owner.traverse({
    AwaitExpression: visitAwait,
    ForOfStatement(statement) {
      if (statement.node.await) visitAwait(statement);
    },
  });
  return found;
}

/** Whether what begins at `from` can go on to `to`, further down. */
function goesOnTo(from: NodePath, to: NodePath): boolean {
  const around = new Set(to.getAncestry().map(({ node }) => node));
  for (
    let at: NodePath | null = from;
    at && !around.has(at.node);
    at = at.parentPath
  ) {
    const parent: NodePath | null = at.parentPath;
    if (!parent) return false;
    if (around.has(parent.node)) {
      // Of two branches, one is taken.
      const isBranch = parent.isIfStatement() ||
        parent.isConditionalExpression();
      return !(isBranch && at.key !== "test") && !parent.isSwitchStatement();
    }
    if (at.isReturnStatement() || at.isThrowStatement()) return false;
    if (at.isBlockStatement() && parent.isIfStatement()) {
      const last = at.node.body.at(-1)?.type ?? "";
      if (/^(Return|Throw|Break|Continue)Statement$/.test(last)) return false;
    }
  }
  return true;
}

/** The name of a global, alone or as a member of `self`. */
function globalName(path: NodePath): string | undefined {
  const place = unwrap(path);
  if (place.isIdentifier()) {
    return isGlobal(place) ? place.node.name : undefined;
  }
  if (!place.isMemberExpression()) return undefined;
  return isSelf(place.get("object")) ? propertyOf(place.node) : undefined;
}

/** Whether an expression is the worker's global scope, under whatever name. */
function isSelf(path: NodePath): boolean {
  const place = unwrap(path);
  if (!place.isIdentifier()) return false;
  if (isGlobal(place)) return /^(self|globalThis)$/.test(place.node.name);
  const binding = bindingOf(place);
  if (!binding?.constant || !binding.path.isVariableDeclarator()) return false;
  const init = binding.path.get("init");
  return !Array.isArray(init) && init.node?.type !== undefined &&
    binding.path.node.id.type === "Identifier" && init.node !== place.node &&
    isSelf(init as NodePath);
}

function isGlobal(path: NodePath<Node & { type: "Identifier" }>): boolean {
  const binding = bindingOf(path);
  return binding === undefined || isAmbient(binding);
}

/** Whether a binding says no more than that something is there. */
function isAmbient(binding: Binding): boolean {
  const { node, parent } = binding.path;
  return [node, parent].some((part) =>
    part && "declare" in part && part.declare === true
  );
}

/** Whether an identifier stands for a value, not for a type. */
function isValue({ parent }: NodePath): boolean {
  return !parent?.type.startsWith("TS") ||
    /^TS(As|Satisfies|NonNull|Instantiation)Expression$|^TSTypeAssertion$/
      .test(parent.type);
}

function isFunction(path: NodePath): boolean {
  if (path.isFunctionExpression() || path.isArrowFunctionExpression()) {
    return true;
  }
  if (!path.isIdentifier()) return false;
  const binding = bindingOf(path);
  return binding !== undefined && binding.constant &&
    functionIn(binding) !== undefined;
}

/** The function that a variable holds. */
function functionIn({ path }: Binding): NodePath | undefined {
  if (path.isFunctionDeclaration()) return path;
  if (!path.isVariableDeclarator()) return undefined;
  const init = path.get("init") as NodePath;
  return init.isFunctionExpression() || init.isArrowFunctionExpression()
    ? init
    : undefined;
}

/** The function of which a binding is a parameter. */
function functionOf({ scope }: Binding): NodePath | undefined {
  return scope.path.isFunction() ? scope.path : undefined;
}

/** Where a function is mentioned by its name, if it has one. */
function referencesOf(path: NodePath): NodePath[] {
  const { node, parent } = path;
  const id = node.type === "FunctionDeclaration"
    ? node.id
    : parent?.type === "VariableDeclarator"
    ? parent.id
    : undefined;
  if (id?.type !== "Identifier") return [];
  const binding = path.parentPath?.scope.getBinding(id.name);
  return binding?.constant ? binding.referencePaths : [];
}

function bindingOf(
  path: NodePath<Node & { type: "Identifier" }>,
): Binding | undefined {
  return path.scope.getBinding(path.node.name);
}

/** The name of a member, unless it is computed. */
function propertyOf(
  { computed, property }: Node & { type: "MemberExpression" },
): string | undefined {
  if (!computed && property.type === "Identifier") return property.name;
  return property.type === "StringLiteral" ? property.value : undefined;
}

/** An expression without the types around it. */
function unwrap(path: NodePath): NodePath {
  let at = path;
  while (
    at.isTSAsExpression() || at.isTSNonNullExpression() ||
    at.isTSSatisfiesExpression() || at.isTSTypeAssertion() ||
    at.isParenthesizedExpression()
  ) at = at.get("expression") as NodePath;
  return at;
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
