import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, it, onTestFinished } from "vitest";

import { InterruptedError } from "../../src/bridge/errors.js";
import { WorkerProcess, type WorkerProcessOptions } from "../../src/bridge/process.js";
import { Worker } from "../../src/bridge/worker.js";
import { isRunning } from "../e2e/support/processes.js";
import { failureOf, until } from "../helpers/failures.js";
import { temporaryFolder } from "../helpers/temporaryFolder.js";
import { ownTemporaryFolder, workerOptions } from "./realWorker.js";

/** Options that run `program` in the place of the worker, from a folder with a space and an umlaut in its path. */
async function standIn(program: string): Promise<WorkerProcessOptions> {
  const packageFolder = join(temporaryFolder(), "a folder mit Länge");
  await mkdir(packageFolder);
  await writeFile(join(packageFolder, "stand_in.py"), program);
  return workerOptions({ packageFolder, module: "stand_in" });
}

const PRINTS_PID = "import os\nprint('pid', os.getpid(), flush=True)\n";
const HANGS = `${PRINTS_PID}import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(60)\n`;
const SLEEPS = `${PRINTS_PID}import time\ntime.sleep(60)\n`;

/** Listens to a stand-in's lines for its process number. */
function pidListener(): { onLine: (line: string) => void; lines: string[]; pid: () => number } {
  const lines: string[] = [];
  return { lines, onLine: (line) => lines.push(line), pid: () => Number(lines.find((line) => line.startsWith("pid "))?.slice(4)) };
}

describe("a worker that cannot be started", () => {
  it("for a Python that is not there says how to install it", async () => {
    const temporary = ownTemporaryFolder();
    const error = await failureOf(Worker.start(await workerOptions({ python: join(temporary.path, "python") })));
    expect(error).toMatchObject({ code: 4, reason: "WORKER_NOT_INSTALLED", path: join(temporary.path, "python") });
    expect(error.message).toContain("cmcr worker install");
    expect(temporary.leftBehind()).toEqual([]);
  });

  it("for a Python that is no program says so", async () => {
    const python = join(temporaryFolder(), "python");
    await writeFile(python, "");
    const temporary = ownTemporaryFolder();
    const error = await failureOf(Worker.start(await workerOptions({ python })));
    expect(error).toMatchObject({ code: 4, reason: "WORKER_NOT_STARTED" });
    expect(error.message).toContain("could not be started");
    expect(temporary.leftBehind()).toEqual([]);
  });

  it("for a module that is missing quotes the worker's last lines", async () => {
    const temporary = ownTemporaryFolder();
    const error = await failureOf(Worker.start(await workerOptions({ module: "cmcr_nothing" })));
    expect(error).toMatchObject({ code: 4, reason: "WORKER_NOT_STARTED" });
    expect(error.message).toContain("ended with exit code 1");
    expect(error.message).toContain("No module named cmcr_nothing");
    expect(error.message).toContain("cmcr doctor");
    expect(temporary.leftBehind()).toEqual([]);
  });

  it("for arguments that it refuses gives the refusal alone", async () => {
    for (const name of ["threads", "decoders"]) {
      const error = await failureOf(Worker.start(await workerOptions({ [name]: 0 })));
      expect(error).toMatchObject({ code: 4, reason: "WORKER_NOT_STARTED", message: `the worker cannot start: --${name} must be at least 1` });
    }
  });

  it("quotes the last five lines of many, from both streams", async () => {
    const options = await standIn("import sys\nfor i in range(2000):\n    print('line', i, file=sys.stderr)\nsys.exit(7)\n");
    const heard: string[] = [];
    const error = await failureOf(Worker.start({ ...options, onLine: (line) => heard.push(line) }));
    expect(error.message).toMatch(/ended with exit code 7; its last lines:\n {2}line 1995\n {2}line 1996\n {2}line 1997\n {2}line 1998\n {2}line 1999\n/);
    expect(heard).toHaveLength(2000);
  });

  it("for a temporary folder whose path is too long for a socket says which", async () => {
    const temporary = ownTemporaryFolder();
    const long = join(temporary.path, "long".repeat(25));
    await mkdir(long);
    process.env.TMPDIR = long;
    const error = await failureOf(Worker.start(await workerOptions()));
    expect(error).toMatchObject({ code: 4, reason: "SOCKET_PATH_TOO_LONG" });
    expect(error.message).toContain("TMPDIR");
    expect(readdirSync(long)).toEqual([]);
  });
});

