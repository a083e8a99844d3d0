// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Finds a browser, or gets one. In this order: where an environment variable
 * says; on the system; in Puppeteer's cache; from Debian's packages, for root;
 * by Puppeteer's own download; for Chromium on Linux x64, a headless shell that
 * comes whole from npm.
 *
 * @module
 */

/** The browsers that can be found. */
export type BrowserName = "chromium" | "firefox" | "webkit";

/** What a build of a browser may not have. */
export type BrowserFeature =
  | "notifications"
  | "background sync"
  | "background fetch"
  | "back/forward cache";

/** A browser, and how to start it here. */
export interface FoundBrowser {
  /** Its executable; for WebKit, that of its driver. */
  executablePath: string;
  /** Arguments which it needs here. */
  args: string[];
  /** The environment which it needs, if not ours. */
  env?: Record<string, string>;
  /** What this build of it does not have. */
  lacks: BrowserFeature[];
}

/** What is asked of the machine. */
export interface Machine {
  readonly os: string;
  readonly arch: string;
  /** Whether we may install packages. */
  readonly root: boolean;
  env(name: string): string | undefined;
  isFile(path: string): Promise<boolean>;
  /** The names in a folder; none if there is no such folder. */
  list(folder: string): Promise<string[]>;
  /** Runs a command to its end. */
  run(
    command: string,
    args: string[],
  ): Promise<{ success: boolean; output: string }>;
  /** Downloads a browser as Puppeteer does; resolves with its executable. */
  download(name: "chrome" | "firefox", folder: string): Promise<string>;
  /** Unpacks the headless shell of npm. */
  unpackShell(): Promise<
    { executablePath: string; env: Record<string, string> }
  >;
  /** Tells the user what takes long. */
  say(text: string): void;
}

interface Kind {
  label: string;
  variables: string[];
  commands: string[];
  /** Other commands that are needed along with it. */
  companions: string[];
  /** Debian's package, by the command that it brings. */
  packages: Record<string, string>;
  /** Its name in Puppeteer's cache. */
  download?: "chrome" | "firefox";
  macApps: string[];
  windowsPaths: string[];
}

