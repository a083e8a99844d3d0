// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Routes for a worker's fetch listener, said as URL patterns. The first route
 * that fits a request answers it; a request that none fits is left to the
 * browser.
 *
 * Who wins is what testing every pattern in order would say, but the routes are
 * put into an index once, so that ten thousand cost about as much as ten. A text
 * made of plain segments, `:name` and a last `*`, as in `/api/:id/*`, is compared
 * without a regular expression; any other pattern is looked up by the segments
 * it begins with, and confirmed by `URLPattern.exec()` of the platform. Those
 * that begin with a wildcard have nothing to be looked up by, and are tested one
 * after the other.
 *
 * The same table as rules for the browser, which then need not start the worker,
 * is made by `addStaticRoutes()` of `fetch/static-routes`.
 *
 * What it costs, in Chromium: to find one of ten thousand routes, or that there is
 * none, as much as one `new URL()`, about 1 µs; to build them, 7 ms.
 *
 * @module
 */

/** What a URL pattern can be made of. A `URLPattern` fits. */
export interface RouterPatternInit {
  /** Such as "https". */
  readonly protocol?: string;
  /** Of the URL, before "@". */
  readonly username?: string;
  /** Of the URL, before "@". */
  readonly password?: string;
  /** Such as "cdn.example". */
  readonly hostname?: string;
  /** "", if it is the usual one of the protocol. */
  readonly port?: string;
  /** The path, as in "/api/:id". */
  readonly pathname?: string;
  /** The query, without "?". */
  readonly search?: string;
  /** Without "#". */
  readonly hash?: string;
  /** What parts that are left out are taken from. */
  readonly baseURL?: string;
}

/**
 * A pattern for URLs: a text, relative to the worker's script; or parts, of which
 * those that are left out fit anything; or a `URLPattern`. So "/api/*" fits its
 * own origin alone, and `{ pathname: "/api/*" }` any.
 */
export type RouterPattern = string | RouterPatternInit;

/** The part of a `URLPattern` that {@linkcode createRouter} uses. */
export interface RouterURLPattern {
  /** Such as "cdn.example". */
  readonly hostname: string;
  /** The path, as in "/api/:id". */
  readonly pathname: string;
  /** Takes a URL apart, if it fits. */
  exec(url: string): object | null;
}

/** The part of the class `URLPattern` that {@linkcode createRouter} uses. */
export interface RouterURLPatternConstructor {
  /** Parses a text. */
  new (text: string, base: string): RouterURLPattern;
  /** Parses a text that is complete, or puts parts together. */
  new (input: RouterPattern): RouterURLPattern;
}

