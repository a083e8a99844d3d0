// Copyright 2026 the @serviceworker/std authors. MIT license.

/** The files to store, which the server makes up. */

/** A set of files. */
export interface FileSet {
  /** How many there are. */
  count: number;
  /** How many bytes each has. */
  size: number;
  /** After how many milliseconds the server answers. */
  delay: number;
}

/** A file, as all manifests have it. */
export interface File {
  url: string;
  revision: string;
}

/** What the script of a worker is told in its URL. */
export interface Build {
  /** The files of the app. */
  set: FileSet;
  /** How many percent of them are not as in the first version. */
  changed: number;
  /** How many percent of them are required. */
  required: number;
}

/** The files of a case, such as "1,000 × 2 KB, 20 ms". */
export function filesOf(name: string): FileSet {
  const [count = 0, size = 0, delay = 0] = name.replaceAll(",", "")
    .match(/\d+/g)?.map(Number) ?? [];
  return { count, size: size * 1_000, delay };
}

/** What the script of this worker was told. */
export function readBuild(): Build {
  const query = new URLSearchParams(location.search);
  return JSON.parse(query.get("build") ?? "{}");
}

/** The manifest of a build. */
export function manifestOf({ set, changed }: Build): File[] {
  const { count, size, delay } = set;
  return Array.from({ length: count }, (_, index) => ({
    url: `/file/${delay}/${size}/${index}`,
    revision: index < count * changed / 100 ? `new-${changed}` : "old",
  }));
}
