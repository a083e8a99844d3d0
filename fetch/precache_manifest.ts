// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Makes the manifest of the files that `precache()` stores, when the app is built:
 * from a folder, the URL of each file, and the hash of its content as its revision.
 * The same files make the same manifest, to the byte.
 *
 * From the command line, which prints it as JSON:
 *
 * ```sh
 * deno run -A jsr:@serviceworker/std/fetch/precache-manifest dist --output=src/precache.json
 * ```
 *
 * As a plugin of esbuild, in the build of the worker, which comes after that of
 * the files: {@linkcode precacheManifestPlugin}.
 *
 * This module is for build scripts, not for workers. In Deno it takes
 * `--allow-read`, and the command line `--allow-write` for its `--output`.
 *
 * It reads each file once, one at a time: 1,000 files of 2 KB in less than half a
 * second. An entry adds its URL and about 50 bytes to the worker, and `integrity`
 * 83 more.
 *
 * @module
 */

import { globToRegExp, join, resolve } from "@std/path";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A file, as `precache()` takes it. */
export interface PrecacheManifestEntry {
  /** Its URL. */
  url: string;
  /** The beginning of the SHA-256 of its content, in hex; none if its name is hashed. */
  revision?: string;
  /** The SHA-384 of its content, for the browser to compare with. */
  integrity?: string;
  /** Its size in bytes. */
  size: number;
  /** `false` if a version can be installed without it. */
  required?: false;
}

/** A manifest, as `precache()` takes it. */
export interface PrecacheManifest {
  /** The beginning of the SHA-256 of the entries, in hex. */
  version: string;
  /** The files, in the order of their URLs. */
  entries: PrecacheManifestEntry[];
}

/** What {@linkcode precacheManifest} resolves with. */
export interface PrecacheManifestResult {
  /** The manifest, to be put into the worker as JSON. */
  manifest: PrecacheManifest;
  /** The files in it, by their paths in the folder. */
  files: string[];
  /** The bytes of all. */
  size: number;
  /** What the author should know, in sentences. */
  warnings: string[];
}

/**
 * Options for {@linkcode precacheManifest}. Globs are those of `globToRegExp()` in
 * `@std/path`, and are compared with the path in the folder, with `/` in it on any
 * system.
 */
export interface PrecacheManifestOptions {
  /**
   * Where the folder is on the server, with a `/` at the end. With `""`, the URLs
   * are relative to the worker's scope.
   *
   * @default {"/"}
   */
  base?: string | undefined;
  /**
   * Which files are in it.
   *
   * @default {["**"]}
   */
  globs?: readonly string[] | undefined;
  /**
   * Which are not. Without it, those are left out that begin with a dot or end in
   * `.map`, and the worker itself if it is called `sw.js`, `service-worker.js` or
   * `service_worker.js`.
   */
  ignore?: readonly string[] | undefined;
  /**
   * Which have a name that differs whenever the content does, as a bundler gives
   * them. A file that is not, and is listed, is never updated.
   *
   * @default {[]}
   */
  hashed?: readonly string[] | undefined;
  /**
   * Which are stored after the installation, and may be missing.
   *
   * @default {[]}
   */
  optional?: readonly string[] | undefined;
  /**
   * Whether the browser is to compare what it fetches with the file. It costs 83
   * bytes of the worker for each.
   *
   * @default {false}
   */
  integrity?: boolean | undefined;
  /**
   * The file that the server has for the URL of its folder, such as `"index.html"`,
   * which is then its URL: it is found as `/`, and not as `/index.html`. Without
   * it, none: it is the other way round, and a warning says so. `""` says that this
   * is meant.
   */
  directoryIndex?: string | undefined;
  /**
   * Whether the server has `about.html` as `about`, which is then its URL.
   *
   * @default {false}
   */
  cleanURLs?: boolean | undefined;
  /**
   * Of how many bytes in all to warn.
   *
   * @default {10_000_000}
   */
  maxSize?: number | undefined;
}

/** Options for {@linkcode precacheManifestPlugin}. */
export interface PrecacheManifestPluginOptions extends PrecacheManifestOptions {
  /**
   * What the worker imports the manifest from. It can be a file, so that there are
   * types; what is in it does not matter.
   *
   * @default {"precache-manifest"}
   */
  specifier?: string | undefined;
}

/** A plugin for esbuild. */
export interface PrecacheManifestPlugin {
  /** Who says it, in esbuild's output. */
  name: string;
  /** Called by esbuild when a build begins. */
  setup(build: PrecacheManifestPluginBuild): void;
}

/** The part of esbuild's build that {@linkcode precacheManifestPlugin} uses. */
export interface PrecacheManifestPluginBuild {
  /** The options of the build. */
  readonly initialOptions: { readonly absWorkingDir?: string | undefined };
  /** Has a function decide what an import means. */
  onResolve(
    options: { filter: RegExp },
    callback: () => { path: string; namespace: string },
  ): void;
  /** Has a function load a file. */
  onLoad(
    options: { filter: RegExp; namespace: string },
    callback: () => Promise<{
      contents: string;
      loader: "json";
      warnings: { text: string }[];
      watchFiles: string[];
      watchDirs: string[];
    }>,
  ): void;
}

