// Copyright 2026 the @serviceworker/std authors. MIT license.

import { dirname, join } from "node:path";

/** A folder that is removed when it is disposed of. */
export interface TempFolder extends AsyncDisposable {
  path: string;
}

/** Makes a folder of `files`: texts by their relative paths. */
export async function tempFolder(
  files: Record<string, string>,
): Promise<TempFolder> {
  const path = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(join(path, dirname(name)), { recursive: true });
    await Deno.writeTextFile(join(path, name), text);
  }
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
