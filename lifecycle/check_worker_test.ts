// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { build, type BuildFailure, type BuildOptions, stop } from "esbuild";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runDeno, standardArguments } from "../tools/deno.ts";
import { tempFolder } from "../tools/temp_folder.ts";
import {
  checkWorker,
  type CheckWorkerOptions,
  checkWorkerPlugin,
  type CheckWorkerRule,
} from "./check_worker.ts";

const MODULE = fileURLToPath(new URL("check_worker.ts", import.meta.url));

Deno.test.afterAll(stop);

/** Declares a test which the bundler's process outlives. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** The rules that a worker breaks, in the order of its lines. */
async function broken(
  source: string,
  options: CheckWorkerOptions = {},
): Promise<string[]> {
  const findings = await checkWorker("sw.ts", { source, ...options });
  return findings.map(({ rule }) => rule);
}

/** Checks that each of `bad` breaks `rule` once, and none of `good` any rule. */
function testRule(rule: CheckWorkerRule, bad: string[], good: string[]): void {
  test(`checkWorker() reports ${rule}`, async () => {
    for (const source of bad) {
      assertEquals(await broken(source), [rule], source);
    }
  });
  test(`checkWorker() reports no ${rule} where all is right`, async () => {
    for (const source of good) assertEquals(await broken(source), [], source);
  });
}

/** Puts code into a listener of `fetch`. */
function onFetch(code: string, head = "", keyword = ""): string {
  return `${head};
    self.addEventListener("fetch", ${keyword} (event) => { ${code} });`;
}

testRule("top-level-await", [
  "await fetch('/');",
  "const cache = await caches.open('v1'); console.log(cache);",
  "for await (const key of keys()) console.log(key);",
  "if (self.caches) { await caches.open('v1'); }",
  "export const A = { b: [await f()] }; console.log(A);",
  "await using lock = take(); console.log(lock);",
], [
  "async function f() { await g(); } f();",
  "const f = async () => { for await (const a of b) await a; }; f();",
  "class A { async f() { await g(); } } new A().f();",
  "// await fetch('/');\nconsole.log('await fetch(1)', /await x/, `await y`);",
  "const o = { await: 1 }; console.log(o.await);",
]);

testRule("dynamic-import", [
  "import('https://example.com/a.js');",
  "self.addEventListener('fetch', async () => { await import(String(1)); });",
], [
  "type A = import('./a.ts').A; const a = {} as A; console.log(a);",
  "// import('./a.ts')\nconsole.log(\"import('./a.ts')\", `import(1)`);",
  "console.log(import.meta.url);",
  "const o = { import: (a) => a }; console.log(o.import('a'));",
]);

