// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * An app that is `/foo` and `/foo/*`, but not `/foobar`. A browser knows only
 * prefixes: a worker registered for `/foo` controls `/foobar` as well. Here the
 * scope is said as URL patterns, and `createScope` makes of them
 *
 * - the narrowest prefix to register;
 * - static routes, with which the browser leaves the worker asleep when someone
 *   navigates elsewhere, where it has `InstallEvent.addRoutes()`;
 * - a guard for the worker's fetch listener, which is needed everywhere: routes
 *   know nothing of the page that asks for an image;
 * - a test of whether a page is in the scope.
 *
 * In the platform's own terms a page at `/foobar` is still controlled: it has
 * `navigator.serviceWorker.controller`, is among the worker's clients, and keeps
 * an update waiting. A page that is to act for the app alone asks
 * `scope.test(location.href)` first. If the prefix you want ends in a slash,
 * `register()` alone is enough.
 *
 * @module
 */

/** The part of a `Location`, or of a `URL`, that {@linkcode createScope} uses. */
export interface ScopeLocation {
  /** What the patterns are relative to. Its origin is the scope's. */
  readonly href: string;
}

/** What a URL pattern can be made of, besides a text. A `URLPattern` fits. */
export interface ScopePattern {
  /** Such as "https"; if given, it has to fit the origin. */
  readonly protocol?: string;
  /** If given, it has to fit the origin. */
  readonly hostname?: string;
  /** If given, it has to fit the origin. */
  readonly port?: string;
  /** The path, as in "/foo/*". */
  readonly pathname?: string;
  /** The query, without "?". */
  readonly search?: string;
  /** Only "*" or nothing: a worker is not chosen by it. */
  readonly hash?: string;
}

/** The part of a `URLPattern` that {@linkcode createScope} uses. */
export interface ScopeURLPattern extends Required<ScopePattern> {
  /** Missing in the first versions. */
  readonly hasRegExpGroups?: boolean;
  /** Whether a URL fits. */
  test(url: string): boolean;
}

/** The part of the class `URLPattern` that {@linkcode createScope} uses. */
export interface ScopeURLPatternConstructor {
  /** Parses a text. */
  new (text: string, base: string): ScopeURLPattern;
  /** Puts parts together; those that are missing fit anything. */
  new (parts: ScopePattern & { readonly baseURL?: string }): ScopeURLPattern;
}

/** The part of a `FetchEvent` that {@linkcode Scope.guard} uses. */
export interface ScopeFetchEvent {
  /** Who asks: not known of a navigation. */
  readonly clientId: string;
  /** What for. */
  readonly request: { readonly mode: string; readonly url: string };
}

/** The part of `self.clients` that {@linkcode Scope.guard} uses. */
export interface ScopeClients {
  /** Resolves with the client that has this id, if it is still there. */
  get(id: string): Promise<{ readonly url: string } | undefined>;
}

/** The part of an `install` event that {@linkcode Scope.addRoutes} uses. */
export interface ScopeInstallEvent {
  /** "install". */
  readonly type: string;
  /** Missing in browsers that have no static routes. */
  addRoutes?(rules: ScopeRule[]): Promise<unknown>;
}

/** A condition of a {@linkcode ScopeRule}: one of its members. */
export interface ScopeCondition {
  /** Holds if this does not. */
  readonly not?: ScopeCondition;
  /** Holds if one of these does. */
  readonly or?: ScopeCondition[];
  /** Holds for requests of this mode. */
  readonly requestMode?: "navigate";
  /** Holds for URLs that fit. */
  readonly urlPattern?: { readonly pathname: string; readonly search: string };
}

/** A static route, as `InstallEvent.addRoutes()` takes it. */
export interface ScopeRule {
  /** When it is taken. */
  readonly condition: ScopeCondition;
  /** Who answers instead of the worker. */
  readonly source: "network";
}

