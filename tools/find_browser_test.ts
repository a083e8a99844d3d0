// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import {
  findBrowser,
  type Machine,
  prepareNotifications,
} from "./find_browser.ts";

interface FakeMachine extends Machine {
  /** What was done, in order. */
  readonly done: string[];
}

interface FakeOptions extends Partial<Machine> {
  /** The files that are there from the start. */
  files?: string[];
  /** The files that apt-get brings. */
  packaged?: string[];
  /** The executables that do not start. */
  broken?: string[];
  variables?: Record<string, string>;
}

/** A machine without network: nothing can be downloaded. */
function fakeMachine(options: FakeOptions = {}): FakeMachine {
  const { files = [], packaged, broken = [], variables = {}, ...rest } =
    options;
  const present = new Set(files);
  const done: string[] = [];
  return {
    done,
    os: "linux",
    arch: "x86_64",
    root: false,
    env: (name) => ({ PATH: "/usr/bin", HOME: "/home/me", ...variables })[name],
    isFile: (path) => Promise.resolve(present.has(path)),
    list: (folder) =>
      Promise.resolve([
        ...new Set(
          [...present].filter((path) => path.startsWith(`${folder}/`))
            .map((path) => path.slice(folder.length + 1).split("/")[0] ?? ""),
        ),
      ]),
    run(command, args) {
      if (command !== "apt-get") {
        return Promise.resolve({
          success: !broken.includes(command),
          output: "",
        });
      }
      done.push(`apt-get ${args.filter((arg) => !/^-|=/.test(arg)).join(" ")}`);
      if (args[0] === "install") packaged?.forEach((path) => present.add(path));
      return Promise.resolve({
        success: packaged !== undefined,
        output: "E: no network",
      });
    },
    download(name) {
      done.push(`download ${name}`);
      return Promise.reject(new Error("no network"));
    },
    unpackShell() {
      done.push("unpack");
      return Promise.reject(new Error("no registry"));
    },
    say() {},
    ...rest,
  };
}

Deno.test("findBrowser() obeys an environment variable first", async () => {
  const machine = fakeMachine({
    files: ["/opt/my-chrome", "/usr/bin/chromium"],
    variables: { SW_CHROMIUM: "/opt/my-chrome" },
  });
  const { executablePath } = await findBrowser("chromium", machine);
  assertEquals(executablePath, "/opt/my-chrome");
});

Deno.test("findBrowser() rejects when the variable names no file", async () => {
  const machine = fakeMachine({
    files: ["/usr/bin/firefox"],
    variables: { SW_FIREFOX: "/nowhere/firefox" },
  });
  await assertRejects(
    () => findBrowser("firefox", machine),
    Error,
    'Cannot use SW_FIREFOX: there is no file at "/nowhere/firefox"',
  );
});

Deno.test("findBrowser() takes what is on the system, and installs nothing", async () => {
  const machine = fakeMachine({
    files: ["/usr/bin/google-chrome", "/usr/bin/apt-get"],
    root: true,
  });
  assertEquals(await findBrowser("chromium", machine), {
    executablePath: "/usr/bin/google-chrome",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
    lacks: [],
  });
  assertEquals(machine.done, []);
});

Deno.test("findBrowser() passes over an executable that does not start", async () => {
  const machine = fakeMachine({
    files: ["/usr/bin/chromium-browser", "/usr/bin/google-chrome"],
    broken: ["/usr/bin/chromium-browser"],
  });
  const { executablePath } = await findBrowser("chromium", machine);
  assertEquals(executablePath, "/usr/bin/google-chrome");
});

Deno.test("findBrowser() takes the newest of Puppeteer's downloads", async () => {
  const cache = "/home/me/.cache/puppeteer/chrome";
  const machine = fakeMachine({
    files: ["99.1", "140.0"].map((version) =>
      `${cache}/linux-${version}/chrome-linux64/chrome`
    ),
  });
  const { executablePath } = await findBrowser("chromium", machine);
  assertEquals(executablePath, `${cache}/linux-140.0/chrome-linux64/chrome`);
});

Deno.test("findBrowser() installs Debian's packages as root", async () => {
  const machine = fakeMachine({
    files: ["/usr/bin/apt-get"],
    packaged: ["/usr/bin/firefox-esr"],
    root: true,
  });
  const { executablePath } = await findBrowser("firefox", machine);
  assertEquals(executablePath, "/usr/bin/firefox-esr");
  assertEquals(machine.done, ["apt-get update", "apt-get install firefox-esr"]);
});

