// Copyright 2026 the @serviceworker/std authors. MIT license.

import { accept } from "@serviceworker/std/channel/accept";
import { broadcast } from "@serviceworker/std/channel/broadcast";
import { connect } from "@serviceworker/std/channel/connect";
import { postToClients } from "@serviceworker/std/channel/post-to-clients";
import { BroadcastCacheUpdate as Serwist } from "npm:serwist@9.5.12";
import { BroadcastCacheUpdate as Workbox } from "npm:workbox-broadcast-update@7.4.1";

declare const self: ServiceWorkerGlobalScope;

/** A way to tell every page. */
export interface Contender {
  /** Prepares a page, which calls `got` for each message. */
  page(got: () => void): unknown;
  /** Prepares the worker; what is returned posts once to every page. */
  worker(): () => unknown;
}

const MESSAGE = { kind: "playing", id: "7" };

function rawBroadcastChannel(name: string): Contender {
  return {
    page(got) {
      new BroadcastChannel(name).onmessage = got;
    },
    worker() {
      const channel = new BroadcastChannel(name);
      return () => channel.postMessage(MESSAGE);
    },
  };
}

/** Listens to what `Client.postMessage()` brings, if it is from this contender. */
function listen(got: () => void, isOurs: (data: unknown) => boolean): void {
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (isOurs(data)) got();
  });
  navigator.serviceWorker.startMessages();
}

const rawMatchAll: Contender = {
  page: (got) => listen(got, (data) => Object(data).id === MESSAGE.id),
  worker: () => async () => {
    const clients = await self.clients.matchAll({ type: "window" });
    for (const client of clients) client.postMessage(MESSAGE);
  },
};

const rawPorts: Contender = {
  async page(got) {
    const { active } = await navigator.serviceWorker.ready;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = got;
    active?.postMessage("port", [port2]);
  },
  worker() {
    const ports: MessagePort[] = [];
    self.addEventListener("message", ({ data, ports: [port] }) => {
      if (data === "port" && port) ports.push(port);
    });
    return () => {
      for (const port of ports) port.postMessage(MESSAGE);
    };
  },
};

/** Two responses which differ, as these two tell pages of nothing else. */
function change() {
  const oldResponse = new Response("", { headers: { etag: "1" } });
  const newResponse = new Response("", { headers: { etag: "2" } });
  const request = new Request("/changed");
  const event = new ExtendableEvent("change");
  return { cacheName: "cache", request, event, oldResponse, newResponse };
}

const workbox: Contender = {
  page: (got) =>
    listen(got, (data) => Object(data).meta === "workbox-broadcast-update"),
  worker() {
    const update = new Workbox();
    return () => update.notifyIfUpdated(change());
  },
};

const serwist: Contender = {
  page: (got) =>
    listen(got, (data) => Object(data).meta === "serwist-broadcast-update"),
  worker() {
    const update = new Serwist();
    return () => update.notifyIfUpdated(change());
  },
};

const broadcasting: Contender = {
  page: (got) => broadcast("ours").addEventListener("message", got),
  worker() {
    const channel = broadcast<typeof MESSAGE>("ours");
    return () => channel.post(MESSAGE);
  },
};

const posting: Contender = {
  page: (got) => listen(got, (data) => Object(data).id === "8"),
  worker: () => () => postToClients(self.clients, { ...MESSAGE, id: "8" }),
};

interface Protocol {
  ready(): void;
  playing: typeof MESSAGE;
}

const accepting: Contender = {
  page(got) {
    const channel = connect<Protocol>(navigator.serviceWorker);
    channel.addEventListener("playing", got);
    return channel.call("ready");
  },
  worker() {
    const channel = accept<Protocol>(self.clients, { ready() {} });
    self.addEventListener("message", channel);
    return () => channel.post("playing", MESSAGE);
  },
};

export const contenders = new Map<string, Contender>([
  ["raw-broadcastchannel", rawBroadcastChannel("raw")],
  ["raw-broadcastchannel again", rawBroadcastChannel("again")],
  ["raw-matchall", rawMatchAll],
  ["raw-ports", rawPorts],
  ["workbox", workbox],
  ["serwist", serwist],
  ["broadcast", broadcasting],
  ["postToClients", posting],
  ["accept().post", accepting],
]);