/** Options for {@linkcode createScope}. */
export interface ScopeOptions {
  /**
   * The class `URLPattern`, or a polyfill of it. Without any, a pattern can be a
   * path that ends with `*` at most.
   *
   * @default {globalThis.URLPattern}
   */
  URLPattern?: ScopeURLPatternConstructor | undefined;
}

/** A scope finer than a prefix, made by {@linkcode createScope}. */
export interface Scope {
  /**
   * The longest path with which every URL of the scope begins: the `scope` to
   * register. It may end within a word, as "/foo" does.
   */
  readonly prefix: string;
  /**
   * The static routes that {@linkcode Scope.addRoutes} adds, to add them along
   * with others. The first route that fits a request is taken.
   */
  readonly rules: ScopeRule[];
  /**
   * Tells what header `Service-Worker-Allowed` the worker's script, of this URL,
   * has to be served with; `undefined` if it needs none. A script in `/foo/`
   * needs one for the scope `/foo`.
   */
  serviceWorkerAllowed(scriptURL: string | URL): string | undefined;
  /**
   * Whether a URL, which may be relative, is in the scope. Its hash does not
   * matter. Throws a `TypeError` if it is no URL.
   */
  test(url: string | URL): boolean;
  /**
   * Whether a request comes from the scope: a navigation that leads into it, or
   * whatever a page or worker asks for that was created in it. A navigation is
   * decided at once. The rest is a promise, since a worker has to look up who
   * asks, and by then it has missed its chance to leave the request alone:
   * answer it with `fetch(event.request)` if this resolves with `false`.
   *
   * A client without a path of its own (`about:srcdoc`, `blob:`) has inherited
   * the worker and counts as in the scope. One that is gone does not.
   */
  guard(
    event: ScopeFetchEvent,
    clients: ScopeClients,
  ): boolean | Promise<boolean>;
  /**
   * Adds the static routes. Resolves with whether the browser has them: if not,
   * the guard alone keeps the worker out. What pages outside of the scope load
   * reaches the worker in either case.
   */
  addRoutes(event: ScopeInstallEvent): Promise<boolean>;
}

/** What a worker may have is 1,024 conditions. */
const LIMIT = 1_000;
/** A group that may be missing, and with it the slash before it. */
const OPTIONAL_GROUP_REGEXP =
  /^(?:\*|:[\p{ID_Start}$_][\p{ID_Continue}$_\u200c\u200d]*)[?*]/u;
