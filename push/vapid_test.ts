// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import webPush from "npm:web-push@3.6.7";
import {
  createVapid,
  generateVapidKeys,
  type VapidKeys,
  vapidKeysFromJWK,
  vapidKeysToJWK,
} from "./vapid.ts";

const SUBJECT = "mailto:push@example.com";
const ENDPOINT = "https://push.example.net/7f3a";
const HOUR = 3_600_000;

/** Verifies a header as a push service does, and reads its token. */
async function readHeader(
  header: string,
): Promise<{ head: unknown; claims: Record<string, unknown>; key: string }> {
  const [, token = "", key = ""] =
    header.match(/^vapid t=([^,]+), k=([\w-]+)$/) ?? [];
  const [head = "", claims = "", signature = ""] = token.split(".");
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const publicKey = await crypto.subtle.importKey(
    "raw",
    Uint8Array.fromBase64(key, { alphabet: "base64url" }),
    curve,
    false,
    ["verify"],
  );
  const valid = await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" },
    publicKey,
    Uint8Array.fromBase64(signature, { alphabet: "base64url" }),
    new TextEncoder().encode(`${head}.${claims}`),
  );
  assert(valid, "the signature is not valid");
  const parse = (text: string) =>
    JSON.parse(
      new TextDecoder().decode(
        Uint8Array.fromBase64(text, { alphabet: "base64url" }),
      ),
    );
  return { head: parse(head), claims: parse(claims), key };
}

/** Counts how often something is signed. */
function countSignatures(): Disposable & { readonly count: number } {
  const { subtle } = crypto;
  let count = 0;
  subtle.sign = (...args) => {
    count++;
    return SubtleCrypto.prototype.sign.apply(subtle, args);
  };
  return {
    get count() {
      return count;
    },
    [Symbol.dispose]: () => void Reflect.deleteProperty(subtle, "sign"),
  };
}

Deno.test("generateVapidKeys() makes keys that web-push takes", async () => {
  const keys = await generateVapidKeys();
  const { Authorization: header = "" } = webPush.getVapidHeaders(
    new URL(ENDPOINT).origin,
    SUBJECT,
    keys.publicKey,
    keys.privateKey,
    "aes128gcm",
  );
  assertEquals((await readHeader(header)).key, keys.publicKey);
});

Deno.test("generateVapidKeys() makes others each time", async () => {
  const [one, another] = [await generateVapidKeys(), await generateVapidKeys()];
  assert(one.privateKey !== another.privateKey);
});

Deno.test("createVapid() takes the keys that web-push makes", async () => {
  const keys = webPush.generateVAPIDKeys();
  const vapid = await createVapid(keys, { subject: SUBJECT });
  const { key } = await readHeader(await vapid.authorization(ENDPOINT));
  assertEquals(key, keys.publicKey);
  assertEquals(vapid.publicKey, keys.publicKey);
});

Deno.test("vapidKeysToJWK() writes what vapidKeysFromJWK() reads", async () => {
  const keys = await generateVapidKeys();
  const jwk = vapidKeysToJWK(keys);
  assertEquals(jwk.kty, "EC");
  assertEquals(vapidKeysFromJWK(jwk), keys);
});

Deno.test("vapidKeysFromJWK() refuses what is not a private key on P-256", async () => {
  const jwk = vapidKeysToJWK(await generateVapidKeys());
  const { d: _, ...publicHalf } = jwk;
  const wrong: [JsonWebKey, string][] = [
    [{ ...jwk, kty: "RSA" }, "it is of type RSA and curve P-256"],
    [{ ...jwk, crv: "P-384" }, "it is of type EC and curve P-384"],
    [publicHalf, "'d' has 0 bytes in base64url, not 32"],
    [{ ...jwk, x: "AAAA" }, "'x' has 3 bytes in base64url, not 32"],
    [{ ...jwk, y: "Ä" }, "'y' has 0 bytes in base64url, not 32"],
  ];
  for (const [key, message] of wrong) {
    assertThrows(() => vapidKeysFromJWK(key), TypeError, message);
  }
});

Deno.test("createVapid() refuses what are not keys", async () => {
  const keys = await generateVapidKeys();
  const other = await generateVapidKeys();
  const wrong: [VapidKeys, string][] = [
    [{ ...keys, publicKey: "" }, "'publicKey' has 0 bytes"],
    [{ ...keys, publicKey: keys.privateKey }, "'publicKey' has 32 bytes"],
    [{ ...keys, privateKey: "AAAA" }, "'privateKey' has 3 bytes"],
    [{ ...keys, publicKey: `A${"B".repeat(86)}` }, "starts with 0, not with 4"],
    [{ ...keys, publicKey: `BA${"A".repeat(85)}` }, "not a point"],
    [{ ...keys, privateKey: other.privateKey }, "Cannot use the keys"],
  ];
  for (const [wrongKeys, message] of wrong) {
    await assertRejects(
      () => createVapid(wrongKeys, { subject: SUBJECT }),
      TypeError,
      message,
    );
  }
});