Deno.test("findBrowser() installs only the package that is missing", async () => {
  const machine = fakeMachine({
    files: ["/usr/bin/apt-get", "/usr/bin/WebKitWebDriver"],
    packaged: ["/usr/bin/Xvfb"],
    root: true,
  });
  const { executablePath } = await findBrowser("webkit", machine);
  assertEquals(executablePath, "/usr/bin/WebKitWebDriver");
  assertEquals(machine.done, ["apt-get update", "apt-get install xvfb"]);
});

Deno.test("findBrowser() downloads where packages cannot be installed", async () => {
  for (
    const options of [
      { root: false, files: ["/usr/bin/apt-get"] },
      { root: true, files: [] },
      { root: true, files: ["/usr/bin/apt-get"] },
    ]
  ) {
    const machine = fakeMachine({
      ...options,
      download: () => Promise.resolve("/cache/firefox"),
    });
    const { executablePath } = await findBrowser("firefox", machine);
    assertEquals(executablePath, "/cache/firefox");
  }
});

Deno.test("findBrowser() unpacks the headless shell of npm last, and says what it lacks", async () => {
  const shell = { executablePath: "/shell", env: { LD_LIBRARY_PATH: "/lib" } };
  const machine = fakeMachine({
    files: ["/usr/bin/apt-get"],
    root: true,
    unpackShell: () => Promise.resolve(shell),
  });
  assertEquals(await findBrowser("chromium", machine), {
    ...shell,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--headless=shell"],
    lacks: [
      "notifications",
      "background sync",
      "background fetch",
      "back/forward cache",
    ],
  });
  assertEquals(machine.done, ["apt-get update", "download chrome"]);
});

Deno.test("findBrowser() rejects a download that does not start", async () => {
  const machine = fakeMachine({
    arch: "aarch64",
    broken: ["/cache/chrome"],
    download: () => Promise.resolve("/cache/chrome"),
  });
  await assertRejects(
    () => findBrowser("chromium", machine),
    Error,
    'downloading chrome: "/cache/chrome --version" fails',
  );
});

Deno.test("findBrowser() ends with what to install and what was tried", async () => {
  const machine = fakeMachine({ files: ["/usr/bin/apt-get"], root: true });
  const error = await assertRejects(
    () => findBrowser("chromium", machine),
    Error,
    "apt-get install chromium",
  );
  for (const reason of ["E: no network", "no network", "no registry"]) {
    assertEquals(error.message.includes(reason), true, reason);
  }
  assertEquals(machine.done, ["apt-get update", "download chrome", "unpack"]);
});

Deno.test("findBrowser() rejects WebKitGTK elsewhere than on Linux", async () => {
  const error = await assertRejects(
    () => findBrowser("webkit", fakeMachine({ os: "darwin" })),
    DOMException,
    "WebKitGTK exists only on Linux",
  );
  assertEquals(error.name, "NotSupportedError");
});

/** A machine that has libnotify when apt-get has brought it, if it can. */
function notifyingMachine(options: FakeOptions, canInstall: boolean) {
  let installed = "";
  const machine = fakeMachine({
    ...options,
    run(command, args) {
      if (command === "apt-get") {
        if (args[0] === "install" && canInstall) installed = "libnotify.so.4 (";
        machine.done.push(`apt-get ${args[0]} ${args.at(-1)}`);
        return Promise.resolve({ success: canInstall, output: "" });
      }
      return Promise.resolve({ success: true, output: installed });
    },
  });
  return machine;
}

Deno.test("prepareNotifications() asks nothing of a machine with Chromium", async () => {
  const machine = notifyingMachine({}, false);
  await prepareNotifications("chromium", machine);
  assertEquals(machine.done, []);
});

Deno.test("prepareNotifications() installs what is missing as root, once", async () => {
  const files = ["/usr/bin/apt-get"];
  const machine = notifyingMachine({ files, root: true }, true);
  await prepareNotifications("firefox", machine);
  await prepareNotifications("firefox", machine);
  assertEquals(machine.done, [
    "apt-get update DPkg::Lock::Timeout=300",
    "apt-get install libnotify4",
  ]);
});

Deno.test("prepareNotifications() says what cannot be had", async () => {
  for (const root of [true, false]) {
    const machine = notifyingMachine(
      { files: ["/usr/bin/apt-get"], root },
      false,
    );
    const error = await assertRejects(
      () => prepareNotifications("webkit", machine),
      DOMException,
      "lacks python3-gi and gir1.2-webkit2-4.1",
    );
    assertEquals(error.name, "NotSupportedError");
  }
  await assertRejects(
    () => prepareNotifications("chromium", fakeMachine({ os: "darwin" })),
    DOMException,
    "lacks a desktop",
  );
});
