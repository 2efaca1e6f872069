/**
 * A program that answers as far as the set-up asks of a Python: it describes
 * itself, makes environments, "installs" what lock files pin, and lists it.
 */
import { appendFileSync, chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SetupPaths, setupPaths } from "../../../src/setup/paths.js";

/** How the program behaves; all that is not given goes well. */
export interface Behaviour {
  version?: [number, number, number];
  implementation?: string;
  bits?: number;
  venv?: boolean;
  /** A failing pip: called with these words among its arguments it prints this and exits with 1. */
  pipFailures?: { word: string; output: string }[];
  /** pip hangs when called with this among its arguments. */
  pipHangs?: string;
  /** The CUDA version that the installed PyTorch reports, when the CUDA lock file was installed. */
  cuda?: string;
}

const PROGRAM = `
const fs = require("node:fs"), path = require("node:path");
const behaviour = JSON.parse(fs.readFileSync(process.env.CMCR_TEST_BEHAVIOUR, "utf8"));
const args = process.argv.slice(2);
fs.appendFileSync(process.env.CMCR_TEST_BEHAVIOUR + ".calls", args.join(" ") + "\\n");
const environment = path.dirname(path.dirname(process.argv[1]));
const state = path.join(environment, "packages.json");
const packages = () => (fs.existsSync(state) ? JSON.parse(fs.readFileSync(state, "utf8")) : {});
const is = (text) => args.some((arg) => arg.endsWith(text));
const version = behaviour.version ?? [3, 12, 1];
if (is("describe_interpreter.py")) {
  console.log(JSON.stringify({ version, implementation: behaviour.implementation ?? "CPython", executable: process.argv[1], bits: behaviour.bits ?? 64, venv: behaviour.venv ?? true }));
} else if (args.includes("venv")) {
  const python = path.join(args.at(-1), "bin", "python");
  fs.mkdirSync(path.dirname(python), { recursive: true });
  fs.copyFileSync(process.argv[1], python);
} else if (args.includes("pip")) {
  const failure = (behaviour.pipFailures ?? []).find(({ word }) => args.some((arg) => arg.includes(word)));
  if (failure !== undefined) { console.error(failure.output); process.exit(1); }
  if (behaviour.pipHangs !== undefined && args.some((arg) => arg.includes(behaviour.pipHangs))) setInterval(() => {}, 1000);
  else {
    const now = packages();
    for (const file of args.filter((arg) => arg.endsWith(".lock")))
      for (const match of fs.readFileSync(file, "utf8").matchAll(/^([\\w.-]+)={2,3}(\\S+)/gm)) { console.log("Collecting " + match[1]); now[match[1]] = match[2]; }
    for (const arg of args) { const match = /^torch==(.*)$/.exec(arg); if (match) now.torch = match[1] + "+cpu"; }
    fs.writeFileSync(state, JSON.stringify(now));
  }
} else if (is("list_distributions.py")) {
  console.log(JSON.stringify(packages()));
} else if (is("verify_worker.py")) {
  const cuda = "triton" in packages() ? behaviour.cuda ?? "13.0" : null;
  console.log(JSON.stringify({ python: version.join("."), torch: packages().torch, cuda, device: "cpu", deviceName: "fake", mps: false, numpy: packages().numpy, grpcio: packages().grpcio }));
} else if (args.includes("grpc_tools.protoc")) {
  const out = args.find((arg) => arg.startsWith("--python_out=")).slice("--python_out=".length);
  fs.mkdirSync(path.join(out, "cmcr", "v1"), { recursive: true });
  fs.writeFileSync(path.join(out, "cmcr", "v1", "worker_pb2.py"), "");
} else { console.error("unexpected: " + args.join(" ")); process.exit(9); }
`;

/** A checkout's folders in a temporary place, and a Python to install with. */
export interface FakeSetup {
  readonly paths: SetupPaths;
  readonly python: string;
  behave(behaviour: Behaviour): void;
  /** The arguments of each call of the program so far, one line a call. */
  calls(): string[];
}

/** Makes a program at `file`; it starts anywhere that Node does. */
export function writeFakePython(file: string): void {
  writeFileSync(file, `#!${process.execPath}\n${PROGRAM}`);
  chmodSync(file, 0o755);
}

/** Sets up the folders. The caller removes `paths.root`, and takes CMCR_TEST_BEHAVIOUR out of the environment. */
export function fakeSetup(): FakeSetup {
  const root = mkdtempSync(join(tmpdir(), "cmcr-setup-"));
  const paths = setupPaths(root);
  cpSync(setupPaths().requirements, paths.requirements, { recursive: true });
  mkdirSync(join(paths.proto, "cmcr", "v1"), { recursive: true });
  writeFileSync(join(paths.proto, "cmcr", "v1", "worker.proto"), 'syntax = "proto3";\n');
  const python = join(root, "python");
  writeFakePython(python);
  const file = join(root, "behaviour.json");
  process.env["CMCR_TEST_BEHAVIOUR"] = file;
  const behave = (behaviour: Behaviour): void => { writeFileSync(file, JSON.stringify(behaviour)); };
  behave({});
  appendFileSync(`${file}.calls`, "");
  return { paths, python, behave, calls: () => readFileSync(`${file}.calls`, "utf8").split("\n").slice(0, -1) };
}
