// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Buffer } from "node:buffer";
import { createECDH } from "node:crypto";
import ece from "npm:http_ece@1.2.0";
import webPush from "npm:web-push@3.6.7";
import { createPushReceiver } from "../tests/push_receiver.ts";
import {
  isPublicEndpoint,
  send,
  type SendOptions,
  type SendOutcome,
  type SendSubscription,
} from "./send.ts";
import { createVapid, generateVapidKeys } from "./vapid.ts";

/** The example of RFC 8291, section 5. */
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

/** What a push service was asked. */
interface Asked {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** A push service in place of `fetch`, and options to send to it. */
function fakeService(
  answer: () => Response | Promise<Response> = () =>
    new Response(null, { status: 201 }),
): { options: SendOptions; asked: Asked[] } {
  const asked: Asked[] = [];
  const options: SendOptions = {
    vapid: VAPID,
    async fetch(url, init) {
      // As the real one does.
      const { method, headers, body, redirect } = init;
      assertEquals(redirect, "manual");
      const request = new Request(
        url,
        { method, headers, body } as RequestInit,
      );
      asked.push({
        url,
        method: request.method,
        headers: request.headers,
        body: await request.bytes(),
      });
      return await answer();
    },
  };
  return { options, asked };
}

/** A push service on this machine. */
function realService(
  handler: (request: Request) => Response | Promise<Response>,
): AsyncDisposable & { readonly url: string } {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    handler,
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/7f3a`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A pair of keys made of their bytes. */
async function importPair(
  { publicKey, privateKey: d }: { publicKey: string; privateKey: string },
): Promise<CryptoKeyPair> {
  const point = Buffer.from(publicKey, "base64url");
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const [x, y] = [point.subarray(1, 33), point.subarray(33)]
    .map((bytes) => bytes.toString("base64url"));
  const jwk = { kty: "EC", crv: "P-256", x: x ?? "", y: y ?? "", d };
  return {
    publicKey: await crypto.subtle.importKey("raw", point, curve, true, []),
    privateKey: await crypto.subtle.importKey("jwk", jwk, curve, true, [
      "deriveBits",
    ]),
  };
}

/** Replaces members of an object until it is disposed of. */
function replace(target: object, members: object): Disposable {
  Object.assign(target, members);
  return {
    [Symbol.dispose]() {
      for (const name of Object.keys(members)) {
        Reflect.deleteProperty(target, name);
      }
    },
  };
}

/** Has everything that is random be as in the example. */
async function asInTheExample(): Promise<Disposable> {
  const pair = await importPair(EXAMPLE.sender);
  const stack = new DisposableStack();
  stack.use(replace(crypto, {
    getRandomValues(bytes: Uint8Array) {
      bytes.set(Buffer.from(EXAMPLE.salt, "base64url"));
      return bytes;
    },
  }));
  const generateKey = () => Promise.resolve(pair);
  stack.use(replace(crypto.subtle, { generateKey }));
  return stack;
}

/** Sends the example of the RFC; resolves with the body in base64url. */
async function sendTheExample(): Promise<string> {
  const { receiver: { publicKey: p256dh }, auth, plaintext } = EXAMPLE;
  const { options, asked } = fakeService();
  const subscription = { endpoint: ENDPOINT, keys: { p256dh, auth } };
  const { outcome } = await send(subscription, plaintext, options);
  assertEquals(outcome, "delivered");
  return Buffer.from(asked[0]?.body ?? []).toString("base64url");
}

Deno.test("send() encrypts the example of RFC 8291 to the byte", async () => {
  using _ = await asInTheExample();
  assertEquals(await sendTheExample(), EXAMPLE.body);
});

Deno.test("send() encrypts the example where private keys have no public one in them", async () => {
  using _ = await asInTheExample();
  const { subtle } = crypto;
  const exported: string[] = [];
  using _without = replace(subtle, {
    exportKey(format: "pkcs8" | "raw", key: CryptoKey) {
      exported.push(format);
      if (format === "raw") {
        return SubtleCrypto.prototype.exportKey.call(subtle, format, key);
      }
      // RFC 5915: version 1, the number, and nothing optional.
      const der = "3041020100301306072a8648ce3d020106082a8648ce3d030107" +
        "042730250201010420" + "07".repeat(32);
      return Promise.resolve(Uint8Array.fromHex(der).buffer);
    },
  });
  assertEquals(await sendTheExample(), EXAMPLE.body);
  assertEquals(exported, ["pkcs8", "raw"]);
});

Deno.test("createPushReceiver() of the tests decrypts the example of RFC 8291", async () => {
  const { privateKey } = EXAMPLE.receiver;
  const receiver = createPushReceiver(ENDPOINT, {
    privateKey,
    auth: EXAMPLE.auth,
  });
  assertEquals(
    receiver.subscription.keys.p256dh,
    EXAMPLE.receiver.publicKey,
  );
  const body = Buffer.from(EXAMPLE.body, "base64url");
  assertEquals(await receiver.decryptText(body), EXAMPLE.plaintext);
});

Deno.test("send() sends what the library behind web-push decrypts", async () => {
  const receiver = createPushReceiver(ENDPOINT);
  const privateKey = createECDH("prime256v1");
  privateKey.setPrivateKey(receiver.privateKey, "base64url");
  for (const message of ["Episode 7 ✓", "", "a".repeat(3_993)]) {
    const { options, asked } = fakeService();
    await send(receiver.subscription, message, options);
    const plaintext = ece.decrypt(Buffer.from(asked[0]?.body ?? []), {
      version: "aes128gcm",
      privateKey,
      authSecret: receiver.subscription.keys.auth,
    });
    assertEquals(new TextDecoder().decode(plaintext), message);
  }
});

Deno.test("send() sends what a receiver reads, as web-push does", async () => {
  const receiver = createPushReceiver(ENDPOINT);
  const keys = await generateVapidKeys();
  const subject = "mailto:push@example.com";
  const vapid = await createVapid(keys, { subject });
  const { options, asked } = fakeService();
  await send(receiver.subscription, "Episode 7", {
    ...options,
    vapid,
    ttl: 60,
    urgency: "high",
    topic: "episode",
  });
  const { body, headers, ...theirs } = webPush.generateRequestDetails(
    receiver.subscription,
    "Episode 7",
    {
      vapidDetails: { subject, ...keys },
      TTL: 60,
      urgency: "high",
      topic: "episode",
      contentEncoding: "aes128gcm",
    },
  );
  const [ours] = asked;
  assert(ours);
  assertEquals(await receiver.decryptText(body), "Episode 7");
  assertEquals(await receiver.decryptText(ours.body), "Episode 7");
  assertEquals(ours.body.length, body.length);
  assertEquals(ours.url, theirs.endpoint);
  assertEquals(ours.method, theirs.method);
  const { Authorization: _, "Content-Length": __, ...compared } = headers;
  assertEquals(Object.keys(compared).length, 5);
  for (const [name, value] of Object.entries(compared)) {
    assertEquals(ours.headers.get(name), String(value), name);
  }
});

Deno.test("send() has a key and a salt of its own for each message", async () => {
  const { subscription } = createPushReceiver(ENDPOINT);
  const { options, asked } = fakeService();
  for (let count = 0; count < 3; count++) {
    await send(subscription, "the same", options);
  }
  const parts = (from: number, to: number) =>
    new Set(asked.map(({ body }) => body.slice(from, to).toHex()));
  assertEquals(parts(0, 16).size, 3, "salts");
  assertEquals(parts(21, 86).size, 3, "keys");
});

Deno.test("send() takes texts, bytes, and what becomes JSON", async () => {
  const receiver = createPushReceiver(ENDPOINT);
  const bytes = new TextEncoder().encode("a text");
  const messages: [unknown, string][] = [
    ["a text", "a text"],
    [bytes, "a text"],
    [bytes.buffer, "a text"],
    [bytes.subarray(2), "text"],
    [new DataView(bytes.buffer, 0, 1), "a"],
    [{ title: "Episode 7" }, '{"title":"Episode 7"}'],
    [[1, "a"], '[1,"a"]'],
    [7, "7"],
    [false, "false"],
  ];
  for (const [message, expected] of messages) {
    const { options, asked } = fakeService();
    await send(receiver.subscription, message, options);
    const [
      { body, headers } = { body: new Uint8Array(), headers: new Headers() },
    ] = asked;
    assertEquals(await receiver.decryptText(body), expected);
    assertEquals(headers.get("content-encoding"), "aes128gcm");
    assertEquals(headers.get("content-type"), "application/octet-stream");
  }
});

Deno.test("send() sends no body without a message, to a subscription without keys too", async () => {
  for (const message of [undefined, null]) {
    const { options, asked } = fakeService();
    const answer = await send({ endpoint: ENDPOINT }, message, options);
    assertEquals(answer.outcome, "delivered");
    assertEquals(asked[0]?.body.length, 0);
    assertEquals(asked[0]?.headers.get("content-encoding"), null);
    assertEquals(asked[0]?.headers.get("ttl"), "2419200");
  }
});

Deno.test("send() takes a message of 3,993 bytes, and refuses one byte more with its size", async () => {
  const { subscription } = createPushReceiver(ENDPOINT);
  const { options, asked } = fakeService();
  await send(subscription, "a".repeat(3_993), options);
  assertEquals(asked[0]?.body.length, 4_096);

  const tooLarge = [
    "a".repeat(3_994),
    "ä".repeat(1_997),
    new Uint8Array(3_994),
  ];
  for (const message of tooLarge) {
    await assertRejects(
      () => send(subscription, message, options),
      RangeError,
      "it has 3994 bytes, of which push services accept 3993",
    );
  }
  assertEquals(asked.length, 1);
});

Deno.test("send() refuses what has no form in JSON", async () => {
  const { subscription } = createPushReceiver(ENDPOINT);
  const { options, asked } = fakeService();
  const circular: Record<string, unknown> = {};
  circular.itself = circular;
  for (const message of [() => {}, Symbol("a"), 1n, circular]) {
    await assertRejects(() => send(subscription, message, options), TypeError);
  }
  assertEquals(asked.length, 0);
});

Deno.test("send() says how long to keep a message, how urgent it is, and what it replaces", async () => {
  const { options, asked } = fakeService();
  const topic = "a-Z_09".padEnd(32, "x");
  const ask = (more: Partial<SendOptions>) =>
    send({ endpoint: ENDPOINT }, undefined, { ...options, ...more });
  await ask({});
  await ask({ ttl: 0, urgency: "very-low", topic });
  const [first, second] = asked.map(({ headers }) => headers);
  assertEquals(first?.get("ttl"), "2419200");
  assertEquals(first?.get("urgency"), null);
  assertEquals(first?.get("topic"), null);
  assertEquals(second?.get("ttl"), "0");
  assertEquals(second?.get("urgency"), "very-low");
  assertEquals(second?.get("topic"), topic);
});

Deno.test("send() refuses a ttl, an urgency and a topic that services would refuse", async () => {
  const { options, asked } = fakeService();
  const wrong: [Partial<SendOptions>, typeof TypeError, string][] = [
    [{ ttl: -1 }, RangeError, "current value is -1"],
    [{ ttl: NaN }, RangeError, "current value is NaN"],
    [{ ttl: Infinity }, RangeError, "current value is Infinity"],
    [{ ttl: 1.5 }, RangeError, "current value is 1.5"],
    [{ ttl: "60" as unknown as number }, RangeError, "'ttl' must be"],
    [{ urgency: "urgent" as "high" }, TypeError, "current value is urgent"],
    [{ topic: "" }, TypeError, 'current value is ""'],
    [{ topic: "a".repeat(33) }, TypeError, "'topic' must be up to 32"],
    [{ topic: "new episode" }, TypeError, '"new episode"'],
    [{ topic: "a.b" }, TypeError, '"a.b"'],
    [{ topic: "ä" }, TypeError, '"ä"'],
    [{ topic: "a\n" }, TypeError, '"a\\n"'],
  ];
  for (const [more, error, message] of wrong) {
    await assertRejects(
      () => send({ endpoint: ENDPOINT }, undefined, { ...options, ...more }),
      error,
      message,
    );
  }
  assertEquals(asked.length, 0);
});

Deno.test("send() signs for the endpoint it sends to", async () => {
  const { options, asked } = fakeService();
  const endpoints: string[] = [];
  const vapid = {
    authorization(endpoint: string) {
      endpoints.push(endpoint);
      return Promise.resolve("vapid t=token, k=key");
    },
  };
  await send({ endpoint: ENDPOINT }, undefined, { ...options, vapid });
  assertEquals(endpoints, [ENDPOINT]);
  assertEquals(asked[0]?.headers.get("authorization"), "vapid t=token, k=key");
});

Deno.test("send() rejects with what the signing rejects with", async () => {
  const { options, asked } = fakeService();
  const error = new Error("no key");
  const vapid = { authorization: () => Promise.reject(error) };
  const promise = send({ endpoint: ENDPOINT }, "", { ...options, vapid });
  // The subscription has no keys, which is found out first.
  assertEquals((await promise).outcome, "invalid");
  const empty = send({ endpoint: ENDPOINT }, null, { ...options, vapid });
  assertEquals(await empty.catch((reason) => reason), error);
  assertEquals(asked.length, 0);
});

Deno.test("send() tells what a service's answer means", async () => {
  const outcomes: Record<SendOutcome, number[]> = {
    delivered: [200, 201, 202, 204],
    gone: [404, 410],
    invalid: [],
    "too-large": [413],
    "rate-limited": [406, 429],
    unavailable: [408, 500, 502, 503, 504],
    misconfigured: [301, 302, 307, 308, 400, 401, 403, 405, 415, 422],
  };
  for (const [expected, statuses] of Object.entries(outcomes)) {
    for (const status of statuses) {
      const { options } = fakeService(() =>
        new Response(status === 204 ? null : "the reason", {
          status,
          headers: { "x-reason": "more of it" },
        })
      );
      const answer = await send({ endpoint: ENDPOINT }, undefined, options);
      assertEquals(answer.outcome, expected, String(status));
      assertEquals(answer.status, status);
      assertEquals(answer.body, status === 204 ? "" : "the reason");
      assertEquals(answer.headers.get("x-reason"), "more of it");
      assertEquals(answer.error, undefined);
    }
  }
});

Deno.test("send() tells when a service wants to be asked again", async () => {
  using _ = new FakeTime(new Date("2026-11-21T12:00:00Z"));
  const times: [string, number | undefined][] = [
    ["120", 120_000],
    ["0", 0],
    ["Sat, 21 Nov 2026 12:01:30 GMT", 90_000],
    ["Sat, 21 Nov 2026 11:00:00 GMT", 0],
    ["-5", undefined],
    ["soon", undefined],
    ["GMT", undefined],
    ["1.5", undefined],
    ["9".repeat(400), undefined],
  ];
  for (const [value, expected] of times) {
    const { options } = fakeService(() =>
      new Response(null, { status: 429, headers: { "retry-after": value } })
    );
    const answer = await send({ endpoint: ENDPOINT }, undefined, options);
    assertEquals(answer.retryAfter, expected, value);
  }
  const { options } = fakeService(() => new Response(null, { status: 503 }));
  const answer = await send({ endpoint: ENDPOINT }, undefined, options);
  assertEquals(answer.retryAfter, undefined);
});

Deno.test("send() reads the first 1,000 characters of an answer, and cancels the rest", async () => {
  let chunks = 0;
  let cancelled = false;
  const endless = new ReadableStream({
    pull(controller) {
      chunks++;
      controller.enqueue(new TextEncoder().encode("ä".repeat(300)));
    },
    cancel() {
      cancelled = true;
    },
  }, { highWaterMark: 0 });
  const { options } = fakeService(() => new Response(endless, { status: 400 }));
  const { outcome, body } = await send({ endpoint: ENDPOINT }, null, options);
  assertEquals(outcome, "misconfigured");
  assertEquals(body, "ä".repeat(1_000));
  assertEquals(chunks, 4);
  assert(cancelled);
});

Deno.test("send() reads a short answer to its end, with characters in pieces", async () => {
  const bytes = new TextEncoder().encode("Größe");
  let ended = false;
  const stream = ReadableStream.from(async function* () {
    for (const byte of bytes) yield await Promise.resolve(Uint8Array.of(byte));
    ended = true;
  }());
  const { options } = fakeService(() => new Response(stream, { status: 403 }));
  const { body } = await send({ endpoint: ENDPOINT }, null, options);
  assertEquals(body, "Größe");
  assert(ended);
});

Deno.test("send() tells what a service answered though its body fails", async () => {
  const { options } = fakeService(() => {
    const failing = new ReadableStream({
      pull(controller) {
        controller.error(new TypeError("the connection was reset"));
      },
    });
    return new Response(failing, { status: 201 });
  });
  const { outcome, body } = await send({ endpoint: ENDPOINT }, null, options);
  assertEquals([outcome, body], ["delivered", ""]);
});

Deno.test("send() reaches a service by fetch", async () => {
  const receiver = createPushReceiver("");
  const { promise, resolve } = Promise.withResolvers<Asked>();
  await using service = realService(async (request) => {
    const { url, method, headers } = request;
    resolve({ url, method, headers, body: await request.bytes() });
    return new Response(null, { status: 201 });
  });
  const vapid = await createVapid(await generateVapidKeys(), {
    subject: "mailto:push@example.com",
  });
  const { keys } = receiver.subscription;
  const answer = await send({ endpoint: service.url, keys }, "Episode 7", {
    vapid,
    allow: () => true,
  });
  assertEquals(answer.outcome, "delivered");
  const { method, headers, body } = await promise;
  assertEquals(method, "POST");
  assertEquals(headers.get("content-length"), String(body.length));
  assertEquals(await receiver.decryptText(body), "Episode 7");
});

Deno.test("send() says that a message without data has no length", async () => {
  const { promise, resolve } = Promise.withResolvers<Headers>();
  await using service = realService(({ headers }) => {
    resolve(headers);
    return new Response(null, { status: 201 });
  });
  await send({ endpoint: service.url }, undefined, {
    vapid: VAPID,
    allow: () => true,
  });
  // Services refuse a POST that does not.
  assertEquals((await promise).get("content-length"), "0");
});

Deno.test("send() does not follow a redirect", async () => {
  let reached = 0;
  await using inside = realService(() => {
    reached++;
    return new Response("a secret", { status: 201 });
  });
  for (const status of [301, 302, 303, 307, 308]) {
    await using outside = realService(() =>
      new Response("elsewhere", { status, headers: { location: inside.url } })
    );
    const answer = await send({ endpoint: outside.url }, undefined, {
      vapid: VAPID,
      allow: () => true,
    });
    assertEquals(answer.outcome, "misconfigured");
    assertEquals(answer.status, status);
    assertEquals(answer.body, "elsewhere");
  }
  assertEquals(reached, 0);
});

Deno.test("send() tells a service that cannot be reached from one that answers", async () => {
  let url;
  {
    await using service = realService(() => new Response());
    url = service.url;
  }
  const answer = await send({ endpoint: url }, undefined, {
    vapid: VAPID,
    allow: () => true,
  });
  assertEquals(answer.outcome, "unavailable");
  assertEquals(answer.status, undefined);
  assertEquals([...answer.headers], []);
  assert(answer.error instanceof TypeError);
});

Deno.test("send() does not try what is not a subscription", async () => {
  const { subscription: { keys } } = createPushReceiver(ENDPOINT);
  const wrong: [SendSubscription, string][] = [
    [{}, 'the endpoint "": it is not a URL'],
    [{ endpoint: "7f3a", keys }, 'the endpoint "7f3a": it is not a URL'],
    [{ endpoint: "http://push.example.net/", keys }, "it is not allowed"],
    [{ endpoint: "https://localhost/", keys }, "it is not allowed"],
    [{ endpoint: ENDPOINT }, "its key 'p256dh' has 0 bytes"],
    [{ endpoint: ENDPOINT, keys: { p256dh: keys.p256dh } }, "'auth' has 0"],
    [{ endpoint: ENDPOINT, keys: { ...keys, auth: "AAAA" } }, "'auth' has 3"],
    [{ endpoint: ENDPOINT, keys: { ...keys, auth: "ä!" } }, "'auth' has 0"],
    [
      { endpoint: ENDPOINT, keys: { ...keys, p256dh: keys.auth } },
      "'p256dh' has 16 bytes in base64url, not 65",
    ],
    [
      { endpoint: ENDPOINT, keys: { ...keys, p256dh: `BA${"A".repeat(85)}` } },
      "its key 'p256dh' is not a point on P-256",
    ],
    [{ endpoint: 7 } as unknown as SendSubscription, "it is not a URL"],
  ];
  const { options, asked } = fakeService();
  for (const [subscription, message] of wrong) {
    const answer = await send(subscription, "Episode 7", options);
    assertEquals(answer.outcome, "invalid");
    assertEquals(answer.status, undefined);
    assert(String(answer.error).includes(message), String(answer.error));
  }
  assertEquals(asked.length, 0);
});

Deno.test("send() takes keys in base64", async () => {
  const receiver = createPushReceiver(ENDPOINT);
  const { p256dh, auth } = receiver.subscription.keys;
  const inBase64 = (text: string) =>
    Buffer.from(text, "base64url").toString("base64");
  const keys = { p256dh: inBase64(p256dh), auth: inBase64(auth) };
  const { options, asked } = fakeService();
  await send({ endpoint: ENDPOINT, keys }, "Episode 7", options);
  const body = asked[0]?.body ?? new Uint8Array();
  assertEquals(await receiver.decryptText(body), "Episode 7");
});

Deno.test("send() asks whether an endpoint is allowed", async () => {
  const { options, asked } = fakeService();
  const hosts: string[] = [];
  const allow = ({ host }: URL) => {
    hosts.push(host);
    return host === "push.test:8443";
  };
  const ask = (endpoint: string) =>
    send({ endpoint }, undefined, { ...options, allow });
  assertEquals((await ask(ENDPOINT)).outcome, "invalid");
  assertEquals((await ask("http://push.test:8443/a")).outcome, "delivered");
  assertEquals(hosts, ["push.example.net", "push.test:8443"]);
  assertEquals(asked.map(({ url }) => url), ["http://push.test:8443/a"]);
});

Deno.test("isPublicEndpoint() takes those of browsers", () => {
  const endpoints = [
    "https://fcm.googleapis.com/fcm/send/abc:def",
    "https://updates.push.services.mozilla.com/wpush/v2/abc",
    "https://web.push.apple.com/abc",
    "https://wns2-par02p.notify.windows.com/w/?token=abc",
    "https://push.example.net:8443/",
    "https://push.example.net./",
    "https://local.example.net/",
    "https://127.0.0.1.example.net/",
    "https://xn--bcher-kva.example.net/",
  ];
  for (const endpoint of endpoints) {
    assert(isPublicEndpoint(endpoint), endpoint);
    assert(isPublicEndpoint(new URL(endpoint)), endpoint);
  }
});

Deno.test("isPublicEndpoint() refuses what is no URL, not https, or in a network of one's own", () => {
  const endpoints = [
    "",
    "7f3a",
    "http://push.example.net/",
    "ws://push.example.net/",
    "file:///etc/passwd",
    "data:,a",
    "https://user@push.example.net/",
    "https://user:password@push.example.net/",
    // This machine.
    "https://localhost/",
    "https://LOCALHOST./",
    "https://push.localhost/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://017700000001/",
    "https://0177.0.0.01/",
    "https://127.0.0.1./",
    "https://%31%32%37.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    // The same, and others, behind IPv6.
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[2002:7f00:1::]/",
    // Networks that are not the internet.
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    // Names.
    "https://router/",
    "https://router./",
    "https://printer.local/",
    "https://printer.LOCAL./",
    "https://metadata.google.internal/",
    "https://nas.home.arpa/",
    "https://nas.lan/",
    "https://wiki.corp/",
    "https://wiki.intranet/",
    "https://nas.home/",
    "https://db.private/",
    "https://push.test/",
  ];
  for (const endpoint of endpoints) {
    assert(!isPublicEndpoint(endpoint), endpoint);
  }
});

Deno.test("send() rejects with the reason of an already aborted signal", async () => {
  const { options, asked } = fakeService();
  const reason = new Error("no longer needed");
  const promise = send({ endpoint: ENDPOINT }, null, {
    ...options,
    signal: AbortSignal.abort(reason),
    allow: () => {
      throw new Error("it was asked");
    },
  });
  assertEquals(await promise.catch((error) => error), reason);
  assertEquals(asked.length, 0);
});

Deno.test("send() rejects with the reason of a signal aborted later", async () => {
  await using service = realService(async (request) => {
    await request.bytes();
    controller.abort(reason);
    await closed.promise;
    return new Response();
  });
  const closed = Promise.withResolvers<void>();
  const reason = new Error("no longer needed");
  const controller = new AbortController();
  const promise = send({ endpoint: service.url }, null, {
    vapid: VAPID,
    allow: () => true,
    signal: controller.signal,
  });
  assertEquals(await promise.catch((error) => error), reason);
  closed.resolve();
});

Deno.test("send() sends nothing if its signal is aborted while it encrypts", async () => {
  const { subscription } = createPushReceiver(ENDPOINT);
  const { options, asked } = fakeService();
  const reason = new Error("no longer needed");
  const controller = new AbortController();
  const { signal } = controller;
  const promise = send(subscription, "Episode 7", { ...options, signal });
  controller.abort(reason);
  assertEquals(await promise.catch((error) => error), reason);
  assertEquals(asked.length, 0);
});

Deno.test("send() rejects only the call whose signal is aborted, even if fetch does not listen", async () => {
  const answered = Promise.withResolvers<Response>();
  const { options, asked } = fakeService(() => answered.promise);
  const reason = new Error("no longer needed");
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = send({ endpoint: ENDPOINT }, null, { ...options, signal });
  const other = send({ endpoint: ENDPOINT }, null, options);
  while (asked.length < 2) await new Promise((done) => setTimeout(done));
  controller.abort(reason);
  assertEquals(await aborted.catch((error) => error), reason);
  answered.resolve(new Response());
  assertEquals((await other).outcome, "delivered");
});

Deno.test("send() removes its abort listener when it settles", async () => {
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  using _ = replace(signal, {
    addEventListener: (_: string, listener: unknown) => listeners.add(listener),
    removeEventListener: (_: string, listener: unknown) =>
      listeners.delete(listener),
  });
  let most = 0;
  const { options } = fakeService(() => {
    most = listeners.size;
    return new Response();
  });
  await send({ endpoint: ENDPOINT }, null, { ...options, signal });
  assertEquals([most, listeners.size], [1, 0]);
});

Deno.test("send() counts a service that does not answer for 30 seconds as unavailable", async () => {
  using time = new FakeTime();
  const asked = Promise.withResolvers<AbortSignal>();
  const promise = send({ endpoint: ENDPOINT }, null, {
    vapid: VAPID,
    fetch(_, { signal }) {
      if (signal) asked.resolve(signal);
      return new Promise(() => {});
    },
  });
  const signal = await asked.promise;
  time.tick(29_999);
  assert(!signal.aborted);
  time.tick(1);
  assert(signal.aborted);
  const { outcome, status, error } = await promise;
  assertEquals([outcome, status], ["unavailable", undefined]);
  assert(error instanceof DOMException);
  assertEquals(error.name, "TimeoutError");
  assertEquals(
    error.message,
    "Cannot send the message: https://push.example.net has not answered for 30 seconds",
  );
});

Deno.test("send() tells what a service answered though its body does not end", async () => {
  using time = new FakeTime();
  const reading = Promise.withResolvers<void>();
  let cancelled = false;
  const { options } = fakeService(() => {
    const stuck = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode("a"));
        reading.resolve();
        return new Promise(() => {});
      },
      cancel() {
        cancelled = true;
      },
    }, { highWaterMark: 0 });
    return new Response(stuck, { status: 201 });
  });
  const promise = send({ endpoint: ENDPOINT }, null, options);
  await reading.promise;
  time.tick(30_000);
  const { outcome, body } = await promise;
  assertEquals([outcome, body, cancelled], ["delivered", "a", true]);
});
