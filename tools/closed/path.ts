// Copyright 2026 the @serviceworker/std authors. MIT license.

/** Stands in for the part of `@std/path` used here. */

export { join, resolve } from "node:path";

/** Understands `*`, `**` as a whole segment, `?`, `[…]` and `{…,…}`. */
export function globToRegExp(glob: string): RegExp {
  let source = "";
  let depth = 0;
  for (let i = 0; i < glob.length; i++) {
    const char = glob.charAt(i);
    const atStart = i === 0 || glob.charAt(i - 1) === "/";
    if (atStart && /^\*\*(\/|$)/.test(glob.slice(i))) {
      source += "(?:[^/]*(?:/|$)+)*";
      i += 2;
    } else if (char === "*") source += "[^/]*";
    else if (char === "?") source += ".";
    else if (char === "[") {
      const end = glob.indexOf("]", i + 2);
      if (end < 0) throw new TypeError(`Cannot read ${glob}: a "[" stays open`);
      const range = glob.slice(i + 1, end).replaceAll("\\", "\\\\");
      source += `[${range.replace(/^!/, "^")}]`;
      i = end;
    } else if (char === "{") {
      source += "(?:";
      depth++;
    } else if (char === "}" && depth > 0) {
      source += ")";
      depth--;
    } else if (char === "," && depth > 0) source += "|";
    else source += char.replace(/[\\^$.|+()]/, "\\$&");
  }
  return new RegExp(`^${source}/*$`);
}
