// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Register a service worker, with errors that say what is wrong and what mends
 * it. Browsers tell little: in Firefox, a script that is missing, one that is
 * HTML and one above whose path the scope lies are hard to tell apart.
 *
 * @module
 */

/**
 * The part of `navigator.serviceWorker` that {@linkcode register} uses.
 *
 * @typeParam R The type of its registrations.
 */
export interface RegisterContainer<R> {
  /** Fetches the script and installs it, unless that was done before. */
  register(
    scriptURL: string | URL,
    options: {
      scope?: string;
      type: "classic" | "module";
      updateViaCache: "imports" | "all" | "none";
    },
  ): Promise<R>;
}

/** Options for {@linkcode register}. */
export interface RegisterOptions {
  /**
   * The start of the URLs that the worker is for. Without it, all that is in the
   * folder of the script.
   */
  scope?: string | undefined;
  /**
   * Whether the script is a module.
   *
   * @default {"classic"}
   */
  type?: "classic" | "module" | undefined;
  /**
   * What may come from the HTTP cache when the browser looks for an update:
   * imported scripts, all scripts, or none.
   *
   * @default {"imports"}
   */
  updateViaCache?: "imports" | "all" | "none" | undefined;
  /**
   * The same worker, bundled into a classic script. It is registered if the
   * script of `type` "module" is there, and still does not run: so it is in a
   * browser without module workers. Its URL is then the `scriptURL` of the
   * registration's worker. Without it, there is no worker in such a browser.
   */
  classicScript?: string | URL | undefined;
  /**
   * Looks at a script that was refused. The page's own worker may answer it.
   *
   * @default {fetch}
   */
  fetch?:
    | ((url: string | URL, init: RequestInit) => Promise<Response>)
    | undefined;
  /**
   * Ends the wait; the promise then rejects with the signal's reason, while the
   * browser goes on. It replaces the default deadline of 60 seconds, after which
   * the promise rejects with a "TimeoutError".
   */
  signal?: AbortSignal | undefined;
}

const DEADLINE = 60_000;
/** https://mimesniff.spec.whatwg.org/#javascript-mime-type */
const JAVASCRIPT_REGEXP =
  /^(text|application)\/(x-)?(java|ecma)script$|^text\/(javascript1\.[0-5]|jscript|livescript)$/;

/**
 * Registers a worker, as the platform's `register()` does: the promise resolves
 * when the worker begins to be installed, or at once if it was before. Call it at
 * every start of the page: it is the same registration if nothing has changed, and
 * nothing is added to it.
 *
 * If it is refused, the script is fetched once more to see why, and the error
 * says so. It has the name of the platform's error, which is its `cause`. Do not
 * let the app depend on it: catch it, and go on without a worker.
 *
 * A worker that is fetched and evaluated may still fail to be installed:
 * `watchUpdates` tells that.
 *
 * @typeParam R The type of the registration.
 * @param container `navigator.serviceWorker`, which is undefined where the origin
 * is not secure.
 * @param scriptURL The script.
 * @param options Additional options.
 * @returns The registration.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {DOMException} Named "NotSupportedError" if `container` is undefined;
 * "SecurityError" if the scope is not under the path that the script may have,
 * the script is redirected, is not served as JavaScript, or is of another origin,
 * or for what else the browser says; "TimeoutError" after 60 seconds.
 * @throws {TypeError} If the script cannot be fetched, is missing, or throws.
 *
 * @example Registering, or going on without
 * ```ts
 * import { register } from "@serviceworker/std/lifecycle/register";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for the browser.
 * const host = createHost();
 * const page = await host.openWindow("/");
 * const { serviceWorker: container, fetch } = page;
 *
 * let why = "";
 * try {
 *   await register(container, "/sw.js", { fetch: fetch.bind(page) });
 * } catch (error) {
 *   why = (error as Error).message;
 * }
 *
 * assertEquals(
 *   why,
 *   "Cannot register /sw.js: the server answers 404; serve the script there",
 * );
 * host.close();
 * ```
 */
