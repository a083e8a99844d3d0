// Copyright 2026 the @serviceworker/std authors. MIT license.

import { serve } from "../worker.ts";
import { type Contender, contenders } from "./contenders.ts";

let current: Contender | undefined;

serve(
  (name) => {
    current = contenders.get(String(name));
  },
  (event) => current?.worker(event),
);
