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
    case "/asked/slow":
      return new Response(inTwoParts());
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

/** A body of which the second half comes half a second later. */
function inTwoParts(): ReadableStream<Uint8Array> {
  let timer: ReturnType<typeof setTimeout>;
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("first "));
      timer = setTimeout(() => {
        controller.enqueue(new TextEncoder().encode("second"));
        controller.close();
      }, 500);
    },
    cancel: () => clearTimeout(timer),
  });
}
