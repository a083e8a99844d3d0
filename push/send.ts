// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Send a push message from a server to one subscription, encrypted for it
 * ({@link https://www.rfc-editor.org/rfc/rfc8030 | RFC 8030}, 8188 and 8291).
 * `createFanOut()` sends to many.
 *
 * It needs Web Crypto and `fetch` alone: Deno, Node, Bun, and workers at the edge
 * have them.
 *
 * What a push service answers, and what is wrong with one subscription, is a
 * result: see {@linkcode SendOutcome}. A promise rejects only if the call is wrong
 * for every subscription, or its signal is aborted.
 *
 * @module
 */

/**
 * A subscription as pages send it to their server: the JSON of a
 * `PushSubscription`.
 */
export interface SendSubscription {
  /** The URL at the push service to which messages for it go. */
  readonly endpoint?: string | undefined;
  /** What messages are encrypted with. Without them, only empty ones can go. */
  readonly keys?: {
    /** The public key of the browser, 65 bytes in base64url. */
    readonly p256dh?: string | undefined;
    /** The secret it shares with its page's server, 16 bytes in base64url. */
    readonly auth?: string | undefined;
  } | undefined;
}

/** The identity of the application server: what `createVapid` makes fits. */
export interface SendVapid {
  /** Resolves with the `Authorization` header for an endpoint. */
  authorization(endpoint: string): Promise<string>;
}

/** Options for {@linkcode send}. */
export interface SendOptions {
  /** Who sends. */
  readonly vapid: SendVapid;
  /**
   * For how many seconds the service shall keep the message for a browser that is
   * offline. With 0 it reaches only one that is online. Services may keep it for
   * less, and say so with a `TTL` header.
   *
   * @default {2419200} Four weeks.
   */
  readonly ttl?: number | undefined;
  /**
   * How important it is that the message wakes a device that saves power. Without
   * it, "normal".
   */
  readonly urgency?: "very-low" | "low" | "normal" | "high" | undefined;
  /**
   * Replaces a message that has the same topic and was not delivered yet: up to 32
   * letters, digits, `-` and `_`. Apple is known to refuse one with `_`.
   */
  readonly topic?: string | undefined;
  /**
   * Ends it; the promise then rejects with the signal's reason. In any case, a
   * service that has not answered within 30 seconds is "unavailable".
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether to send to an endpoint, instead of {@linkcode isPublicEndpoint}:
   * clients say where their endpoint is, and could name a machine in your own
   * network.
   */
  readonly allow?: ((endpoint: URL) => boolean) | undefined;
  /**
   * Makes the request: with a proxy, or one that looks at the address that a name
   * resolves to.
   *
   * @default {fetch}
   */
  readonly fetch?:
    | ((url: string, init: RequestInit) => Promise<Response>)
    | undefined;
}

/**
 * What became of a message:
 *
 * - "delivered": the service has taken it;
 * - "gone": the subscription ended. Forget it;
 * - "invalid": this is not a subscription. Its endpoint is not a URL or not
 *   allowed, or its keys are none. Forget it;
 * - "too-large": the service takes less than `send` allows;
 * - "rate-limited": too many. Send it again later, not before `retryAfter`;
 * - "unavailable": the service failed, or did not answer. Send it again later;
 * - "misconfigured": the service refuses. The `body` says why, such as that the
 *   subscription was made with another VAPID key. To try again is no use.
 */
export type SendOutcome =
  | "delivered"
  | "gone"
  | "invalid"
  | "too-large"
  | "rate-limited"
  | "unavailable"
  | "misconfigured";

/** The answer to a message. */
export interface SendAnswer {
  /** What became of it. */
  readonly outcome: SendOutcome;
  /** The status of the service's answer; `undefined` if there is none. */
  readonly status: number | undefined;
  /** The headers of the service's answer, in which some say what is wrong. */
  readonly headers: Headers;
  /** The first 1,000 characters of the service's answer. */
  readonly body: string;
  /**
   * After how many milliseconds the service wants to be asked again, if it says
   * so.
   */
  readonly retryAfter: number | undefined;
  /**
   * Why there is no answer: what `fetch` rejected with, a "TimeoutError", or what
   * makes the subscription invalid.
   */
  readonly error: unknown;
}

/** What is agreed with the browser of a subscription. */
interface Agreement {
  /** Its public key, as bytes. */
  readonly point: Uint8Array<ArrayBuffer>;
  readonly auth: Uint8Array<ArrayBuffer>;
  /** What follows from its public key and our private one, and vice versa. */
  readonly secret: ArrayBuffer;
}

const CURVE = { name: "ECDH", namedCurve: "P-256" };
const FOUR_WEEKS = 2_419_200;
const LIMIT = 30_000;
const MOST_CHARACTERS = 1_000;
/** RFC 8030, section 7.2: what every service accepts. */
const RECORD_SIZE = 4_096;
const AUTH_SIZE = 16;
const SALT_SIZE = 16;
const POINT_SIZE = 65;
/** What a point begins with. */
const UNCOMPRESSED = 4;
const TAG_SIZE = 16;
/** Salt, size of a record, size of the key and the key: RFC 8188, section 2.1. */
const HEADER_SIZE = SALT_SIZE + 4 + 1 + POINT_SIZE;
const MOST_BYTES = RECORD_SIZE - HEADER_SIZE - 1 - TAG_SIZE;
const URGENCIES = ["very-low", "low", "normal", "high"];
const TOPIC_REGEXP = /^[\w-]{1,32}$/;
/**
 * Hosts without a dot, as addresses of IPv6 are; that end in a number, as those of
 * IPv4 do, once a URL is parsed; or below a domain that is not of the internet: RFC
 * 6761, RFC 6762 with its appendix G, RFC 8375.
 */
const PRIVATE_REGEXP =
  /^[^.]*$|\.(\d+|corp|home|home\.arpa|internal|intranet|invalid|lan|local|localhost|private|test)$/;

/**
 * Whether an endpoint is what a push service on the internet has: an `https:` URL
 * with a host that is not known to be private. Ask it before you store a
 * subscription; {@linkcode send} asks it as well.
 *
 * Addresses in numbers are refused, however written, and so are names without a
 * dot or below `.localhost`, `.local`, `.internal` and their like. It does not see
 * what a name resolves to: where your server can reach what is secret, allow the
 * services that you know, as in the second example, or let `fetch` go through a
 * proxy.
 *
 * @param endpoint The endpoint.
 * @returns Whether it is.
 *
 * @example Looking at a subscription that a page sends
 * ```ts
 * import { isPublicEndpoint } from "@serviceworker/std/push/send";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isPublicEndpoint("https://push.example.net/7f3a"), true);
 * assertEquals(isPublicEndpoint("https://0x7f.1/admin"), false);
 * assertEquals(isPublicEndpoint("http://push.example.net/7f3a"), false);
 * ```
 *
 * @example Allowing the services of browsers alone
 * ```ts
 * import { isPublicEndpoint } from "@serviceworker/std/push/send";
 * import { assertEquals } from "@std/assert";
 *
 * const services = [
 *   "fcm.googleapis.com",
 *   "push.services.mozilla.com",
 *   "push.apple.com",
 *   "notify.windows.com",
 * ];
 * const allow = (url: URL) =>
 *   isPublicEndpoint(url) &&
 *   services.some((name) => `.${url.hostname}`.endsWith(`.${name}`));
 *
 * assertEquals(allow(new URL("https://web.push.apple.com/7f3a")), true);
 * assertEquals(allow(new URL("https://push.apple.com.example.net/")), false);
 * ```
 */
export function isPublicEndpoint(endpoint: URL | string): boolean {
  if (!URL.canParse(String(endpoint))) return false;
  const { protocol, username, password, hostname } = new URL(endpoint);
  // A name may end in a dot.
  const host = hostname.replace(/\.$/, "");
  return protocol === "https:" && username === "" && password === "" &&
    !PRIVATE_REGEXP.test(host);
}

/**
 * Encrypts a message for a subscription, and sends it. Each message has a key and
 * a salt of its own. Redirects are not followed, and answers are read to the end
 * or cancelled.
 *
 * It tries once. Send again what is "rate-limited" or "unavailable" yourself, or
 * have `createFanOut()` do so.
 *
 * @param subscription The subscription.
 * @param message What the worker's `push` event gets as its data: a string, the
 * bytes of a buffer, or anything else as JSON; nothing, if it is undefined or null.
 * At most 3,993 bytes.
 * @param options Who sends, and how.
 * @returns What became of it.
 * @throws {AbortSignal["reason"]} If `options.signal` is aborted first.
 * @throws {TypeError} If the message cannot be written as JSON, or the urgency or
 * topic is none.
 * @throws {RangeError} If the message is too large, or the ttl is not a whole
 * number of seconds.
 * @throws {unknown} What `vapid.authorization()` or `allow` throw.
 *
 * @example Sending a message
 * ```ts
 * import { send } from "@serviceworker/std/push/send";
 * import { createVapid, generateVapidKeys } from "@serviceworker/std/push/vapid";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for the push service.
 * await using server = Deno.serve(
 *   { hostname: "127.0.0.1", port: 0, onListen() {} },
 *   ({ headers }) =>
 *     new Response(null, { status: headers.get("ttl") === "3600" ? 201 : 400 }),
 * );
 * const subscription = {
 *   endpoint: `http://127.0.0.1:${server.addr.port}/7f3a`,
 *   keys: {
 *     p256dh:
 *       "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
 *     auth: "BTBZMqHH6r4Tts7J_aSIgg",
 *   },
 * };
 *
 * const keys = await generateVapidKeys(); // Stands for those that you have kept.
 * const vapid = await createVapid(keys, { subject: "mailto:push@example.com" });
 *
 * const { outcome } = await send(
 *   subscription,
 *   { title: "Episode 7", navigate: "/episodes/7" },
 *   { vapid, ttl: 3600, topic: "episode", allow: () => true }, // No service is local.
 * );
 *
 * assertEquals(outcome, "delivered");
 * ```
 */
export async function send(
  subscription: SendSubscription,
  message: unknown,
  options: SendOptions,
): Promise<SendAnswer> {
  const { vapid, signal, allow = isPublicEndpoint, fetch: request = fetch } =
    options;
  signal?.throwIfAborted();
  const headers = headersOf(options);
  const plaintext = bytesOf(message);

  const { endpoint = "" } = subscription;
  if (!URL.canParse(endpoint)) {
    return unanswered("invalid", refusal(endpoint, "it is not a URL"));
  }
  const url = new URL(endpoint);
  if (!allow(url)) {
    return unanswered("invalid", refusal(endpoint, "it is not allowed"));
  }
  let body: Uint8Array<ArrayBuffer> | null = null;
  if (plaintext) {
    // A new pair for each message: RFC 8291, section 3.1.
    const pair = await crypto.subtle.generateKey(CURVE, true, ["deriveBits"]);
    let agreed;
    try {
      // At the same time, which spares Node a turn of its event loop.
      agreed = await Promise.all([
        agree(subscription, pair.privateKey),
        exportPoint(pair),
      ]);
    } catch (error) {
      return unanswered("invalid", error);
    }
    body = await encrypt(plaintext, ...agreed);
    headers["content-encoding"] = "aes128gcm";
    headers["content-type"] = "application/octet-stream";
  }
  headers["authorization"] = await vapid.authorization(url.href);
  signal?.throwIfAborted();

  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  const timer = setTimeout(() => {
    controller.abort(
      new DOMException(
        `Cannot send the message: ${url.origin} has not answered for ${
          LIMIT / 1_000
        } seconds`,
        "TimeoutError",
      ),
    );
  }, LIMIT);
  signal?.addEventListener("abort", abort);
  try {
    const response = await new Promise<Response>((resolve, reject) => {
      const { signal } = controller;
      // Even where a `fetch` of the caller's own does not look at it.
      signal.addEventListener("abort", () => reject(signal.reason));
      const redirect = "manual";
      const init = { method: "POST", headers, body, redirect, signal } as const;
      request(url.href, init).then(resolve, reject);
    });
    return {
      outcome: outcomeOf(response.status),
      status: response.status,
      headers: response.headers,
      body: await readStart(response, controller.signal),
      retryAfter: retryAfterOf(response.headers),
      error: undefined,
    };
  } catch (error) {
    signal?.throwIfAborted();
    return unanswered("unavailable", error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function headersOf(
  { ttl = FOUR_WEEKS, urgency, topic }: SendOptions,
): Record<string, string> {
  if (!(Number.isSafeInteger(ttl) && ttl >= 0)) {
    throw new RangeError(
      `Cannot send the message: 'ttl' must be a whole number of seconds, current value is ${ttl}`,
    );
  }
  if (urgency !== undefined && !URGENCIES.includes(urgency)) {
    throw new TypeError(
      `Cannot send the message: 'urgency' must be one of ${
        URGENCIES.join(", ")
      }, current value is ${urgency}`,
    );
  }
  if (topic !== undefined && !TOPIC_REGEXP.test(topic)) {
    throw new TypeError(
      `Cannot send the message: 'topic' must be up to 32 letters, digits, - and _, current value is ${
        JSON.stringify(topic)
      }`,
    );
  }
  return {
    ttl: String(ttl),
    ...(urgency !== undefined && { urgency }),
    ...(topic !== undefined && { topic }),
  };
}

function bytesOf(message: unknown): Uint8Array | undefined {
  if (message === undefined || message === null) return undefined;
  const bytes = ArrayBuffer.isView(message)
    ? new Uint8Array(message.buffer, message.byteOffset, message.byteLength)
    : isBuffer(message)
    ? new Uint8Array(message)
    : new TextEncoder().encode(textOf(message));
  if (bytes.length > MOST_BYTES) {
    throw new RangeError(
      `Cannot send the message: it has ${bytes.length} bytes, of which push services accept ${MOST_BYTES}`,
    );
  }
  return bytes;
}

/** Whether it is a buffer, of whatever realm. */
function isBuffer(message: unknown): message is ArrayBuffer {
  return Object.prototype.toString.call(message) === "[object ArrayBuffer]";
}

function textOf(message: unknown): string {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  if (text === undefined) {
    throw new TypeError(
      `Cannot send the message: a ${typeof message} has no form in JSON`,
    );
  }
  return text;
}

async function agree(
  { keys }: SendSubscription,
  privateKey: CryptoKey,
): Promise<Agreement> {
  const { subtle } = crypto;
  const point = decode(keys?.p256dh, POINT_SIZE, "p256dh");
  const auth = decode(keys?.auth, AUTH_SIZE, "auth");
  try {
    const theirs = await subtle.importKey("raw", point, CURVE, false, []);
    const how = { name: "ECDH", public: theirs };
    const secret = await subtle.deriveBits(how, privateKey, 256);
    return { point, auth, secret };
  } catch (cause) {
    throw new TypeError(
      "Cannot use the subscription: its key 'p256dh' is not a point on P-256",
      { cause },
    );
  }
}

function decode(
  text: unknown,
  length: number,
  name: string,
): Uint8Array<ArrayBuffer> {
  let bytes = "";
  try {
    // Some clients write base64.
    bytes = atob(
      String(text ?? "").replaceAll("-", "+").replaceAll("_", "/"),
    );
  } catch {
    // It has no bytes, then.
  }
  if (bytes.length !== length) {
    throw new TypeError(
      `Cannot use the subscription: its key '${name}' has ${bytes.length} bytes in base64url, not ${length}`,
    );
  }
  const decoded = new Uint8Array(length);
  // `Uint8Array.from()` takes three times as long.
  for (let i = 0; i < length; i++) decoded[i] = bytes.charCodeAt(i);
  return decoded;
}

/** The one record of RFC 8188, with the keys of RFC 8291, section 3.4. */
async function encrypt(
  plaintext: Uint8Array,
  { point: theirs, auth, secret }: Agreement,
  ours: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const { subtle } = crypto;
  const salt = crypto.getRandomValues(new Uint8Array(SALT_SIZE));
  const info = concatenate(utf8("WebPush: info\0"), theirs, ours);
  const outer = await importSecret(secret);
  const inner = await importSecret(await derive(outer, auth, info, 32));
  const [bytes, iv] = await Promise.all([
    derive(inner, salt, utf8("Content-Encoding: aes128gcm\0"), 16),
    derive(inner, salt, utf8("Content-Encoding: nonce\0"), 12),
  ]);
  const key = await subtle.importKey("raw", bytes, "AES-GCM", false, [
    "encrypt",
  ]);
  const record = await subtle.encrypt(
    { name: "AES-GCM", iv },
    key,
    // The 2 says that this record is the last.
    concatenate(plaintext, Uint8Array.of(2)),
  );
  const sizes = Uint8Array.of(0, 0, RECORD_SIZE >> 8, 0, POINT_SIZE);
  return concatenate(salt, sizes, ours, new Uint8Array(record));
}

/** The public key, as bytes. */
async function exportPoint(
  { privateKey, publicKey }: CryptoKeyPair,
): Promise<Uint8Array<ArrayBuffer>> {
  const { subtle } = crypto;
  // To export them by themselves takes Deno as long as to encrypt the message; but
  // they end the private key: RFC 5915, section 3. For others, that takes longer.
  if ((globalThis as { Deno?: unknown }).Deno) {
    const whole = await subtle.exportKey("pkcs8", privateKey);
    const point = new Uint8Array(whole).slice(-POINT_SIZE);
    if (point[0] === UNCOMPRESSED) return point;
  }
  return new Uint8Array(await subtle.exportKey("raw", publicKey));
}

function importSecret(secret: ArrayBuffer): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
}

/** Derives so many bytes by HKDF: RFC 5869. */
function derive(
  secret: CryptoKey,
  salt: Uint8Array<ArrayBuffer>,
  info: Uint8Array<ArrayBuffer>,
  length: number,
): Promise<ArrayBuffer> {
  const how = { name: "HKDF", hash: "SHA-256", salt, info };
  return crypto.subtle.deriveBits(how, secret, 8 * length);
}

function concatenate(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function outcomeOf(status: number): SendOutcome {
  if (status >= 200 && status < 300) return "delivered";
  if (status === 404 || status === 410) return "gone";
  if (status === 413) return "too-large";
  // The service for Edge says 406 where others say 429.
  if (status === 429 || status === 406) return "rate-limited";
  if (status === 408 || status >= 500) return "unavailable";
  return "misconfigured";
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function retryAfterOf(headers: Headers): number | undefined {
  const text = headers.get("retry-after") ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  if (!text.endsWith("GMT")) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** Reads a body to its end, or cancels it where it gets long, or takes long. */
async function readStart(
  { body }: Response,
  signal: AbortSignal,
): Promise<string> {
  if (!body) return "";
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const cancel = () => void reader.cancel(signal.reason).catch(() => {});
  let text = "";
  signal.addEventListener("abort", cancel);
  try {
    while (text.length < MOST_CHARACTERS) {
      const { value } = await reader.read();
      if (!value) return text;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // The status is what counts.
  }
  cancel();
  return text.slice(0, MOST_CHARACTERS);
}

function unanswered(outcome: SendOutcome, error: unknown): SendAnswer {
  return {
    outcome,
    status: undefined,
    headers: new Headers(),
    body: "",
    retryAfter: undefined,
    error,
  };
}

function refusal(endpoint: string, fact: string): DOMException {
  return new DOMException(
    `Cannot send to the endpoint ${JSON.stringify(endpoint)}: ${fact}`,
    "SecurityError",
  );
}
