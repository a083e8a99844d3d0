// Copyright 2026 the @serviceworker/std authors. MIT license.

/** What the runner, the pages and the report of the bench agree on. */

/** What is measured, and what is hoped for. */
export interface Scenario {
  /** What it measures. */
  title: string;
  /** The contender that all are compared with. */
  floor: string;
  /** How often everything is done again, each time in a new browser. */
  rounds: number;
  /** The situations to measure in; their names reach the page. */
  cases: string[];
  /** More of them, which take long: for `--full` alone. */
  fullCases?: string[];
  /** By case, the contenders that each get a browser of their own. */
  alone?: Record<string, string[]>;
  /** For how many milliseconds a page may take; three minutes, if left out. */
  limit?: number;
  /** Makes what answers the requests of one page, beside those for scripts. */
  serve?: () => (request: Request) => Promise<Response | undefined>;
  /** By contender, the script whose size is measured, under the case "bundle". */
  bundles?: Record<string, string>;
  /** Switches for the browser. */
  flags?: string[];
  /** What to reach. */
  targets: Target[];
}

/** A limit for a ratio, taken within a run. */
export interface Target {
  /** Where it holds; everywhere, if left out. */
  case?: string;
  /** Where it holds; everywhere, if left out. */
  column?: string;
  /** The contender whose numbers are divided … */
  of: string;
  /** … by those of this contender. */
  by: string;
  /** The largest ratio to reach, where less is better. */
  atMost?: number;
  /** The smallest ratio to reach, where more is better. */
  atLeast?: number;
}

/** What the runner tells a page. */
export interface Parameters {
  /** The situation to measure in. */
  case: string;
  /** The source of a regular expression for the contenders to measure. */
  only: string;
  /** Whether to measure what takes long, too. */
  full?: boolean;
  /** Whether this is the tab that another opened. */
  second?: boolean;
}

/** What a page tells the runner. */
export interface PageResult {
  /** By column and contender, one number for each turn. */
  samples: Record<string, Record<string, number[]>>;
  /** What went wrong. */
  failures: string[];
}
