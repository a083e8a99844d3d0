// Copyright 2026 the @serviceworker/std authors. MIT license.

/** What is looked for, and what is said of it. */

import type { Node } from "@babel/types";
import type { CheckWorkerRule } from "../check_worker.ts";

export interface Rule {
  severity: "error" | "warning";
  why: string;
  mend: string;
}

export const RULES: Record<CheckWorkerRule, Rule> = {
  "top-level-await": {
    severity: "error",
    why: "A browser refuses a service worker with top-level await.",
    mend:
      "Await inside of a function, and hand its promise to waitUntil() or respondWith().",
  },
  "dynamic-import": {
    severity: "error",
    why: "import() always rejects in a service worker.",
    mend: "Import it statically, at the top of the file.",
  },
  "late-listener": {
    severity: "error",
    why:
      "The listener is added after the first run of the script, so the event that started the worker misses it.",
    mend:
      "Add it at the top level of the script, and decide inside of the listener.",
  },
  "function-as-promise": {
    severity: "error",
    why: "It takes a promise; a function given to it is never called.",
    mend: "Call the function, and pass the promise that it returns.",
  },
  "late-respond-with": {
    severity: "error",
    why:
      "The event has been dispatched by then: respondWith() throws an InvalidStateError, and the browser has already gone to the network.",
    mend:
      "Call respondWith() at once, with a promise of what is to be awaited.",
  },
  "late-wait-until": {
    severity: "warning",
    why:
      "The event has been dispatched by then: unless another promise still extends it, waitUntil() throws an InvalidStateError.",
    mend: "Call waitUntil() at once, with a promise of the whole work.",
  },
  "page-global": {
    severity: "error",
    why: "Service workers do not have it: this throws a ReferenceError.",
    mend: "Leave it to the page, or ask with typeof whether it is there.",
  },
  "import-scripts": {
    severity: "error",
    why: "importScripts() throws once the worker is installed.",
    mend: "Call it at the top level of the script.",
  },
  "module-state": {
    severity: "warning",
    why: "The browser stops workers at will, and this value is lost with it.",
    mend: "Keep it in IndexedDB or a cache, or attach it to the client.",
  },
  "unbounded-state": {
    severity: "warning",
    why: "It grows with every event, and is lost when the worker is stopped.",
    mend: "Give it a limit, or keep it in IndexedDB or a cache.",
  },
  "not-checked": {
    severity: "warning",
    why: "The import was not found, so what is behind it was not checked.",
    mend: "Pass the options of your build, or name it as external.",
  },
  "invalid-allow": {
    severity: "error",
    why: "An exemption needs the name of a rule, and a reason.",
    mend: "Write `check-worker-allow <rule>: <reason>`.",
  },
};

export const PAGE_GLOBALS: Record<string, { why: string; mend: string }> = {
  XMLHttpRequest: {
    why: "Service workers have no XMLHttpRequest, synchronous or not.",
    mend: "Use fetch().",
  },
  localStorage: {
    why: "Service workers have no localStorage, which is synchronous.",
    mend: "Use IndexedDB or a cache.",
  },
  sessionStorage: {
    why: "Service workers have no sessionStorage, which is synchronous.",
    mend: "Use IndexedDB, or data attached to the client.",
  },
  window: {
    why: "Service workers have no window.",
    mend: "Use self or globalThis.",
  },
  document: {
    why: "Service workers have no document.",
    mend: "Post a message to the page, and let it do this.",
  },
};

/** Takes what was found at a place; `changes` say it in other words. */
export type Report = (
  rule: CheckWorkerRule,
  node: Pick<Node, "loc">,
  changes?: Partial<Rule>,
) => void;
