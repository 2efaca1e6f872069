// @ts-check
/** What the figures were measured on. */
import { readFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import process from "node:process";
import { execa } from "execa";
import { installationStamp } from "../../dist/setup/environment.js";
import { setupPaths } from "../../dist/setup/paths.js";

/** Processor, versions and settings. */
export async function describeMachine(threads) {
  const paths = setupPaths();
  const stamp = installationStamp(paths);
  const { version } = JSON.parse(readFileSync(join(paths.root, "package.json"), "utf8"));
  const { stdout, failed } = await execa("git", ["describe", "--always", "--dirty"], { cwd: paths.root, reject: false });
  return {
    processor: os.cpus()[0]?.model ?? "unknown",
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    python: stamp?.python ?? null,
    torch: stamp?.torch ?? null,
    cmcr: version,
    revision: failed ? null : stdout,
    threads,
  };
}

/** Processes that wanted to run over the last minute: above the number of cores, others were at work too. */
export function load() {
  return Math.round((os.loadavg()[0] ?? 0) * 10) / 10;
}
