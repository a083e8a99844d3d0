// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { checkDocs, checkMarkdown } from "./check_docs.ts";
import { tempFolder } from "./temp_folder.ts";

const GOOD = `/**
 * Adds numbers.
 *
 * @module
 */

/** Options of {@linkcode add}. */
export interface AddOptions {
  /**
   * What to start with.
   *
   * @default {0}
   */
  start?: number | undefined;
}

/**
 * Adds.
 *
 * @typeParam T The kind of number.
 * @param a The first.
 * @param options The options.
 * @returns The sum.
 * @throws {TypeError} If it is no number.
 *
 * @example Adds one to two
 * \`\`\`ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(1 + 2, 3);
 * \`\`\`
 */
export function add<T extends number>(a: T, options: AddOptions = {}): number {
  return a + (options.start ?? 0);
}
`;

async function problemsOf(source: string): Promise<string[]> {
  await using folder = await tempFolder({ "add.ts": source });
  return await checkDocs([join(folder.path, "add.ts")]);
}

Deno.test("checkDocs() accepts a documented module", async () => {
  assertEquals(await problemsOf(GOOD), []);
});

const BAD: [found: string, from: string, to: string][] = [
  ["has no @module doc", " * @module\n", ""],
  ["add() has no summary", "/**\n * Adds.\n *\n", "/**\n"],
  ["add() has no @typeParam T", " * @typeParam T The kind of number.\n", ""],
  ["add() has no @param a", " * @param a The first.\n", ""],
  ["add() has no @param a", "@param a The first.", "@param a"],
  ["add() has no @param options", "@param options", "@param others"],
  ["add() takes a parameter without a name", "(a: T,", "([]: T[],"],
  ["add() has no @returns", " * @returns The sum.\n", ""],
  ["add() has no @returns", "@returns The sum.", "@returns"],
  [
    "add() has its tags out of order",
    " * @param a The first.\n * @param options The options.\n * @returns The sum.\n",
    " * @returns The sum.\n * @param a The first.\n * @param options The options.\n",
  ],
  ["add() has no @example", "@example", "@see"],
  [
    "an @example that does not say what",
    "@example Adds one to two",
    "@example",
  ],
  ["an @example that does not say what", "Adds one to two", "Usage"],
  ["an @example that is not run", "```ts", "```ts ignore"],
  ["an @example that is not run", "```ts", "```sh"],
  ["an @example that asserts nothing", " * assertEquals(1 + 2, 3);\n", ""],
  [
    "AddOptions has a tag that cannot be read: @default",
    "@default {0}",
    "@default 0",
  ],
  [
    "AddOptions has a tag that cannot be read: @default",
    "\n   *\n   * @default {0}",
    " @default {0}",
  ],
];

Deno.test("checkDocs() accepts that nothing is returned", async () => {
  const source = GOOD.replace(" * @returns The sum.\n", "");
  for (const type of ["void", "Promise<void>"]) {
    assertEquals(
      await problemsOf(source.replace("): number", `): ${type}`)),
      [],
    );
  }
});

for (const [found, from, to] of BAD) {
  Deno.test(`checkDocs() reports "${found}" for ${JSON.stringify(to)}`, async () => {
    const source = GOOD.replace(from, to);
    assertStringIncludes((await problemsOf(source)).join("\n"), found);
  });
}

Deno.test("checkDocs() wants the documentation of every overload", async () => {
  const problems = await problemsOf(
    GOOD.replace(
      "export function add<",
      "export function add(a: string): number;\n/** Adds. */\nexport function add(a: number): number;\nexport function add<",
    ),
  );
  assertStringIncludes(problems.join("\n"), "add() has no @param a");
});

Deno.test("checkMarkdown() reports code that is not run", () => {
  assertEquals(checkMarkdown("```ts\nlet a;\n```\n```sh\nls\n```\n"), []);
  for (const fence of ["```ts ignore", "```js no-eval", "```tsx ignore"]) {
    assertEquals(checkMarkdown(`${fence}\nlet a;\n\`\`\`\n`), [
      `"${fence}" is not run`,
    ]);
  }
});