Deno.test("createVapid() takes a subject that a push service can turn to", async () => {
  const keys = await generateVapidKeys();
  const subjects = [
    "mailto:push@example.com",
    "mailto:Push.Team+alerts@mail.example.co.uk",
    "https://example.com",
    "https://example.com/contact",
    "https://example.com:8443/",
  ];
  for (const subject of subjects) {
    const vapid = await createVapid(keys, { subject });
    const header = await vapid.authorization(ENDPOINT);
    assertEquals((await readHeader(header)).claims.sub, subject);
  }
});

Deno.test("createVapid() refuses a subject that Apple would refuse", async () => {
  const keys = await generateVapidKeys();
  const subjects = [
    "",
    "push@example.com",
    "mailto:",
    "mailto:push",
    "mailto:push@localhost",
    "mailto: push@example.com",
    "mailto:<push@example.com>",
    "mailto:a@example.com,b@example.com",
    "http://example.com",
    "https://localhost",
    "https://localhost:8000/",
    "https://push.localhost",
    "https://127.0.0.1",
    "https://[::1]/",
    "https://example",
    "tel:+15550100",
  ];
  for (const subject of subjects) {
    await assertRejects(
      () => createVapid(keys, { subject }),
      TypeError,
      `Cannot sign for the subject ${JSON.stringify(subject)}: `,
    );
  }
});

Deno.test("Vapid.authorization() signs for the endpoint's origin and less than 24 hours", async () => {
  const vapid = await createVapid(await generateVapidKeys(), {
    subject: SUBJECT,
  });
  const before = Math.floor(Date.now() / 1_000);
  const header = await vapid.authorization(
    "https://push.example.net:8443/send/7f3a?x=1",
  );
  const { head, claims, key } = await readHeader(header);
  assertEquals(head, { typ: "JWT", alg: "ES256" });
  assertEquals(Object.keys(claims).sort(), ["aud", "exp", "sub"]);
  assertEquals(claims.aud, "https://push.example.net:8443");
  assertEquals(claims.sub, SUBJECT);
  const lifetime = Number(claims.exp) - before;
  assert(Number.isInteger(claims.exp));
  assert(lifetime >= 12 * 3_600 && lifetime < 13 * 3_600, `${lifetime} s`);
  assertEquals(key, vapid.publicKey);
});

Deno.test("Vapid.authorization() signs once for an origin, until its token is near its end", async () => {
  const vapid = await createVapid(await generateVapidKeys(), {
    subject: SUBJECT,
  });
  using time = new FakeTime();
  using signatures = countSignatures();
  const [header, same] = await Promise.all([
    vapid.authorization(ENDPOINT),
    vapid.authorization("https://push.example.net/another"),
  ]);
  assertEquals(same, header);
  assertEquals(signatures.count, 1);
  await vapid.authorization("https://push.example.org/7f3a");
  assertEquals(signatures.count, 2);

  time.tick(11 * HOUR - 1);
  assertEquals(await vapid.authorization(ENDPOINT), header);
  assertEquals(signatures.count, 2);
  time.tick(1);
  const renewed = await vapid.authorization(ENDPOINT);
  assertEquals(signatures.count, 3);
  const { exp } = (await readHeader(renewed)).claims;
  assertEquals(exp, Math.floor((Date.now() + 12 * HOUR) / 1_000));
});

Deno.test("Vapid.authorization() signs again where the clock was put back", async () => {
  const vapid = await createVapid(await generateVapidKeys(), {
    subject: SUBJECT,
  });
  using time = new FakeTime(new Date("2026-11-21T00:00:00Z"));
  const header = await vapid.authorization(ENDPOINT);
  time.now = Date.parse("2026-11-19T00:00:00Z");
  assert(await vapid.authorization(ENDPOINT) !== header);
});

Deno.test("Vapid.authorization() keeps the tokens of the 100 newest origins", async () => {
  const vapid = await createVapid(await generateVapidKeys(), {
    subject: SUBJECT,
  });
  const ask = (index: number) =>
    vapid.authorization(`https://push-${index}.example.net/`);
  using signatures = countSignatures();
  for (let index = 0; index <= 100; index++) await ask(index);
  assertEquals(signatures.count, 101);
  await ask(1);
  assertEquals(signatures.count, 101);
  await ask(0);
  assertEquals(signatures.count, 102);
});

Deno.test("Vapid.authorization() keeps no token that could not be signed", async () => {
  const vapid = await createVapid(await generateVapidKeys(), {
    subject: SUBJECT,
  });
  const { subtle } = crypto;
  subtle.sign = () => Promise.reject(new Error("no entropy"));
  try {
    await assertRejects(() => vapid.authorization(ENDPOINT), Error, "entropy");
  } finally {
    Reflect.deleteProperty(subtle, "sign");
  }
  assert((await vapid.authorization(ENDPOINT)).startsWith("vapid t="));
});

Deno.test("Vapid.authorization() rejects what is not a URL", async () => {
  const vapid = await createVapid(await generateVapidKeys(), {
    subject: SUBJECT,
  });
  await assertRejects(() => vapid.authorization("7f3a"), TypeError);
});
