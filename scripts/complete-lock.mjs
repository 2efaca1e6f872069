// `npm run lock:complete`, after `npm install` has changed package-lock.json: adds the packages of
// other platforms that npm could not fetch here and has left out.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./setup/bootstrap.mjs";
import { completeLock } from "./setup/platforms.mjs";

const file = join(ROOT, "package-lock.json");
const lock = JSON.parse(readFileSync(file, "utf8"));
const { added, unknown } = completeLock(lock);
if (added.length > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added.length} packages of other platforms added${added.map((name) => `\n  ${name}`).join("")}`);
for (const name of unknown) console.error(`${name}: its platform cannot be told from its name; add it by hand`);
process.exitCode = unknown.length > 0 ? 1 : 0;