const KINDS: Record<BrowserName, Kind> = {
  chromium: {
    label: "Chromium",
    variables: ["SW_CHROMIUM", "PUPPETEER_EXECUTABLE_PATH", "CHROME_PATH"],
    commands: [
      "chromium",
      "chromium-browser",
      "google-chrome-stable",
      "google-chrome",
      "microsoft-edge",
    ],
    companions: [],
    packages: { chromium: "chromium" },
    download: "chrome",
    macApps: [
      "Google Chrome.app/Contents/MacOS/Google Chrome",
      "Chromium.app/Contents/MacOS/Chromium",
      "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ],
    windowsPaths: [
      "Google\\Chrome\\Application\\chrome.exe",
      "Microsoft\\Edge\\Application\\msedge.exe",
    ],
  },
  firefox: {
    label: "Firefox",
    variables: ["SW_FIREFOX"],
    commands: ["firefox-esr", "firefox"],
    companions: [],
    packages: { "firefox-esr": "firefox-esr" },
    download: "firefox",
    macApps: ["Firefox.app/Contents/MacOS/firefox"],
    windowsPaths: ["Mozilla Firefox\\firefox.exe"],
  },
  webkit: {
    label: "WebKitGTK",
    variables: ["SW_WEBKIT_DRIVER"],
    commands: ["WebKitWebDriver"],
    companions: ["Xvfb"],
    packages: { WebKitWebDriver: "webkit2gtk-driver", Xvfb: "xvfb" },
    macApps: [],
    windowsPaths: [],
  },
};

/** What a browser needs beside itself to show notifications on Linux. */
interface Notifier {
  packages: string[];
  command: string;
  args: string[];
  /** What the command prints if it is there. */
  output: RegExp;
}

const NOTIFIERS: Partial<Record<BrowserName, Notifier>> = {
  firefox: {
    packages: ["libnotify4"],
    command: "/sbin/ldconfig",
    args: ["-p"],
    output: /\blibnotify\.so\.4\b/,
  },
  // MiniBrowser refuses them; a script of ours takes its place.
  webkit: {
    packages: ["python3-gi", "gir1.2-webkit2-4.1"],
    command: "/usr/bin/python3",
    args: [
      "-c",
      "import gi; gi.require_version('WebKit2', '4.1'); print('ok')",
    ],
    output: /^ok$/m,
  },
};

/**
 * Gets what a browser needs to show notifications to a desktop of the tests', and
 * WebKit to keep a profile; rejects with a "NotSupportedError" that says what
 * cannot be had.
 */
export async function prepareNotifications(
  name: BrowserName,
  machine: Machine = thisMachine(),
): Promise<void> {
  const { os, root } = machine;
  const lack = (what: string) =>
    new DOMException(`this machine lacks ${what}`, "NotSupportedError");
  if (os !== "linux") {
    throw lack("a desktop whose notifications can be clicked");
  }
  const notifier = NOTIFIERS[name];
  if (!notifier) return;
  const { packages, command, args, output } = notifier;
  const isHere = async () =>
    output.test((await machine.run(command, args)).output);
  if (await isHere()) return;
  if (root && await which("apt-get", machine)) {
    machine.say(
      `Installing what ${KINDS[name].label} needs to show notifications`,
    );
    await installPackages(packages, machine).catch(() => {});
    if (await isHere()) return;
  }
  throw lack(`${packages.join(" and ")} (Debian's packages)`);
}

/** Finds or gets a browser; the error of one that cannot be had says what to install. */
export async function findBrowser(
  name: BrowserName,
  machine: Machine = thisMachine(),
): Promise<FoundBrowser> {
  const kind = KINDS[name];
  const { os, arch, root } = machine;
  // Root, and most containers, cannot use Chromium's sandbox; and it sees no
  // page but ours.
  const args = name === "chromium" && os === "linux"
    ? ["--no-sandbox", "--disable-dev-shm-usage"]
    : [];
  const found = (executablePath: string): FoundBrowser => ({
    executablePath,
    args,
    lacks: [],
  });

  for (const variable of kind.variables) {
    const path = machine.env(variable);
    if (!path) continue;
    if (await machine.isFile(path)) return found(path);
    throw new Error(`Cannot use ${variable}: there is no file at "${path}"`);
  }

  if (name === "webkit" && os !== "linux") {
    throw new DOMException(
      "WebKitGTK exists only on Linux",
      "NotSupportedError",
    );
  }

  const here = await search(kind, machine);
  if (here) return found(here);

  const failures: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>) => {
    machine.say(`${kind.label} is not here: ${what}`);
    try {
      return await work();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failures.push(`${what}: ${reason}`);
    }
  };

  if (os === "linux" && root && await which("apt-get", machine)) {
    await attempt(
      "installing Debian's packages",
      async () => installPackages(await missing(kind, machine), machine),
    );
    const installed = await search(kind, machine);
    if (installed) return found(installed);
  }

  const { download } = kind;
  if (download) {
    const downloaded = await attempt(`downloading ${download}`, async () => {
      const path = await machine.download(download, cacheFolder(machine));
      if (await works(path, machine)) return path;
      throw new Error(`"${path} --version" fails`);
    });
    if (downloaded) return found(downloaded);
  }

  if (name === "chromium" && os === "linux" && arch === "x86_64") {
    const shell = await attempt(
      "unpacking the headless shell of npm:@sparticuz/chromium",
      () => machine.unpackShell(),
    );
    if (shell) {
      return {
        ...shell,
        args: [...args, "--headless=shell"],
        lacks: [
          "notifications",
          "background sync",
          "background fetch",
          "back/forward cache",
        ],
      };
    }
  }

  throw new Error([
    `Cannot find ${kind.label}: ${advice(kind, os)}`,
    ...failures,
  ].join("\n"));
}

function advice(kind: Kind, os: string): string {
  const packages = Object.values(kind.packages).join(" ");
  const install = os === "linux"
    ? `install it (Debian: apt-get install ${packages})`
    : "install it";
  return `${install}, set ${
    kind.variables[0]
  } to its path, or leave it out by SW_ENGINES`;
}

/** The first candidate that works, if what is needed along with it is here too. */
async function search(
  kind: Kind,
  machine: Machine,
): Promise<string | undefined> {
  for (const companion of kind.companions) {
    if (!await which(companion, machine)) return;
  }
  for await (const path of candidates(kind, machine)) {
    if (await machine.isFile(path) && await works(path, machine)) return path;
  }
}

async function* candidates(
  kind: Kind,
  machine: Machine,
): AsyncGenerator<string> {
  if (machine.os === "darwin") {
    for (const base of ["", machine.env("HOME") ?? ""]) {
      for (const app of kind.macApps) yield `${base}/Applications/${app}`;
    }
  } else if (machine.os === "windows") {
    for (const base of ["PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"]) {
      const folder = machine.env(base);
      if (!folder) continue;
      for (const path of kind.windowsPaths) yield `${folder}\\${path}`;
    }
  } else {
    for (const command of kind.commands) {
      for (const folder of folders(machine)) yield `${folder}/${command}`;
    }
  }
  if (kind.download) yield* downloads(kind.download, machine);
}

/** What Puppeteer downloaded earlier, newest first. */
async function* downloads(
  name: "chrome" | "firefox",
  machine: Machine,
): AsyncGenerator<string> {
  const folder = `${cacheFolder(machine)}/${name}`;
  const executable = {
    chrome: {
      darwin:
        "Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing",
      windows: "chrome.exe",
    }[machine.os] ?? "chrome",
    firefox: {
      darwin: "Firefox.app/Contents/MacOS/firefox",
      windows: "firefox.exe",
    }[machine.os] ?? "firefox",
  }[name];
  const builds = await machine.list(folder);
  builds.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  for (const build of builds) {
    for (const inner of await machine.list(`${folder}/${build}`)) {
      yield `${folder}/${build}/${inner}/${executable}`;
    }
  }
}