/** What has a meaning in a pattern. */
const SYNTAX_REGEXP = /[\\:*{}()+?#]/;

/**
 * Makes a scope of URL patterns, in the page and in the worker alike. For `/foo`
 * and what is below it write `["/foo", "/foo/*"]`, or `["/foo{/*}?"]`. A pattern
 * without a query fits any query. Case matters, even in a `URLPattern` that
 * ignores it.
 *
 * A registration has one prefix. Patterns that share none but "/" are refused,
 * since the worker would control every page of the origin, and so is one that
 * begins with a wildcard; unless the page "/" itself is in the list.
 *
 * @param location The `location` of the page or worker.
 * @param patterns The patterns, relative to it.
 * @param options Additional options.
 * @returns The scope.
 * @throws {SyntaxError} If a pattern cannot be parsed.
 * @throws {DOMException} A "NotSupportedError" if the browser has no
 * `URLPattern`, and the pattern needs it.
 * @throws {TypeError} If there are no patterns, or one cannot be part of a scope:
 * it is of another origin, has a hash, has a RegExp group, which static routes
 * must not have, or has no usable prefix.
 * @throws {RangeError} If there are more than 1,000 patterns.
 *
 * @example Registering a worker for `/foo` and what is below it
 * ```ts
 * import { createScope } from "@serviceworker/std/lifecycle/scope";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const location = new URL("https://a.test/foo"); // Stands for the page's.
 *
 * const scope = createScope(location, ["/foo", "/foo/*"]);
 * navigator.serviceWorker?.register("/sw.js", { scope: scope.prefix });
 *
 * assertEquals(scope.prefix, "/foo");
 * assert(scope.test("/foo/settings?tab=2"));
 * assert(!scope.test("/foobar"));
 * ```
 *
 * @example Leaving alone what is outside
 * ```ts
 * import { createScope } from "@serviceworker/std/lifecycle/scope";
 * import { assertEquals } from "@std/assert";
 *
 * const self = globalThis as unknown as ServiceWorkerGlobalScope;
 * const location = new URL("https://a.test/sw.js"); // Stands for the worker's.
 *
 * const scope = createScope(location, ["/foo", "/foo/*"]);
 *
 * self.addEventListener("install", (event) => {
 *   event.waitUntil(scope.addRoutes(event));
 * });
 *
 * self.addEventListener("fetch", (event) => {
 *   const mine = scope.guard(event, self.clients);
 *   if (mine === false) return;
 *   event.respondWith(answer(event, mine));
 * });
 *
 * async function answer(event: FetchEvent, mine: true | Promise<boolean>) {
 *   if (!await mine) return fetch(event.request);
 *   return await caches.match(event.request) ?? fetch(event.request);
 * }
 *
 * // Firefox and Safari have no static routes.
 * assertEquals(await scope.addRoutes(new Event("install")), false);
 * ```
 */
export function createScope(
  location: ScopeLocation,
  patterns: readonly (string | ScopePattern)[],
  options: ScopeOptions = {},
): Scope {
  const { URLPattern = (globalThis as ScopeOptions).URLPattern } = options;
  const { href } = location;
  const { origin } = new URL(href);
  if (patterns.length > LIMIT) {
    throw new RangeError(
      `Cannot make a scope: there are ${patterns.length} patterns, and browsers take ${LIMIT}`,
    );
  }
  const paths = patterns.map((pattern) =>
    URLPattern
      ? compile(pattern, href, URLPattern)
      : compilePlain(pattern, href)
  );
  const prefix = prefixOf(paths, origin);
  const inScope = paths.map(({ pathname, search }) => ({
    urlPattern: { pathname, search },
  }));
  // In a condition, `not` and `or` stand alone.
  const condition = {
    not: { or: [...inScope, { not: { requestMode: "navigate" as const } }] },
  };
  const rules: ScopeRule[] = [{ condition, source: "network" }];

  function serviceWorkerAllowed(scriptURL: string | URL): string | undefined {
    const folder = new URL("./", new URL(scriptURL, href)).pathname;
    return prefix.startsWith(folder) ? undefined : prefix;
  }

  function test(url: string | URL): boolean {
    const parsed = new URL(url, href);
    return parsed.origin === origin && paths.some((path) => path.test(parsed));
  }

  function guard(
    { clientId, request }: ScopeFetchEvent,
    clients: ScopeClients,
  ): boolean | Promise<boolean> {
    if (request.mode === "navigate" || clientId === "") {
      return test(request.url);
    }
    return clients.get(clientId).then((client) =>
      client !== undefined &&
      (!client.url.startsWith("http") || test(client.url))
    );
  }

  async function addRoutes(event: ScopeInstallEvent): Promise<boolean> {
    if (!event.addRoutes) return false;
    await event.addRoutes(rules);
    return true;
  }

  return { prefix, rules, serviceWorkerAllowed, test, guard, addRoutes };
}

/** A pattern, of which the origin is known. */
interface Path {
  /** As it was given. */
  readonly pattern: string | ScopePattern;
  readonly pathname: string;
  readonly search: string;
  /** With what every path that fits begins. */
  readonly prefix: string;
  test(url: URL): boolean;
}

function compile(
  pattern: string | ScopePattern,
  base: string,
  URLPattern: ScopeURLPatternConstructor,
): Path {
  let parsed: ScopeURLPattern;
  try {
    parsed = typeof pattern === "string"
      ? new URLPattern(pattern, base)
      : new URLPattern({ ...partsOf(pattern), baseURL: base });
  } catch (cause) {
    throw new SyntaxError(
      `Cannot make a scope of ${quote(pattern)}: it is no URL pattern`,
      { cause },
    );
  }
  const { protocol, hostname, port, pathname, search, hash } = parsed;
  const { origin } = new URL(base);
  if (!new URLPattern({ protocol, hostname, port }).test(origin)) {
    throw refusal(
      `it is of another origin than ${origin}: write a path alone`,
      pattern,
    );
  }
  if (hash !== "*" && hash !== "") {
    throw refusal(
      `it has the hash "${hash}", at which no browser looks: leave it out`,
      pattern,
    );
  }
  const [, head = "", rest = ""] =
    pathname.match(/^((?:\\.|[^\\:*{(])*)(.*)$/su) ?? [];
  const here = new URLPattern({ pathname, search });
  if (here.hasRegExpGroups ?? rest.includes("(")) {
    throw refusal(
      `it has a RegExp group, which static routes cannot have: write "*" or ":name"`,
      pattern,
    );
  }
  const literal = head.replace(/\\(.)/gsu, "$1");
  return {
    pattern,
    pathname,
    search,
    prefix: OPTIONAL_GROUP_REGEXP.test(rest)
      ? literal.replace(/\/$/, "")
      : literal,
    test: ({ href }) => here.test(href),
  };
}

/** For browsers that have no `URLPattern`. */
function compilePlain(pattern: string | ScopePattern, base: string): Path {
  const text = String(pattern);
  const literal = text.replace(/\*$/, "");
  if (!text.startsWith("/") || SYNTAX_REGEXP.test(literal)) {
    throw new DOMException(
      `Cannot make a scope of ${
        quote(pattern)
      }: this browser has no URLPattern; write a path that ends with "*" at most, or pass a polyfill`,
      "NotSupportedError",
    );
  }
  const prefix = new URL(literal, base).pathname;
  const open = text !== literal;
  return {
    pattern,
    pathname: open ? `${prefix}*` : prefix,
    search: "*",
    prefix,
    test: ({ pathname }) =>
      open ? pathname.startsWith(prefix) : pathname === prefix,
  };
}

/** What all paths begin with, in the form in which a browser takes it. */
function prefixOf(paths: Path[], origin: string): string {
  const [first, ...others] = paths;
  if (!first) throw new TypeError("Cannot make a scope: there are no patterns");
  let prefix = first.prefix;
  while (!others.every((path) => path.prefix.startsWith(prefix))) {
    prefix = prefix.slice(0, -1);
  }
  // What was cut may mean another path, as "/.." of "/..a" does.
  while (prefix && new URL(origin + prefix).pathname !== prefix) {
    prefix = prefix.slice(0, -1);
  }
  prefix ||= "/";
  if (prefix === "/" && !paths.some(({ pathname }) => pathname === "/")) {
    const wide = paths.find((path) => path.prefix.length < 2);
    throw wide
      ? refusal(
        `its prefix is "/", which is every page of the origin: begin it with a name`,
        wide.pattern,
      )
      : refusal(
        `the prefix in common is "/", which is every page of the origin: make a scope of each`,
        ...paths.map(({ pattern }) => pattern),
      );
  }
  if (/%2f|%5c/i.test(prefix)) {
    throw refusal(`no browser takes the scope "${prefix}"`, first.pattern);
  }
  return prefix;
}

/** A `URLPattern` has its members on the prototype. */
function partsOf(pattern: ScopePattern): ScopePattern {
  const { protocol, hostname, port, pathname, search, hash } = pattern;
  const parts = { protocol, hostname, port, pathname, search, hash };
  return Object.fromEntries(
    Object.entries(parts).filter(([, value]) => value !== undefined),
  );
}

function refusal(
  why: string,
  ...patterns: (string | ScopePattern)[]
): TypeError {
  return new TypeError(
    `Cannot make a scope of ${patterns.map(quote).join(", ")}: ${why}`,
  );
}

function quote(pattern: string | ScopePattern): string {
  return JSON.stringify(
    typeof pattern === "string" ? pattern : partsOf(pattern),
  );
}