testRule("late-listener", [
  "setTimeout(() => self.addEventListener('fetch', f), 0);",
  "setTimeout(function () { addEventListener('push', f); });",
  "caches.open('a').then(() => { self.addEventListener('fetch', f); });",
  "caches.open('a').then(() => { self.onfetch = f; });",
  "caches.open('a').finally(() => { onfetch = f; });",
  `async function setUp() {
    await caches.open('a');
    self.addEventListener('activate', f);
  }
  setUp();`,
  `(async () => {
    const { routes } = await (await fetch('/routes')).json();
    globalThis.addEventListener('fetch', (event) => f(event, routes));
  })();`,
  `self.addEventListener('install', () => {
    self.addEventListener('fetch', f);
  });`,
  "self.oninstall = () => { self.onfetch = f; };",
  "oninstall = () => { self.addEventListener('fetch', f); };",
  "addEventListener('install', () => { addEventListener('fetch', f); });",
  `const opening = indexedDB.open('a');
  opening.onsuccess = () => self.addEventListener('fetch', f);`,
  "function setUp() { self.onfetch = f; } caches.open('a').then(setUp);",
  `const setUp = () => self.addEventListener('fetch', f);
  setTimeout(setUp, 10);`,
  `function inner() { self.addEventListener('fetch', f); }
  function outer() { inner(); }
  queueMicrotask(() => outer());`,
  `const sw = self as unknown as ServiceWorkerGlobalScope;
  Promise.resolve().then(() => sw.addEventListener('message', f));`,
  `declare const self: ServiceWorkerGlobalScope;
  setTimeout(() => self.addEventListener('message', f));`,
  // SvelteKit's documentation has it so.
  `const self = globalThis.self as unknown as ServiceWorkerGlobalScope;
  caches.open('a').then(() => self.addEventListener('fetch', f));`,
  "setTimeout(() => this.addEventListener('fetch', f));",
  "(function (sw) { setTimeout(() => sw.addEventListener('fetch', f)); })(self);",
  "!function (e) { setTimeout(() => { e.onfetch = f; }); }(this);",
  "setTimeout((() => { self.addEventListener('fetch', f); }) as () => void);",
  "setTimeout(() => self.addEventListener(`fetch`, f));",
], [
  "self.addEventListener('fetch', f); self.onpush = f; onsync = f;",
  "function setUp() { self.addEventListener('fetch', f); } setUp();",
  "(() => { self.addEventListener('fetch', f); })();",
  "(async () => { self.addEventListener('fetch', f); await g(); })();",
  "['fetch', 'push'].forEach((name) => self.addEventListener(name, f));",
  "for (const f of [g]) self.addEventListener('push', f);",
  "if (self.registration.sync) self.addEventListener('sync', f);",
  "class App { listen() { self.addEventListener('fetch', f); } } new App().listen();",
  "export function setUp() { self.addEventListener('fetch', f); } setTimeout(setUp);",
  `function setUp() { self.addEventListener('fetch', f); }
  setUp();
  setTimeout(setUp);`,
  "self.addEventListener('message', ({ ports: [port] }) => { port.addEventListener('message', f); port.onmessage = f; });",
  "caches.open('a').then(() => { self.addEventListener('error', f); });",
  `declare const on: (f: () => void) => void;
  on(() => self.addEventListener('fetch', f));`,
  `async function setUp() {
    if (self.late) { await g(); return; }
    self.addEventListener('fetch', f);
  }
  setUp();`,
  `self.addEventListener('message', (event) => {
    const self = event.source;
    self.addEventListener('fetch', f);
  });`,
  "(function (sw) { sw.addEventListener('fetch', f); })(self);",
  "const app = {}; app.once = () => self.addEventListener('fetch', f); app.once();",
  "let setUp; setUp = () => self.addEventListener('fetch', f); setUp();",
  "(function (port) { setTimeout(() => { port.onmessage = f; }); })(g());",
  `class App { listen() { setTimeout(() => this.addEventListener('fetch', f)); } }
  new App().listen();`,
  "var a = b, b = a; setTimeout(() => a.addEventListener('fetch', f));",
  "setTimeout(() => self.addEventListener(`fetch-${1}`, f));",
]);

testRule("function-as-promise", [
  onFetch("event.respondWith(async () => new Response());"),
  onFetch("event.waitUntil(function () {});"),
  onFetch("event.waitUntil(work);", "async function work() {}"),
  onFetch("event.waitUntil(work);", "const work = async () => {}"),
  onFetch("event.waitUntil(work);", "const work = (async () => {}) as any"),
  "self.onpush = (e) => { e.waitUntil(() => self.registration.showNotification('a')); };",
  "function handle(event: FetchEvent) { event.respondWith(() => f()); } self.onfetch = (event) => handle(event);",
], [
  onFetch("event.respondWith((async () => new Response())());"),
  onFetch("event.waitUntil(work());", "async function work() {}"),
  onFetch("event.waitUntil(work);", "const work = Promise.resolve()"),
  onFetch("event.waitUntil(f);", "let f = () => {}; f = g()"),
  "const poll = { waitUntil: (test) => test() }; poll.waitUntil(() => true);",
  "export function t(page) { page.waitUntil(() => true); } t();",
]);

