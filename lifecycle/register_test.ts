// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { createHost } from "../testing/host.ts";
import { register, type RegisterOptions } from "./register.ts";

const SCRIPT = { "content-type": "text/javascript; charset=utf-8" };

/** Registers in a browser whose server answers with this, and says what came of it. */
async function outcome(
  answer: () => Response | Promise<Response>,
  options: RegisterOptions = {},
): Promise<string> {
  const host = createHost({
    network: ({ url }) => url.endsWith(".js") ? answer() : new Response(),
  });
  const page = await host.openWindow("/");
  try {
    const { scope } = await register(page.serviceWorker, "/js/sw.js", {
      fetch: page.fetch.bind(page),
      ...options,
    });
    return scope;
  } catch (error) {
    const { name, message, cause } = error as Error;
    assertEquals((cause as Error).name, name);
    return `${name}: ${message}`;
  } finally {
    host.close();
  }
}

/** A container that refuses what it is asked to register. */
function refusing(...errors: Error[]) {
  const asked: unknown[] = [];
  return {
    asked,
    register(url: string | URL, options: object): Promise<string> {
      asked.push([url, options]);
      const error = errors.shift();
      return error ? Promise.reject(error) : Promise.resolve(String(url));
    },
  };
}

Deno.test("register() resolves with the registration", async () => {
  const script = () => new Response("", { headers: SCRIPT });
  assertEquals(await outcome(script), "https://example.test/js/");
});

Deno.test("register() twice makes one registration", async () => {
  const host = createHost({ scripts: { "/sw.js": "// 1" } });
  const { serviceWorker } = await host.openWindow("/");
  const one = await register(serviceWorker, "/sw.js");
  const other = await register(serviceWorker, "/sw.js");
  assertEquals(one === other, true);
  assertEquals((await serviceWorker.getRegistrations()).length, 1);
  await host.idle();
  host.close();
});

Deno.test("register() passes its options on", async () => {
  const container = refusing();
  await register(container, "/sw.js");
  await register(container, "/sw.js", {
    scope: "/app/",
    type: "module",
    updateViaCache: "none",
  });
  assertEquals(container.asked, [
    ["/sw.js", { type: "classic", updateViaCache: "imports" }],
    ["/sw.js", { scope: "/app/", type: "module", updateViaCache: "none" }],
  ]);
});

Deno.test("register() says where the origin is not secure", async () => {
  await assertRejects(
    () => register(undefined, "/sw.js"),
    DOMException,
    "Cannot register /sw.js: navigator.serviceWorker is undefined",
  );
});

Deno.test("register() says which status the script has", async () => {
  for (const status of [404, 503]) {
    assertEquals(
      await outcome(() => new Response(null, { status })),
      `TypeError: Cannot register /js/sw.js: the server answers ${status}; serve the script there`,
    );
  }
});

Deno.test("register() says that the server does not answer", async () => {
  assertEquals(
    await outcome(() => Promise.reject(new TypeError("refused"))),
    "TypeError: Cannot register /js/sw.js: the server does not answer; try again when it can be reached",
  );
});

Deno.test("register() says which type the script has", async () => {
  const html = { "content-type": "text/html; charset=utf-8" };
  assertEquals(
    await outcome(() => new Response("<p>", { headers: html })),
    `SecurityError: Cannot register /js/sw.js: the server answers "text/html"; serve the script there, as "text/javascript"`,
  );
});

Deno.test("register() says that the script is redirected", async () => {
  const container = refusing(new DOMException("no", "SecurityError"));
  const fetch = () =>
    Promise.resolve(Response.redirect("https://example.test/a.js"));
  await assertRejects(
    () => register(container, "/sw.js", { fetch }),
    DOMException,
    "Cannot register /sw.js: the server redirects it; register the URL where it is",
  );
});

Deno.test("register() says that the scope is not under the script's path", async () => {
  const script = () => new Response("", { headers: SCRIPT });
  assertEquals(
    await outcome(script, { scope: "/" }),
    `SecurityError: Cannot register /js/sw.js: the scope "/" is not under "/js/"; choose one that is, move the script up, or serve it with the header "Service-Worker-Allowed: /"`,
  );
  const allowed = { ...SCRIPT, "service-worker-allowed": "/app" };
  assertEquals(
    await outcome(() => new Response("", { headers: allowed })),
    `SecurityError: Cannot register /js/sw.js: the scope "./" is not under "/app"; choose one that is, move the script up, or serve it with the header "Service-Worker-Allowed: ./"`,
  );
  assertEquals(
    await outcome(() => new Response("", { headers: allowed }), {
      scope: "/apple",
    }),
    "https://example.test/apple",
  );
});

