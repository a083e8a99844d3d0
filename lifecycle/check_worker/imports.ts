// Copyright 2026 the @serviceworker/std authors. MIT license.

/** How imports resolve, as plugins for esbuild. */

import type * as esbuild from "esbuild";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, extname, relative } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

/** A package, and what may follow its name. */
const PACKAGE_REGEXP = /^((?:@[^/@]+\/)?[^./@:][^/@:]*)(.*)$/;

/** What esbuild reads unless it is told otherwise. */
const READ_REGEXP = /\.([cm]?[jt]sx?|css|json|txt)$/;

/** What esbuild puts before the URL of a module that is not a file. */
export const REMOTE = "remote:";

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

/**
 * Resolves as Deno does, by the nearest `deno.json` and in its caches of JSR and
 * npm, and puts the texts of remote modules into `texts`.
 */
export function denoImports(
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
    // In a project of npm, there are no packages of Deno's own.
    return { npmPackages: {}, ...JSON.parse(await promise) };
  } catch {
    return undefined;
  }
}

/**
 * Lets a build go on without what is not found, whose name it remembers, and with
 * nothing in place of what is neither code nor data.
 */
export function keepMissing(missing: Set<string>): esbuild.Plugin {
  const ASKED = {};
  return {
    name: "keep-missing",
    setup(build) {
      const { loader = {} } = build.initialOptions;
      build.onLoad({ filter: /\.\w+$/ }, ({ path, with: attributes }) => {
        const isRead = READ_REGEXP.test(path) || extname(path) in loader ||
          "type" in attributes;
        return isRead ? undefined : { contents: "", loader: "empty" };
      });
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