testRule("late-respond-with", [
  onFetch("await f(); event.respondWith(g());", "", "async"),
  onFetch(
    "const a = await f(); if (a) event.respondWith(a);",
    "",
    "async",
  ),
  onFetch("caches.match(event.request).then((r) => event.respondWith(r));"),
  onFetch("setTimeout(() => { event.respondWith(f()); });"),
  onFetch("(async () => { await f(); event.respondWith(g()); })();"),
  "self.onfetch = async (e) => { try { await f(); } catch {} e.respondWith(g()); };",
  // As TypeScript and Babel write what they made of an async function.
  onFetch(`return __awaiter(void 0, void 0, void 0, function* () {
    const found = yield caches.match(event.request);
    if (found) event.respondWith(found);
  });`),
  "self.onfetch = _asyncToGenerator(function* (event) { yield f(); event.respondWith(g()); });",
  `async function handle(event) { await f(); event.respondWith(g()); }
  self.addEventListener('fetch', handle);`,
  onFetch(
    "for await (const a of f()) { event.respondWith(a); }",
    "",
    "async",
  ),
], [
  onFetch("event.respondWith(f());"),
  onFetch("event.respondWith(f()); await g();", "", "async"),
  onFetch("if (a) { await f(); return; } event.respondWith(g());", "", "async"),
  onFetch(
    "if (a) { await f(); } else { event.respondWith(g()); }",
    "",
    "async",
  ),
  onFetch("if (a) return await f(); event.respondWith(g());", "", "async"),
  onFetch("[f].forEach((f) => event.respondWith(f()));"),
  onFetch("event.respondWith(f().then((r) => r.clone()));"),
  onFetch("const event2 = { respondWith() {} }; event2.respondWith(f);"),
  onFetch("await event.respondWith(f());", "", "async"),
  onFetch(
    "for (const a of (function* () { yield 1; event.respondWith(f()); })()) g(a);",
  ),
]);

testRule("late-wait-until", [
  onFetch("await f(); event.waitUntil(g());", "", "async"),
  onFetch("f().then(() => { event.waitUntil(g()); });"),
  onFetch("setTimeout(() => event.waitUntil(g()), 100);"),
  onFetch(
    "event.preventDefault(); await f(); event.waitUntil(g());",
    "",
    "async",
  ),
  `self.addEventListener('message', (async (event: ExtendableMessageEvent) => {
    await f();
    event.waitUntil(g());
  }) as EventListener);`,
  `const onMessage = async (event) => { await f(); event.waitUntil(g()); };
  self.addEventListener('message', onMessage as EventListener);`,
], [
  onFetch("event.waitUntil(f());"),
  onFetch("event.waitUntil(f().then(() => g())); await h();", "", "async"),
  onFetch(`event.respondWith((async () => {
    const response = await fetch(event.request);
    event.waitUntil(keep(response.clone()));
    return response;
  })());`),
  onFetch(
    "event.waitUntil(f()); await g(); event.waitUntil(h());",
    "",
    "async",
  ),
  onFetch("keepAlive(event); await g(); event.waitUntil(h());", "", "async"),
  `async function answer(event) {
    const response = await fetch(event.request);
    event.waitUntil(keep(response.clone()));
    return response;
  }
  self.addEventListener('fetch', (event) => event.respondWith(answer(event)));`,
]);

