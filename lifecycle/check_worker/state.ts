// Copyright 2026 the @serviceworker/std authors. MIT license.

/** State that listeners leave in the variables of a module. */

import type { Binding, NodePath } from "@babel/traverse";
import type { Node } from "@babel/types";
import {
  bindingOf,
  callInPlace,
  isAmbient,
  listenersAround,
  propertyOf,
  textOf,
  unwrap,
} from "./places.ts";
import type { Report } from "./rules.ts";

/** Checks a value that a listener gives to a variable of the module. */
export function checkAssignment(
  path: NodePath,
  target: NodePath,
  report: Report,
): void {
  const place = unwrap(target);
  const isMember = place.isMemberExpression();
  const variable = isMember ? unwrap(place.get("object")) : place;
  if (!variable.isIdentifier()) return;
  const binding = bindingOf(variable);
  if (!binding || !isModuleVariable(binding)) return;
  if (listenersAround(path).length === 0) return;
  if (!isMember) {
    if (!isGuarded(path, binding)) report("module-state", path.node);
    return;
  }
  if (collectionOf(binding) === undefined) return;
  const { computed, property } = place.node;
  if (!computed || textOf(property) !== undefined) {
    const isSize = propertyOf(place.node) === "length";
    if (!isSize && !isGuarded(path, binding)) {
      report("module-state", path.node);
    }
  } else if (isUnbounded(binding)) report("unbounded-state", path.node);
}

/** Checks whether a listener adds to a collection of the module for ever. */
export function checkGrowth(
  path: NodePath<Node & { type: "CallExpression" }>,
  report: Report,
): void {
  const callee = unwrap(path.get("callee"));
  if (!callee.isMemberExpression()) return;
  const object = callee.get("object");
  if (!object.isIdentifier()) return;
  const binding = bindingOf(object);
  const method = propertyOf(callee.node) ?? "";
  const kind = binding && isModuleVariable(binding) && collectionOf(binding);
  const grows = kind === "Map" && method === "set" ||
    kind === "Set" && method === "add" ||
    kind === "Array" && (method === "push" || method === "unshift");
  if (
    binding && grows && listenersAround(path).length > 0 && isUnbounded(binding)
  ) report("unbounded-state", path.node);
}

/** Whether an assignment makes anew what was lost, or forgets it. */
function isGuarded(path: NodePath, binding: Binding): boolean {
  const { node } = path;
  if (node.type !== "AssignmentExpression") return false;
  if (/^(\?\?|\|\||&&)=$/.test(node.operator)) return true;
  const mentions = (part: NodePath) =>
    binding.referencePaths.some((reference) =>
      reference === part || reference.isDescendant(part)
    );
  const { right } = node;
  if (
    right.type === "NullLiteral" ||
    right.type === "Identifier" && right.name === "undefined" ||
    // The time of what is done now and then: it is done once more.
    right.type === "CallExpression" &&
      right.callee.type === "MemberExpression" &&
      propertyOf(right.callee) === "now"
  ) return true;
  const value = path.get("right");
  if (
    !Array.isArray(value) && value.isLogicalExpression() && mentions(value)
  ) return true;
  const asks = (parent: NodePath): boolean => {
    if (
      !parent.isIfStatement() && !parent.isLogicalExpression() &&
      !parent.isConditionalExpression()
    ) return false;
    return mentions(
      parent.isLogicalExpression() ? parent.get("left") : parent.get("test"),
    );
  };
  return path.findParent(asks) !== null;
}

/** What kind of collection a variable holds. */
function collectionOf(binding: Binding): string | undefined {
  if (binding.path.node.type !== "VariableDeclarator") return undefined;
  const { init } = binding.path.node;
  if (init?.type === "ArrayExpression") return "Array";
  if (init?.type === "ObjectExpression") return "Object";
  return init?.type === "NewExpression" && init.callee.type === "Identifier" &&
      /^(Array|Map|Set)$/.test(init.callee.name)
    ? init.callee.name
    : undefined;
}

/** Whether all is seen that happens to a collection, and nothing limits it. */
function isUnbounded(binding: Binding): boolean {
  return binding.constant && binding.referencePaths.every((reference) => {
    const parent = reference.parentPath;
    if (parent?.isForOfStatement() || parent?.isSpreadElement()) return true;
    if (!parent?.isMemberExpression() || reference.key !== "object") {
      return false;
    }
    const isDeleted = parent.parentPath.isUnaryExpression() &&
      parent.parentPath.node.operator === "delete";
    return !isDeleted &&
      !/^(clear|delete|length|pop|shift|size|splice)$/
        .test(propertyOf(parent.node) ?? "");
  });
}

/** Whether a variable belongs to the script, and not to a type. */
function isModuleVariable(binding: Binding): boolean {
  return isRunOnce(binding.scope.path) && !isAmbient(binding) &&
    /^(const|let|var)$/.test(binding.kind);
}

/** Whether a place is in no function but such as are called in their place. */
function isRunOnce(path: NodePath): boolean {
  const owner = path.isFunction() ? path : path.getFunctionParent();
  if (!owner) return true;
  const call = callInPlace(owner);
  return call !== undefined && isRunOnce(call);
}
