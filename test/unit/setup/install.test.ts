import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EXIT } from "../../../src/errors.js";
import { installationStamp, workerEnvironment } from "../../../src/setup/environment.js";
import { type InstallOptions, describeVersions, installWorker, satisfies } from "../../../src/setup/install.js";
import { type FakeSetup, fakeSetup } from "./fakePython.js";

let setup: FakeSetup;
let lines: string[];
beforeEach(() => {
  setup = fakeSetup();
  lines = [];
  // Neither another Python nor an NVIDIA driver of this machine takes part.
  vi.stubEnv("CMCR_PYTHON", setup.python);
  vi.stubEnv("PATH", setup.paths.root);
});
afterEach(() => {
  vi.unstubAllEnvs();
  delete process.env["CMCR_TEST_BEHAVIOUR"];
  rmSync(setup.paths.root, { recursive: true, force: true });
});

const install = (options: Partial<InstallOptions> = {}) => installWorker({ torch: "cpu", onLine: (line) => lines.push(line), paths: setup.paths, ...options });
const environment = (dev = false) => workerEnvironment({ dev, paths: setup.paths });
const pipCalls = (): string[] => setup.calls().filter((call) => call.includes("-m pip"));

describe("installWorker", () => {
  it("makes the environment, says what it is at, and records what it installed last of all", async () => {
    expect((await environment()).state).toBe("missing");
    const versions = await install();
    expect(versions).toMatchObject({ torch: "2.13.0+cpu", cuda: null });
    expect(await environment()).toMatchObject({ state: "ready", problems: [], python: setup.paths.python, root: setup.paths.workerRoot });
    expect(installationStamp(setup.paths)).toMatchObject({ build: "cpu", torch: "2.13.0+cpu", dev: null });
    expect(lines[0]).toBe("making a virtual environment with Python 3.12.1");
    expect(lines).toContain("PyTorch 2.13.0, CPU build");
    expect(lines).toContain("generating the protocol's Python stubs");
    expect(existsSync(setup.paths.unfinished)).toBe(false);
  });

  it("does nothing the second time", async () => {
    await install();
    const before = setup.calls().length;
    expect(await install({ torch: "auto" })).toBeUndefined();
    expect(setup.calls().length).toBe(before);
  });

  it("asks for checksums of everything but the CPU build of PyTorch", async () => {
    await install();
    const [torch, ...others] = pipCalls();
    expect(torch).toMatch(/--retries 0 --timeout 10 torch==2\.13\.0$/);
    expect(others).toHaveLength(1);
    expect(others.every((call) => call.includes("--require-hashes") && call.includes("--no-deps"))).toBe(true);
  });

  it("adds the tools of the tests, and keeps them from then on", async () => {
    await install();
    expect((await environment(true)).problems).toEqual(["The Python tools of the tests are not installed."]);
    await install({ dev: true, torch: "auto" });
    expect((await environment(true)).state).toBe("ready");
    expect((await environment(false)).state).toBe("ready");
  });

  it("installs anew when a lock file has changed, on top of what is there", async () => {
    await install();
    const lock = join(setup.paths.requirements, "runtime.lock");
    writeFileSync(lock, readFileSync(lock, "utf8").replace(/^soxr==\S+/m, "soxr==9.9.9"));
    expect(await environment()).toMatchObject({ state: "outdated", problems: [expect.stringContaining("other versions")] });
    await install({ torch: "auto" });
    expect((await environment()).state).toBe("ready");
    expect(setup.calls().filter((call) => call.includes("-m venv"))).toHaveLength(1);
  });

  it("only generates the stubs again when only the protocol has changed", async () => {
    await install();
    writeFileSync(join(setup.paths.proto, "cmcr", "v1", "more.proto"), 'syntax = "proto3";\n');
    expect((await environment()).problems).toEqual([expect.stringContaining("stubs")]);
    const before = pipCalls().length;
    expect(await install()).toBeUndefined();
    expect(pipCalls().length).toBe(before);
    expect((await environment()).state).toBe("ready");
  });

  it("starts over what was broken off", async () => {
    setup.behave({ pipHangs: "runtime.lock" });
    const controller = new AbortController();
    const broken = install({ signal: controller.signal });
    const outcome = expect(broken).rejects.toMatchObject({ code: EXIT.interrupted, reason: "INTERRUPTED" });
    while (!pipCalls().some((call) => call.includes("runtime.lock"))) await sleep(20);
    controller.abort();
    await outcome;
    expect(await environment()).toMatchObject({ state: "missing", problems: [expect.stringContaining("broken off")] });
    expect(readdirSync(join(setup.paths.root, ".setup"))).toEqual(["logs"]);

    setup.behave({});
    await install();
    expect((await environment()).state).toBe("ready");
    expect(setup.calls().filter((call) => call.includes("-m venv"))).toHaveLength(2);
  });

  it("takes an environment that others made as it is when it holds what is pinned", async () => {
    await install();
    rmSync(setup.paths.stamp);
    expect(await environment()).toMatchObject({ state: "missing", problems: [expect.stringContaining("not installed by cmcr")] });
    const before = pipCalls().length;
    await install();
    expect(pipCalls().length).toBe(before);
    expect((await environment()).state).toBe("ready");
  });

  it("lets two at a time install once", async () => {
    await Promise.all([install(), install()]);
    expect(setup.calls().filter((call) => call.includes("-m venv"))).toHaveLength(1);
    expect(lines).toContainEqual(expect.stringContaining("waiting for another installation"));
  });

  it("makes it anew with another Python", async () => {
    await install();
    setup.behave({ version: [3, 11, 9] });
    // The environment's own Python is a copy of the program, so it changes too; a stamp tells that.
    expect(await install({ python: setup.python })).toMatchObject({ python: "3.11.9" });
  });
});

