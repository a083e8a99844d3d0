// Copyright 2026 the @serviceworker/std authors. MIT license.

/** Calls of `waitUntil()` and `respondWith()`. */

import type { Binding, NodePath } from "@babel/traverse";
import type { Node } from "@babel/types";
import {
  bindingOf,
  functionIn,
  isLate,
  listenerNames,
  propertyOf,
  unwrap,
} from "./places.ts";
import type { Report } from "./rules.ts";

const EVENT_NAME_REGEXP = /^(e|ev|evt|event|\w+Event)$/;

/** Checks a call of `waitUntil()` or `respondWith()`. */
export function checkExtension(
  path: NodePath<Node & { type: "CallExpression" }>,
  report: Report,
): void {
  const method = extensionOf(path);
  if (method === undefined) return;
  const callee = unwrap(path.get("callee"));
  if (!callee.isMemberExpression()) return;
  const event = unwrap(callee.get("object"));
  const binding = event.isIdentifier() && bindingOf(event);
  if (!binding || binding.kind !== "param") return;
  const owner = functionOf(binding);
  if (owner === undefined) return;
  const isListener = listenerNames(owner).length > 0;
  if (!isListener && !EVENT_NAME_REGEXP.test(binding.identifier.name)) return;

  const [argument] = path.get("arguments");
  if (argument && isFunction(unwrap(argument))) {
    report("function-as-promise", argument.node, {
      why:
        `${method}() takes a promise; a function given to it is never called.`,
    });
  }
  if (!isLate(path, owner)) return;
  if (method === "respondWith") report("late-respond-with", path.node);
  // Elsewhere, and beside another promise, it may be in time.
  else if (isListener && isOnlyExtension(binding, path)) {
    report("late-wait-until", path.node);
  }
}

function isFunction(path: NodePath): boolean {
  if (path.isFunctionExpression() || path.isArrowFunctionExpression()) {
    return true;
  }
  if (!path.isIdentifier()) return false;
  const binding = bindingOf(path);
  return binding !== undefined && binding.constant &&
    functionIn(binding) !== undefined;
}

/** Whether nothing else can have extended the event of `binding`. */
function isOnlyExtension(binding: Binding, call: NodePath): boolean {
  return binding.referencePaths.every((reference) => {
    const member = reference.parentPath;
    if (!member?.isMemberExpression() || reference.key !== "object") {
      return false;
    }
    const other = member.parentPath;
    return !other?.isCallExpression() || other.node === call.node ||
      extensionOf(other) === undefined || isLate(other, functionOf(binding));
  });
}

/** The name of the method, if the call is one that extends an event. */
function extensionOf(
  path: NodePath<Node & { type: "CallExpression" }>,
): "waitUntil" | "respondWith" | undefined {
  const callee = unwrap(path.get("callee"));
  if (!callee.isMemberExpression()) return undefined;
  const name = propertyOf(callee.node);
  return name === "waitUntil" || name === "respondWith" ? name : undefined;
}

/** The function of which a binding is a parameter. */
function functionOf({ scope }: Binding): NodePath | undefined {
  return scope.path.isFunction() ? scope.path : undefined;
}
