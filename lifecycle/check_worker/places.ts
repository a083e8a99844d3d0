// Copyright 2026 the @serviceworker/std authors. MIT license.

/** Where a place in a script is: in which listener, and whether it is late. */

import type { Binding, NodePath } from "@babel/traverse";
import type { Node } from "@babel/types";

export const EVENT_REGEXP =
  /^(install|activate|fetch|message|messageerror|push|pushsubscriptionchange|notificationclick|notificationclose|sync|periodicsync|backgroundfetch(success|fail|abort|click)|contentdelete|cookiechange|canmakepayment|paymentrequest)$/;

const SELF_REGEXP = /^(self|globalThis)$/;

const DEFERRING_REGEXP =
  /^(setTimeout|setInterval|queueMicrotask|requestIdleCallback)$/;

/** What compilers give the generators to that they make of async functions. */
const HELPER_REGEXP = /^_+(async|awaiter|asyncToGenerator)$/;

/** The worker events in whose listeners a place is. */
export function listenersAround(path: NodePath): string[] {
  const names = [];
  let at = path.getFunctionParent();
  while (at) {
    names.push(...listenerNames(at));
    at = at.getFunctionParent();
  }
  return names;
}

/** The worker events that a function listens to. */
export function listenerNames(path: NodePath): string[] {
  const places = [path, ...referencesOf(path)].map(wrapped);
  return places.flatMap((place) => {
    const parent = place.parentPath;
    if (parent?.isCallExpression() && place.listKey === "arguments") {
      const isListening = place.key === 1 &&
        globalName(parent.get("callee")) === "addEventListener";
      return isListening ? eventIn(parent) ?? [] : [];
    }
    if (parent?.isAssignmentExpression() && place.key === "right") {
      const name = globalName(parent.get("left"));
      return name?.startsWith("on") && EVENT_REGEXP.test(name.slice(2))
        ? [name.slice(2)]
        : [];
    }
    return [];
  });
}

/** The name of the worker event of a call of `addEventListener()`. */
export function eventIn(
  path: NodePath<Node & { type: "CallExpression" }>,
): string | undefined {
  const name = textOf(path.node.arguments[0]);
  return name !== undefined && EVENT_REGEXP.test(name) ? name : undefined;
}

/**
 * Whether a place is reached only after the task in which the script, or the
 * function `until`, began.
 */
export function isLate(
  path: NodePath,
  until?: NodePath,
  seen: ReadonlySet<Node> = new Set(),
): boolean {
  let at = path;
  for (
    let owner = at.getFunctionParent();
    owner;
    at = owner, owner = at.getFunctionParent()
  ) {
    // A function declaration is there before its place is reached.
    if (!at.isFunctionDeclaration() && isAfterAwait(at, owner)) return true;
    if (owner.node === until?.node) return false;
    if (isCalledLater(owner)) return true;
    const references = referencesOf(owner);
    if (references.length === 0 || seen.has(owner.node)) continue;
    const inner = new Set([...seen, owner.node]);
    const isEachLate = references.every((reference) =>
      isCalledLater(reference) ||
      reference.parentPath?.isCallExpression() && reference.key === "callee" &&
        isLate(reference, until, inner)
    );
    if (isEachLate) return true;
  }
  return false;
}

/** Whether a function is given to what calls it in a task or job of its own. */
function isCalledLater(callback: NodePath): boolean {
  const path = wrapped(callback);
  const parent = path.parentPath;
  if (parent?.isAssignmentExpression() && path.key === "right") {
    const { left } = parent.node;
    return left.type === "MemberExpression"
      ? /^on(?!ce$|ly$)[a-z]+$/.test(propertyOf(left) ?? "")
      : listenerNames(path).length > 0;
  }
  if (!parent?.isCallExpression() || path.listKey !== "arguments") return false;
  const callee = parent.get("callee");
  const name = globalName(callee);
  if (name !== undefined && DEFERRING_REGEXP.test(name)) return path.key === 0;
  if (name === "addEventListener") return path.key === 1;
  if (!callee.isMemberExpression()) return false;
  return /^(addEventListener|then|catch|finally)$/
    .test(propertyOf(callee.node) ?? "");
}

/** Whether a function that reaches `path` has awaited something before it. */
function isAfterAwait(path: NodePath, owner: NodePath): boolean {
  let found = false;
  const visitAwait = (awaited: NodePath) => {
    if (awaited.getFunctionParent()?.node !== owner.node) return;
    const isForAwait = awaited.isForOfStatement();
    const { end, start } = awaited.node;
    const isBefore = isForAwait
      ? (start ?? 0) < (path.node.start ?? 0) &&
        !path.findParent(({ key, parent }) =>
          parent === awaited.node && key === "right"
        )
      : (end ?? 0) <= (path.node.start ?? 0);
    if (isBefore && goesOnTo(awaited, path)) found = true;
  };
  owner.traverse({
    AwaitExpression: visitAwait,
    ForOfStatement(statement) {
      if (statement.node.await) visitAwait(statement);
    },
    YieldExpression(awaited) {
      if (isMadeOfAsync(owner)) visitAwait(awaited);
    },
  });
  return found;
}

/** Whether a generator is what a compiler made of an async function. */
function isMadeOfAsync({ listKey, parent }: NodePath): boolean {
  return listKey === "arguments" && parent?.type === "CallExpression" &&
    parent.callee.type === "Identifier" &&
    HELPER_REGEXP.test(parent.callee.name);
}

