import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EXIT } from "../../../src/errors.js";
import { findPython, howToInstallPython, probePython, pythonCandidates, unsuitable } from "../../../src/setup/python.js";
import { type FakeSetup, fakeSetup, writeFakePython } from "./fakePython.js";

let setup: FakeSetup;
let folder: string;
beforeEach(() => {
  setup = fakeSetup();
  folder = join(setup.paths.root, "bin");
  mkdirSync(folder);
  vi.stubEnv("PATH", folder);
  vi.stubEnv("CMCR_PYTHON", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  delete process.env["CMCR_TEST_BEHAVIOUR"];
  rmSync(setup.paths.root, { recursive: true, force: true });
});

/** A launcher of a version manager that does not have the version. */
function writeShim(name: string): void {
  const file = join(folder, name);
  writeFileSync(file, `#!${process.execPath}\nconsole.error("\\n${name}: command not found\\nsee help"); process.exit(127);\n`);
  chmodSync(file, 0o755);
}

const good = { version: [3, 12, 1] as [number, number, number], implementation: "CPython", executable: "/usr/bin/python3", bits: 64, venv: true };

describe("pythonCandidates", () => {
  it("prefers what is named, then CMCR_PYTHON, then the usual commands", () => {
    expect(pythonCandidates("/a/python", { CMCR_PYTHON: "/b/python" })).toEqual([["/a/python"]]);
    expect(pythonCandidates(undefined, { CMCR_PYTHON: "/b/python" })).toEqual([["/b/python"]]);
    expect(pythonCandidates(undefined, {}).map((command) => command.join(" "))).toEqual(["python3.13", "python3.12", "python3.11", "python3", "python", "py -3"]);
  });
});

describe("unsuitable", () => {
  it.each([
    [good, undefined],
    [{ ...good, version: [3, 11, 0] as const }, undefined],
    [{ ...good, version: [3, 14, 2] as const }, undefined],
    [{ ...good, version: [3, 10, 13] as const }, "is Python 3.10.13, too old"],
    [{ ...good, version: [2, 7, 18] as const }, "is Python 2.7.18, too old"],
    [{ ...good, version: [3, 15, 0] as const }, "newer than PyTorch has builds for"],
    [{ ...good, implementation: "PyPy" }, "needs CPython"],
    [{ ...good, bits: 32 }, "needs 64 bits"],
    [{ ...good, venv: false }, "without the venv and ensurepip modules"],
  ])("judges %o", (interpreter, expected) => {
    if (expected === undefined) expect(unsuitable(interpreter)).toBeUndefined();
    else expect(unsuitable(interpreter)).toContain(expected);
  });
});

describe("probePython", () => {
  it("describes what it starts", async () => {
    expect(await probePython([setup.python], setup.paths)).toMatchObject({ version: [3, 12, 1], venv: true });
  });
  it("says when there is nothing of that name", async () => {
    expect(await probePython(["python3.13"], setup.paths)).toBe("not found");
  });
  it("is not taken in by a launcher of a version that is not installed", async () => {
    writeShim("python3.13");
    expect(await probePython(["python3.13"], setup.paths)).toBe("fails: python3.13: command not found");
  });
  it("reads the real Python on this machine", async () => {
    vi.unstubAllEnvs();
    const { paths } = await import("../../../src/setup/paths.js").then((module) => ({ paths: module.setupPaths() }));
    expect(await findPython(undefined, paths)).toMatchObject({ implementation: "CPython", bits: 64, venv: true });
  });
});

describe("findPython", () => {
  it("takes the first that will do, past launchers that fail", async () => {
    writeShim("python3.13");
    writeFakePython(join(folder, "python3"));
    expect((await findPython(undefined, setup.paths)).executable).toBe(join(folder, "python3"));
  });
  it("says what to install when there is none, and what became of each command", async () => {
    writeShim("python3.12");
    writeFakePython(join(folder, "python3"));
    setup.behave({ version: [3, 9, 2] });
    await expect(findPython(undefined, setup.paths)).rejects.toMatchObject({
      code: EXIT.worker,
      reason: "PYTHON_MISSING",
      message: expect.stringMatching(/No suitable Python was found: the worker needs Python 3\.11 to 3\.14 with venv and pip\. Install one with .*then run this again/),
      details: ["python3.13 not found", "python3.12 fails: python3.12: command not found", "python3.11 not found", "python3 is Python 3.9.2, too old", "python not found", "py -3 not found"],
    });
  });
  it("does not look further than the Python that is named", async () => {
    writeFakePython(join(folder, "python3"));
    await expect(findPython("/nowhere/python", setup.paths)).rejects.toThrow(/The Python that was named will not do: \/nowhere\/python not found/);
    vi.stubEnv("CMCR_PYTHON", "/elsewhere/python");
    await expect(findPython(undefined, setup.paths)).rejects.toThrow(/\/elsewhere\/python not found/);
  });
});

describe("howToInstallPython", () => {
  it.each([
    ["darwin", [], "brew install"],
    ["win32", [], "winget install"],
    ["linux", ["ubuntu", "debian"], "sudo apt install python3 python3-venv"],
    ["linux", ["fedora"], "sudo dnf install"],
    ["linux", ["alma", "rhel", "centos", "fedora"], "sudo dnf install"],
    ["linux", ["something"], "package manager"],
  ] as const)("knows %s %o", (platform, distribution, expected) => {
    expect(howToInstallPython(platform, distribution)).toContain(expected);
  });
});
