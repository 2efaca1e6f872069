// npm's "prepare" step: `npm ci` alone also builds, so that `npx cmcr --help` works after it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./setup/bootstrap.mjs";
import { runBootstrap } from "./setup/entry.mjs";

if (existsSync(join(ROOT, "node_modules", "typescript"))) {
  await runBootstrap({ only: ["stubs", "build"] });
} else if (!existsSync(join(ROOT, "dist", "cli", "main.js"))) {
  console.error("The development packages are left out, so cmcr cannot be compiled. Run `npm ci` without --omit=dev.");
  process.exit(1);
}