testRule("page-global", [
  "localStorage.setItem('a', 'b');",
  "const a = self.localStorage.getItem('a'); console.log(a);",
  onFetch("sessionStorage.clear();"),
  "document.title = 'a';",
  "window.addEventListener('fetch', f);",
  "const request = new XMLHttpRequest(); request.open('GET', '/', false);",
  onFetch("const request = new self.XMLHttpRequest(); request.send();"),
  "export const f = () => window.location; f();",
  "console.log(globalThis.localStorage.length);",
], [
  "if (typeof window !== 'undefined') window.foo = document.title;",
  "if ('document' in self) document.title = 'a';",
  "try { localStorage.clear(); } catch {}",
  "const a = self.document; if (a) a.title = 'a';",
  "const a = { document: 1, window() {} }; console.log(a.document, a.window());",
  onFetch("const window = f(); window.focus();"),
  "for (const window of []) window.focus();",
  "export function f({ document }) { return document.title; } f({});",
  "type D = typeof window; type E = Document; console.log({} as D, {} as E);",
  "// document.title\nconsole.log('localStorage');",
  "console.log(globalThis.document?.title, self.localStorage?.length);",
  "declare const isBrowser: boolean; if (isBrowser) document.title = 'a';",
  "if (!import.meta.env.SSR) document.title = 'a';",
  "if ('ServiceWorkerGlobalScope' in self) f(); else document.title = 'a';",
  "if (self instanceof WorkerGlobalScope) f(); else document.title = 'a';",
  "if (typeof importScripts === 'function') f(); else document.title = 'a';",
]);

testRule("import-scripts", [
  onFetch("importScripts('/a.js');"),
  "caches.open('a').then(() => importScripts('/a.js'));",
  "setTimeout(() => self.importScripts('/a.js'));",
], [
  "importScripts('/a.js');",
  "if (self.debug) self.importScripts('/a.js');",
  "self.addEventListener('install', () => importScripts('/a.js'));",
  "function load() { importScripts('/a.js'); } load();",
  // It may be bundled as a classic script.
  "export {}; importScripts('/b.js');",
]);

testRule("module-state", [
  onFetch("count++;", "let count = 0"),
  onFetch("user = event.request.url;", "let user"),
  onFetch("user = event.clientId || 'nobody';", "let user"),
  onFetch("f(() => { last = event; });", "let last"),
  onFetch("state.user = event.request.url;", "const state = { user: '' }"),
  `let port;
  function receive(event) { port = event.ports[0]; }
  self.addEventListener('message', receive);`,
  "let token; self.onmessage = (event) => { token = event.data; };",
  "(() => { let token; self.onmessage = (event) => { token = event.data; }; })();",
  `(function (sw) {
    var token;
    sw.addEventListener('message', function (event) { token = event.data; });
  })(this);`,
  `let port: MessagePort;
  self.addEventListener('message', ((event: MessageEvent) => {
    port = event.ports[0];
  }) as EventListener);`,
  onFetch("state[`user`] = event.request.url;", "const state = {}"),
  "let port; self.onmessage = (event) => { [port] = event.ports; };",
  "let a, b; self.onmessage = (event) => { ({ a, b } = event.data); };",
], [
  "let db; function open() { return db ??= openDB(); } self.onfetch = () => open();",
  onFetch("db ??= openDB();", "let db"),
  onFetch("db = db ?? openDB();", "let db"),
  onFetch("db = db || openDB();", "let db"),
  onFetch("if (!db) db = openDB();", "let db"),
  onFetch(
    "if (!db) { db = openDB(); db.catch(() => { db = undefined; }); }",
    "let db",
  ),
  onFetch("db || (db = openDB());", "let db"),
  onFetch("db ? f() : db = openDB();", "let db"),
  onFetch("state.db ??= openDB();", "const state = {}"),
  onFetch("let count = 0; count++;"),
  onFetch("if (Date.now() > next) f(); last = Date.now();", "let last = 0"),
  "let version = 1; version = 2; self.onfetch = () => f(version);",
  onFetch("self.debug = true;"),
  onFetch("event.foo = 1;", "declare let event: unknown"),
  onFetch("(() => { let n = 0; n++; })();"),
  onFetch("cache = undefined;", "let cache = f()"),
  onFetch("cache = null;", "let cache = f()"),
  onFetch("config.user = event;", "const config = readConfig()"),
  onFetch("const f = () => { let n = 0; return () => n++; }; f()();"),
]);

