// `npm run proto:baseline`: takes the protocol as it is now for what later changes are compared with.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./setup/bootstrap.mjs";
import { runBootstrap } from "./setup/entry.mjs";
import { runInForeground } from "./setup/process.mjs";

await runBootstrap({ only: ["packages"] });
const buf = join(ROOT, "node_modules", ".bin", "buf");
const image = join(ROOT, "proto", "baseline", "cmcr-v1.json");
process.exitCode = await runInForeground(buf, ["build", "proto", "--exclude-source-info", "-o", image], { cwd: ROOT });
// In lines, so that a review sees what changes.
if (process.exitCode === 0) writeFileSync(image, `${JSON.stringify(JSON.parse(readFileSync(image, "utf8")), null, 1)}\n`);