/** Whether what begins at `from` can go on to `to`, further down. */
function goesOnTo(from: NodePath, to: NodePath): boolean {
  const around = new Set(to.getAncestry().map(({ node }) => node));
  for (
    let at: NodePath | null = from;
    at && !around.has(at.node);
    at = at.parentPath
  ) {
    const parent: NodePath | null = at.parentPath;
    if (!parent) return false;
    if (around.has(parent.node)) {
      // Of two branches, one is taken.
      const isBranch = parent.isIfStatement() ||
        parent.isConditionalExpression();
      return !(isBranch && at.key !== "test") && !parent.isSwitchStatement();
    }
    if (at.isReturnStatement() || at.isThrowStatement()) return false;
    if (at.isBlockStatement() && parent.isIfStatement()) {
      const last = at.node.body.at(-1)?.type ?? "";
      if (/^(Return|Throw|Break|Continue)Statement$/.test(last)) return false;
    }
  }
  return true;
}

/** The name of a global, alone or as a member of `self`. */
export function globalName(path: NodePath): string | undefined {
  const place = unwrap(path);
  if (place.isIdentifier()) {
    return isGlobal(place) ? place.node.name : undefined;
  }
  if (!place.isMemberExpression()) return undefined;
  return isSelf(place.get("object")) ? propertyOf(place.node) : undefined;
}

/** Whether an expression is the worker's global scope, under whatever name. */
function isSelf(path: NodePath, seen: readonly Binding[] = []): boolean {
  const place = unwrap(path);
  if (place.isThisExpression()) {
    // A classic script's own; that of a module is undefined.
    return place.findParent((parent) =>
      parent.isClass() ||
      parent.isFunction() && !parent.isArrowFunctionExpression()
    ) === null;
  }
  if (place.isMemberExpression()) {
    return SELF_REGEXP.test(propertyOf(place.node) ?? "") &&
      isSelf(place.get("object"), seen);
  }
  if (!place.isIdentifier()) return false;
  if (isGlobal(place)) return SELF_REGEXP.test(place.node.name);
  const binding = bindingOf(place);
  if (!binding?.constant || seen.includes(binding)) return false;
  const value = valueOf(binding);
  return value !== undefined && isSelf(value, [...seen, binding]);
}

/** What a constant stands for, or a parameter of a function that is called in its place. */
function valueOf({ kind, path }: Binding): NodePath | undefined {
  if (path.isVariableDeclarator()) {
    const { id, init } = path.node;
    return id.type === "Identifier" && init
      ? path.get("init") as NodePath
      : undefined;
  }
  if (kind !== "param" || !path.parentPath) return undefined;
  return callInPlace(path.parentPath)?.get("arguments")[Number(path.key)];
}

/** The call of a function where it is written, as in `(() => {})()`. */
export function callInPlace(
  path: NodePath,
): NodePath<Node & { type: "CallExpression" }> | undefined {
  const { key, parentPath } = wrapped(path);
  return path.isFunction() && key === "callee" && parentPath?.isCallExpression()
    ? parentPath
    : undefined;
}

export function isGlobal(
  path: NodePath<Node & { type: "Identifier" }>,
): boolean {
  const binding = bindingOf(path);
  return binding === undefined || isAmbient(binding);
}

/** Whether a binding says no more than that something is there. */
export function isAmbient(binding: Binding): boolean {
  const { node, parent } = binding.path;
  return [node, parent].some((part) =>
    part && "declare" in part && part.declare === true
  );
}

/** The function that a variable holds. */
export function functionIn({ path }: Binding): NodePath | undefined {
  if (path.isFunctionDeclaration()) return path;
  if (!path.isVariableDeclarator()) return undefined;
  const init = unwrap(path.get("init") as NodePath);
  return init.isFunctionExpression() || init.isArrowFunctionExpression()
    ? init
    : undefined;
}

/** Where a function is mentioned by its name, if it has one. */
function referencesOf(path: NodePath): NodePath[] {
  const { node } = path;
  const { parent } = wrapped(path);
  const id = node.type === "FunctionDeclaration"
    ? node.id
    : parent?.type === "VariableDeclarator"
    ? parent.id
    : undefined;
  if (id?.type !== "Identifier") return [];
  const binding = path.parentPath?.scope.getBinding(id.name);
  return binding?.constant ? binding.referencePaths : [];
}

export function bindingOf(
  path: NodePath<Node & { type: "Identifier" }>,
): Binding | undefined {
  return path.scope.getBinding(path.node.name);
}

/** The name of a member, unless it is computed. */
export function propertyOf(
  { computed, property }: Node & { type: "MemberExpression" },
): string | undefined {
  if (!computed && property.type === "Identifier") return property.name;
  return textOf(property);
}

/** The text that a node is, in whatever quotes. */
export function textOf(node: Node | undefined): string | undefined {
  if (node?.type === "StringLiteral") return node.value;
  if (node?.type !== "TemplateLiteral" || node.expressions.length > 0) {
    return undefined;
  }
  return node.quasis[0]?.value.cooked ?? undefined;
}

/** An expression without the types around it. */
export function unwrap(path: NodePath): NodePath {
  let at = path;
  while (
    at.isTSAsExpression() || at.isTSNonNullExpression() ||
    at.isTSSatisfiesExpression() || at.isTSTypeAssertion() ||
    at.isParenthesizedExpression()
  ) at = at.get("expression") as NodePath;
  return at;
}

/** An expression with the types around it. */
function wrapped(path: NodePath): NodePath {
  let at = path;
  while (
    at.key === "expression" && at.parentPath &&
    unwrap(at.parentPath).node === unwrap(at).node
  ) at = at.parentPath;
  return at;
}
