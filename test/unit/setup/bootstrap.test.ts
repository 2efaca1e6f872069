import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { STEPS, pendingSteps } from "../../../scripts/setup/bootstrap.mjs";
import { buildFingerprint, buildReady, stubsReady, stubsFingerprint } from "../../../scripts/setup/build.mjs";
import { filesBelow, fingerprint } from "../../../scripts/setup/fingerprint.mjs";
import { runLogged } from "../../../scripts/setup/process.mjs";
import { createProgress, duration } from "../../../scripts/setup/progress.mjs";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cmcr-bootstrap-"));
  for (const folder of ["src/bridge/gen", "proto/cmcr/v1", "dist"]) mkdirSync(join(root, folder), { recursive: true });
  for (const file of ["src/errors.ts", "proto/cmcr/v1/worker.proto", "proto/buf.gen.yaml", "package-lock.json", "tsconfig.json"]) writeFileSync(join(root, file), file);
});
afterEach(() => { rmSync(root, { recursive: true, force: true }); });

const step = (name: string, ready: boolean, asked: string[] = []) => ({
  name,
  title: name,
  ready: () => {
    asked.push(name);
    return ready;
  },
  run: () => Promise.resolve(),
});

describe("pendingSteps", () => {
  it("has nothing to do when all is ready", async () => {
    expect(await pendingSteps({}, [step("a", true), step("b", true)])).toEqual([]);
  });
  it("takes all after the first that is not ready, without asking them: their code may not be built", async () => {
    const asked: string[] = [];
    expect(await pendingSteps({}, [step("a", true, asked), step("b", false, asked), step("c", true, asked)])).toEqual(["b", "c"]);
    expect(asked).toEqual(["a", "b"]);
  });
  it("finds every step pending in a fresh checkout, packages first and the worker last", async () => {
    rmSync(join(root, "dist"), { recursive: true });
    expect(await pendingSteps({ root })).toEqual(["packages", "stubs", "build", "worker"]);
    expect(STEPS.map(({ name }: { name: string }) => name)).toEqual(["packages", "stubs", "build", "worker"]);
  });
});

describe("the build's stamps", () => {
  const stamp = (): void => {
    writeFileSync(join(root, "src/bridge/gen/.fingerprint"), stubsFingerprint(root));
    writeFileSync(join(root, "dist/.fingerprint"), buildFingerprint(root));
  };
  it("are missing until the build has ended", () => {
    expect([stubsReady(root), buildReady(root)]).toEqual([false, false]);
    stamp();
    expect([stubsReady(root), buildReady(root)]).toEqual([true, true]);
  });
  it("hold when a file is only touched", () => {
    stamp();
    utimesSync(join(root, "src/errors.ts"), new Date(), new Date());
    expect(buildReady(root)).toBe(true);
  });
  it.each([
    ["a source is changed", () => { writeFileSync(join(root, "src/errors.ts"), "changed"); }, true],
    ["a source is added", () => { writeFileSync(join(root, "src/more.ts"), ""); }, true],
    ["a source is renamed", () => { renameSync(join(root, "src/errors.ts"), join(root, "src/failures.ts")); }, true],
    ["the protocol is changed", () => { writeFileSync(join(root, "proto/cmcr/v1/worker.proto"), "changed"); }, false],
    ["the generator may be another", () => { writeFileSync(join(root, "package-lock.json"), "changed"); }, false],
  ])("do not hold when %s", (_, change, stubs) => {
    stamp();
    change();
    expect([stubsReady(root), buildReady(root)]).toEqual([stubs, false]);
  });
  it("do not depend on what is generated", () => {
    stamp();
    writeFileSync(join(root, "src/bridge/gen/worker.ts"), "generated");
    expect(buildReady(root)).toBe(true);
  });
});

describe("fingerprint", () => {
  it("is the same wherever the folder lies, and tells names from contents", () => {
    const names = ["a", "b"].map((name) => join(root, name));
    writeFileSync(join(root, "a"), "1");
    writeFileSync(join(root, "b"), "2");
    const first = fingerprint(root, names);
    mkdirSync(join(root, "moved"));
    writeFileSync(join(root, "moved", "a"), "1");
    writeFileSync(join(root, "moved", "b"), "2");
    expect(fingerprint(join(root, "moved"), filesBelow(join(root, "moved")))).toBe(first);
    writeFileSync(join(root, "a"), "12");
    writeFileSync(join(root, "b"), "");
    expect(fingerprint(root, names)).not.toBe(first);
  });
  it("lists nothing for a folder that is not there", () => {
    expect(filesBelow(join(root, "nowhere"))).toEqual([]);
  });
});

describe("runLogged", () => {
  const run = (code: string): Promise<void> => runLogged(process.execPath, ["-e", code], { cwd: root, log: join(root, "log") });
  it("is quiet about what succeeds", async () => {
    await expect(run("console.log('fine')")).resolves.toBeUndefined();
  });
  it("quotes the last lines of what fails, its exit code and the log", async () => {
    const failure = run("for (let i = 0; i < 40; i++) console.log('line ' + i); process.exit(3)");
    await expect(failure).rejects.toThrow(/exit code 3[^]*line 39/);
    await expect(failure).rejects.not.toThrow(/line 20\n/);
    await expect(failure).rejects.toThrow(join(root, "log"));
  });
  it("says when a program cannot be started", async () => {
    await expect(runLogged(join(root, "absent"), [], { cwd: root, log: join(root, "log") })).rejects.toThrow(/could not be started/);
  });
});

describe("createProgress", () => {
  const collect = (): { stream: Writable; lines: () => string[] } => {
    let text = "";
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        text += chunk.toString();
        done();
      },
    });
    return { stream, lines: () => text.split("\n").slice(0, -1) };
  };
  it("prints plain lines where there is no terminal", async () => {
    const { stream, lines } = collect();
    await createProgress(new AbortController().signal, stream).step("Building", (note: (text: string) => void) => {
      note("half");
      return Promise.resolve();
    });
    expect(lines()).toEqual(["Building …", "  half", "Building: done in 0 s"]);
  });
  it("names a step that fails, but not one that was interrupted", async () => {
    const failing = collect();
    const fail = (): Promise<never> => Promise.reject(new Error("no"));
    await expect(createProgress(new AbortController().signal, failing.stream).step("Building", fail)).rejects.toThrow("no");
    expect(failing.lines().at(-1)).toBe("Building: failed after 0 s");
    const interrupted = collect();
    await expect(createProgress(AbortSignal.abort(), interrupted.stream).step("Building", fail)).rejects.toThrow("no");
    expect(interrupted.lines()).toEqual(["Building …"]);
  });
  it("writes durations for people", () => {
    expect([duration(400), duration(59_000), duration(61_000)]).toEqual(["0 s", "59 s", "1 min 01 s"]);
  });
});