export async function register<R>(
  container: RegisterContainer<R> | undefined,
  scriptURL: string | URL,
  options: RegisterOptions = {},
): Promise<R> {
  const {
    scope,
    type = "classic",
    updateViaCache = "imports",
    classicScript,
    fetch: get = fetch,
    signal,
  } = options;
  signal?.throwIfAborted();
  if (container === undefined) {
    throw new DOMException(
      `Cannot register ${scriptURL}: navigator.serviceWorker is undefined, as on insecure origins; serve the page by HTTPS, or from localhost`,
      "NotSupportedError",
    );
  }
  const over = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = new Promise<never>((_, reject) => {
    const late = new DOMException(
      `Cannot register ${scriptURL}: it takes more than ${
        DEADLINE / 1_000
      } seconds`,
      "TimeoutError",
    );
    if (!signal) timer = setTimeout(reject, DEADLINE, late);
    signal?.addEventListener("abort", () => reject(signal.reason), {
      signal: over.signal,
    });
  });

  async function attempt(
    container: RegisterContainer<R>,
    url: string | URL,
    type: "classic" | "module",
  ): Promise<R> {
    const where = scope === undefined ? {} : { scope };
    try {
      return await container.register(url, { ...where, type, updateViaCache });
    } catch (error) {
      const cause = error as Error;
      const look = () =>
        get(url, {
          cache: "no-store",
          headers: { "service-worker": "script" },
          mode: "same-origin",
          redirect: "manual",
          signal: over.signal,
        });
      const fault = await findFault(look, cause, scope);
      if (fault) throw explain(url, fault, cause);
      if (type === "module" && classicScript !== undefined) {
        return attempt(container, classicScript, "classic");
      }
      const mend = type === "classic"
        ? 'if it imports, register it as a "module"'
        : "give a 'classicScript' for browsers that run no modules here";
      const fact =
        `it does not run; its own error is in the console, and ${mend}`;
      throw explain(url, fact, cause);
    }
  }

  try {
    return await Promise.race([attempt(container, scriptURL, type), end]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** What is wrong with a script, as far as can be seen from here, and what mends it. */
async function findFault(
  look: () => Promise<Response>,
  { message, name }: Error,
  scope = "./",
): Promise<string | undefined> {
  const isRefused = name === "SecurityError";
  let response: Response;
  try {
    response = await look();
  } catch {
    return isRefused
      ? "it is of another origin; serve it from that of the page"
      : "the server does not answer; try again when it can be reached";
  }
  const { headers, ok, status, type, url } = response;
  await response.body?.cancel();
  if (type === "opaqueredirect" || status >= 300 && status < 400) {
    return "the server redirects it; register the URL where it is";
  }
  if (!ok) return `the server answers ${status}; serve the script there`;
  const [mime = ""] = (headers.get("content-type") ?? "").split(";");
  if (!JAVASCRIPT_REGEXP.test(mime.trim().toLowerCase())) {
    return `the server answers "${mime}"; serve the script there, as "text/javascript"`;
  }
  if (!isRefused) return undefined;
  const allowed = headers.get("service-worker-allowed") ?? "./";
  const { pathname } = new URL(allowed, url);
  if (new URL(scope, url).pathname.startsWith(pathname)) {
    return `the browser refuses it, and says "${message}"`;
  }
  return `the scope "${scope}" is not under "${pathname}"; choose one that is, move the script up, or serve it with the header "Service-Worker-Allowed: ${scope}"`;
}

function explain(
  url: string | URL,
  fact: string,
  cause: Error,
): Error {
  const message = `Cannot register ${url}: ${fact}`;
  if (cause.name === "TypeError") return new TypeError(message, { cause });
  const error = new DOMException(message, cause.name);
  return Object.defineProperty(error, "cause", { value: cause });
}
