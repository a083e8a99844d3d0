// Copyright 2026 the @serviceworker/std authors. MIT license.

/** What a worker imports. */
export const IMPORTED = `function declared() {
  return "declared";
}`;

/** What the server of the behaviours answers. */
export async function answerConformance(
  request: Request,
): Promise<Response | undefined> {
  switch (new URL(request.url).pathname) {
    case "/asked/echo":
      return new Response(`${request.method} ${await request.text()}`);
    case "/lib.js":
      return new Response(IMPORTED, {
        headers: { "content-type": "text/javascript" },
      });
    case "/cors":
      return new Response("cors", {
        headers: { "access-control-allow-origin": "*" },
      });
    case "/none":
      return new Response("none");
    case "/redirect":
      return new Response(null, {
        status: 302,
        headers: { location: "/asked/echo" },
      });
    case "/preload":
      return new Response(
        request.headers.get("service-worker-navigation-preload"),
      );
  }
  return undefined;
}
