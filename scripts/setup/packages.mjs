// @ts-check
/** The npm packages: whether node_modules holds what package-lock.json pins, and installing it. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { runLogged } from "./process.mjs";

/**
 * What node_modules lacks of the lock file. npm writes its own record of what
 * it installed last of all, so a broken-off install has none.
 *
 * @returns {string[]} one line for each package that is missing or of another version
 */
export function missingPackages(lock, installed) {
  const missing = [];
  for (const [path, wanted] of Object.entries(lock.packages ?? {})) {
    if (path === "" || wanted.link === true) continue;
    const found = installed.packages?.[path];
    if (found === undefined) {
      // Optional ones are for other platforms than this.
      if (wanted.optional !== true && wanted.devOptional !== true) missing.push(`${path} ${wanted.version}`);
    } else if (found.version !== wanted.version || found.integrity !== wanted.integrity) {
      missing.push(`${path} ${wanted.version} (found ${found.version})`);
    }
  }
  return missing;
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Whether node_modules is what package-lock.json says, development packages included. */
export function packagesReady(root) {
  const lock = readJson(join(root, "package-lock.json"));
  const installed = readJson(join(root, "node_modules", ".package-lock.json"));
  return lock !== undefined && installed !== undefined && missingPackages(lock, installed).length === 0;
}

/** Installs what package-lock.json pins. */
export async function installPackages(root, log) {
  // The npm that started us, where one did: it needs no shell and is surely there.
  const npm = process.env.npm_execpath;
  const [command, first] = npm !== undefined && basename(npm) === "npm-cli.js" ? [process.execPath, [npm]] : ["npm", []];
  // Without scripts: our own "prepare" would build a second time. No package needs its own to work.
  await runLogged(command, [...first, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: root, log });
}
