// Copyright 2026 the @serviceworker/std authors. MIT license.

import { serve } from "../worker.ts";
import { contenders } from "./contenders.ts";

const posts = new Map(
  contenders.entries().map(([name, { worker }]) => [name, worker()]),
);

// Orders on a port come sooner than by `ServiceWorker.postMessage()`.
serve(() => {}, ({ data, ports: [port] }) => {
  if (data !== "orders" || !port) return;
  port.onmessage = async ({ data: { name, times } }) => {
    const post = posts.get(name);
    for (let i = 0; i < times; i++) await post?.();
  };
});
