// Makes a fresh checkout ready: `node scripts/bootstrap.mjs [--dev]`. Nothing need be
// installed but Node. Written so that an old Node can read it and say that it is too old.
import process from "node:process";

var wanted = [20, 19];
var found = process.versions.node.split(".").map(Number);
if (found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1])) {
  console.error(
    "cmcr needs Node.js " + wanted.join(".") + " or newer, and this is " + process.versions.node + ". Install a current version from https://nodejs.org, then run this again.",
  );
  process.exit(1);
}

const { runBootstrap } = await import("./setup/entry.mjs");
await runBootstrap({ dev: process.argv.includes("--dev") });
