// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Brings push messages to Firefox, by the protocol of Mozilla's push service: JSON
 * over a WebSocket.
 *
 * @module
 */

// @ts-types="npm:@types/ws@^8"
import { type WebSocket, WebSocketServer } from "ws";
import type { AddressInfo } from "node:net";
import type { LaunchOptions } from "./driver.ts";
import type {
  PushConnection,
  PushMessage,
  PushService,
} from "./push_service.ts";

/** A Firefox, known by the name that it was given. */
interface UserAgent {
  readonly id: string;
  socket: WebSocket;
  /** The tokens of its subscriptions, by its own names for them. */
  readonly tokens: Map<string, string>;
  /** What it has not said to have received. */
  readonly messages: Map<string, Record<string, unknown>>;
}

/** Connects Firefox with a push service. */
export class FirefoxPush implements PushConnection {
  readonly #service: PushService;
  readonly #server: WebSocketServer;
  readonly #agents = new Map<string, UserAgent>();

  /** Starts to listen. */
  static async start(service: PushService): Promise<FirefoxPush> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await new Promise((resolve) => server.once("listening", resolve));
    return new FirefoxPush(service, server);
  }

  private constructor(service: PushService, server: WebSocketServer) {
    this.#service = service;
    this.#server = server;
    server.on("connection", (socket) => this.#accept(socket));
  }

  get launch(): LaunchOptions {
    const { port } = this.#server.address() as AddressInfo;
    return {
      prefs: {
        "dom.push.serverURL": `ws://127.0.0.1:${port}/`,
        "dom.push.testing.allowInsecureServerURL": true,
        // Else automation turns it off.
        "dom.push.connection.enabled": true,
        "dom.push.retryBaseInterval": 100,
        // The quota of silent pushes is charged this much later.
        "dom.push.quotaUpdateDelay": 50,
      },
    };
  }

  /** Gives Firefox another name, whereupon it drops its subscriptions. */
  changeSubscriptions(): void {
    for (const { socket, tokens } of this.#agents.values()) {
      for (const token of tokens.values()) this.#service.remove(token);
      // Were it closed properly, Firefox would not come back soon.
      socket.terminate();
    }
    this.#agents.clear();
  }

  async stop(): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: WebSocket): void {
    let agent: UserAgent | undefined;
    socket.on("message", (data) => {
      const text = String(data);
      if (text === "{}") return socket.send("{}");
      const message = JSON.parse(text);
      if (message.messageType === "hello") {
        agent = this.#welcome(message.uaid, socket);
      } else if (agent) this.#receive(agent, message);
    });
  }

  #welcome(uaid: string | undefined, socket: WebSocket): UserAgent {
    let agent = this.#agents.get(uaid ?? "");
    if (!agent) {
      const id = crypto.randomUUID().replaceAll("-", "");
      agent = { id, socket, tokens: new Map(), messages: new Map() };
      this.#agents.set(id, agent);
    }
    agent.socket = socket;
    send(socket, {
      messageType: "hello",
      uaid: agent.id,
      status: 200,
      use_webpush: true,
      broadcasts: {},
    });
    for (const message of agent.messages.values()) send(socket, message);
    return agent;
  }

  #receive(
    agent: UserAgent,
    { messageType, channelID, key, updates, version }: {
      messageType: string;
      channelID: string;
      key?: string;
      updates?: { version: string }[];
      version?: string;
    },
  ): void {
    const answer = { messageType, channelID, status: 200 };
    switch (messageType) {
      case "register": {
        const token = this.#service.add({
          key: key ?? "",
          deliver: (message) => deliver(agent, channelID, message),
        });
        agent.tokens.set(channelID, token);
        const pushEndpoint = `https://push.example.net/wpush/v2/${token}`;
        send(agent.socket, { ...answer, pushEndpoint });
        break;
      }
      case "unregister":
        this.#service.remove(agent.tokens.get(channelID) ?? "");
        agent.tokens.delete(channelID);
        send(agent.socket, answer);
        break;
      case "ack":
        for (const { version } of updates ?? []) agent.messages.delete(version);
        break;
      case "nack":
        agent.messages.delete(version ?? "");
    }
  }
}

function deliver(
  { socket, messages }: UserAgent,
  channelID: string,
  { id, body, headers, ttl }: PushMessage,
): void {
  const message = {
    messageType: "notification",
    channelID,
    version: id,
    ttl,
    ...(body.length > 0 && {
      data: body.toBase64({ alphabet: "base64url", omitPadding: true }),
      headers: {
        encoding: headers.get("content-encoding"),
        encryption: headers.get("encryption") ?? undefined,
        crypto_key: headers.get("crypto-key") ?? undefined,
      },
    }),
  };
  const isOnline = socket.readyState === socket.OPEN;
  if (isOnline || ttl > 0) messages.set(id, message);
  if (isOnline) send(socket, message);
}

function send(socket: WebSocket, message: unknown): void {
  socket.send(JSON.stringify(message));
}
