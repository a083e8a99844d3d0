// Copyright 2026 the @serviceworker/std authors. MIT license.

/** Stands in for the part of `@std/path` used here. */

import { fileURLToPath, pathToFileURL } from "node:url";

export { basename, dirname, extname, join, relative, resolve } from "node:path";

export function fromFileUrl(url: string | URL): string {
  return fileURLToPath(url);
}

export function toFileUrl(path: string): URL {
  return pathToFileURL(path);
}
