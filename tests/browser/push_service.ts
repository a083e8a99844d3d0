// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A push service as senders know it, and as strict as RFC 8030, 8188, 8291 and
 * 8292 allow: `push_chromium.ts` and `push_firefox.ts` bring to a browser what was
 * sent.
 *
 * @module
 */

import { Agent } from "node:https";
// @ts-types="npm:@types/web-push@^3.6"
import webpush from "web-push";
import type { BrowserName } from "../../tools/find_browser.ts";
import { type Certificate, makeCertificate } from "./certificate.ts";
import type { LaunchOptions } from "./driver.ts";
import { Skip } from "./page.ts";
import { ChromiumPush } from "./push_chromium.ts";
import { FirefoxPush } from "./push_firefox.ts";

/** A message that was accepted. */
export interface PushMessage {
  readonly id: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Headers;
  readonly ttl: number;
  /** Since when, in milliseconds. */
  readonly time: number;
}

/** A subscription, as its browser knows it. */
export interface PushReceiver {
  /** The `applicationServerKey`, in base64url. */
  readonly key: string;
  /** Brings a message to the browser. */
  deliver(message: PushMessage): void;
}

/** What connects a browser with the service. */
export interface PushConnection {
  /** With what the browser is started. */
  readonly launch: LaunchOptions;
  /** Ends the subscriptions of the browser, and has it know. */
  changeSubscriptions?(): void;
  stop(): Promise<void>;
}

/** What was sent to the service. */
export interface PushRequest {
  /** The last part of the endpoint. */
  readonly token: string;
  readonly headers: Headers;
  /** How long the body is. */
  readonly size: number;
  /** What was answered. */
  readonly status: number;
}

/** The JSON of a `PushSubscription`. */
export interface SubscriptionJSON {
  readonly endpoint: string;
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

const MOST_BYTES = 4_096;
const DAY = 86_400;
const KEY = { name: "ECDSA", namedCurve: "P-256" };
/** The header that says where a request would have gone. */
const ENDPOINT = "x-endpoint";

/** The push service of one browser, and of an application server that uses it. */
export class PushService {
  /** The keys of an application server, for `subscribe()` and to send with. */
  readonly keys: { readonly publicKey: string; readonly privateKey: string } =
    webpush.generateVAPIDKeys();
  /** What was sent so far. */
  readonly requests: PushRequest[] = [];
  readonly #receivers = new Map<string, PushReceiver>();
  readonly #gone = new Set<string>();
  readonly #answers: (() => Response)[] = [];
  readonly #certificate: Certificate;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #client: Deno.HttpClient;
  #connection: PushConnection | undefined;

  /** Starts the service of an engine; rejects if there is no openssl. */
  static async start(engine: BrowserName): Promise<PushService> {
    const certificate = await makeCertificate();
    const service = new PushService(certificate);
    service.#connection = engine === "chromium"
      ? new ChromiumPush(service, certificate)
      : await FirefoxPush.start(service);
    return service;
  }

  private constructor(certificate: Certificate) {
    const { key, cert } = certificate;
    this.#certificate = certificate;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, key, cert, onListen() {} },
      (request) => this.#receive(request),
    );
    this.#client = Deno.createHttpClient({ caCerts: [cert] });
  }

  /** With what the browser is started. */
  get launch(): LaunchOptions {
    return this.#connection?.launch ?? {};
  }

  /** Where a request to an endpoint has to go; browsers give endpoints of their vendor. */
  url(endpoint: string): string {
    const token = new URL(endpoint).pathname.split("/").at(-1);
    return `https://127.0.0.1:${this.#server.addr.port}/send/${token}`;
  }

