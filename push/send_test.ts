// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { send } from "./send.ts";

/** The example of RFC 8291: section 5, with the intermediate values of appendix A. */
const EXAMPLE = {
  plaintext: "When I grow up, I want to be a watermelon",
  salt: "DGv6ra1nlYgDCS1FRnbzlw",
  auth: "BTBZMqHH6r4Tts7J_aSIgg",
  sender: {
    publicKey:
      "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
    privateKey: "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
  },
  receiver: {
    publicKey:
      "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    privateKey: "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
  },
  body:
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
};
const ENDPOINT = "https://push.example.net/7f3a";
const VAPID = { authorization: () => Promise.resolve("vapid t=t, k=k") };

const fromText = (text: string) =>
  Uint8Array.fromBase64(text, { alphabet: "base64url" });
const toText = (bytes: Uint8Array) =>
  bytes.toBase64({ alphabet: "base64url", omitPadding: true });

/** A pair of keys made of their bytes. */
async function importPair(
  { publicKey, privateKey: d }: { publicKey: string; privateKey: string },
): Promise<CryptoKeyPair> {
  const point = fromText(publicKey);
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const [x, y] = [toText(point.slice(1, 33)), toText(point.slice(33))];
  const jwk = { kty: "EC", crv: "P-256", x, y, d };
  return {
    publicKey: await crypto.subtle.importKey("raw", point, curve, true, []),
    privateKey: await crypto.subtle.importKey("jwk", jwk, curve, true, [
      "deriveBits",
    ]),
  };
}

/** Has everything that is random be as given. */
function withoutChance(salt: string, pair: CryptoKeyPair): Disposable {
  const { subtle } = crypto;
  Object.assign(crypto, {
    getRandomValues(bytes: Uint8Array) {
      bytes.set(fromText(salt));
      return bytes;
    },
  });
  Object.assign(subtle, { generateKey: () => Promise.resolve(pair) });
  return {
    [Symbol.dispose]() {
      Reflect.deleteProperty(crypto, "getRandomValues");
      Reflect.deleteProperty(subtle, "generateKey");
    },
  };
}

Deno.test("send() encrypts the example of RFC 8291 to the byte", async () => {
  const { receiver, sender, auth, salt, plaintext } = EXAMPLE;
  const pair = await importPair(sender);
  using _ = withoutChance(salt, pair);
  let body: Uint8Array | undefined;
  const { outcome } = await send(
    { endpoint: ENDPOINT, keys: { p256dh: receiver.publicKey, auth } },
    plaintext,
    {
      vapid: VAPID,
      fetch: (_, init) => {
        body = init.body as Uint8Array;
        return Promise.resolve(new Response(null, { status: 201 }));
      },
    },
  );
  assertEquals(outcome, "delivered");
  assertEquals(body && toText(body), EXAMPLE.body);
});
