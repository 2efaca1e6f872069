import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { buildReady } from "../../scripts/setup/build.mjs";

/** The checkout's folder. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The URL of a built module, such as `store/store.js`, for programs that run in a
 * process of their own. Builds first where the sources have changed since.
 */
export function builtModule(path: string): string {
  if (!buildReady(ROOT)) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "scripts", "build.mjs")], { cwd: ROOT, encoding: "utf8" });
    if (status !== 0) throw new Error(`the build failed:\n${stdout}${stderr}`);
  }
  return pathToFileURL(join(ROOT, "dist", path)).href;
}
