// @ts-check
/** The build: TypeScript stubs of the protocol, then src/ compiled to dist/. */
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join, relative } from "node:path";
import process from "node:process";
import { filesBelow, fingerprint, readStamp } from "./fingerprint.mjs";
import { runLogged } from "./process.mjs";

// Each stamp lies in what it describes, so that deleting that also deletes its stamp.
const stubsOf = (root) => join(root, "src", "bridge", "gen");
const stubsStamp = (root) => join(stubsOf(root), ".fingerprint");
const distStamp = (root) => join(root, "dist", ".fingerprint");

/** What the stubs are made from: the protocol, the generator's options and the packages' versions. */
export function stubsFingerprint(root) {
  const protocol = filesBelow(join(root, "proto"), (file) => file.endsWith(".proto") || /buf(\.gen)?\.yaml$/.test(file));
  return fingerprint(root, [...protocol, join(root, "package-lock.json")]);
}

/** What dist/ is made from. */
export function buildFingerprint(root) {
  const gen = stubsOf(root);
  const sources = filesBelow(join(root, "src"), (file) => file.endsWith(".ts") && !file.startsWith(gen));
  return `${stubsFingerprint(root)}-${fingerprint(root, [...sources, join(root, "tsconfig.json")])}`;
}

export const stubsReady = (root) => readStamp(stubsStamp(root)) === stubsFingerprint(root);
export const buildReady = (root) => stubsReady(root) && readStamp(distStamp(root)) === buildFingerprint(root);

/** Generates src/bridge/gen from proto/. */
export async function generateStubs(root, log) {
  const made = stubsFingerprint(root);
  const bin = join(root, "node_modules", ".bin");
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` };
  await runLogged(join(bin, "buf"), ["generate"], { cwd: join(root, "proto"), log, env });
  writeFileSync(stubsStamp(root), `${made}\n`);
}

/** Removes what an earlier build left in dist/ of sources that are gone. */
function prune(root) {
  const dist = join(root, "dist");
  for (const file of filesBelow(dist, (name) => /\.js(\.map)?$/.test(name))) {
    const source = join(root, "src", relative(dist, file).replace(/\.js(\.map)?$/, ".ts"));
    if (!existsSync(source)) rmSync(file);
  }
}

/** Compiles src/ to dist/. Types are not checked here: that is `npm run typecheck`, and takes three times as long. */
export async function compile(root, log) {
  const made = buildFingerprint(root);
  mkdirSync(join(root, "dist"), { recursive: true });
  rmSync(distStamp(root), { force: true });
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  await runLogged(process.execPath, [tsc, "-p", "tsconfig.json", "--noCheck"], { cwd: root, log });
  prune(root);
  const main = join(root, "dist", "cli", "main.js");
  if (existsSync(main)) chmodSync(main, 0o755);
  writeFileSync(distStamp(root), `${made}\n`);
}