  /** The `fetch` of a sender, bound so that it can be handed on. */
  readonly fetch = (url: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set(ENDPOINT, url);
    const options = { ...init, headers, client: this.#client };
    return fetch(this.url(url), options);
  };

  /** Sends a message with the npm package web-push; rejects if it is not accepted. */
  async deliver(
    subscription: SubscriptionJSON,
    payload?: string,
    options: webpush.RequestOptions = {},
  ): Promise<void> {
    await webpush.sendNotification(
      { ...subscription, endpoint: this.url(subscription.endpoint) },
      payload,
      {
        vapidDetails: { subject: "mailto:test@example.com", ...this.keys },
        TTL: 60,
        agent: new Agent({ ca: this.#certificate.cert }),
        ...options,
      },
    );
  }

  /** Answers the next request this way, whatever it is. */
  answerNext(
    status: number,
    init: ResponseInit & { body?: string } = {},
  ): void {
    this.#answers.push(() =>
      new Response(init.body ?? null, { ...init, status })
    );
  }

  /** Ends all subscriptions, whereupon the browser tells the workers. Only in Firefox. */
  changeSubscriptions(): void {
    if (!this.#connection?.changeSubscriptions) {
      throw new Skip("this engine keeps its subscriptions");
    }
    this.#connection.changeSubscriptions();
  }

  /** Ends a subscription, of which the browser does not know. */
  expire(endpoint: string): void {
    this.remove(this.url(endpoint).split("/").at(-1) ?? "");
  }

  /** Takes on a subscription; returns its token. */
  add(receiver: PushReceiver): string {
    const token = crypto.randomUUID();
    this.#receivers.set(token, receiver);
    return token;
  }

  /** Ends a subscription. */
  remove(token: string): void {
    if (this.#receivers.delete(token)) this.#gone.add(token);
  }

  /** Forgets what was sent. */
  clear(): void {
    this.requests.length = 0;
    this.#answers.length = 0;
  }

  /** Ends the service. */
  async stop(): Promise<void> {
    this.#client.close();
    await this.#connection?.stop();
    await this.#server.shutdown();
  }

  async #receive(request: Request): Promise<Response> {
    const { headers, url } = request;
    const token = url.split("/").at(-1) ?? "";
    const body = await request.bytes();
    const { origin } = new URL(headers.get(ENDPOINT) ?? url);
    const response = this.#answers.shift()?.() ??
      await this.#answer(token, origin, headers, body);
    const { status } = response;
    this.requests.push({ token, headers, size: body.length, status });
    return response;
  }

  async #answer(
    token: string,
    origin: string,
    headers: Headers,
    body: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    if (this.#gone.has(token)) return refuse(410, "the subscription is gone");
    const receiver = this.#receivers.get(token);
    if (!receiver) return refuse(404, "there is no such subscription");
    const fault = faultOf(headers, body);
    if (fault) return refuse(400, fault);
    if (body.length > MOST_BYTES) return refuse(413, "the message is too long");
    const { key } = receiver;
    const unproved = await checkVapid(
      headers.get("authorization"),
      key,
      origin,
    );
    if (unproved) return refuse(...unproved);
    const id = crypto.randomUUID();
    const ttl = Number(headers.get("ttl"));
    receiver.deliver({ id, body, headers, ttl, time: Date.now() });
    const location = `https://push.example.net/messages/${id}`;
    return new Response(null, { status: 201, headers: { location } });
  }
}

/** What is wrong with a message. */
function faultOf(headers: Headers, body: Uint8Array): string | undefined {
  if (!/^\d+$/.test(headers.get("ttl") ?? "")) return "there is no TTL";
  const urgency = headers.get("urgency") ?? "normal";
  if (!/^(very-low|low|normal|high)$/.test(urgency)) return "bad urgency";
  if (!/^[\w-]{1,32}$/.test(headers.get("topic") ?? "-")) return "bad topic";
  const encoding = headers.get("content-encoding") ?? "";
  if (body.length > 0 && !/^(aes128gcm|aesgcm)$/.test(encoding)) {
    return "the encoding is unknown";
  }
}

/** What is wrong with the proof that the sender has the key of a subscription. */
async function checkVapid(
  authorization: string | null,
  key: string,
  origin: string,
): Promise<[status: number, why: string] | undefined> {
  const [, token, publicKey = ""] =
    authorization?.match(/^vapid t=([\w.-]+), *k=([\w-]+)$/) ?? [];
  const [header = "", claims = "", signature = ""] = token?.split(".") ?? [];
  if (!signature) return [401, "there is no VAPID"];
  const isSigned = await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" },
    await crypto.subtle.importKey("raw", decode(publicKey), KEY, true, [
      "verify",
    ]),
    decode(signature),
    new TextEncoder().encode(`${header}.${claims}`),
  );
  if (!isSigned) return [401, "the signature is wrong"];
  const { aud, exp, sub } = JSON.parse(
    new TextDecoder().decode(decode(claims)),
  );
  if (aud !== origin) return [401, `"aud" is ${aud}, not ${origin}`];
  const seconds = exp - Date.now() / 1_000;
  if (!(seconds > 0 && seconds <= DAY)) return [401, `"exp" is ${exp}`];
  if (!/^(mailto:|https:)/.test(sub)) return [401, `"sub" is ${sub}`];
  // Firefox writes it with padding.
  if (key.replace(/=+$/, "") !== publicKey) {
    return [403, "the subscription has another key"];
  }
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" });
}

function refuse(status: number, why: string): Response {
  return Response.json({ code: status, message: why }, { status });
}
