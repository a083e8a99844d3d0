// Copyright 2026 the @serviceworker/std authors. MIT license.

/** What a `Request` that is constructed cannot be told. */
export interface RequestFacts {
  readonly mode?: string | undefined;
  readonly destination: string;
}

/** What a `Response` that is constructed cannot be told. */
export interface ResponseFacts {
  readonly url: string;
  readonly type: string;
  readonly redirected: boolean;
  /** Where an opaque redirect leads, which nobody may see but the browser. */
  readonly [LOCATION]?: string | undefined;
}

const HASH_REGEXP = /(?<!\S)(sha256|sha384|sha512)-([A-Za-z0-9+/]+={0,2})/g;

/** Where a browser keeps the location of an opaque redirect. */
export const LOCATION: unique symbol = Symbol("location");

/** Gives a request the mode and destination that only a browser can give it. */
export function dressRequest(request: Request, facts: RequestFacts): Request {
  define(request, {
    destination: facts.destination,
    ...(facts.mode && { mode: facts.mode }),
  });
  return redefineClone(request, (clone) => dressRequest(clone, facts));
}

/** Gives a response what a browser's `fetch()` gives it; its headers become immutable. */
export function dressResponse(
  response: Response,
  facts: ResponseFacts,
): Response {
  define(response, facts);
  Object.defineProperty(response, LOCATION, {
    value: facts[LOCATION],
    configurable: true,
  });
  if (facts.type.startsWith("opaque")) {
    define(response, { status: 0, statusText: "", ok: false });
  }
  const change = () => {
    throw new TypeError(
      `Cannot change the headers of ${facts.url}: they are immutable`,
    );
  };
  define(response.headers, { append: change, delete: change, set: change });
  return redefineClone(response, (clone) => dressResponse(clone, facts));
}

/** What {@linkcode dressResponse} gave a response. */
export function factsOf(response: Response): ResponseFacts {
  const { url, type, redirected } = response;
  return { url, type, redirected, [LOCATION]: redirectOf(response) };
}

/** Where an opaque redirect leads. */
export function redirectOf(response: Response): string | undefined {
  return Reflect.get(response, LOCATION);
}

/** A response with another body. */
export function withBody(response: Response, body: BodyInit | null): Response {
  const { status, statusText, headers } = response;
  return new Response(body, {
    statusText,
    headers,
    // An opaque response has the status 0, with which none can be constructed.
    ...(status > 0 && { status }),
  });
}

/** A stream that asks `read` for its chunks. */
export function streamOf(
  read: () => Promise<Uint8Array<ArrayBuffer> | undefined>,
  cancel: (reason: unknown) => unknown,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const chunk = await read();
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
    // Nobody waits for the other end, or hears how it fares.
    cancel: (reason) => void Promise.resolve(cancel(reason)).catch(() => {}),
    // Nothing is read before somebody asks for it.
  }, { highWaterMark: 0 });
}

/**
 * A response that is what its request says it must be, once all of it has come.
 *
 * @see https://w3c.github.io/webappsec-subresource-integrity/#does-response-match-metadatalist
 */
export async function checkIntegrity(
  response: Response,
  { integrity = "", url }: Request,
): Promise<Response> {
  const hashes = [...integrity.matchAll(HASH_REGEXP)]
    .map(([, algorithm = "", hash]) => ({ algorithm, hash }));
  const strongest = hashes.map(({ algorithm }) => algorithm).sort().at(-1);
  if (strongest === undefined) return response;
  const bytes = await response.arrayBuffer();
  const name = strongest.replace("sha", "SHA-");
  const digest = new Uint8Array(await crypto.subtle.digest(name, bytes));
  const actual = btoa(String.fromCharCode(...digest));
  const intact = response.type !== "opaque" &&
    hashes.some(({ algorithm, hash }) =>
      algorithm === strongest && hash === actual
    );
  if (!intact) {
    throw new TypeError(
      `Cannot fetch ${url}: its integrity is not "${integrity}", but "${strongest}-${actual}"`,
    );
  }
  const body = response.body && bytes;
  return dressResponse(withBody(response, body), factsOf(response));
}

/** The request of a call to `fetch()`, with URLs relative to `base`. */
export function requestOf(
  input: Request | string | URL,
  init: RequestInit | undefined,
  base: string,
): Request {
  if (!(input instanceof Request)) {
    return dressRequest(new Request(new URL(input, base), init), {
      destination: "",
    });
  }
  const { destination = "" } = input;
  const mode = init ? undefined : input.mode;
  return dressRequest(new Request(input, init), { mode, destination });
}

function define(target: object, facts: object): void {
  for (const [name, value] of Object.entries(facts)) {
    Object.defineProperty(target, name, { value, configurable: true });
  }
}

function redefineClone<T extends { clone(): T }>(
  target: T,
  dress: (clone: T) => T,
): T {
  const clone = target.clone.bind(target);
  define(target, { clone: () => dress(clone()) });
  return target;
}