testRule("unbounded-state", [
  onFetch("seen.add(event.request.url);", "const seen = new Set()"),
  onFetch("cache.set(event.request.url, f());", "const cache = new Map()"),
  onFetch("log.push(event.request.url);", "const log = []"),
  onFetch("hits[event.request.url] = 1;", "const hits = {}"),
  "const ports = []; self.onmessage = (e) => { ports.push(e.ports[0]); for (const port of ports) port.postMessage(1); };",
], [
  onFetch(
    "seen.add(event); f().then(() => seen.delete(event));",
    "const seen = new Set()",
  ),
  onFetch(
    "log.push(event); if (log.length > 9) log.shift();",
    "const log = []",
  ),
  onFetch("map.set(1, event); trim(map);", "const map = new Map()"),
  onFetch(
    "map.set(1, event); if (map.size > 9) map.clear();",
    "const map = new Map()",
  ),
  onFetch("hits[event] = 1; delete hits[event];", "const hits = {}"),
  onFetch("weak.set(event, 1);", "const weak = new WeakMap()"),
  onFetch("const log = []; log.push(event);"),
  "const routes = []; routes.push(1); self.onfetch = () => f(routes);",
  "const routes = []; routes.push(f); self.onfetch = () => { for (const f of routes) f(); };",
  onFetch("if (names.has(event)) f();", "const names = new Set(['a'])"),
  onFetch("if (names.includes(event)) f();", "const names = ['a']"),
  "export const log = []; self.onfetch = (event) => { log.push(event); };",
  onFetch("store.set('a', event);", "const store = openStore()"),
]);

testRule("not-checked", [
  "import { a } from 'not-installed'; a();",
  "import url from './icon.svg?url'; f(url);",
  "export { a } from './not-there.js';",
  "export * from './not-there.js';",
], [
  "import type { A } from 'not-installed'; const a = {} as A; console.log(a);",
]);

test("checkWorker() follows the user's build", async () => {
  const source = "import { a } from 'virtual:a'; a();";
  assertEquals(
    await broken(source, { build: { external: ["virtual:a"] } }),
    [],
  );
  await using folder = await tempFolder({
    "a.js": "export function a() { setTimeout(() => { self.onfetch = a; }); }",
  });
  const alias = { "virtual:a": `${folder.path}/a.js` };
  const findings = await checkWorker("sw.ts", {
    source,
    build: { alias, absWorkingDir: folder.path },
  });
  assertEquals(
    findings.map(({ rule, file, line }) => [rule, file, line]),
    [["late-listener", "a.js", 1]],
  );
});

test("checkWorker() leaves import() of what is external to the user's build", async () => {
  // As what Emscripten makes has it.
  const source = "if (globalThis.process) import('node:fs').then(console.log);";
  const external = ["node:*"];
  assertEquals(await broken(source, { build: { external } }), []);
  assertEquals(
    await broken(source, { build: { external: ["other"] } }),
    ["dynamic-import"],
  );
});

test("checkWorker() reads every file of the graph, and names its place", async () => {
  await using folder = await tempFolder({
    "sw.ts": 'import { a } from "./lib/a.ts";\n\na();\n',
    "lib/a.ts": `import type { B } from "./types.ts";
import "./b.mts";
export { unused } from "./unused.ts";

export function a(b?: B): void {
  console.log(b as B);
}
`,
    "lib/types.ts": "export interface B { a: string }\n",
    "lib/b.mts": 'type X = string;\n\nconst é = "é" as X; await f(é);\n',
    "lib/unused.ts": "export const unused = () => import('./types.ts');\n",
  });
  const [finding, ...others] = await checkWorker(
    pathToFileURL(`${folder.path}/sw.ts`),
    { build: { absWorkingDir: folder.path } },
  );
  assertEquals(others, []);
  assert(finding);
  const { why, mend, ...place } = finding;
  assertEquals(
    place,
    {
      rule: "top-level-await",
      severity: "error",
      file: "lib/b.mts",
      line: 3,
      column: 21,
      lineText: 'const é = "é" as X; await f(é);',
    } as typeof place,
  );
  assert(why.endsWith(".") && mend.endsWith("."));
});