function cacheFolder(machine: Machine): string {
  const home = machine.env("HOME") ?? machine.env("USERPROFILE") ?? ".";
  return machine.env("PUPPETEER_CACHE_DIR") ?? `${home}/.cache/puppeteer`;
}

function folders(machine: Machine): string[] {
  const path = (machine.env("PATH") ?? "").split(":").filter(Boolean);
  return [...new Set([...path, "/usr/bin", "/usr/local/bin", "/snap/bin"])];
}

async function which(
  command: string,
  machine: Machine,
): Promise<string | undefined> {
  for (const folder of folders(machine)) {
    if (await machine.isFile(`${folder}/${command}`)) {
      return `${folder}/${command}`;
    }
  }
}

/** Whether an executable starts: a library may be missing, or it is a stub that only advises. */
async function works(path: string, machine: Machine): Promise<boolean> {
  // On Windows a browser asked for its version opens a window.
  if (machine.os === "windows") return true;
  const option = path.endsWith("/WebKitWebDriver") ? "--help" : "--version";
  const { success } = await machine.run(path, [option]);
  return success;
}

/** The packages whose commands are not here. */
async function missing(kind: Kind, machine: Machine): Promise<string[]> {
  const packages: string[] = [];
  for (const [command, name] of Object.entries(kind.packages)) {
    if (!await which(command, machine)) packages.push(name);
  }
  return packages;
}

async function installPackages(
  packages: string[],
  machine: Machine,
): Promise<void> {
  const wait = ["-o", "DPkg::Lock::Timeout=300"];
  for (
    const args of [
      ["update", ...wait],
      ["install", "-y", "--no-install-recommends", ...wait, ...packages],
    ]
  ) {
    const { success, output } = await machine.run("apt-get", args);
    if (!success) throw new Error(`apt-get ${args[0]} failed\n${output}`);
  }
}

/** The machine that runs this. */
function thisMachine(): Machine {
  const { os, arch } = Deno.build;
  return {
    os,
    arch,
    root: os !== "windows" && Deno.uid() === 0,
    env: (name) => Deno.env.get(name),
    async isFile(path) {
      try {
        return (await Deno.stat(path)).isFile;
      } catch {
        return false;
      }
    },
    async list(folder) {
      try {
        const entries = await Array.fromAsync(Deno.readDir(folder));
        return entries.map(({ name }) => name);
      } catch {
        return [];
      }
    },
    async run(command, args) {
      try {
        const { success, stdout, stderr } = await new Deno.Command(command, {
          args,
          env: { DEBIAN_FRONTEND: "noninteractive" },
          stdin: "null",
        }).output();
        const decoder = new TextDecoder();
        return {
          success,
          output: decoder.decode(stdout) + decoder.decode(stderr),
        };
      } catch (error) {
        return { success: false, output: String(error) };
      }
    },
    async download(browser, cacheDir) {
      // No literal, so that Deno does not fetch the package before it is needed.
      const specifier = "npm:@puppeteer/browsers@^3";
      const { install, resolveBuildId, detectBrowserPlatform } = await import(
        specifier
      );
      const platform = detectBrowserPlatform();
      const buildId = await resolveBuildId(browser, platform, "stable");
      const { executablePath } = await install({
        browser,
        buildId,
        cacheDir,
        platform,
      });
      return executablePath;
    },
    unpackShell,
    say: (text) => console.error(text),
  };
}

/** Unpacks the headless shell of `npm:@sparticuz/chromium` into a folder of our own. */
async function unpackShell(): Promise<
  { executablePath: string; env: Record<string, string> }
> {
  const version = "153.0.0";
  // No literal, so that Deno does not fetch its 67 MB before they are needed.
  const specifier = `npm:@sparticuz/chromium@${version}`;
  const home = Deno.env.get("HOME") ?? ".";
  const folder = `${home}/.cache/serviceworker-std/chromium-${version}`;
  await Deno.mkdir(folder, { recursive: true });
  // The package unpacks into the folder for temporary files, trusts what it finds
  // there, and brings its libraries and fonts only to where it takes itself to
  // be on AWS.
  const moment: Record<string, string> = {
    TMPDIR: folder,
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x",
    LD_LIBRARY_PATH: `${folder}/al2023/lib`,
    FONTCONFIG_PATH: `${folder}/fonts`,
  };
  const before = Object.keys(moment).map((key) =>
    [key, Deno.env.get(key)] as const
  );
  for (const [key, value] of Object.entries(moment)) Deno.env.set(key, value);
  try {
    const { default: shell } = await import(specifier);
    const executablePath: string = await shell.executablePath();
    return { executablePath, env: Deno.env.toObject() };
  } finally {
    for (const [key, value] of before) {
      if (value === undefined) Deno.env.delete(key);
      else Deno.env.set(key, value);
    }
  }
}
