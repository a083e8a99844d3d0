// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A D-Bus session bus with one service on it: as much of one as a browser needs
 * to find that service, call it and hear its signals.
 *
 * Spec: https://dbus.freedesktop.org/doc/dbus-specification.html
 *
 * @module
 */

/** A service: what it answers to the calls of its methods. */
export interface BusService {
  /** Its well-known name. */
  readonly name: string;
  readonly path: string;
  /** Answers a call with the signature and the values of the reply; `undefined` if there is no such method. */
  call(
    member: string,
    values: readonly unknown[],
  ): [signature: string, ...values: unknown[]] | undefined;
}

interface Message {
  readonly type: number;
  readonly flags: number;
  readonly serial: number;
  readonly fields: ReadonlyMap<number, unknown>;
  readonly body: readonly unknown[];
}

const BUS = "org.freedesktop.DBus";
const [CALL, REPLY, ERROR, SIGNAL] = [1, 2, 3, 4];
const [PATH, INTERFACE, MEMBER, ERROR_NAME] = [1, 2, 3, 4];
const [REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE] = [5, 6, 7, 8];
/** The types of those fields. */
const FIELD_TYPES = ["", "o", "s", "s", "s", "u", "s", "s", "g"];
const NO_REPLY_EXPECTED = 1;
/** The name of our own connection. */
const OURS = ":1.0";

/** A running bus. */
export class SessionBus {
  /** Where it is, for `DBUS_SESSION_BUS_ADDRESS`. */
  readonly address: string;
  readonly #service: BusService;
  readonly #folder: string;
  readonly #listener: Deno.Listener;
  readonly #connections = new Set<Connection>();
  #names = 0;

  /** Starts a bus. */
  static async start(service: BusService): Promise<SessionBus> {
    return new SessionBus(
      service,
      await Deno.makeTempDir({ prefix: "bus-" }),
    );
  }

  private constructor(service: BusService, folder: string) {
    this.#service = service;
    this.#folder = folder;
    const path = `${folder}/bus`;
    this.#listener = Deno.listen({ transport: "unix", path });
    this.address = `unix:path=${path}`;
    this.#accept();
  }

  /** Sends a signal of the service to everybody. */
  emit(member: string, signature: string, ...values: unknown[]): void {
    for (const connection of this.#connections) {
      connection.send(
        SIGNAL,
        {
          [PATH]: this.#service.path,
          [INTERFACE]: this.#service.name,
          [MEMBER]: member,
          [SENDER]: OURS,
        },
        signature,
        values,
      );
    }
  }

  /** Ends the bus. */
  async stop(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #accept(): Promise<void> {
    for await (const socket of this.#listener) {
      const connection = new Connection(socket);
      this.#connections.add(connection);
      const name = `:1.${++this.#names}`;
      connection.run((message) => this.#receive(connection, name, message))
        // The browser has ended.
        .catch(() => {})
        .finally(() => {
          this.#connections.delete(connection);
          connection.close();
        });
    }
  }

  #receive(connection: Connection, name: string, message: Message): void {
    const { type, flags, serial, fields, body } = message;
    if (type !== CALL) return;
    const member = String(fields.get(MEMBER));
    const destination = fields.get(DESTINATION);
    const answer = destination === BUS
      ? this.#callBus(name, member, body)
      : destination === this.#service.name || destination === OURS
      ? this.#service.call(member, body)
      : undefined;
    if (flags & NO_REPLY_EXPECTED) return;
    const about = {
      [REPLY_SERIAL]: serial,
      [DESTINATION]: name,
      [SENDER]: destination === BUS ? BUS : OURS,
    };
    if (answer) {
      const [signature, ...values] = answer;
      connection.send(REPLY, about, signature, values);
    } else {
      connection.send(
        ERROR,
        { ...about, [ERROR_NAME]: `${BUS}.Error.ServiceUnknown` },
        "s",
        [`Nobody answers ${member}`],
      );
    }
  }