test("checkWorker() says how bad it is", async () => {
  const [outside, inside] = await checkWorker("sw.ts", {
    source:
      "document.title = 'a'; self.onfetch = () => { document.title = 'b'; };",
  });
  assertEquals([outside?.severity, inside?.severity], ["error", "warning"]);
});

test("checkWorker() does not mind what nobody calls", async () => {
  await using folder = await tempFolder({
    "sw.ts": `import { keyOf } from "./shared.ts";
      self.addEventListener("fetch", () => keyOf("a"));
      export {};`,
    "shared.ts": `export const keyOf = (name: string) => {
        return document.title + name;
      };
      export function show(text: string): void {
        document.body.append(text);
      }
      export class Page {
        listen() { setTimeout(() => self.addEventListener("fetch", show)); }
      }
      export const isSeen = () =>
        document.visibilityState === "visible";
      localStorage.clear();`,
  });
  const build = { absWorkingDir: folder.path };
  const findings = await checkWorker(`${folder.path}/sw.ts`, { build });
  assertEquals(
    findings.map(({ rule, line }) => [rule, line]),
    [["page-global", 2], ["page-global", 12]],
  );
});

test("checkWorker() goes on where a file is no code", async () => {
  await using folder = await tempFolder({
    "sw.ts": `import icon from "./icon.svg";
      import { glue } from "./glue.wasm";
      import page from "./offline.html" with { type: "text" };
      import data from "./data.json";
      self.addEventListener("fetch", () => console.log(icon, glue, page, data));
      await 1;`,
    "icon.svg": "<svg/>",
    "glue.wasm": "\0asm",
    "offline.html": "<p>",
    "data.json": "{}",
  });
  const findings = await checkWorker(`${folder.path}/sw.ts`);
  assertEquals(findings.map(({ rule }) => rule), ["top-level-await"]);
});

test("checkWorker() says the same of what a bundler made of a worker", async () => {
  const contents = `
    export {};
    let port: MessagePort | undefined;
    const seen = new Set<string>();
    setTimeout(() => self.addEventListener("push", () => {}));
    self.addEventListener("message", async (event) => {
      await caches.keys();
      event.waitUntil(caches.keys());
    });
    self.addEventListener("install", (event) => {
      event.waitUntil(async () => { await caches.open("v1"); });
    });
    self.addEventListener("fetch", async (event) => {
      seen.add(event.request.url);
      localStorage.setItem("last", event.request.url);
      const found = await caches.match(event.request);
      if (found) event.respondWith(found);
    });
    self.addEventListener("sync", () => import(String(port)));
    self.addEventListener("message", ({ ports }) => { port = ports[0]; });
  `;
  const rules = [
    "dynamic-import",
    "function-as-promise",
    "late-listener",
    "late-respond-with",
    "late-wait-until",
    "module-state",
    "page-global",
    "unbounded-state",
  ];
  const how: BuildOptions[] = [
    { format: "esm" },
    { format: "esm", minify: true },
    { format: "esm", target: "es2016" },
    { format: "iife" },
    { format: "iife", minify: true },
  ];
  for (const options of how) {
    const { outputFiles: [output] } = await build({
      ...options,
      stdin: { contents, loader: "ts" },
      bundle: true,
      write: false,
    });
    const source = output?.text ?? "";
    assertEquals((await broken(source)).sort(), rules, source);
  }
});

test("checkWorker() rejects what is no script", async () => {
  const error = await broken("const = 1;").catch((error) => error);
  assertEquals(error.errors[0].location.line, 1);
});

test("checkWorker() lets a comment with a reason allow a finding", async () => {
  const comments = [
    ["// check-worker-allow late-listener: only in development\n", ""],
    ["// check-worker-allow late-listener: only in\n// development\n", ""],
    ["/* check-worker-allow late-listener: only in development */ ", ""],
    ["", " // check-worker-allow late-listener: only in development"],
  ];
  for (const [before, after] of comments) {
    const source = `setTimeout(() => {
      ${before}self.addEventListener("fetch", f);${after}
    });`;
    assertEquals(await broken(source), [], source);
  }
});

