import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { missingPackages } from "../../../scripts/setup/packages.mjs";
import { completeLock, platformOf } from "../../../scripts/setup/platforms.mjs";

const lock = {
  packages: {
    "": { version: "0.1.0" },
    "node_modules/yaml": { version: "2.9.1", integrity: "sha512-a" },
    "node_modules/other-system": { version: "1.0.0", optional: true },
  },
};

describe("missingPackages", () => {
  it("is content when all is installed, whatever is for other platforms", () => {
    expect(missingPackages(lock, { packages: { "node_modules/yaml": { version: "2.9.1", integrity: "sha512-a" } } })).toEqual([]);
  });
  it.each([
    ["absent", {}, "node_modules/yaml 2.9.1"],
    ["of another version", { "node_modules/yaml": { version: "2.0.0", integrity: "sha512-a" } }, "node_modules/yaml 2.9.1 (found 2.0.0)"],
    ["of another content", { "node_modules/yaml": { version: "2.9.1", integrity: "sha512-b" } }, "node_modules/yaml 2.9.1 (found 2.9.1)"],
  ])("names a package that is %s", (_, packages, expected) => {
    expect(missingPackages(lock, { packages })).toEqual([expected]);
  });
});

describe("platformOf", () => {
  it.each([
    ["@bufbuild/buf-linux-aarch64", { os: ["linux"], cpu: ["arm64"] }],
    ["@bufbuild/buf-linux-armv7", { os: ["linux"], cpu: ["arm"] }],
    ["@unrs/resolver-binding-linux-x64-musl", { os: ["linux"], cpu: ["x64"], libc: ["musl"] }],
    ["@unrs/resolver-binding-win32-x64-msvc", { os: ["win32"], cpu: ["x64"] }],
    ["@unrs/resolver-binding-wasm32-wasi", undefined],
  ])("reads %s", (name, expected) => {
    expect(platformOf(name)).toEqual(expected);
  });
});

describe("completeLock", () => {
  it("adds what is left out, as the parent has it", () => {
    const incomplete = {
      packages: {
        "": {},
        "node_modules/zod": { version: "4.0.0" },
        "node_modules/buf": { version: "1.75.0", dev: true, optionalDependencies: { "buf-darwin-arm64": "1.75.0", "buf-plan9": "1.75.0", "buf-linux-x64": "^1" } },
      },
    };
    expect(completeLock(incomplete)).toEqual({ added: ["buf-darwin-arm64"], unknown: ["buf-plan9@1.75.0", "buf-linux-x64@^1"] });
    expect(incomplete.packages).toMatchObject({
      "node_modules/buf-darwin-arm64": { version: "1.75.0", dev: true, optional: true, os: ["darwin"], cpu: ["arm64"] },
    });
    expect(Object.keys(incomplete.packages)).toEqual(["", "node_modules/buf", "node_modules/buf-darwin-arm64", "node_modules/zod"]);
  });

  it("finds nothing to add to the repository's own lock file: `npm ci` takes it on every platform", () => {
    const own: unknown = JSON.parse(readFileSync("package-lock.json", "utf8"));
    expect(completeLock(own)).toEqual({ added: [], unknown: [] });
  });
});
