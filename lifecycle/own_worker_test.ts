// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { ownWorker, type OwnWorkerCandidate } from "./own_worker.ts";

const URL_OF_ALL = "https://example.com/sw.js";

function worker(state: string, scriptURL = URL_OF_ALL): OwnWorkerCandidate {
  return { state, scriptURL };
}

type Places = Partial<
  Record<"installing" | "waiting" | "active", OwnWorkerCandidate>
>;

function scopeOf(places: Places) {
  return {
    location: { href: URL_OF_ALL },
    registration: { installing: null, waiting: null, active: null, ...places },
  };
}

const UNKNOWN = { worker: undefined, certain: false };

Deno.test("ownWorker() is self.serviceWorker, where that is", () => {
  const serviceWorker = worker("redundant");
  const scope = { ...scopeOf({ active: worker("activated") }), serviceWorker };
  assertEquals(ownWorker(scope), { worker: serviceWorker, certain: true });
});

Deno.test("ownWorker() is the installing worker in install, for certain", () => {
  const installing = worker("installing");
  const scope = scopeOf({
    installing,
    waiting: worker("installed"),
    active: worker("activated"),
  });
  const event = new Event("install");
  const found = ownWorker(scope, { event });
  assertEquals(found, { worker: installing, certain: true });
  assertEquals(found.worker === installing, true);
});

Deno.test("ownWorker() is not certain once the install is over", () => {
  const event = new Event("install");
  const waiting = worker("installed");
  assertEquals(ownWorker(scopeOf({ waiting }), { event }), UNKNOWN);
  const installing = worker("installed");
  assertEquals(ownWorker(scopeOf({ installing }), { event }), {
    worker: installing,
    certain: false,
  });
});

Deno.test("ownWorker() is the active worker in activate, for certain", () => {
  const active = worker("activating");
  const event = new Event("activate");
  const scope = scopeOf({ waiting: worker("installed"), active });
  assertEquals(ownWorker(scope, { event }), { worker: active, certain: true });
});

Deno.test("ownWorker() is not certain once the activation is over", () => {
  const active = worker("activated");
  const event = new Event("activate");
  const scope = scopeOf({ installing: worker("installing"), active });
  assertEquals(ownWorker(scope, { event }), { worker: active, certain: false });
});

Deno.test("ownWorker() is the active worker in other events, as far as known", () => {
  const active = worker("activated");
  const scope = scopeOf({ waiting: worker("installed"), active });
  for (const type of ["fetch", "push", "sync", "notificationclick"]) {
    const found = ownWorker(scope, { event: new Event(type) });
    assertEquals(found, { worker: active, certain: false });
  }
});

Deno.test("ownWorker() does not guess among workers with the same URL", () => {
  const scope = scopeOf({
    waiting: worker("installed"),
    active: worker("activated"),
  });
  const event = new Event("message");
  assertEquals(ownWorker(scope, { event }), UNKNOWN);
});

Deno.test("ownWorker() does not guess without an event", () => {
  // As at top level of an update's script.
  assertEquals(ownWorker(scopeOf({ active: worker("activated") })), UNKNOWN);
});

Deno.test("ownWorker() tells workers with different URLs apart", () => {
  const waiting = worker("installed");
  const active = worker("activated", "https://example.com/old.js");
  const scope = scopeOf({ waiting, active });
  assertEquals(ownWorker(scope, { event: new Event("message") }), {
    worker: waiting,
    certain: false,
  });
  assertEquals(ownWorker(scope, { event: new Event("fetch") }), UNKNOWN);
});

Deno.test("ownWorker() does not take another's place for certain", () => {
  const other = worker("installing", "https://example.com/new.js");
  const active = worker("activated");
  const event = new Event("install");
  const scope = scopeOf({ installing: other, active });
  assertEquals(ownWorker(scope, { event }), UNKNOWN);
});

Deno.test("ownWorker() finds none when the worker has been replaced", () => {
  const active = worker("activated", "https://example.com/new.js");
  for (const type of ["message", "fetch", "activate", "install"]) {
    const event = new Event(type);
    assertEquals(ownWorker(scopeOf({ active }), { event }), UNKNOWN);
    assertEquals(ownWorker(scopeOf({}), { event }), UNKNOWN);
  }
});