test("checkWorker() wants a reason, and a rule that there is", async () => {
  for (
    const comment of ["late-listener", "late-listener:", "late: no reason", ""]
  ) {
    const source = `setTimeout(() => {
      // check-worker-allow ${comment}
      self.addEventListener("fetch", f);
    });`;
    assertEquals(await broken(source), ["invalid-allow", "late-listener"]);
  }
});

test("checkWorker() allows what is named, there and nowhere else", async () => {
  const source = `setTimeout(() => {
    // check-worker-allow top-level-await: another one
    self.addEventListener("fetch", f);
    // check-worker-allow late-listener: only this
    self.addEventListener("push", f);
    self.addEventListener("sync", f);
  });`;
  const findings = await checkWorker("sw.ts", { source });
  assertEquals(findings.map(({ line }) => line), [3, 6]);
});

test("checkWorker() finds what Deno finds", async () => {
  await using server = Deno.serve(
    { port: 0, onListen() {} },
    () =>
      new Response("export const a: number = 1;\nawait a;\n", {
        headers: { "content-type": "application/typescript" },
      }),
  );
  const url = `http://localhost:${server.addr.port}/a.ts`;
  await using folder = await tempFolder({
    "deno.json": JSON.stringify({
      imports: { "fake": "npm:fake-indexeddb@^6", "remote": url },
      lock: false,
      nodeModulesDir: "none",
    }),
    "sw.ts": `import { IDBFactory } from "fake";
      import { a } from "remote";
      console.log(IDBFactory, a);
      import("./b.ts");`,
    "b.ts": "",
  });
  const findings = await checkWorker(`${folder.path}/sw.ts`, {
    build: { absWorkingDir: folder.path },
  });
  await server.shutdown();
  assertEquals(
    findings.map(({ rule, file, line }) => [rule, file, line]),
    [["dynamic-import", "sw.ts", 4], ["top-level-await", url, 2]],
  );
});

test("checkWorker() finds what a project of npm has installed", async () => {
  await using folder = await tempFolder({
    "package.json": JSON.stringify({ dependencies: { a: "1", b: "1" } }),
    "node_modules/a/package.json": JSON.stringify({
      name: "a",
      version: "1.0.0",
      exports: "./index.js",
    }),
    "node_modules/a/index.js": "export const a = await 1;",
    "sw.js": "import { a } from 'a'; import { b } from 'b'; console.log(a, b);",
  });
  const findings = await checkWorker(`${folder.path}/sw.js`, {
    build: { absWorkingDir: folder.path },
  });
  assertEquals(
    findings.map(({ rule, file }) => [rule, file]),
    [["not-checked", "sw.js"], ["top-level-await", "node_modules/a/index.js"]],
  );
});

/** Builds `files` with the plugin; resolves with what is said of them. */
async function buildWith(
  files: Record<string, string>,
  options: BuildOptions = {},
  entryPoints?: string[],
) {
  await using folder = await tempFolder(files);
  const how: BuildOptions = {
    absWorkingDir: folder.path,
    entryPoints: ["sw.ts"],
    outdir: "out",
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "silent",
    ...options,
    plugins: [checkWorkerPlugin({ entryPoints })],
  };
  const { errors, warnings } = await build(how)
    .catch((failure: BuildFailure) => failure);
  return { errors, warnings };
}

test("checkWorkerPlugin() fails a build, at the place", async () => {
  const { errors, warnings } = await buildWith({
    "sw.ts": 'import "./a.ts";',
    "a.ts": "let n = 0;\nself.onfetch = () => {\n  n++;\n};\n/* é */ await n;",
  });
  assertEquals(
    errors.map(({ id, pluginName, location, notes }) => [
      id,
      pluginName,
      location?.file,
      location?.line,
      location?.column,
      location?.lineText,
      notes.length,
    ]),
    [[
      "top-level-await",
      "check-worker",
      "a.ts",
      5,
      9,
      "/* é */ await n;",
      1,
    ]],
  );
  assertEquals(warnings.map(({ id }) => id), ["module-state"]);
});

