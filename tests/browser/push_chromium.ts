// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Brings push messages to Chromium, by as much of the protocols of its vendor as
 * it needs: it checks in and registers over HTTP, and has a connection over TLS on
 * which messages arrive, all but the registration in protocol buffers.
 *
 * @module
 */

import type { Certificate } from "./certificate.ts";
import type { LaunchOptions } from "./driver.ts";
import type {
  PushConnection,
  PushMessage,
  PushService,
} from "./push_service.ts";

/** The messages of the connection, by their tag. */
const PING = 0;
const PONG = 1;
const LOGIN_REQUEST = 2;
const LOGIN_RESPONSE = 3;
const DATA_MESSAGE = 8;
const VERSION = 41;

type Writer = WritableStreamDefaultWriter<Uint8Array>;
type Field = [number: number, value: number | bigint | string | Uint8Array];

/** Connects Chromium with a push service. */
export class ChromiumPush implements PushConnection {
  readonly #service: PushService;
  readonly #fingerprint: string;
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  readonly #listener: Deno.TlsListener;
  readonly #connections = new Map<Deno.TlsConn, Writer>();
  /** The tokens of subscriptions, by Chromium's names for them. */
  readonly #tokens = new Map<string, string>();
  /** What nobody was connected for. */
  #waiting: Uint8Array[] = [];

  /** Starts to listen. */
  constructor(service: PushService, certificate: Certificate) {
    const { key, cert, fingerprint } = certificate;
    const where = { hostname: "127.0.0.1", port: 0, key, cert };
    this.#service = service;
    this.#fingerprint = fingerprint;
    this.#http = Deno.serve(
      { ...where, onListen() {} },
      (request) => this.#respond(request),
    );
    this.#listener = Deno.listenTls(where);
    this.#accept();
  }

  get launch(): LaunchOptions {
    const http = `https://127.0.0.1:${this.#http.addr.port}`;
    const { port } = this.#listener.addr as Deno.NetAddr;
    return {
      args: [
        `--gcm-checkin-url=${http}/checkin`,
        `--gcm-registration-url=${http}/register`,
        `--gcm-mcs-endpoint=https://127.0.0.1:${port}`,
        `--ignore-certificate-errors-spki-list=${this.#fingerprint}`,
      ],
    };
  }

  async stop(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections.keys()) connection.close();
    await this.#http.shutdown();
  }

  async #respond(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === "/checkin") {
      // That it is well, the time, the name and the secret of this device.
      const fields: Field[] = [[1, 1], [3, Date.now()], [7, 1n], [8, 2n]];
      return new Response(encode(fields));
    }
    const form = new URLSearchParams(await request.text());
    const name = form.get("X-subtype") ?? "";
    if (form.get("delete") === "true") {
      this.#service.remove(this.#tokens.get(name) ?? "");
      return new Response(`token=${name}`);
    }
    const sender = form.get("sender") ?? "";
    const app = form.get("app") ?? "";
    const token = this.#service.add({
      key: sender,
      deliver: (message) => this.#deliver(sender, app, name, message),
    });
    this.#tokens.set(name, token);
    return new Response(`token=${token}`);
  }

  #deliver(
    sender: string,
    app: string,
    name: string,
    { id, body, headers, ttl, time }: PushMessage,
  ): void {
    const about: [key: string, value: string][] = [["subtype", name]];
    for (const header of ["content-encoding", "encryption", "crypto-key"]) {
      const value = headers.get(header);
      if (value !== null) about.push([header, value]);
    }
    const message = frame(DATA_MESSAGE, [
      [2, id],
      [3, sender],
      [5, app],
      ...about.map((
        [key, value],
      ): Field => [7, encode([[1, key], [2, value]])]),
      [9, `0:${id}`],
      [17, ttl],
      [18, time],
      ...(body.length > 0 ? [[21, body] satisfies Field] : []),
    ]);
    if (this.#connections.size === 0) this.#waiting.push(message);
    for (const writer of this.#connections.values()) write(writer, message);
  }

  async #accept(): Promise<void> {
    while (true) {
      let connection: Deno.TlsConn;
      try {
        connection = await this.#listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        continue; // A handshake failed.
      }
      this.#serve(connection)
        // The browser has ended.
        .catch(() => {})
        .finally(() => this.#connections.delete(connection));
    }
  }

  async #serve(connection: Deno.TlsConn): Promise<void> {
    const writer = connection.writable.getWriter();
    const bytes: number[] = [];
    let isNew = true;
    for await (const chunk of connection.readable) {
      bytes.push(...chunk);
      if (isNew) bytes.shift(); // The version.
      isNew = false;
      for (
        let length = frameLength(bytes);
        length <= bytes.length;
        length = frameLength(bytes)
      ) {
        const [tag] = bytes.splice(0, length);
        if (tag === PING) write(writer, frame(PONG, []));
        if (tag === LOGIN_REQUEST) {
          write(writer, Uint8Array.of(VERSION));
          write(writer, frame(LOGIN_RESPONSE, [[1, "test"], [8, Date.now()]]));
          for (const message of this.#waiting) write(writer, message);
          this.#waiting = [];
          this.#connections.set(connection, writer);
        }
      }
    }
  }
}

function write(writer: Writer, bytes: Uint8Array): void {
  writer.write(bytes).catch(() => {});
}

/** How long the first message is: a tag, a length and that many bytes. */
function frameLength(bytes: readonly number[]): number {
  let length = 0;
  for (let i = 1; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    length += (byte & 127) << (7 * (i - 1));
    if (byte < 128) return 1 + i + length;
  }
  return Infinity;
}

function frame(tag: number, fields: readonly Field[]): Uint8Array {
  const body = encode(fields);
  return Uint8Array.of(tag, ...varint(body.length), ...body);
}

/** Encodes a message: a number as a varint, a bigint as 64 bits. */
function encode(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(fields.flatMap(([field, value]) => {
    const tag = (type: number) => varint(field << 3 | type);
    if (typeof value === "number") return [...tag(0), ...varint(value)];
    if (typeof value === "bigint") {
      const bytes = new Uint8Array(BigUint64Array.of(value).buffer);
      return [...tag(1), ...bytes];
    }
    const bytes = typeof value === "string"
      ? new TextEncoder().encode(value)
      : value;
    return [...tag(2), ...varint(bytes.length), ...bytes];
  }));
}

function varint(value: number): number[] {
  // The time needs more than 32 bits.
  return value < 128
    ? [value]
    : [value % 128 + 128, ...varint(Math.floor(value / 128))];
}