  #callBus(
    caller: string,
    member: string,
    [name]: readonly unknown[],
  ): [signature: string, ...values: unknown[]] | undefined {
    const isOurs = name === this.#service.name;
    switch (member) {
      case "Hello":
        return ["s", caller];
      case "AddMatch":
      case "RemoveMatch":
        return [""];
      case "RequestName":
        return ["u", 1];
      case "NameHasOwner":
        return ["b", Number(isOurs)];
      case "GetNameOwner":
        return isOurs ? ["s", OURS] : undefined;
      case "StartServiceByName":
        return isOurs ? ["u", 2] : undefined;
      case "ListNames":
      case "ListActivatableNames":
        return ["as", [BUS, this.#service.name]];
    }
  }
}

/** The server's end of a connection. */
class Connection {
  readonly #socket: Deno.Conn;
  readonly #buffer = new Uint8Array(64 * 1024);
  #bytes = new Uint8Array();
  #sent: Promise<unknown> = Promise.resolve();
  #serial = 0;

  constructor(socket: Deno.Conn) {
    this.#socket = socket;
  }

  /** Hands on every message, until the connection ends. */
  async run(receive: (message: Message) => void): Promise<void> {
    await this.#authenticate();
    while (true) {
      await this.#fill(16);
      const [
        ,
        type = 0,
        flags = 0,
        ,
        length = 0,
        serial = 0,
        fieldsLength = 0,
      ] = new Reader(this.#bytes).read("yyyyuuu") as number[];
      // What follows the fields begins at a multiple of eight.
      const start = 16 + fieldsLength + (-fieldsLength & 7);
      await this.#fill(start + length);
      const reader = new Reader(this.#take(start + length));
      reader.read("yyyyuu");
      const [list] = reader.read("a(yv)") as [[number, unknown][]];
      const fields = new Map(list);
      reader.align(8);
      const body = reader.read(String(fields.get(SIGNATURE) ?? ""));
      receive({ type, flags, serial, fields, body });
    }
  }

  send(
    type: number,
    fields: Record<number, unknown>,
    signature: string,
    values: readonly unknown[],
  ): void {
    const body = new Writer().write(signature, values);
    const list = Object.entries({ ...fields, [SIGNATURE]: signature })
      .map(([code, value]) => [
        Number(code),
        [FIELD_TYPES[Number(code)], value],
      ]);
    const message = new Writer().write("yyyyuua(yv)", [
      "l".charCodeAt(0),
      type,
      NO_REPLY_EXPECTED,
      1,
      body.bytes.length,
      ++this.#serial,
      list,
    ]);
    message.align(8);
    this.#write(Uint8Array.from([...message.bytes, ...body.bytes]));
  }

  close(): void {
    try {
      this.#socket.close();
    } catch {
      // It is closed.
    }
  }

  /** Lets everybody in. */
  async #authenticate(): Promise<void> {
    await this.#fill(1);
    this.#take(1);
    while (true) {
      const line = await this.#line();
      if (line === "BEGIN") return;
      // The name of the user may come with the first line, or be asked for.
      const reply = /^(AUTH EXTERNAL \w|DATA)/.test(line)
        ? `OK ${"0".repeat(31)}1`
        : line === "AUTH EXTERNAL"
        ? "DATA"
        : line === "AUTH"
        ? "REJECTED EXTERNAL"
        : "ERROR";
      this.#write(new TextEncoder().encode(`${reply}\r\n`));
    }
  }

  async #line(): Promise<string> {
    while (true) {
      const end = this.#bytes.indexOf("\n".charCodeAt(0));
      if (end >= 0) return new TextDecoder().decode(this.#take(end + 1)).trim();
      await this.#fill(this.#bytes.length + 1);
    }
  }

  async #fill(length: number): Promise<void> {
    while (this.#bytes.length < length) {
      const count = await this.#socket.read(this.#buffer);
      if (count === null) throw new Error("Cannot read: the connection ended");
      const bytes = new Uint8Array(this.#bytes.length + count);
      bytes.set(this.#bytes);
      bytes.set(this.#buffer.subarray(0, count), this.#bytes.length);
      this.#bytes = bytes;
    }
  }

  #take(length: number): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, length);
    this.#bytes = this.#bytes.slice(length);
    return taken;
  }

  #write(bytes: Uint8Array): void {
    this.#sent = this.#sent.then(async () => {
      for (let written = 0; written < bytes.length;) {
        written += await this.#socket.write(bytes.subarray(written));
      }
    }).catch(() => {});
  }
}

