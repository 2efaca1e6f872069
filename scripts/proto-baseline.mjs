// `npm run proto:baseline`: takes the protocol as it is now for what later changes are compared with.
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./setup/bootstrap.mjs";
import { runBootstrap } from "./setup/entry.mjs";
import { runInForeground } from "./setup/process.mjs";

await runBootstrap({ only: ["packages"] });
const buf = join(ROOT, "node_modules", ".bin", "buf");
// JSON, so that a review sees what changes; without comments, which break nothing.
process.exitCode = await runInForeground(buf, ["build", "proto", "--exclude-source-info", "-o", "proto/baseline/cmcr-v1.json"], { cwd: ROOT });
