// Copyright 2026 the @serviceworker/std authors. MIT license.

import { prepare } from "./prepare.ts";

prepare();
