// Copyright 2026 the @serviceworker/std authors. MIT license.

/** The worker's half of a scenario. */

declare const self: ServiceWorkerGlobalScope;

/**
 * Takes control at once, obeys what the page orders, and passes every other
 * message to `receive`.
 */
export function serve(
  obey: (order: unknown) => unknown,
  receive: (event: ExtendableMessageEvent) => void,
): void {
  self.addEventListener("install", () => {
    self.skipWaiting();
  });
  self.addEventListener("activate", (event) => {
    event.waitUntil(self.clients.claim());
  });
  self.addEventListener("message", (event) => {
    if (event.data?.order === undefined) receive(event);
    else event.waitUntil(answer(event));
  });

  async function answer({ data, ports }: ExtendableMessageEvent) {
    ports[0]?.postMessage(await obey(data.order));
  }
}
