// Copyright 2026 the @serviceworker/std authors. MIT license.

/** The manifest of each worker, as of a small app. */
export const FILES = Array.from({ length: 50 }, (_, index) => ({
  url: `/file/${index}`,
  revision: "7f3a9c21",
}));