const ALIGNMENTS: Record<string, number> = {
  y: 1,
  g: 1,
  v: 1,
  n: 2,
  q: 2,
  x: 8,
  t: 8,
  d: 8,
  "(": 8,
  "{": 8,
};

function alignment(type: string): number {
  return ALIGNMENTS[type[0] ?? ""] ?? 4;
}

/** The complete types that a signature is made of. */
function types(signature: string): string[] {
  const found: string[] = [];
  let [type, depth] = ["", 0];
  for (const char of signature) {
    type += char;
    if ("({".includes(char)) depth++;
    if (")}".includes(char)) depth--;
    if (depth > 0 || char === "a") continue;
    found.push(type);
    type = "";
  }
  return found;
}

/** Reads values of the wire format, of the byte order in the first byte. */
class Reader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #little: boolean;
  #offset = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#little = bytes[0] === "l".charCodeAt(0);
  }

  read(signature: string): unknown[] {
    return types(signature).map((type) => this.#value(type));
  }

  align(size: number): void {
    this.#offset += -this.#offset & (size - 1);
  }

  #value(type: string): unknown {
    this.align(alignment(type));
    switch (type[0]) {
      case "y":
        return this.#view.getUint8(this.#skip(1));
      case "n":
        return this.#view.getInt16(this.#skip(2), this.#little);
      case "q":
        return this.#view.getUint16(this.#skip(2), this.#little);
      case "i":
        return this.#view.getInt32(this.#skip(4), this.#little);
      case "x":
        return this.#view.getBigInt64(this.#skip(8), this.#little);
      case "t":
        return this.#view.getBigUint64(this.#skip(8), this.#little);
      case "d":
        return this.#view.getFloat64(this.#skip(8), this.#little);
      case "s":
      case "o":
        return this.#text(this.#value("u") as number);
      case "g":
        return this.#text(this.#value("y") as number);
      case "v":
        return this.#value(this.#value("g") as string);
      case "(":
      case "{":
        return this.read(type.slice(1, -1));
      case "a": {
        const length = this.#value("u") as number;
        const item = type.slice(1);
        this.align(alignment(item));
        const end = this.#offset + length;
        const items: unknown[] = [];
        while (this.#offset < end) items.push(this.#value(item));
        return items;
      }
      default: // "b", "u" and what is like it
        return this.#view.getUint32(this.#skip(4), this.#little);
    }
  }

  #skip(size: number): number {
    this.#offset += size;
    return this.#offset - size;
  }

  #text(length: number): string {
    const start = this.#skip(length + 1);
    return new TextDecoder().decode(
      this.#bytes.subarray(start, start + length),
    );
  }
}

/** Writes values of the wire format, little-endian. */
class Writer {
  readonly bytes: number[] = [];

  write(signature: string, values: readonly unknown[]): this {
    types(signature).forEach((type, i) => this.#value(type, values[i]));
    return this;
  }

  align(size: number): void {
    while (this.bytes.length % size !== 0) this.bytes.push(0);
  }

  #value(type: string, value: unknown): void {
    this.align(alignment(type));
    switch (type[0]) {
      case "y":
        this.bytes.push(value as number);
        break;
      case "s":
      case "o": {
        const bytes = new TextEncoder().encode(value as string);
        this.#value("u", bytes.length);
        this.bytes.push(...bytes, 0);
        break;
      }
      case "g": {
        const bytes = new TextEncoder().encode(value as string);
        this.bytes.push(bytes.length, ...bytes, 0);
        break;
      }
      case "v": {
        const [inner, content] = value as [string, unknown];
        this.#value("g", inner);
        this.#value(inner, content);
        break;
      }
      case "(":
        this.write(type.slice(1, -1), value as unknown[]);
        break;
      case "a": {
        const item = type.slice(1);
        const at = this.bytes.length;
        this.#value("u", 0);
        this.align(alignment(item));
        const start = this.bytes.length;
        for (const one of value as unknown[]) this.#value(item, one);
        this.bytes.splice(at, 4, ...littleEndian(this.bytes.length - start));
        break;
      }
      default: // "b" and "u"
        this.bytes.push(...littleEndian(value as number));
    }
  }
}

function littleEndian(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 255);
}