describe("a worker that hangs at its start", () => {
  it("is ended at the limit, by force where it is deaf, and leaves nothing", async () => {
    const temporary = ownTemporaryFolder();
    const heard = pidListener();
    const options = await standIn(HANGS);
    const starting = failureOf(Worker.start({ ...options, onLine: heard.onLine, startLimitMs: 1_500 }));
    expect(await starting).toMatchObject({ code: 4, reason: "WORKER_START_TIMEOUT" });
    expect(heard.lines).toContain("deaf");
    expect(isRunning(heard.pid())).toBe(false);
    expect(temporary.leftBehind()).toEqual([]);
  });

  it("with its socket open is ended at the limit too", async () => {
    const temporary = ownTemporaryFolder();
    const heard = pidListener();
    const options = await standIn(
      `${PRINTS_PID}import socket, sys, time\npath = [a for a in sys.argv if a.startswith('--listen=')][0].split('unix:')[1]\ns = socket.socket(socket.AF_UNIX)\ns.bind(path)\ns.listen()\nkept = []\nwhile True:\n    kept.append(s.accept())\n`,
    );
    const error = await failureOf(Worker.start({ ...options, onLine: heard.onLine, startLimitMs: 1_500 }));
    expect(error).toMatchObject({ code: 4, reason: "WORKER_START_TIMEOUT" });
    expect(isRunning(heard.pid())).toBe(false);
    expect(temporary.leftBehind()).toEqual([]);
  });
});

describe("a start that is interrupted", () => {
  it("ends the process and leaves nothing", async () => {
    const temporary = ownTemporaryFolder();
    const heard = pidListener();
    const controller = new AbortController();
    const options = await standIn(SLEEPS);
    const starting = failureOf(Worker.start({ ...options, onLine: heard.onLine, signal: controller.signal }));
    await until("the process", () => heard.lines.length > 0);
    const reason = new InterruptedError();
    controller.abort(reason);
    expect(await starting).toBe(reason);
    expect(isRunning(heard.pid())).toBe(false);
    expect(temporary.leftBehind()).toEqual([]);
  });

  it("before it began leaves nothing either", async () => {
    const temporary = ownTemporaryFolder();
    const error = await failureOf(Worker.start({ ...(await standIn(SLEEPS)), signal: AbortSignal.abort(new InterruptedError()) }));
    expect(error.code).toBe(130);
    expect(temporary.leftBehind()).toEqual([]);
  });
});

describe("a worker's process", () => {
  it("has a folder for its socket that is its owner's alone", async () => {
    const temporary = ownTemporaryFolder();
    const child = await WorkerProcess.start(await standIn(SLEEPS));
    onTestFinished(() => child.stop());
    const [folder = ""] = temporary.leftBehind();
    expect(statSync(join(temporary.path, folder)).mode & 0o777).toBe(0o700);
    expect(child.address).toBe(`unix:${join(temporary.path, folder, "worker.sock")}`);
    await Promise.all([child.stop(), child.stop()]);
    await child.stop();
    expect(existsSync(join(temporary.path, folder))).toBe(false);
    expect(child.ended).toBe(true);
    expect(child.describeEnd()).toContain("was killed by SIGTERM");
  });

  it("is ended with whatever it has started", async () => {
    const heard = pidListener();
    const options = await standIn(`import subprocess, sys, time\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\nprint('pid', child.pid, flush=True)\ntime.sleep(60)\n`);
    const child = await WorkerProcess.start({ ...options, onLine: heard.onLine });
    onTestFinished(() => child.stop());
    await until("the process's own child", () => heard.lines.length > 0);
    expect(isRunning(heard.pid())).toBe(true);
    await child.stop();
    await until("the end of the process's own child", () => !isRunning(heard.pid()));
  });

  it("imports nothing from the folder that the user happens to be in", async () => {
    const options = await standIn("import colorsys\nprint('from the package', colorsys.__name__, flush=True)\n");
    const users = temporaryFolder();
    for (const name of ["stand_in.py", "colorsys.py"]) await writeFile(join(users, name), "print('from the user', flush=True)\n");
    const before = process.cwd();
    process.chdir(users);
    const lines: string[] = [];
    try {
      const child = await WorkerProcess.start({ ...options, onLine: (line) => lines.push(line) });
      await child.exited;
      await child.stop();
    } finally {
      process.chdir(before);
    }
    expect(lines).toEqual(["from the package colorsys"]);
  });

  it("holds its standard input open as long as we live", async () => {
    // What stands behind --exit-with-stdin: the pipe is ours alone, and open as long as we live.
    const heard = pidListener();
    const options = await standIn(`${PRINTS_PID}import os, sys\nassert '--exit-with-stdin' in sys.argv\nprint('open', flush=True)\nos.read(0, 1)\nprint('closed', flush=True)\n`);
    const child = await WorkerProcess.start({ ...options, onLine: heard.onLine });
    onTestFinished(() => child.stop());
    await until("the process", () => heard.lines.includes("open"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(heard.lines).not.toContain("closed");
  });
});
