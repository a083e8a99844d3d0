// Copyright 2026 the @serviceworker/std authors. MIT license.

import { serve } from "../worker.ts";
import { contenders } from "./contenders.ts";

const listeners = new Map(
  contenders.entries().map(([name, { worker }]) => [name, worker()]),
);
let current = listeners.get("");

serve(
  (name) => {
    current = listeners.get(String(name));
  },
  (event) => current?.(event),
);
