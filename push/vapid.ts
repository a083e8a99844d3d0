// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Tell push services who sends: the keys of an application server, and the
 * header that proves that it has them
 * ({@link https://www.rfc-editor.org/rfc/rfc8292 | RFC 8292}, VAPID). `send` takes
 * what {@linkcode createVapid} makes.
 *
 * It needs Web Crypto alone: Deno, Node, Bun, and workers at the edge have it.
 *
 * @module
 */

/**
 * The keys of an application server, as text for a database or the environment.
 * The npm package web-push has the same format.
 */
export interface VapidKeys {
  /**
   * The point of the public key, 65 bytes in base64url. Pages subscribe with it,
   * as the `applicationServerKey`.
   */
  readonly publicKey: string;
  /** The number that is the private key, 32 bytes in base64url. A secret. */
  readonly privateKey: string;
}

/** Options for {@linkcode createVapid}. */
export interface VapidOptions {
  /**
   * How a push service reaches whoever runs the server: `mailto:` with an
   * address, or an `https:` URL. Apple refuses one at localhost.
   */
  readonly subject: string;
}

/** An application server's identity, made by {@linkcode createVapid}. */
export interface Vapid {
  /** The public key, in base64url: the `applicationServerKey` of pages. */
  readonly publicKey: string;
  /**
   * Resolves with the `Authorization` header for an endpoint.
   *
   * Its token is for the endpoint's origin and valid for 12 hours. It is kept for
   * as long as it has one more hour, of the 100 newest origins.
   *
   * Rejects with a `TypeError` if the endpoint is not a URL.
   */
  authorization(endpoint: string): Promise<string>;
}

/** A token under way or made, and when it is too old to be used. */
interface Token {
  readonly header: Promise<string>;
  readonly until: number;
}

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };
const HOUR = 3_600_000;
/** RFC 8292, section 2: at most 24 hours. Half of it forgives a wrong clock. */
const LIFETIME = 12 * HOUR;
/** Endpoints come from clients, which could name any number of origins. */
const MOST_ORIGINS = 100;
const BASE64URL_REGEXP = /^[\w-]+$/;
/** A host whose name has a dot and does not end in a number, as an address does. */
const HOST_REGEXP = /^[^\s<>@,?/]+\.(?!localhost$)[a-z][^\s<>@,?/.]*$/i;
const MAILTO_REGEXP = /^mailto:[^\s<>@,?/]+@/i;

/**
 * Makes new keys. Do so once, keep them, and the private one as a secret: a
 * subscription takes messages only from the key that it was made with, so that
 * with new keys every page has to subscribe again.
 *
 * @returns The keys.
 *
 * @example Making keys
 * ```ts
 * import { generateVapidKeys } from "@serviceworker/std/push/vapid";
 * import { assertEquals } from "@std/assert";
 *
 * const { publicKey, privateKey } = await generateVapidKeys();
 *
 * assertEquals(publicKey.length, 87);
 * assertEquals(privateKey.length, 43);
 * ```
 */
export async function generateVapidKeys(): Promise<VapidKeys> {
  const { privateKey } = await crypto.subtle.generateKey(CURVE, true, ["sign"]);
  return vapidKeysFromJWK(await crypto.subtle.exportKey("jwk", privateKey));
}

/**
 * Reads keys from the JSON Web Key of the private one, in which other libraries,
 * OpenSSL's tools and key vaults have them.
 *
 * @param jwk The private key: `kty` "EC", `crv` "P-256", with `x`, `y` and `d`.
 * @returns The keys.
 * @throws {TypeError} If it is not such a key.
 *
 * @example Taking keys over
 * ```ts
 * import { vapidKeysFromJWK } from "@serviceworker/std/push/vapid";
 * import { assertEquals } from "@std/assert";
 *
 * // Stands for the key that you have.
 * const algorithm = { name: "ECDSA", namedCurve: "P-256" };
 * const pair = await crypto.subtle.generateKey(algorithm, true, ["sign"]);
 * const jwk = await crypto.subtle.exportKey("jwk", pair.privateKey);
 *
 * const { publicKey, privateKey } = vapidKeysFromJWK(jwk);
 * assertEquals(publicKey.length, 87);
 * assertEquals(privateKey, jwk.d);
 * ```
 */
export function vapidKeysFromJWK(jwk: JsonWebKey): VapidKeys {
  const { kty, crv, x = "", y = "", d = "" } = jwk;
  if (kty !== "EC" || crv !== "P-256") {
    throw new TypeError(
      `Cannot read the key: it is of type ${kty} and curve ${crv}, not EC and P-256`,
    );
  }
  const point = [...decode(x, 32, "x"), ...decode(y, 32, "y")];
  decode(d, 32, "d");
  return { publicKey: encode(Uint8Array.of(4, ...point)), privateKey: d };
}

/**
 * Writes keys as the JSON Web Key of the private one, for other libraries,
 * `crypto.subtle.importKey()` and key vaults.
 *
 * @param keys The keys.
 * @returns The private key. Without its `d` it is the public one.
 * @throws {TypeError} If they are not keys.
 *
 * @example Handing keys over
 * ```ts
 * import { generateVapidKeys, vapidKeysToJWK } from "@serviceworker/std/push/vapid";
 * import { assertEquals } from "@std/assert";
 *
 * const jwk = vapidKeysToJWK(await generateVapidKeys());
 *
 * const algorithm = { name: "ECDSA", namedCurve: "P-256" };
 * const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);
 * assertEquals(key.type, "private");
 * ```
 */
export function vapidKeysToJWK(keys: VapidKeys): JsonWebKey {
  const { publicKey, privateKey: d } = keys;
  const point = decode(publicKey, 65, "publicKey");
  decode(d, 32, "privateKey");
  if (point[0] !== 4) {
    throw new TypeError(
      `Cannot read the keys: 'publicKey' starts with ${
        point[0]
      }, not with 4 as an uncompressed point`,
    );
  }
  const x = encode(point.subarray(1, 33));
  return { kty: "EC", crv: "P-256", x, y: encode(point.subarray(33)), d };
}

/**
 * Makes an application server's identity of its keys, once for as long as the
 * server runs: tokens are kept in it.
 *
 * @param keys The keys.
 * @param options Whom a push service may turn to.
 * @returns The identity.
 * @throws {TypeError} If they are not keys, do not belong together, or the subject
 * is not a `mailto:` address or `https:` URL of a public host.
 *
 * @example An application server
 * ```ts
 * import { createVapid, generateVapidKeys } from "@serviceworker/std/push/vapid";
 * import { assert } from "@std/assert";
 *
 * const keys = await generateVapidKeys(); // Stands for those that you have kept.
 * const vapid = await createVapid(keys, { subject: "mailto:push@example.com" });
 *
 * const header = await vapid.authorization("https://push.example.net/7f3a");
 * assert(header.startsWith("vapid t="));
 * assert(header.endsWith(`, k=${vapid.publicKey}`));
 * ```
 */
export async function createVapid(
  keys: VapidKeys,
  options: VapidOptions,
): Promise<Vapid> {
  const { subject } = options;
  const { publicKey } = keys;
  if (!isReachable(subject)) {
    throw new TypeError(
      `Cannot sign for the subject ${
        JSON.stringify(subject)
      }: it is not a mailto: address or https: URL at a public host`,
    );
  }
  const key = await importKeys(keys);
  const tokens = new Map<string, Token>();

  async function sign(audience: string, expires: number): Promise<string> {
    const claims = {
      aud: audience,
      exp: Math.floor(expires / 1_000),
      sub: subject,
    };
    const head = encodeJSON({ typ: "JWT", alg: "ES256" });
    const unsigned = `${head}.${encodeJSON(claims)}`;
    const signature = await crypto.subtle.sign(SIGNATURE, key, utf8(unsigned));
    const token = `${unsigned}.${encode(new Uint8Array(signature))}`;
    return `vapid t=${token}, k=${publicKey}`;
  }

  async function authorization(endpoint: string): Promise<string> {
    const { origin } = new URL(endpoint);
    const now = Date.now();
    const kept = tokens.get(origin);
    // Further away than it can be: the clock was put back.
    const left = (kept?.until ?? 0) - now;
    if (kept && left > 0 && left <= LIFETIME) return await kept.header;

    const header = sign(origin, now + LIFETIME);
    tokens.set(origin, { header, until: now + LIFETIME - HOUR });
    const [oldest = ""] = tokens.keys();
    if (tokens.size > MOST_ORIGINS) tokens.delete(oldest);
    try {
      return await header;
    } catch (error) {
      // The next one tries anew.
      tokens.delete(origin);
      throw error;
    }
  }

  return { publicKey, authorization };
}

/** The private key, if it belongs to the public one. */
async function importKeys(keys: VapidKeys): Promise<CryptoKey> {
  const { subtle } = crypto;
  const jwk = vapidKeysToJWK(keys);
  const point = decode(keys.publicKey, 65, "publicKey");
  const probe = new Uint8Array(1);
  try {
    const [privateKey, publicKey] = await Promise.all([
      subtle.importKey("jwk", jwk, CURVE, false, ["sign"]),
      subtle.importKey("raw", point, CURVE, false, ["verify"]),
    ]);
    const signature = await subtle.sign(SIGNATURE, privateKey, probe);
    // Not every runtime compares them when it imports the private one.
    if (await subtle.verify(SIGNATURE, publicKey, signature, probe)) {
      return privateKey;
    }
  } catch (cause) {
    throw new TypeError(
      "Cannot use the keys: they are not a point and a number of P-256",
      { cause },
    );
  }
  throw new TypeError(
    "Cannot use the keys: the private one does not belong to the public one",
  );
}

/** Whether a push service could turn to whoever is named. */
function isReachable(subject: string): boolean {
  if (MAILTO_REGEXP.test(subject)) {
    return HOST_REGEXP.test(subject.replace(MAILTO_REGEXP, ""));
  }
  // What is not a URL has no host.
  const { protocol, hostname } = URL.canParse(subject)
    ? new URL(subject)
    : { protocol: "", hostname: "" };
  return protocol === "https:" && HOST_REGEXP.test(hostname);
}

function decode(
  text: string,
  length: number,
  name: string,
): Uint8Array<ArrayBuffer> {
  const bytes = BASE64URL_REGEXP.test(text)
    ? atob(text.replaceAll("-", "+").replaceAll("_", "/"))
    : "";
  if (bytes.length !== length) {
    throw new TypeError(
      `Cannot read the keys: '${name}' has ${bytes.length} bytes in base64url, not ${length}`,
    );
  }
  return Uint8Array.from(bytes, (byte) => byte.charCodeAt(0));
}

function encode(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function encodeJSON(value: unknown): string {
  return encode(utf8(JSON.stringify(value)));
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
