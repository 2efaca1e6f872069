import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cmcr-proto-"));
  cpSync("proto", folder, { recursive: true });
});
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

/** Changes one file of the copied protocol; the change must find its place. */
function change(name: string, pattern: RegExp, replacement: string): void {
  const file = join(folder, "cmcr", "v1", name);
  const text = readFileSync(file, "utf8");
  expect(text).toMatch(pattern);
  writeFileSync(file, text.replace(pattern, replacement));
}

/** buf's verdict on the copy against its baseline: exit code and what it says. */
async function breaking(): Promise<{ exitCode: number | undefined; stdout: string }> {
  const buf = resolve("node_modules", ".bin", "buf");
  const { exitCode, stdout } = await execa(buf, ["breaking", folder, "--against", join(folder, "baseline", "cmcr-v1.json")], { reject: false });
  return { exitCode, stdout };
}

describe("the protocol against its baseline", () => {
  it("has taken nothing away", async () => {
    expect(await breaking()).toEqual({ exitCode: 0, stdout: "" });
  });
  it("may gain a field", async () => {
    change("connector.proto", /message AttendRequest \{/, "message AttendRequest {\n  optional string note = 99;");
    expect((await breaking()).exitCode).toBe(0);
  });
  it.each([
    ["a field", /\n {2}double temperature = 3;/, "", /temperature/],
    ["a method", /\n {2}rpc Gather\(.*/, "", /Gather/],
    ["a field's number", /(string queries) = 1;/, "$1 = 98;", /queries/],
    ["a field's type", /double temperature = 3;/, "float temperature = 3;", /temperature/],
  ])("must not lose or change %s", async (_, pattern, replacement, named) => {
    change("connector.proto", pattern, replacement);
    const { exitCode, stdout } = await breaking();
    expect(exitCode).toBe(100);
    expect(stdout).toMatch(named);
  });
});
