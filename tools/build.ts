// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Bundles a page or worker script, with what it imports, into one script that
 * a browser runs as it is. Shared by the browser tests, the examples and the
 * bench.
 *
 * `@serviceworker/std/…` resolves to the working tree, and npm packages, named
 * in `deno.json` or as `npm:name@range`, to Deno's npm cache.
 *
 * @module
 */

import * as esbuild from "esbuild";
import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** How to bundle. */
export interface BundleOptions {
  /** The text of the entry, which is then not read, and need not exist. */
  source?: string;
  /** A classic script (`iife`) or a module (`esm`). @default {"esm"} */
  format?: "esm" | "iife";
  /** What it runs in. @default {"browser"} */
  platform?: "browser" | "node";
  /** Whether to minify. @default {false} */
  minify?: boolean;
  /** Global names to replace, each by a JavaScript expression. */
  define?: Record<string, string>;
  /** Whether to make a source map too, with paths relative to the root of the repository. @default {false} */
  sourcemap?: boolean;
  /** Whether it is a service worker, which fails to build where `checkWorker()` finds an error. @default {false} */
  worker?: boolean;
  /** Whether to answer from memory when the same was bundled before. @default {false} */
  cache?: boolean;
}

/** A bundled script. */
export interface Bundle {
  /** The script. */
  code: string;
  /** Its source map, if asked for. */
  map?: string;
}

interface NpmPackage {
  name: string;
  dependencies: string[];
  localPath: string;
}

interface NpmGraph {
  redirects: Record<string, string>;
  modules: { specifier: string; npmPackage?: string }[];
  npmPackages: Record<string, NpmPackage>;
}

const ROOT = new URL("../", import.meta.url);
const NPM_REGEXP = /^npm:\/?((?:@[^/@]+\/)?[^/@]+)(@[^/]+)?(\/.*)?$/;
const BARE_REGEXP = /^((?:@[^/]+\/)?[^./@:][^/:]*)(\/[^:]*)?$/;

const bundles = new Map<string, Promise<Bundle>>();
let service: Service | undefined;

/** esbuild's process. */
interface Service {
  process: ChildProcess;
  ended: Promise<unknown>;
}

/** Bundles `entry`, a file URL or path, and all that it imports. */
export function bundle(
  entry: URL | string,
  options: BundleOptions = {},
): Promise<Bundle> {
  const { cache = false, ...how } = options;
  if (!cache) return bundleAfresh(entry, how);
  const key = JSON.stringify([String(entry), how]);
  let promise = bundles.get(key);
  if (!promise) bundles.set(key, promise = bundleAfresh(entry, how));
  return promise;
}

/** Ends esbuild's process, and resolves when it has ended. */
export async function stop(): Promise<void> {
  bundles.clear();
  const stopped = service;
  service = undefined;
  await esbuild.stop();
  // esbuild has told the runtime not to wait for it.
  stopped?.process.ref();
  await stopped?.ended;
}

/** Starts esbuild, which neither shows its process nor waits for its end. */
function start(): void {
  if (service) return;
  const remember = (message: unknown) => {
    const { process } = message as { process: ChildProcess };
    const ended = new Promise((resolve) => process.once("close", resolve));
    service = { process, ended };
  };
  subscribe("child_process", remember);
  esbuild.initialize({});
  unsubscribe("child_process", remember);
}