/** The part of a `FetchEvent` that {@linkcode createRouter} uses. */
export interface RouterEvent {
  /** What is asked for. */
  readonly request: Request;
  /** What the browser asked the network for meanwhile. */
  readonly preloadResponse?: Promise<Response | undefined> | undefined;
  /** Answers. */
  respondWith(response: Promise<Response>): void;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** What fits of a request's URL. */
export interface RouterMatch {
  /** The URL of the request. */
  readonly url: URL;
  /**
   * What groups of the pattern stand for, as it is in the URL, percent signs and
   * all. Those without a name are numbered, of the path alone.
   */
  readonly groups: Record<string, string | undefined>;
}

/** The conditions of a route, which all have to hold. */
export interface RouterConditions {
  /** For URLs that fit; for all of them, if left out. */
  readonly pattern?: RouterPattern | undefined;
  /**
   * For requests of this method, or one of these; of any, if it is "*".
   *
   * @default {"GET"}
   */
  readonly method?: string | readonly string[] | undefined;
  /** For requests of this destination, or one of these, such as "image". */
  readonly destination?: string | readonly string[] | undefined;
  /** For requests of this mode, or one of these, such as "navigate". */
  readonly mode?: string | readonly string[] | undefined;
}

/**
 * A route that a function answers.
 *
 * @typeParam E The type of the event.
 */
export interface RouterHandlerRoute<E extends RouterEvent = RouterEvent>
  extends RouterConditions {
  /** Answers. If it throws, the page gets a network error. */
  readonly handler: RouterHandler<E>;
  /**
   * For static routes: whether the network may answer before the worker is
   * started. A router, whose worker has been started, calls the handler.
   *
   * @default {"fetch-event"}
   */
  readonly source?:
    | "fetch-event"
    | "race-network-and-fetch-handler"
    | undefined;
}

/** A route that needs no function. */
export interface RouterSourceRoute extends RouterConditions {
  /**
   * "network" leaves the request to the browser. A cache of this name answers
   * with what it has, and otherwise the network does.
   */
  readonly source: "network" | { readonly cacheName: string };
}

/**
 * Answers the requests of a route.
 *
 * @typeParam E The type of the event.
 */
export type RouterHandler<E extends RouterEvent = RouterEvent> = (
  event: E,
  match: RouterMatch,
) => Response | Promise<Response>;

/**
 * A route: when it is taken, and who answers.
 *
 * @typeParam E The type of the event.
 */
export type RouterRoute<E extends RouterEvent = RouterEvent> =
  | RouterHandlerRoute<E>
  | RouterSourceRoute;

/**
 * Options for {@linkcode createRouter}.
 *
 * @typeParam E The type of the event.
 */
export interface RouterOptions<E extends RouterEvent = RouterEvent> {
  /** URLs the routes are for, of whatever method. Without it, all of them are. */
  includes?: readonly RouterPattern[] | undefined;
  /** URLs that are left to the browser, of whatever method. */
  excludes?: readonly RouterPattern[] | undefined;
  /** Answers when a handler has thrown. Without it, there is a network error. */
  fallback?:
    | ((event: E, error: unknown) => Response | Promise<Response>)
    | undefined;
  /**
   * What texts are relative to.
   *
   * @default {globalThis.location.href}
   */
  baseURL?: string | undefined;
  /**
   * The class `URLPattern`, or a polyfill of it. Without any, patterns are texts
   * made of plain segments, `:name` and a last `*`.
   *
   * @default {globalThis.URLPattern}
   */
  URLPattern?: RouterURLPatternConstructor | undefined;
}

interface Globals {
  location?: { readonly href: string };
  URLPattern?: RouterURLPatternConstructor;
}

/** Parts of a URL whose groups are handed over; later ones win. */
const PARTS = ["protocol", "hostname", "port", "search", "hash", "pathname"];
/** A path that means itself, and that no URL parser changes. */
const LITERAL_REGEXP = /^\/(?!\/)[\w\-.~!$&'=@,;/]*$/;
/** The same with whole segments that stand for something. */
const SIMPLE_REGEXP =
  /^(?=\/(?!\/))(?:\/(?::[A-Za-z_$][\w$]*|[\w\-.~!$&'=@,;]*))*(?:\/\*)?$/;
/** What a URL parser resolves. */
const DOTS_REGEXP = /\/\.\.?(?:\/|$)/;
/** A part of a pattern that means itself, as far as it does. */
const HEAD_REGEXP = /^(?:\\.|[^\\:*{}()+?])*/su;
const NAME_REGEXP = /^:[A-Za-z_$][\w$]*$/;
/** A group that may be missing, and with it the slash before it. */
const OPTIONAL_REGEXP =
  /^(?:\(|(?:\*|:[\p{ID_Start}$_][\p{ID_Continue}$_\u200c\u200d]*)[*?(])/u;

/**
 * Makes a listener for `fetch` events that has the first route that fits a
 * request answer it. Add it at top level, during the first evaluation of the
 * worker's script.
 *
 * Left to the browser are requests that no route fits, those of the source
 * "network" and of other protocols than HTTP, and those that no worker can answer
 * (`only-if-cached`, unless of the mode "same-origin"; an image or medium of an
 * insecure server, where the worker is of a secure one). The preload of a
 * navigation that is left to the browser, or answered from a cache, is read to its
 * end, so that the browser has nothing to warn of; one that goes to a handler is
 * waited for, and it is for the handler to read or drain it, as strategies do. If
 * most navigations are not for the router, leave preloading disabled, or they are
 * asked for twice.
 *
 * A route is chosen at once, since the browser waits for no promise before it
 * sends a request itself: a condition that has to be awaited belongs into the
 * handler, which can still `fetch(event.request)`. The router waits for a handler
 * as long as the browser does, so let the handler's own waits end.
 *
 * @typeParam E The type of the event, e.g. `FetchEvent`.
 * @param routes The routes, in order.
 * @param options Additional options.
 * @returns The listener.
 * @throws {SyntaxError} If a pattern cannot be parsed.
 * @throws {DOMException} A "NotSupportedError" if the browser has no
 * `URLPattern`, and a pattern needs it.
 * @see {@link https://urlpattern.spec.whatwg.org/}
 *
 * @example Answering some requests, and leaving the rest to the browser
 * ```ts
 * import { createRouter } from "@serviceworker/std/fetch/router";
 * import { assertEquals } from "@std/assert";
 *
 * // In a worker: addEventListener("fetch", createRouter([…]))
 * const listener = createRouter([
 *   { pattern: "/admin/*", method: "*", source: "network" },
 *   {
 *     pattern: "/episodes/:id",
 *     handler: (_event, { groups }) => new Response(`Episode ${groups.id}`),
 *   },
 *   { pattern: "/*", mode: "navigate", source: { cacheName: "pages" } },
 * ], { baseURL: "https://podcast.test/sw.js" });
 *
 * // Stands for the browser.
 * async function ask(path: string): Promise<string | undefined> {
 *   let answer: Promise<Response> | undefined;
 *   listener({
 *     request: new Request(`https://podcast.test${path}`),
 *     respondWith: (response) => answer = response,
 *     waitUntil() {},
 *   });
 *   return (await answer)?.text();
 * }
 *
 * assertEquals(await ask("/episodes/7"), "Episode 7");
 * assertEquals(await ask("/admin/users"), undefined);
 * ```
 */
export function createRouter<E extends RouterEvent = RouterEvent>(
  routes: readonly RouterRoute<E>[],
  options: RouterOptions<E> = {},
): (event: E) => void {
  const {
    includes,
    excludes = [],
    fallback,
    baseURL = (globalThis as Globals).location?.href,
  } = options;
  const index = (patterns: readonly (RouterPattern | undefined)[]) =>
    createIndex(patterns, baseURL, options.URLPattern);
  const excluded = excludes.map((pattern): RouterSourceRoute => (
    { pattern, method: "*", source: "network" }
  ));
  const table: readonly RouterRoute<E>[] = [...excluded, ...routes];
  const find = index(table.map(({ pattern }) => pattern));
  const included = includes && index(includes);

  async function answer(
    event: E,
    handler: RouterHandler<E>,
    match: RouterMatch,
  ): Promise<Response> {
    if (!fallback) return await handler(event, match);
    try {
      return await handler(event, match);
    } catch (error) {
      return await fallback(event, error);
    }
  }

  return (event) => {
    const { request } = event;
    const { method, url } = request;
    if (!url.startsWith("http")) return;
    const isIncluded = !included || included(url, () => true);
    const found = isIncluded && find(url, (order) => {
      const route = table[order];
      return route !== undefined &&
        holds(route.method ?? "GET", method, "*") &&
        (route.mode === undefined || holds(route.mode, request.mode)) &&
        (route.destination === undefined ||
          holds(route.destination, request.destination));
    });
    const route = found && table[found.order];
    if (
      !route || route.source === "network" || !isAnswerable(request, baseURL)
    ) {
      drain(event);
    } else if ("handler" in route) {
      // The handler reads it, perhaps after it has answered.
      waitForPreload(event);
      event.respondWith(answer(event, route.handler, found));
    } else {
      event.respondWith(answerFromCache(event, route.source.cacheName));
    }
  };
}

function holds(
  wanted: string | readonly string[],
  value: string,
  any?: string,
): boolean {
  return typeof wanted === "string"
    ? wanted === value || wanted === any
    : wanted.includes(value);
}

/** Whether a worker can have it, and the browser takes what it answers. */
function isAnswerable({ cache, mode, url }: Request, baseURL = ""): boolean {
  // An image of an insecure server, which a secure page may show all the same.
  const isMixed = mode === "no-cors" && url.startsWith("http:") &&
    baseURL.startsWith("https:");
  return !isMixed && (cache !== "only-if-cached" || mode === "same-origin");
}

/** As a static route does: a cache that fails is one that has nothing. */
async function answerFromCache(
  event: RouterEvent,
  cacheName: string,
): Promise<Response> {
  const { request } = event;
  const cached = await caches.match(request, { cacheName })
    .catch(() => undefined);
  if (!cached) return await event.preloadResponse ?? await fetch(request);
  drain(event);
  // Where redirects are not followed, what was redirected is refused.
  return cached.redirected && request.redirect !== "follow"
    ? new Response(cached.body, cached)
    : cached;
}

/** Reads a preload that nobody wants: Chromium complains if it is cut off. */
function drain(event: RouterEvent): void {
  waitForPreload(
    event,
    (response) => response?.body?.pipeTo(new WritableStream()),
  );
}

function waitForPreload(
  event: RouterEvent,
  read?: (response: Response | undefined) => Promise<void> | undefined,
): void {
  if (event.request.mode !== "navigate" || !event.preloadResponse) return;
  // A failed one is told by whoever uses it.
  event.waitUntil(event.preloadResponse.then(read).catch(() => {}));
}

/** The first pattern that fits a URL. */
type Find = (
  url: string,
  accepts: (order: number) => boolean,
) => Found | undefined;

/** What is found: a pattern's place in the list, and what it makes of the URL. */
class Found implements RouterMatch {
  readonly order: number;
  readonly #href: string;
  readonly #groups: () => RouterMatch["groups"];

  constructor(
    order: number,
    href: string,
    groups: () => RouterMatch["groups"],
  ) {
    this.order = order;
    this.#href = href;
    this.#groups = groups;
  }

  // Most handlers ask for neither.
  get url(): URL {
    return new URL(this.#href);
  }

  get groups(): RouterMatch["groups"] {
    return this.#groups();
  }
}

/** Where a walk along the segments of a path has come to. */
interface Node {
  /** What follows a segment of this text. */
  children?: Map<string, Node>;
  /** What follows a segment of any text. */
  any?: Node;
  /** Patterns that end here. */
  ends?: number[];
  /** Patterns that take whatever follows a slash. */
  tails?: number[];
  /** Patterns of which no more is known. */
  open?: number[];
  /** Patterns of whose next segment this beginning is known. */
  heads?: Map<string, number[]>;
  /** The length of the longest of these beginnings. */
  longest?: number;
}

function createIndex(
  patterns: readonly (RouterPattern | undefined)[],
  baseURL: string | undefined,
  URLPattern = (globalThis as Globals).URLPattern,
): Find {
  const own = baseURL === undefined ? undefined : new URL(baseURL).origin;
  /** Patterns without which every URL fits. */
  const everywhere: number[] = [];
  /** Simple texts, which are of the own origin, and need no confirmation. */
  const literals = new Map<string, number[]>();
  let simple: Node | undefined;
  /** The others by host, or "" for any; in lower case, as they may ignore it. */
  const others = new Map<string, Node>();
  const confirming = new Map<number, RouterURLPattern>();

  for (const [order, pattern] of patterns.entries()) {
    if (pattern === undefined) {
      everywhere.push(order);
    } else if (own === undefined || !isSimple(pattern)) {
      const parsed = parse(pattern, baseURL, URLPattern);
      confirming.set(order, parsed);
      const host = hostOf(parsed);
      const root = others.get(host) ?? {};
      others.set(host, root);
      insert(root, parsed.pathname.toLowerCase(), order);
    } else if (LITERAL_REGEXP.test(pattern)) {
      append(literals, pattern, order);
    } else {
      insertSimple(simple ??= {}, pattern, order);
    }
  }

  return (url, accepts) => {
    const from = url.indexOf("//") + 2;
    const start = url.indexOf("/", from);
    const rest = url.slice(start);
    const end = rest.search(/[?#]/);
    const path = end === -1 ? rest : rest.slice(0, end);
    // What is before "@" is a user and a password.
    const authority = url.slice(url.lastIndexOf("@", start) + 1 || from, start);

    const found = [...everywhere];
    if (url.slice(0, from) + authority === own) {
      addAll(found, literals.get(path) ?? []);
      if (simple) collect(simple, path, 0, found);
    }
    if (others.size > 0) {
      const host = authority.replace(/:\d+$/, "");
      const lower = path.toLowerCase();
      for (const key of [host, ""]) {
        const root = others.get(key);
        if (root) collect(root, lower, 0, found);
      }
    }
    if (found.length > 1) found.sort((a, b) => a - b);

    for (const order of found) {
      if (!accepts(order)) continue;
      const parsed = confirming.get(order);
      if (!parsed) {
        const groups = () => simpleGroups(patterns[order], path);
        return new Found(order, url, groups);
      }
      const result = parsed.exec(url);
      if (result) return new Found(order, url, () => groupsOf(result));
    }
    return undefined;
  };
}

/** Whether it can be told without `URLPattern` what a pattern fits. */
function isSimple(pattern: RouterPattern): pattern is string {
  if (typeof pattern !== "string") return false;
  if (!SIMPLE_REGEXP.test(pattern) || DOTS_REGEXP.test(pattern)) return false;
  if (pattern.indexOf(":") === pattern.lastIndexOf(":")) return true;
  const names = pattern.match(/:[^/]+/g) ?? [];
  return new Set(names).size === names.length;
}

function parse(
  pattern: RouterPattern,
  baseURL: string | undefined,
  URLPattern: RouterURLPatternConstructor | undefined,
): RouterURLPattern {
  if (isURLPattern(pattern)) return pattern;
  if (!URLPattern) {
    throw new DOMException(
      `Cannot route ${
        JSON.stringify(pattern)
      }: this browser has no URLPattern, and the pattern is no simple path`,
      "NotSupportedError",
    );
  }
  try {
    return typeof pattern === "string" && baseURL !== undefined
      ? new URLPattern(pattern, baseURL)
      : new URLPattern(pattern);
  } catch (cause) {
    throw new SyntaxError(
      `Cannot route ${JSON.stringify(pattern)}: it is no URL pattern`,
      { cause },
    );
  }
}

function isURLPattern(
  pattern: RouterPattern | RouterURLPattern,
): pattern is RouterURLPattern {
  return typeof pattern !== "string" && "exec" in pattern;
}

/** The one host a pattern is for, or "". */
function hostOf({ hostname }: RouterURLPattern): string {
  return /^[a-z\d.-]+$/.test(hostname) ? hostname : "";
}

/** Puts a simple pattern where `collect` comes by for the paths that fit. */
function insertSimple(root: Node, pattern: string, order: number): void {
  let node = root;
  for (const segment of pattern.slice(1).split("/")) {
    if (segment === "*") {
      (node.tails ??= []).push(order);
      return;
    }
    node = segment.startsWith(":") ? node.any ??= {} : childOf(node, segment);
  }
  (node.ends ??= []).push(order);
}

/** Puts a pattern where `collect` comes by for each path that fits. */
function insert(root: Node, pathname: string, order: number): void {
  const [before, ...segments] = pathname.split("/");
  let node = root;
  // What does not begin with a slash is no path as far as it can be told.
  if (before !== "") segments.splice(0, Infinity, "*");
  for (const [index, segment] of segments.entries()) {
    const [head = ""] = segment.match(HEAD_REGEXP) ?? [];
    const text = head.replace(/\\(.)/gsu, "$1");
    if (NAME_REGEXP.test(segment)) {
      node = node.any ??= {};
    } else if (
      head === segment && !OPTIONAL_REGEXP.test(segments[index + 1] ?? "")
    ) {
      node = childOf(node, text);
    } else if (text === "") {
      (node.open ??= []).push(order);
      return;
    } else {
      append(node.heads ??= new Map(), text, order);
      node.longest = Math.max(node.longest ?? 0, text.length);
      return;
    }
  }
  (node.ends ??= []).push(order);
}

function childOf(node: Node, segment: string): Node {
  const children = node.children ??= new Map();
  let child = children.get(segment);
  if (!child) children.set(segment, child = {});
  return child;
}

/** Collects what may fit, from the slash at `from` on. */
function collect(
  node: Node,
  path: string,
  from: number,
  found: number[],
): void {
  if (node.open) addAll(found, node.open);
  if (from === path.length) {
    if (node.ends) addAll(found, node.ends);
    return;
  }
  if (node.tails) addAll(found, node.tails);
  const slash = path.indexOf("/", from + 1);
  const end = slash === -1 ? path.length : slash;
  const segment = path.slice(from + 1, end);
  const child = node.children?.get(segment);
  if (child) collect(child, path, end, found);
  if (node.any && segment !== "") collect(node.any, path, end, found);
  const { heads, longest = 0 } = node;
  for (let length = Math.min(longest, segment.length); length > 0; length--) {
    addAll(found, heads?.get(segment.slice(0, length)) ?? []);
  }
}

/** As there may be too many for `push(...)`. */
function addAll(list: number[], more: readonly number[]): void {
  for (const order of more) list.push(order);
}

function append(
  lists: Map<string, number[]>,
  key: string,
  order: number,
): void {
  const list = lists.get(key);
  if (list) list.push(order);
  else lists.set(key, [order]);
}

/** What `URLPattern.exec()` would find. */
function simpleGroups(
  pattern: RouterPattern | undefined,
  path: string,
): RouterMatch["groups"] {
  if (typeof pattern !== "string") return {};
  const segments = path.split("/");
  const groups: [string, string | undefined][] = [];
  for (const [index, part] of pattern.split("/").entries()) {
    if (part === "*") groups.push(["0", segments.slice(index).join("/")]);
    if (part.startsWith(":")) groups.push([part.slice(1), segments[index]]);
  }
  return Object.fromEntries(groups);
}

function groupsOf(result: object): RouterMatch["groups"] {
  const parts = result as Record<
    string,
    { groups: RouterMatch["groups"] } | undefined
  >;
  const groups = PARTS.flatMap((name) =>
    Object.entries(parts[name]?.groups ?? {})
      .filter(([key]) => name === "pathname" || !/^\d/.test(key))
  );
  return Object.fromEntries(groups);
}