const IGNORED = [
  "**/.*",
  "**/.*/**",
  "**/*.map",
  "**/{sw,service-worker,service_worker}.js",
];

const INDEX_REGEXP = /(^|\/)index\.html$/;

const USAGE = `Makes the manifest of the files that a service worker precaches.

Usage: precache-manifest [option]... <folder>

  --output=<file>          where to write it, instead of printing it
  --base=<URL>             where the folder is on the server: "/"
  --glob=<glob>            which files are in it: all
  --ignore=<glob>          which are not: hidden ones, source maps, the worker
  --hashed=<glob>          which have a hash in their name
  --optional=<glob>        which are stored after the installation
  --integrity              have the browser compare hashes
  --directory-index=<name> the file that is served for the URL of its folder:
                           none, with a warning if there is an index.html
  --clean-urls             about.html is served as about
  --max-size=<bytes>       of how much to warn: 10000000

Options with a glob can be given several times.
`;

/**
 * Makes the manifest of the files in a folder.
 *
 * @param folder The folder, as a path or a file URL.
 * @param options Which files, and what their URLs are.
 * @returns The manifest, and what there is to say of it.
 * @throws {TypeError} If `options.base` does not end in `/`.
 * @throws {TypeError} If two files have the same URL.
 * @throws {Error} The runtime's, if the folder or a file cannot be read.
 *
 * @example Puts the manifest into the worker, in a build script
 * ```ts
 * import { precacheManifest } from "@serviceworker/std/fetch/precache-manifest";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/index.html`, "<!doctype html>");
 * await Deno.writeTextFile(`${folder}/app-7F3A9C21.js`, "start();");
 *
 * const { manifest, warnings } = await precacheManifest(folder, {
 *   directoryIndex: "index.html",
 *   hashed: ["*-????????.js"],
 * });
 * for (const warning of warnings) console.warn(warning);
 * const define = { MANIFEST: JSON.stringify(manifest) }; // For the bundler.
 *
 * assertEquals(JSON.parse(define.MANIFEST).entries, [
 *   { url: "/", revision: "fe26c59e91ac8de6", size: 15 },
 *   { url: "/app-7F3A9C21.js", size: 8 },
 * ]);
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function precacheManifest(
  folder: string | URL,
  options: PrecacheManifestOptions = {},
): Promise<PrecacheManifestResult> {
  const {
    base = "/",
    integrity = false,
    directoryIndex,
    cleanURLs = false,
    maxSize = 10_000_000,
  } = options;
  if (base !== "" && !base.endsWith("/")) {
    throw new TypeError(
      `Cannot make a manifest: 'base' must end in "/", current value is "${base}"`,
    );
  }
  const root = pathOf(folder);
  const isChosen = matcher(options.globs ?? ["**"]);
  const isIgnored = matcher(options.ignore ?? IGNORED);
  const isHashed = matcher(options.hashed ?? []);
  const isOptional = matcher(options.optional ?? []);

  const files = (await readdir(root, { recursive: true }))
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => isChosen(path) && !isIgnored(path));
  const found = new Map<string, [file: string, PrecacheManifestEntry]>();
  for (const file of files) {
    const path = join(root, file);
    if (!(await stat(path)).isFile()) continue;
    const content = await readFile(path);
    const url = base + urlOf(file, directoryIndex, cleanURLs);
    const other = found.get(url)?.[0];
    if (other !== undefined) {
      throw new TypeError(
        `Cannot precache ${url}: it is the URL of "${other}" and of "${file}"`,
      );
    }
    found.set(url, [file, {
      url,
      ...(!isHashed(file) && { revision: revisionOf(content) }),
      ...(integrity && { integrity: integrityOf(content) }),
      size: content.length,
      ...(isOptional(file) && { required: false }),
    }]);
  }
  const sorted = [...found.values()].sort(([, a], [, b]) =>
    a.url < b.url ? -1 : 1
  );
  const entries = sorted.map(([, entry]) => entry);
  const version = revisionOf(Buffer.from(JSON.stringify(entries)));
  const size = entries.reduce((sum, { size }) => sum + size, 0);
  const warnings = [];
  if (entries.length === 0) warnings.push(`No file in ${root} is precached`);
  if (size > maxSize) {
    const [largest] = entries.toSorted((a, b) => b.size - a.size);
    warnings.push(
      `${size} bytes are precached, more than ${maxSize}; the largest file is ${largest?.url} with ${largest?.size}`,
    );
  }
  const [index] = sorted
    .filter(([file]) => INDEX_REGEXP.test(file))
    .sort(([a], [b]) => a.length - b.length);
  if (index && directoryIndex === undefined) {
    const [, { url }] = index;
    const folder = url.slice(0, url.lastIndexOf("/") + 1) || "the scope";
    warnings.push(
      `${url} is precached, but not ${folder}: the directory index should be "index.html" if the server has it there, or "" if not`,
    );
  }
  return {
    manifest: { version, entries },
    files: sorted.map(([file]) => file),
    size,
    warnings,
  };
}

/**
 * Makes an esbuild plugin that gives the manifest of a folder to whoever imports
 * it, as its default export. Warnings are esbuild's; in watch mode, the worker is
 * built again when a file changes.
 *
 * @param folder The folder, as a path or a file URL: the output of another build.
 * @param options Which files, what their URLs are, and how it is imported.
 * @returns The plugin, to be listed in `plugins`.
 *
 * @example Builds a worker that imports its manifest
 * ```ts
 * import { precacheManifestPlugin } from "@serviceworker/std/fetch/precache-manifest";
 * import { assertEquals } from "@std/assert";
 * import type { BuildOptions } from "esbuild";
 *
 * // In sw.ts: import manifest from "precache-manifest";
 * const options = {
 *   entryPoints: ["src/sw.ts"],
 *   outdir: "dist",
 *   bundle: true,
 *   plugins: [precacheManifestPlugin("dist", { hashed: ["assets/**"] })],
 * } satisfies BuildOptions;
 *
 * assertEquals(options.plugins[0]?.name, "precache-manifest");
 * ```
 */