async function bundleAfresh(
  entry: URL | string,
  options: BundleOptions,
): Promise<Bundle> {
  const {
    source,
    format = "esm",
    platform = "browser",
    minify = false,
    define = {},
    sourcemap = false,
    worker = false,
  } = options;
  const checks = worker
    // It loads a parser, which most scripts do without.
    ? [(await import("../lifecycle/check_worker.ts")).checkWorkerPlugin()]
    : [];
  const path = String(entry).startsWith("file:")
    ? fileURLToPath(entry)
    : String(entry);
  start();
  const result = await esbuild.build({
    ...(source === undefined ? { entryPoints: [path] } : {
      stdin: {
        contents: source,
        sourcefile: path,
        resolveDir: dirname(path),
        loader: "ts",
      },
    }),
    // Nothing is written there: source maps name their sources relative to it.
    outfile: fileURLToPath(new URL("bundle.js", ROOT)),
    bundle: true,
    write: false,
    format,
    minify,
    define,
    sourcemap: sourcemap && "external",
    platform,
    target: "es2022",
    tsconfigRaw: {},
    logLevel: "silent",
    plugins: [denoImports(), ...checks],
  });
  const code = result.outputFiles.find((file) => file.path.endsWith(".js"));
  const map = result.outputFiles.find((file) => file.path.endsWith(".map"));
  return { code: code?.text ?? "", ...(map && { map: map.text }) };
}

/** Resolves bare, `jsr:` and `npm:` specifiers as Deno does, through `deno.json`. */
function denoImports(): esbuild.Plugin {
  return {
    name: "deno-imports",
    setup(build) {
      const config: {
        name: string;
        exports: Record<string, string>;
        imports: Record<string, string>;
      } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
      const packages = new Map<string, NpmPackage>();

      /** The file which `specifier` means, for someone in or outside of an npm package. */
      async function inPackage(
        { name, localPath }: NpmPackage,
        path: string,
        args: esbuild.OnResolveArgs,
      ): Promise<esbuild.OnResolveResult> {
        const found = await build.resolve(name + path, {
          // A package with "exports" may name itself.
          resolveDir: localPath,
          kind: args.kind,
          pluginData: { resolved: true },
        });
        if (found.errors.length === 0) return found;
        return await build.resolve(localPath + path, {
          resolveDir: localPath,
          kind: args.kind,
          pluginData: { resolved: true },
        });
      }

      build.onResolve({ filter: /^[^./]/ }, async (args) => {
        if (args.pluginData?.resolved || args.kind === "entry-point") return;
        const specifier = args.path.replace(/^jsr:\/?/, "");
        if (specifier.startsWith(config.name)) {
          const path = specifier.slice(config.name.length)
            .replace(/^@[^/]+/, "");
          const target = config.exports["." + path];
          return target === undefined
            ? { errors: [{ text: `${config.name} exports no ".${path}"` }] }
            : {
              path: fileURLToPath(new URL(target, ROOT)),
              sideEffects: false,
            };
        }

        const [, bare, path = ""] = args.path.match(BARE_REGEXP) ?? [];
        const owner = [...packages.values()].find(({ localPath }) =>
          `${args.resolveDir}/`.startsWith(`${localPath}/`)
        );
        if (owner && bare) {
          const dependency = owner.dependencies
            .map((id) => packages.get(id))
            .find((dependency) => dependency?.name === bare);
          return dependency && await inPackage(dependency, path, args);
        }

        const wanted = args.path.startsWith("npm:")
          ? args.path
          : config.imports[args.path] ??
            (bare && config.imports[bare] && config.imports[bare] + path);
        const [, name, range = "", subpath = ""] = wanted?.match(NPM_REGEXP) ??
          [];
        if (!name) return;
        const graph = await npmGraph(`npm:${name}${range}`);
        for (const [id, found] of Object.entries(graph.npmPackages)) {
          packages.set(id, found);
        }
        const id = graph.modules[0]?.npmPackage;
        const found = id === undefined ? undefined : packages.get(id);
        return found && await inPackage(found, subpath, args);
      });
    },
  };
}

/** Where Deno keeps a package of npm and those it depends on; fetched if need be. */
async function npmGraph(specifier: string): Promise<NpmGraph> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", specifier],
    cwd: ROOT,
  }).output();
  if (!success) {
    throw new Error(
      `Cannot find ${specifier}: ${new TextDecoder().decode(stderr).trim()}`,
    );
  }
  return JSON.parse(new TextDecoder().decode(stdout));
}
