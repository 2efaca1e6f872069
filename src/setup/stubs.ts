/** The worker's protocol stubs: Python modules generated from proto/. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fingerprint } from "../../scripts/setup/fingerprint.mjs";
import { runCommand } from "./command.js";
import { protocolFiles, pythonStubsReady } from "./environment.js";
import type { InstallationContext } from "./pip.js";

/**
 * Generates py-worker/cmcr with grpcio-tools, unless it is current. The new
 * stubs are made aside and take the place of the old ones when complete.
 *
 * @returns whether anything had to be done
 */
export async function generatePythonStubs(context: InstallationContext): Promise<boolean> {
  const { paths } = context;
  if (pythonStubsReady(paths)) return false;
  context.onLine("generating the protocol's Python stubs");
  const files = protocolFiles(paths);
  const made = fingerprint(paths.root, files);
  const aside = join(paths.root, ".setup", `stubs-${process.pid}`);
  rmSync(aside, { recursive: true, force: true });
  mkdirSync(aside, { recursive: true });
  try {
    const outputs = ["--python_out", "--grpc_python_out", "--pyi_out"].map((option) => `${option}=${aside}`);
    await runCommand(paths.python, ["-I", "-m", "grpc_tools.protoc", "-I", paths.proto, ...outputs, ...files], {
      cwd: paths.root,
      log: context.log,
      purpose: "Generating the worker's protocol stubs",
      reason: "STUBS_FAILED",
      signal: context.signal,
    });
    writeFileSync(join(aside, "cmcr", ".fingerprint"), `${made}\n`);
    rmSync(paths.pythonStubs, { recursive: true, force: true });
    renameSync(join(aside, "cmcr"), paths.pythonStubs);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return true;
}
