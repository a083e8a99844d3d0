// Copyright 2026 the @serviceworker/std authors. MIT license.

/** All that is checked in one file. */

import { parse } from "@babel/parser";
import traverse, { type NodePath } from "@babel/traverse";
import type { File, Node } from "@babel/types";
import { extname } from "node:path";
import type { CheckWorkerFinding } from "../check_worker.ts";
import { checkExtension } from "./extension.ts";
import {
  EVENT_REGEXP,
  eventIn,
  globalName,
  isGlobal,
  isLate,
  listenersAround,
  textOf,
} from "./places.ts";
import { PAGE_GLOBALS, type Report, RULES } from "./rules.ts";
import { checkAssignment, checkGrowth } from "./state.ts";

const ALLOW_REGEXP =
  /^[\s*]*check-worker-allow\b\s*([\w-]*)\s*:?\s*([^]*?)\s*$/;

/** Names by which scripts ask whether they run in a page. */
const ASKING_REGEXP =
  /^(is|in|has|can|use|_)*(browser|dom|ssr)$|^(is|has|in)_?(server|window|document)$|GlobalScope$/i;

const DECLARATION_REGEXP =
  /^(Class|ExportDefault|ExportNamed|Function|Variable)Declaration$/;

/** What the graph knows about the imports of a file. */
export interface Imports {
  missing: Set<string>;
  /** Those that are in the same script, or external by the user's word. */
  leftAlone: Set<string>;
  format?: string;
  /** The lines of which something is in the bundle, if that is known. */
  lines: ReadonlySet<number> | undefined;
}

/** Checks one file. */
export function checkText(
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
  const unused = unusedLines(ast, imports.lines);
  return findings.filter(({ rule, line }) =>
    !allowed.has(`${rule} ${line}`) && !unused.has(line)
  ).sort((a, b) => a.line - b.line || a.column - b.column);
}

/** The lines of the declarations of which nothing is in the bundle. */
function unusedLines(
  { program }: File,
  used: ReadonlySet<number> | undefined,
): Set<number> {
  const declared = program.body.flatMap(({ type, loc }) => {
    if (!loc || !DECLARATION_REGEXP.test(type)) return [];
    const { start, end } = loc;
    const length = end.line - start.line + 1;
    return [Array.from({ length }, (_, index) => start.line + index)];
  });
  const unused = declared.filter((lines) =>
    used && !lines.some((line) => used.has(line))
  );
  return new Set(unused.flat());
}

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
      if (!imports.leftAlone.has(textOf(node.source) ?? "")) {
        report("dynamic-import", node);
      }
    },
    UnaryExpression({ node }) {
      const { operator, argument } = node;
      asksForGlobals ||= operator === "typeof" &&
        argument.type === "Identifier" &&
        (Object.hasOwn(PAGE_GLOBALS, argument.name) ||
          argument.name === "importScripts");
    },
    BinaryExpression({ node }) {
      const { operator, left } = node;
      const name = textOf(left) ?? "";
      asksForGlobals ||= operator === "in" &&
        (Object.hasOwn(PAGE_GLOBALS, name) || ASKING_REGEXP.test(name));
    },
    Identifier(path) {
      const { name } = path.node;
      asksForGlobals ||= ASKING_REGEXP.test(name) && isValue(path);
      if (!Object.hasOwn(PAGE_GLOBALS, name)) return;
      if (path.isReferencedIdentifier() && isValue(path) && isGlobal(path)) {
        pageGlobals.push({ path, name });
      }
    },
    MemberExpression(path) {
      const name = globalName(path);
      // By itself it is undefined, and can be asked for.
      if (name === undefined || !Object.hasOwn(PAGE_GLOBALS, name)) return;
      const { parent } = path;
      const isUsed = parent.type === "NewExpression" ||
        path.key === "object" && !("optional" in parent && parent.optional);
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
      const left = path.get("left");
      const targets = left.isPattern()
        ? Object.values(left.getBindingIdentifierPaths()).flat().slice(0, 1)
        : [left];
      for (const target of targets) checkTarget(path, target);
    },
    UpdateExpression(path) {
      checkTarget(path, path.get("argument"));
    },
  });

  for (const { path, name } of asksForGlobals ? [] : pageGlobals) {
    if (path.findParent((parent) => parent.isTryStatement())) continue;
    report("page-global", path.node, {
      severity: path.getFunctionParent() ? "warning" : "error",
      ...PAGE_GLOBALS[name],
    });
  }
  for (const path of scriptImports) {
    const listener = listenersAround(path);
    if (isLate(path) && !listener.includes("install")) {
      report("import-scripts", path.node);
    } else if (
      isModule && !path.getFunctionParent() && imports.format === "esm"
    ) {
      report("import-scripts", path.node, {
        severity: "warning",
        why: "importScripts() throws in a module worker.",
        mend: "Import it statically, or bundle the worker as a classic script.",
      });
    }
  }
}

/** Whether an identifier stands for a value, not for a type. */
function isValue({ parent }: NodePath): boolean {
  return !parent?.type.startsWith("TS") ||
    /^TS(As|Satisfies|NonNull|Instantiation)Expression$|^TSTypeAssertion$/
      .test(parent.type);
}
