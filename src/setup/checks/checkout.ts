/** The checkout itself: Node, npm packages, stubs, build, shipped weights. */
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { filesBelow } from "../../../scripts/setup/fingerprint.mjs";
import { pythonStubsReady } from "../environment.js";
import type { SetupPaths } from "../paths.js";
import { type Check, type Inspection, missing, ok, warning } from "./check.js";

const OLDEST_NODE = [20, 19] as const;

/** Whether a Node version, such as `20.19.1`, is new enough. */
export function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  if (enough) return ok("Node.js", version);
  return missing("Node.js", version, `install ${OLDEST_NODE.join(".")} or newer from https://nodejs.org`);
}

/** The packages that cmcr imports, each looked up where Node would find it. */
function packagesCheck(paths: SetupPaths): Check {
  const manifest = JSON.parse(readFileSync(join(paths.root, "package.json"), "utf8")) as { dependencies?: Record<string, string> };
  const names = Object.keys(manifest.dependencies ?? {});
  const absent = names.filter((name) => !existsSync(join(paths.root, "node_modules", name)) && !existsSync(join(paths.root, "..", name)));
  if (absent.length === 0) return ok("npm packages", `${names.length} dependencies`);
  return missing("npm packages", `${absent.join(", ")} not installed`, "run `npm ci`");
}

function newest(files: readonly string[]): number {
  return Math.max(0, ...files.map((file) => statSync(file).mtimeMs));
}

function buildCheck(paths: SetupPaths): Check {
  const built = filesBelow(join(paths.root, "dist"), (file) => file.endsWith(".js"));
  if (built.length === 0) return missing("build", "dist/ is empty", "run `npm run build`");
  const sources = filesBelow(join(paths.root, "src"), (file) => file.endsWith(".ts"));
  if (newest(sources) > newest(built)) return warning("build", "dist/ is older than src/", "run `npm run build`");
  return ok("build", `${built.length} modules in dist/`);
}

function stubsChecks(paths: SetupPaths): readonly Check[] {
  const compiled = join(paths.root, "dist", "bridge", "gen");
  const typescript = existsSync(paths.typescriptStubs) || existsSync(compiled);
  return [
    typescript ? ok("TypeScript stubs", "generated") : missing("TypeScript stubs", "not generated", "run `npm run build`"),
    pythonStubsReady(paths) ? ok("Python stubs", "current") : missing("Python stubs", "missing, or older than proto/", "run `cmcr worker install`"),
  ];
}

function weightsCheck(paths: SetupPaths): Check {
  const name = "built-in encoders";
  const files = existsSync(paths.builtinWeights) ? readdirSync(paths.builtinWeights).filter((file) => file.endsWith(".safetensors")) : [];
  if (files.length === 0) return missing(name, `no weights in ${paths.builtinWeights}`, "restore them from the repository, or train them with `npm run world:train`");
  return ok(name, files.map((file) => file.replace(/\.safetensors$/, "")).sort().join(", "));
}

/** What lies in the package's own folder. */
export const inspectCheckout: Inspection = (paths) =>
  Promise.resolve([nodeCheck(process.versions.node), packagesCheck(paths), buildCheck(paths), ...stubsChecks(paths), weightsCheck(paths)]);
