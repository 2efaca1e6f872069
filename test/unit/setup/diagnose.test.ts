import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeCheck } from "../../../src/setup/checks/checkout.js";
import { computeCheck, diskCheck, socketCheck } from "../../../src/setup/checks/machine.js";
import { torchChecks } from "../../../src/setup/checks/worker.js";
import { diagnose } from "../../../src/setup/diagnose.js";
import { packageRoot, setupPaths } from "../../../src/setup/paths.js";

const GIB = 2 ** 30;
const versions = { python: "3.12.1", torch: "2.13.0+cpu", cuda: null, device: "cpu", deviceName: "x86_64", mps: false, numpy: "2.4.6", grpcio: "1.85.1" } as const;

describe("the checks", () => {
  it.each([
    [nodeCheck("20.19.0"), "ok"],
    [nodeCheck("22.1.0"), "ok"],
    [nodeCheck("20.18.3"), "missing"],
    [nodeCheck("18.20.0"), "missing"],
    [diskCheck("/data", 30 * GIB), "ok"],
    [diskCheck("/data", GIB), "warning"],
    [computeCheck(16 * GIB, 8), "ok"],
    [computeCheck(2 * GIB, 1), "warning"],
    [socketCheck("/tmp"), "ok"],
    [socketCheck(`/${"x".repeat(100)}`), "missing"],
  ])("%o is %s", (check, status) => {
    expect(check.status).toBe(status);
    expect(check.remedy === "").toBe(status === "ok");
  });

  it.each([
    [versions, undefined, "ok", "cpu"],
    [versions, "Some GPU, 580.1", "warning", "--torch cuda"],
    [{ ...versions, torch: "2.13.0", cuda: "13.0" }, "Some GPU, 470.0", "warning", "too old for CUDA 13.0"],
    [{ ...versions, torch: "2.13.0", cuda: "13.0", device: "cuda" as const, deviceName: "H100" }, "Some GPU, 580.1", "ok", "H100"],
  ])("of PyTorch's device: %o with %s", (found, driver, status, words) => {
    const device = torchChecks(found, driver).find(({ name }) => name === "device");
    expect(device?.status).toBe(status);
    expect(`${device?.found ?? ""} ${device?.remedy ?? ""}`).toContain(words);
  });
});

describe("diagnose", () => {
  it("finds this checkout in order but for its build, which the tests do not need", async () => {
    const checks = await diagnose();
    const missing = checks.filter(({ status, name }) => status === "missing" && name !== "build");
    expect(missing).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["Node.js", "npm packages", "Python", "worker environment", "PyTorch", "gRPC", "device", "built-in encoders", "disk", "memory and cores", "socket path", "NVIDIA driver"]),
    );
  });

  it("names what is missing in an empty folder, each with a remedy, and changes nothing", async () => {
    const root = mkdtempSync(join(tmpdir(), "cmcr-doctor-"));
    writeFileSync(join(root, "package.json"), JSON.stringify({ dependencies: { yaml: "2.9.1" } }));
    const checks = await diagnose({ ...setupPaths(root), pythonScripts: setupPaths().pythonScripts, requirements: setupPaths().requirements });
    const missing = checks.filter(({ status }) => status === "missing");
    expect(missing.map(({ name }) => name)).toEqual(["npm packages", "build", "TypeScript stubs", "Python stubs", "built-in encoders", "worker environment"]);
    expect(missing.every(({ remedy }) => remedy !== "")).toBe(true);
    expect(existsSync(join(root, ".setup"))).toBe(false);
    rmSync(root, { recursive: true });
  });
});

describe("packageRoot", () => {
  it("is the folder of package.json", () => {
    expect(existsSync(join(packageRoot(), "package.json"))).toBe(true);
  });
});
