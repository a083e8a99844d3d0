// Copyright 2026 the @serviceworker/std authors. MIT license.

export * from "npm:comlink@4.4.2";