test("checkWorkerPlugin() lets esbuild inline import()", async () => {
  const files = {
    "sw.ts": "self.onfetch = () => import('./a.ts').then(console.log);",
    "a.ts": "export const A = 1;",
  };
  assertEquals((await buildWith(files)).errors, []);
  const { errors } = await buildWith(files, { splitting: true });
  assertEquals(errors.map(({ id }) => id), ["dynamic-import"]);
});

test("checkWorkerPlugin() looks at workers only", async () => {
  const files = {
    "sw.ts": "import { A } from './a.ts'; self.onfetch = () => A;",
    "page.ts": "import { A } from './a.ts'; document.title = A;",
    "a.ts": "export const A = 'a';",
  };
  const options = { entryPoints: ["sw.ts", "page.ts"] };
  const { errors } = await buildWith(files, options);
  assertEquals(errors.map(({ location }) => location?.file), ["page.ts"]);
  const { errors: none } = await buildWith(files, options, ["sw.ts"]);
  assertEquals(none, []);
});

test("checkWorkerPlugin() knows that a classic script may import others", async () => {
  const files = { "sw.ts": "export {}; importScripts('/a.js');" };
  assertEquals((await buildWith(files, { format: "iife" })).warnings, []);
  assertEquals((await buildWith(files)).warnings.length, 1);
});

test("checkWorkerPlugin() leaves a build that fails to esbuild", async () => {
  const files = { "sw.ts": "await 1;" };
  const { errors } = await buildWith(files, { format: "iife" });
  assertEquals(errors.map(({ pluginName }) => pluginName), [""]);
});

/** Runs the command line in the folder. */
async function run(folder: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-env",
      "--allow-run",
      ...await standardArguments(),
      MODULE,
      ...args,
    ],
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

test("check_worker.ts prints findings, and ends with code 1", async () => {
  await using folder = await tempFolder({
    "sw.ts": 'import "./a.ts";\n',
    "a.ts": "\n  await fetch('/');\n",
    "good.ts": "self.addEventListener('fetch', () => {});\n",
  });
  const bad = await run(folder.path, "good.ts", "sw.ts");
  assertEquals(bad.code, 1);
  assertEquals(
    bad.out.split("  ").slice(0, 2),
    ["a.ts:2:3", "top-level-await"],
  );
  assertEquals(bad.out.trim().split("\n").length, 1);
  const good = await run(folder.path, "good.ts");
  assertEquals([good.code, good.out], [0, ""]);
});

test("check_worker.ts tells its usage", async () => {
  const help = await run(".", "--help");
  assertEquals(help.code, 0);
  assertStringIncludes(help.out, "late-respond-with");
  for (const args of [[], ["--what", "sw.ts"]]) {
    const { code, err } = await run(".", ...args);
    assertEquals(code, 2);
    assertStringIncludes(err, "Usage:");
  }
});

test("check_worker.ts says what cannot be built", async () => {
  const { code, err } = await run(".", "not-there.ts");
  assertEquals(code, 1);
  assertStringIncludes(err, "not-there.ts");
  assertEquals(err.includes("    at "), false);
});

test("check_worker.ts leaves out what is external", async () => {
  await using folder = await tempFolder({
    "sw.js": "import { version } from '$service-worker'; version();",
  });
  assertEquals((await run(folder.path, "sw.js")).code, 1);
  const { code, out } = await run(
    folder.path,
    "--external=$service-worker",
    "sw.js",
  );
  assertEquals([code, out], [0, ""]);
});

test("check_worker.ts has no effect when it is imported", async () => {
  const { success, stdout } = await runDeno([
    "eval",
    `import "${pathToFileURL(MODULE)}";`,
  ]);
  assertEquals([success, stdout], [true, ""]);
});