describe("the build of PyTorch", () => {
  it("comes from the default index when PyTorch's own cannot be reached", async () => {
    setup.behave({ pipFailures: [{ word: "--index-url", output: "ERROR: No matching distribution found" }] });
    await install();
    expect(lines).toContainEqual(expect.stringContaining("taking the default index's build"));
    expect(installationStamp(setup.paths)).toMatchObject({ torch: "2.13.0", build: "cuda" });
  });

  it("is made anew for another one", async () => {
    await install();
    await install({ torch: "cuda" });
    expect(installationStamp(setup.paths)).toMatchObject({ torch: "2.13.0", build: "cuda" });
    expect(setup.calls().filter((call) => call.includes("-m venv"))).toHaveLength(2);
    const before = pipCalls().length;
    await install({ torch: "auto" });
    expect(pipCalls().length).toBe(before);
  });

  it("is an error when CUDA's was asked for and cannot be had", async () => {
    setup.behave({ pipFailures: [{ word: "cuda.lock", output: "ERROR: No matching distribution found for triton" }] });
    await expect(install({ torch: "cuda" })).rejects.toMatchObject({ code: EXIT.worker, reason: "INSTALL_FAILED" });
    expect((await environment()).state).toBe("missing");
  });

  it("falls back to the CPU's when CUDA's was only our choice", async () => {
    const driver = join(setup.paths.root, "nvidia-smi");
    writeFileSync(driver, `#!${process.execPath}\nconsole.log("Some GPU, 580.1");\n`, { mode: 0o755 });
    setup.behave({ pipFailures: [{ word: "cuda.lock", output: "ERROR: No matching distribution found for triton" }] });
    await install({ torch: "auto" });
    expect(lines).toContainEqual(expect.stringContaining("taking the CPU build"));
    expect(installationStamp(setup.paths)).toMatchObject({ torch: "2.13.0+cpu", build: "cpu" });
  });
});

describe("a failure of pip", () => {
  it("quotes its last lines and names the log, exit 4", async () => {
    setup.behave({ pipFailures: [{ word: "runtime.lock", output: "first\nERROR: No space left on device" }] });
    const log = join(setup.paths.logs, "worker-install.log");
    await expect(install()).rejects.toMatchObject({
      code: EXIT.worker,
      path: log,
      message: expect.stringContaining("Installing the worker's Python packages failed (exit code 1)"),
      details: ["first", "ERROR: No space left on device"],
    });
    expect(readFileSync(log, "utf8")).toContain("No space left on device");
  });
});

describe("workerEnvironment", () => {
  it("does not trust a stamp that it cannot read", async () => {
    await install();
    for (const text of ["{", '{"format":2}', ""]) {
      writeFileSync(setup.paths.stamp, text);
      expect((await environment()).state).toBe("missing");
    }
  });
  it("misses an environment whose Python is gone", async () => {
    await install();
    rmSync(setup.paths.python);
    expect((await environment()).state).toBe("missing");
    mkdirSync(setup.paths.environment, { recursive: true });
  });
  it("answers at once", async () => {
    await install();
    const started = performance.now();
    await environment(true);
    expect(performance.now() - started).toBeLessThan(50);
  });
});

describe("satisfies", () => {
  const pins = new Map([["torch", "2.13.0"], ["numpy", "2.4.6"]]);
  it.each([
    [{ torch: "2.13.0+cpu", numpy: "2.4.6", more: "1" }, true],
    [{ torch: "2.13.0", numpy: "2.4.6" }, true],
    [{ torch: "2.13.1", numpy: "2.4.6" }, false],
    [{ torch: "2.13.0" }, false],
  ])("compares %o", (installed, expected) => {
    expect(satisfies(installed, pins)).toBe(expected);
  });
});

describe("describeVersions", () => {
  const versions = { python: "3.12.1", torch: "2.13.0", cuda: null, device: "cpu", deviceName: "x86_64", mps: false, numpy: "2.4.6", grpcio: "1.85.1" } as const;
  it.each([
    [versions, "computes on CPU"],
    [{ ...versions, mps: true }, "computes on CPU (Apple's GPU is there too)"],
    [{ ...versions, device: "cuda" as const, cuda: "13.0", deviceName: "H100" }, "computes on CUDA 13.0 on H100"],
  ])("names the device of %o", (found, expected) => {
    expect(describeVersions(found)).toBe(`Python 3.12.1, PyTorch 2.13.0, NumPy 2.4.6, gRPC 1.85.1; ${expected}`);
  });
});
