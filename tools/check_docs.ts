// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Checks the documentation of modules beyond `deno doc --lint`: a module doc;
 * for each function its tags, complete and in order, and an example that has a
 * title, is not ignored and asserts.
 *
 * Run it with `deno run -A tools/check_docs.ts`.
 *
 * @module
 */

import denoJson from "../deno.json" with { type: "json" };
import { runDeno, standardArguments } from "./deno.ts";

const ORDER = ["template", "param", "return", "throws", "example"];

interface Tag {
  kind: string;
  name?: string;
  doc?: string;
  value?: string;
}

interface JsDoc {
  doc?: string;
  tags?: Tag[];
}

interface TypeName {
  repr: string;
  value?: { typeParams?: TypeName[] };
}

interface Declaration {
  kind: string;
  location: { filename: string; line: number };
  jsDoc?: JsDoc;
  def: {
    hasBody?: boolean;
    params?: { name?: string; left?: { name?: string } }[];
    typeParams?: { name: string }[];
    returnType?: TypeName;
  };
}

interface Module {
  "module_doc"?: JsDoc;
  symbols: { name: string; declarations: Declaration[] }[];
}

/** What is wrong with the documentation of the modules at `paths`; `standard` is what makes `deno` find `@std/*`. */
export async function checkDocs(
  paths: string[],
  standard: string[] = [],
): Promise<string[]> {
  const { success, stdout, stderr } = await runDeno([
    "doc",
    "--json",
    ...standard,
    ...paths,
  ]);
  if (!success) return [stderr];
  const { nodes }: { nodes: Record<string, Module> } = JSON.parse(stdout);
  return Object.entries(nodes).flatMap(([url, module]) => [
    ...moduleProblems(url, module),
  ]);
}

/** Which code blocks of a Markdown text nobody compiles or runs. */
export function checkMarkdown(text: string): string[] {
  return [...text.matchAll(/^```(?:ts|js)\w*\b.*\b(?:ignore|no-eval)\b.*$/gm)]
    .map(([fence]) => `"${fence}" is not run`);
}

function* moduleProblems(url: string, module: Module): Generator<string> {
  if (!module["module_doc"]?.doc) yield `${url}: has no @module doc`;
  for (const { name, declarations } of module.symbols) {
    const own = declarations.filter(({ location }) =>
      location.filename === url
    );
    const functions = own.filter(({ kind }) => kind === "function");
    // Nobody sees the implementation of overloads.
    const signatures = functions.length > 1
      ? functions.filter(({ def }) => !def.hasBody)
      : functions;
    for (const { location: { line }, jsDoc, def } of signatures) {
      for (const problem of signatureProblems(jsDoc, def)) {
        yield `${url}:${line}: ${name}() ${problem}`;
      }
    }
    if (
      signatures.length > 0 &&
      !signatures.some(({ jsDoc }) =>
        jsDoc?.tags?.some(({ kind }) => kind === "example")
      )
    ) yield `${url}: ${name}() has no @example`;
    for (const text of unreadableTags(own)) {
      yield `${url}: ${name} has a tag that cannot be read: ${text}`;
    }
  }
}

function* signatureProblems(
  jsDoc: JsDoc | undefined,
  def: Declaration["def"],
): Generator<string> {
  const tags = jsDoc?.tags ?? [];
  const describes = (kind: string, name?: string) =>
    tags.some((tag) => tag.kind === kind && tag.name === name && tag.doc);

  if (!jsDoc?.doc) yield "has no summary";
  for (const { name } of def.typeParams ?? []) {
    if (!describes("template", name)) yield `has no @typeParam ${name}`;
  }
  for (const param of def.params ?? []) {
    const name = param.name ?? param.left?.name;
    if (name === undefined) yield "takes a parameter without a name";
    else if (!describes("param", name)) yield `has no @param ${name}`;
  }
  const type = def.returnType;
  const value = type?.repr === "Promise" ? type.value?.typeParams?.[0] : type;
  if (value?.repr !== "void" && !describes("return")) {
    yield "has no @returns";
  }
  const order = tags.map(({ kind }) => ORDER.indexOf(kind))
    .filter((rank) => rank >= 0);
  if (order.some((rank, index) => rank < (order[index - 1] ?? 0))) {
    yield "has its tags out of order: @typeParam, @param, @returns, @throws, @example";
  }
  for (const { kind, doc = "" } of tags) {
    if (kind === "example") yield* exampleProblems(doc);
  }
}

function* exampleProblems(doc: string): Generator<string> {
  const title = doc.slice(0, doc.indexOf("```")).trim();
  if (title === "" || /^(usage|example)$/i.test(title)) {
    yield "has an @example that does not say what it does";
  }
  if (!/^```ts$/m.test(doc)) yield "has an @example that is not run";
  if (!/\bassert\w*\(/.test(doc)) yield "has an @example that asserts nothing";
}

/** Tags that are misspelt, or stand in the middle of a line. */
function* unreadableTags(value: unknown): Generator<string> {
  if (typeof value !== "object" || value === null) return;
  if ("jsDoc" in value) {
    const { doc = "", tags = [] } = value.jsDoc as JsDoc;
    const inline = doc.match(/(?<![{\w`"'])@(default|example|param|returns).*/);
    if (inline) yield inline[0];
    for (const { kind, value } of tags) {
      if (kind === "unsupported") yield value ?? "";
    }
  }
  for (const child of Object.values(value)) yield* unreadableTags(child);
}

if (import.meta.main) {
  const problems = await checkDocs(
    Object.values(denoJson.exports),
    await standardArguments(),
  );
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
}