export function precacheManifestPlugin(
  folder: string | URL,
  options: PrecacheManifestPluginOptions = {},
): PrecacheManifestPlugin {
  const { specifier = "precache-manifest" } = options;
  const name = "precache-manifest";
  const namespace = name;
  return {
    name,
    setup(build) {
      const { absWorkingDir = process.cwd() } = build.initialOptions;
      const root = resolve(absWorkingDir, pathOf(folder));
      const filter = new RegExp(`^${specifier.replace(/\W/g, "\\$&")}$`);
      build.onResolve({ filter }, () => ({ path: specifier, namespace }));
      build.onLoad({ filter: /^/, namespace }, async () => {
        const result = await precacheManifest(root, options);
        return {
          contents: JSON.stringify(result.manifest),
          loader: "json",
          warnings: result.warnings.map((text) => ({ text })),
          watchFiles: result.files.map((file) => join(root, file)),
          watchDirs: [root],
        };
      });
    },
  };
}

function pathOf(folder: string | URL): string {
  return String(folder).startsWith("file:")
    ? fileURLToPath(folder)
    : String(folder);
}

/** Tells whether a path fits one of some globs. */
function matcher(globs: readonly string[]): (path: string) => boolean {
  const patterns = globs.map((glob) => globToRegExp(glob));
  return (path) => patterns.some((pattern) => pattern.test(path));
}

/** The URL of a file, relative to that of the folder. */
function urlOf(
  file: string,
  directoryIndex: string | undefined,
  cleanURLs: boolean,
): string {
  const end = file.lastIndexOf("/") + 1;
  const name = file.slice(end);
  const path = name === directoryIndex
    ? file.slice(0, end)
    : cleanURLs
    ? file.replace(/\.html$/, "")
    : file;
  // What is left is encoded as a browser does it with what a page has written.
  const url = new URL("file:///");
  url.pathname = path
    .replaceAll("%", "%25")
    .replaceAll("?", "%3F")
    .replaceAll("#", "%23");
  return url.pathname.slice(1);
}

function revisionOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}

function integrityOf(content: Uint8Array): string {
  return `sha384-${createHash("sha384").update(content).digest("base64")}`;
}

/** Writes the manifest that the arguments ask for; resolves with the exit code. */
async function main(args: string[]): Promise<number> {
  const folders = args.filter((argument) => !argument.startsWith("-"));
  const flags = new Map<string, string[]>();
  for (const flag of args.filter((argument) => argument.startsWith("-"))) {
    const [name = "", ...value] = flag.split("=");
    flags.set(name, [...flags.get(name) ?? [], value.join("=")]);
  }
  const take = (name: string) => {
    const values = flags.get(name);
    flags.delete(name);
    return values;
  };
  if (take("--help") ?? take("-h")) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [output] = take("--output") ?? [];
  const maxSize = take("--max-size");
  const options: PrecacheManifestOptions = {
    base: take("--base")?.[0],
    globs: take("--glob"),
    ignore: take("--ignore"),
    hashed: take("--hashed"),
    optional: take("--optional"),
    integrity: take("--integrity") !== undefined,
    directoryIndex: take("--directory-index")?.[0],
    cleanURLs: take("--clean-urls") !== undefined,
    maxSize: maxSize && Number(maxSize[0]),
  };
  const [folder] = folders;
  if (folder === undefined || folders.length > 1 || flags.size > 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  try {
    const { manifest, warnings } = await precacheManifest(folder, options);
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    if (output === undefined) process.stdout.write(text);
    else await writeFile(output, text);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