Deno.test("register() says what the browser says where all that it sees is right", async () => {
  const why = "An SSL certificate error occurred";
  const container = refusing(new DOMException(why, "SecurityError"));
  const fetch = () => {
    const response = new Response("", { headers: SCRIPT });
    const url = "https://example.test/sw.js";
    return Promise.resolve(
      Object.defineProperty(response, "url", { value: url }),
    );
  };
  await assertRejects(
    () => register(container, "/sw.js", { scope: "/", fetch }),
    DOMException,
    `Cannot register /sw.js: the browser refuses it, and says "${why}"`,
  );
});

Deno.test("register() says that the script is of another origin", async () => {
  const container = refusing(new DOMException("no", "SecurityError"));
  const fetch = () => Promise.reject(new TypeError("not same-origin"));
  await assertRejects(
    () => register(container, "https://elsewhere.test/sw.js", { fetch }),
    DOMException,
    "Cannot register https://elsewhere.test/sw.js: it is of another origin; serve it from that of the page",
  );
});

Deno.test("register() says that the script does not run", async () => {
  const script = () => new Response("throw 1", { headers: SCRIPT });
  assertEquals(
    await outcome(script),
    `TypeError: Cannot register /js/sw.js: it does not run; its own error is in the console, and if it imports, register it as a "module"`,
  );
});

Deno.test("register() takes the classic script where a module does not run", async () => {
  const fetch = () => Promise.resolve(new Response("", { headers: SCRIPT }));
  const options = { type: "module", classicScript: "/old.js", fetch } as const;
  const error = new TypeError("no modules");
  assertEquals(await register(refusing(error), "/sw.js", options), "/old.js");
  assertEquals(await register(refusing(), "/sw.js", options), "/sw.js");
  await assertRejects(
    () => register(refusing(error, error), "/sw.js", options),
    TypeError,
    "Cannot register /old.js: it does not run",
  );
  const { classicScript: _, ...without } = options;
  await assertRejects(
    () => register(refusing(error), "/sw.js", without),
    TypeError,
    "Cannot register /sw.js: it does not run",
  );
});

Deno.test("register() does not take the classic script for one that is missing", async () => {
  const container = refusing(new TypeError("missing"));
  const fetch = () => Promise.resolve(new Response(null, { status: 404 }));
  const options = { type: "module", classicScript: "/old.js", fetch } as const;
  await assertRejects(
    () => register(container, "/sw.js", options),
    TypeError,
    "Cannot register /sw.js: the server answers 404",
  );
  assertEquals(container.asked.length, 1);
});

Deno.test("register() rejects with the reason of an already aborted signal", async () => {
  const container = refusing();
  const signal = AbortSignal.abort("over");
  const reason = await register(container, "/sw.js", { signal })
    .catch((reason) => reason);
  assertEquals([reason, container.asked], ["over", []]);
});

Deno.test("register() rejects only the call whose signal is aborted", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const container = { register: () => promise };
  const abort = new AbortController();
  const { signal } = abort;
  const one = register(container, "/sw.js", { signal });
  const other = register(container, "/sw.js");
  abort.abort("over");
  assertEquals(await one.catch((reason) => reason), "over");
  resolve("registration");
  assertEquals(await other, "registration");
});

Deno.test("register() removes its abort listener and ends its look when aborted", async () => {
  const container = refusing(new TypeError("no"));
  const abort = new AbortController();
  const looked = Promise.withResolvers<AbortSignal | null | undefined>();
  const fetch = (_url: string | URL, { signal }: RequestInit) => {
    looked.resolve(signal);
    return new Promise<Response>(() => {});
  };
  const { signal } = abort;
  const registered = register(container, "/sw.js", { fetch, signal });
  const looking = await looked.promise;
  abort.abort("over");
  assertEquals(await registered.catch((reason) => reason), "over");
  assertEquals(looking?.aborted, true);
});

Deno.test("register() does not wait for longer than a minute", async () => {
  using time = new FakeTime();
  const container = { register: () => new Promise<string>(() => {}) };
  const failed = assertRejects(
    () => register(container, "/sw.js"),
    DOMException,
    "Cannot register /sw.js: it takes more than 60 seconds",
  );
  await time.tickAsync(60_000);
  await failed;
});
