// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A browser's side of push messages, without a browser: a subscription, and what
 * its messages say. Written from RFC 8188 and RFC 8291, sections 3.3 and 3.4,
 * apart from the module that it is to test.
 *
 * @module
 */

import { createECDH, createHmac, randomBytes, webcrypto } from "node:crypto";
import { Buffer } from "node:buffer";

/** A subscription, with the keys that only the browser has. */
export interface PushReceiver {
  /** What a page sends to its server. */
  readonly subscription: {
    endpoint: string;
    expirationTime: null;
    keys: { p256dh: string; auth: string };
  };
  /** The private key, in base64url. */
  readonly privateKey: string;
  /** Reads the body of a message; throws if it was not encrypted for it. */
  decrypt(body: Uint8Array): Promise<Uint8Array>;
  /** Reads the body of a message as text. */
  decryptText(body: Uint8Array): Promise<string>;
}

/** Makes a subscription; of the given keys, or of new ones. */
export function createPushReceiver(
  endpoint: string,
  keys: { privateKey?: string; auth?: string } = {},
): PushReceiver {
  const pair = createECDH("prime256v1");
  if (keys.privateKey === undefined) pair.generateKeys();
  else pair.setPrivateKey(keys.privateKey, "base64url");
  const point = pair.getPublicKey();
  const auth = keys.auth === undefined
    ? randomBytes(16)
    : Buffer.from(keys.auth, "base64url");

  async function decrypt(body: Uint8Array): Promise<Uint8Array> {
    const bytes = Buffer.from(body);
    const salt = bytes.subarray(0, 16);
    const size = bytes.readUInt32BE(16);
    const theirs = bytes.subarray(21, 21 + (bytes[20] ?? 0));
    const record = Uint8Array.from(bytes.subarray(21 + theirs.length));
    if (record.length > size) throw new Error("There is more than a record");

    const info = Buffer.concat([Buffer.from("WebPush: info\0"), point, theirs]);
    const material = hkdf(auth, pair.computeSecret(theirs), info, 32);
    const kind = (name: string) => Buffer.from(`Content-Encoding: ${name}\0`);
    const key = await webcrypto.subtle.importKey(
      "raw",
      Uint8Array.from(hkdf(salt, material, kind("aes128gcm"), 16)),
      "AES-GCM",
      false,
      ["decrypt"],
    );
    const iv = Uint8Array.from(hkdf(salt, material, kind("nonce"), 12));
    const plain = new Uint8Array(
      await webcrypto.subtle.decrypt({ name: "AES-GCM", iv }, key, record),
    );
    const end = plain.findLastIndex((byte) => byte !== 0);
    if (plain[end] !== 2) throw new Error("The record is not the last one");
    return plain.slice(0, end);
  }

  return {
    subscription: {
      endpoint,
      expirationTime: null,
      keys: {
        p256dh: point.toString("base64url"),
        auth: auth.toString("base64url"),
      },
    },
    privateKey: pair.getPrivateKey("base64url"),
    decrypt,
    decryptText: async (body) => new TextDecoder().decode(await decrypt(body)),
  };
}

function hkdf(
  salt: Uint8Array,
  secret: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const key = createHmac("sha256", salt).update(secret).digest();
  return createHmac("sha256", key).update(info).update(Uint8Array.of(1))
    .digest().subarray(0, length);
}
