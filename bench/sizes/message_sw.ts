// Copyright 2026 the @serviceworker/std authors. MIT license.

export { messageSW } from "npm:workbox-window@7.4.1";
