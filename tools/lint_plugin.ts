// Copyright 2026 the @serviceworker/std authors. MIT license.

/** The rules of the house that `deno lint` does not know. */

import { isBuildTime } from "./build_time.ts";

const HEADER = "Copyright 2026 the @serviceworker/std authors. MIT license.";
const ROOT = new URL("../", import.meta.url).pathname;
const NOT_A_MODULE_REGEXP = /_test\.tsx?$|^(bench|examples|tests|tools)[\\/]/;
const GLOBAL_REGEXP = /^(document|globalThis|navigator|self|window)$/;
const CONSTANT_REGEXP = /^[A-Z][A-Z0-9_]*$/;
const ERROR_REGEXP = /(Error|Exception)$/;
const MESSAGE_REGEXP = /^Cannot [a-z]+ [^:]+: \S/;
const CONTRACTION_REGEXP = /\b(\w+n't|(it|that|what|there)'s|\w+'(ll|re|ve))\b/;

/** Where a rule looks at published modules only. */
function forModules(create: Deno.lint.Rule["create"]): Deno.lint.Rule {
  return {
    create: (context) => isModule(context.filename) ? create(context) : {},
  };
}

function isModule(filename: string): boolean {
  return !NOT_A_MODULE_REGEXP.test(pathOf(filename));
}

/** The path of a file inside the repository. */
function pathOf(filename: string): string {
  const path = decodeURI(filename).replaceAll("\\", "/");
  const root = decodeURI(ROOT);
  return path.startsWith(root) ? path.slice(root.length) : path;
}

function isTopLevel(node: Deno.lint.Node & { parent: Deno.lint.Node }) {
  return node.parent.type === "Program" ||
    node.parent.type === "ExportNamedDeclaration";
}

/** Whether a declaration makes something that changes, or does something. */
function isState({ id, init }: Deno.lint.VariableDeclarator): boolean {
  if (init?.type === "NewExpression" || init?.type === "AwaitExpression") {
    return true;
  }
  // One that is meant to stay empty has the name of a constant.
  return !(id.type === "Identifier" && CONSTANT_REGEXP.test(id.name)) &&
    (init?.type === "ArrayExpression" && init.elements.length === 0 ||
      init?.type === "ObjectExpression" && init.properties.length === 0);
}

/** The text of a string, with `x` for what a template inserts. */
function textOf(node: Deno.lint.Node | undefined): string | undefined {
  if (node?.type === "Literal" && typeof node.value === "string") {
    return node.value;
  }
  if (node?.type === "TemplateLiteral") {
    return node.quasis.map((quasi) => quasi.cooked).join("x");
  }
  if (node?.type === "BinaryExpression" && node.operator === "+") {
    return (textOf(node.left) ?? "x") + (textOf(node.right) ?? "x");
  }
  return undefined;
}

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "header": {
      create(context) {
        const [first] = context.sourceCode.getAllComments();
        if (first?.value.trim() !== HEADER || first.range[0] !== 0) {
          context.report({
            range: [0, 0],
            message: `The first line is not "// ${HEADER}"`,
          });
        }
        return {};
      },
    },
    "no-import": forModules((context) => {
      // The host is one instrument of many parts: decisions/the_host_has_parts.md
      const path = pathOf(context.filename);
      if (path.startsWith("testing/") || isBuildTime(path)) return {};
      const message = "A module stands alone, without imports";
      const barrel = /(^|[\\/])mod\.ts$/.test(context.filename);
      return {
        ImportDeclaration: (node) => context.report({ node, message }),
        ImportExpression: (node) => context.report({ node, message }),
        TSImportType: (node) => context.report({ node, message }),
        ExportAllDeclaration(node) {
          if (!barrel) context.report({ node, message });
        },
        ExportNamedDeclaration(node) {
          if (node.source) context.report({ node, message });
        },
        Program(node) {
          if (!barrel) return;
          for (const statement of node.body) {
            if (statement.type === "ExportAllDeclaration") continue;
            context.report({
              node: statement,
              message: "A mod.ts holds nothing but `export * from`",
            });
          }
        },
      };
    }),
    "no-top-level-arrow": forModules((context) => ({
      VariableDeclaration(node) {
        if (!isTopLevel(node)) return;
        for (const { init } of node.declarations) {
          if (
            init?.type === "ArrowFunctionExpression" ||
            init?.type === "FunctionExpression"
          ) context.report({ node, message: "Declare a function" });
        }
      },
    })),
    "no-module-state": forModules((context) => ({
      VariableDeclaration(node) {
        if (!isTopLevel(node) || node.declare) return;
        if (
          node.kind !== "const" ||
          node.declarations.some(isState)
        ) {
          context.report({
            node,
            message: "A stopped worker forgets the state of its modules",
          });
        }
      },
      ExpressionStatement(node) {
        if (node.parent.type !== "Program") return;
        context.report({ node, message: "An import has no effect" });
      },
    })),
    "no-global-reach": forModules((context) => ({
      Identifier(node) {
        if (!GLOBAL_REGEXP.test(node.name)) return;
        const { parent } = node;
        const isName = parent.type === "MemberExpression"
          ? parent.property === node && !parent.computed
          : "key" in parent && parent.key === node;
        // A default leaves the choice to the caller; a cast says what is asked
        // of the global, and that it may be missing.
        const isChoice = parent.type === "AssignmentPattern" ||
          parent.type === "TSAsExpression";
        if (isName || isChoice) return;
        context.report({
          node,
          message: "Take the platform object as a parameter",
        });
      },
      CallExpression(node) {
        if (
          node.callee.type === "Identifier" &&
          /^(addEventListener|importScripts|skipWaiting)$/.test(
            node.callee.name,
          )
        ) {
          context.report({
            node,
            message: "Leave the worker's globals to its author",
          });
        }
      },
    })),
    "no-console": forModules((context) => ({
      'MemberExpression[object.name="console"]'(node: Deno.lint.Node) {
        context.report({ node, message: "A module does not log" });
      },
    })),
    "no-suppression": forModules((context) => {
      for (const comment of context.sourceCode.getAllComments()) {
        if (
          !/\bdeno-lint-ignore|@ts-\w+|deno-coverage-ignore/.test(comment.value)
        ) continue;
        context.report({
          range: comment.range,
          message: "A module needs no exemption",
        });
      }
      return {
        TSNonNullExpression: (node) =>
          context.report({ node, message: "Check the value instead" }),
      };
    }),
    "error-message": forModules((context) => ({
      NewExpression(node) {
        if (node.callee.type !== "Identifier") return;
        if (!ERROR_REGEXP.test(node.callee.name)) return;
        const isAggregate = node.callee.name === "AggregateError";
        const text = textOf(node.arguments[isAggregate ? 1 : 0]);
        if (text === undefined) return;
        if (
          !MESSAGE_REGEXP.test(text) || text.endsWith(".") ||
          CONTRACTION_REGEXP.test(text)
        ) {
          context.report({
            node,
            message:
              "Say `Cannot <verb> <object>: <fact>`, without period or contraction",
          });
        }
      },
    })),
  },
};

export default plugin;
