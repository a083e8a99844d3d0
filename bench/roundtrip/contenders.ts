// Copyright 2026 the @serviceworker/std authors. MIT license.

import { accept } from "@serviceworker/std/channel/accept";
import { connect } from "@serviceworker/std/channel/connect";
import { request } from "@serviceworker/std/channel/request";
import { respond } from "@serviceworker/std/channel/respond";
import * as Comlink from "npm:comlink@4.4.2";
import { messageSW } from "npm:workbox-window@7.4.1";

declare const self: ServiceWorkerGlobalScope;

/** Sends a value to the worker and resolves with what comes back. */
export type Echo = (
  value: unknown,
  transfer?: Transferable[],
) => Promise<unknown>;

/** A way to ask a worker. */
export interface Contender {
  /** Prepares the page. */
  page(worker: ServiceWorker): Echo;
  /** Prepares the worker; the listener hears of messages while it has its turn. */
  worker(): (event: ExtendableMessageEvent) => void;
}

/** What to move, rather than copy, with an answer. */
function moved(value: unknown): Transferable[] {
  return value instanceof ArrayBuffer ? [value] : [];
}

/** What any library must at least pay: a port, an id, a table. */
const rawPortIds: Contender = {
  page(worker) {
    const waiting = new Map<number, (value: unknown) => void>();
    const { port1, port2 } = new MessageChannel();
    let last = 0;
    port1.onmessage = ({ data: { id, value } }) => {
      waiting.get(id)?.(value);
      waiting.delete(id);
    };
    worker.postMessage("port", [port2]);
    return (value, transfer = []) =>
      new Promise((resolve) => {
        const id = ++last;
        waiting.set(id, resolve);
        port1.postMessage({ id, value }, transfer);
      });
  },
  worker: () => ({ data, ports: [port] }) => {
    if (data !== "port" || !port) return;
    port.onmessage = ({ data: { id, value } }) =>
      port.postMessage({ id, value }, moved(value));
  },
};

/** One port and no ids: ports keep the order, so a queue is enough. */
const rawPort: Contender = {
  page(worker) {
    const waiting: ((value: unknown) => void)[] = [];
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => waiting.shift()?.(data);
    worker.postMessage("port", [port2]);
    return (value, transfer = []) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        port1.postMessage(value, transfer);
      });
  },
  worker: () => ({ data, ports: [port] }) => {
    if (data !== "port" || !port) return;
    port.onmessage = ({ data }) => port.postMessage(data, moved(data));
  },
};

/** No port: `ServiceWorker.postMessage()` there, `Client.postMessage()` back. */
const rawPostMessage: Contender = {
  page(worker) {
    const waiting = new Map<number, (value: unknown) => void>();
    let last = 0;
    navigator.serviceWorker.addEventListener("message", ({ data }) => {
      waiting.get(data.id)?.(data.value);
      waiting.delete(data.id);
    });
    navigator.serviceWorker.startMessages();
    return (value, transfer = []) =>
      new Promise((resolve) => {
        const id = ++last;
        waiting.set(id, resolve);
        worker.postMessage({ id, value }, transfer);
      });
  },
  worker: () => ({ data: { id, value }, source }) => {
    source?.postMessage({ id, value }, { transfer: moved(value) });
  },
};

/** Takes no transfer list: the question is cloned, the answer moved. */
const workbox: Contender = {
  page: (worker) => (value) => messageSW(worker, { value }),
  worker: () => ({ data: { value }, ports: [port] }) => {
    port?.postMessage(value, moved(value));
  },
};

const echoing = {
  echo(value: unknown) {
    return value instanceof ArrayBuffer
      ? Comlink.transfer(value, [value])
      : value;
  },
};

const comlink: Contender = {
  page(worker) {
    const { port1, port2 } = new MessageChannel();
    worker.postMessage("port", [port2]);
    const remote = Comlink.wrap<typeof echoing>(port1);
    return (value, transfer) =>
      remote.echo(transfer ? Comlink.transfer(value, transfer) : value);
  },
  worker: () => ({ data, ports: [port] }) => {
    if (data === "port" && port) Comlink.expose(echoing, port);
  },
};

interface Protocol {
  echo(input: { value: unknown }): unknown;
}

const connecting: Contender = {
  page() {
    const channel = connect<Protocol>(navigator.serviceWorker);
    return (value, transfer) => channel.call("echo", { value }, { transfer });
  },
  worker() {
    // It listens at all times, as the channel may want to be kept open.
    self.addEventListener(
      "message",
      accept<Protocol>(self.clients, {
        echo({ value }, context) {
          if (value instanceof ArrayBuffer) context.transfer.push(value);
          return value;
        },
      }),
    );
    return () => {};
  },
};

const requesting: Contender = {
  page: (worker) => (value, transfer) =>
    request(worker, { type: "echo", value }, { transfer }),
  worker: () =>
    respond<Protocol>({
      echo({ value }, context) {
        if (value instanceof ArrayBuffer) context.transfer.push(value);
        return value;
      },
    }),
};

export const contenders = new Map<string, Contender>([
  ["raw-port-ids", rawPortIds],
  ["raw-port-ids again", rawPortIds],
  ["raw-port", rawPort],
  ["raw-postmessage", rawPostMessage],
  ["comlink", comlink],
  ["connect", connecting],
  ["messageSW", workbox],
  ["request", requesting],
]);
