import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { splitLocks } from "../../../scripts/setup/requirements.mjs";
import { setupPaths } from "../../../src/setup/paths.js";
import { normalised, pinnedVersions, pipProgress, readPins } from "../../../src/setup/pip.js";
import { chooseBuild, torchVersion } from "../../../src/setup/torch.js";

const paths = setupPaths();
const read = (name: string): string => readFileSync(join(paths.requirements, name), "utf8");
const LOCKS = ["runtime.lock", "torch.lock", "cuda.lock", "dev.lock"];

describe("the lock files", () => {
  it.each(LOCKS)("pin everything in %s to one version with checksums", (name) => {
    const entries = read(name).split(/^(?=[a-z])/m).filter((entry) => /^[a-z]/.test(entry));
    expect(entries.length).toBeGreaterThan(0);
    for (const entry of entries) expect(entry).toMatch(/^[\w.-]+={2,3}[\w.]+ \\\n( {4}--hash=sha256:[0-9a-f]{64}( \\)?\n)+/);
  });
  it.each([
    ["runtime.in", ["runtime.lock", "torch.lock"]],
    ["dev.in", ["dev.lock"]],
  ])("hold what %s asks for", (wanted, locks) => {
    const pins = new Map(locks.flatMap((name) => [...readPins(paths, name)]));
    const asked = [...read(wanted).matchAll(/^([A-Za-z][\w.-]*)/gm)].map(([, name]) => normalised(name ?? ""));
    expect(asked.length).toBeGreaterThan(3);
    expect(asked.filter((name) => !pins.has(name))).toEqual([]);
  });
  it("agree on what they share", () => {
    const runtime = readPins(paths, "runtime.lock");
    for (const name of ["cuda.lock", "dev.lock"]) {
      for (const [distribution, version] of readPins(paths, name)) expect(runtime.get(distribution) ?? version).toBe(version);
    }
  });
  it("pin the PyTorch that runtime.in names", () => {
    expect(read("runtime.in")).toContain(`\ntorch==${torchVersion({ paths })}\n`);
  });
});

describe("splitLocks", () => {
  it("sorts packages by the machine that needs them", () => {
    const compiled = "numpy==2.4.6 \\\n    --hash=sha256:aa\n    # via -r runtime.in\ntorch==2.13.0 \\\n    --hash=sha256:bb\nnvidia-cublas==13.1 \\\n    --hash=sha256:cc\n# a remark\ntriton==3.7.1 \\\n    --hash=sha256:dd\n";
    expect(splitLocks(compiled)).toEqual({
      runtime: "numpy==2.4.6 \\\n    --hash=sha256:aa\n    # via -r runtime.in",
      torch: "torch===2.13.0 \\\n    --hash=sha256:bb",
      cuda: "nvidia-cublas==13.1 \\\n    --hash=sha256:cc\ntriton==3.7.1 \\\n    --hash=sha256:dd",
    });
  });
});

describe("pinnedVersions", () => {
  it("reads both signs and compares names as indexes do", () => {
    expect([...pinnedVersions("# numpy==1\nPyYAML==6.0.1 \\\n  --hash=x\ntorch===2.13.0\ntyping_extensions==4.16.0 ; python_version < '4'\n")]).toEqual([
      ["pyyaml", "6.0.1"],
      ["torch", "2.13.0"],
      ["typing-extensions", "4.16.0"],
    ]);
  });
});

describe("pipProgress", () => {
  it("names each package once, with how many there are, and large downloads", () => {
    const lines: string[] = [];
    const report = pipProgress(3, (line) => lines.push(line));
    for (const line of [
      "Looking in links: wheels",
      "Collecting grpcio-health-checking==1.85.1 (from -r runtime.lock (line 3))",
      "  Downloading grpcio_health_checking-1.85.1-py3-none-any.whl.metadata (1.0 kB)",
      "Downloading https://files.example/packages/torch-2.13.0-cp311-linux_x86_64.whl (191.8 MB)",
      "Processing /somewhere/torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
      "Requirement already satisfied: typing_extensions==4.16.0 in a (4.16.0)",
      "Installing collected packages: grpcio-health-checking, torch",
    ]) report(line);
    expect(lines).toEqual([
      "grpcio-health-checking (1 of 3)",
      "downloading torch-2.13.0-cp311-linux_x86_64.whl (191.8 MB)",
      "torch (2 of 3)",
      "typing_extensions (3 of 3)",
      "unpacking 2 of 3",
    ]);
  });
});

describe("chooseBuild", () => {
  it.each([
    ["auto", undefined, "linux", "cpu"],
    ["auto", "Some GPU, 580.1", "linux", "cuda"],
    ["auto", "Some GPU, 580.1", "win32", "cpu"],
    ["auto", undefined, "darwin", "cpu"],
    ["cpu", "Some GPU, 580.1", "linux", "cpu"],
    ["cuda", undefined, "linux", "cuda"],
  ] as const)("for %s with driver %s on %s", (choice, driver, platform, expected) => {
    expect(chooseBuild(choice, driver, platform)).toBe(expected);
  });
  it("refuses CUDA where there is no such build", () => {
    expect(() => chooseBuild("cuda", undefined, "darwin")).toThrow(/works on Linux only/);
  });
});
