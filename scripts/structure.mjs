// @ts-check
/** What no linter of one language checks: sizes and names of files, and words that do not belong in a repository. */
import { readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { filesBelow } from "./setup/fingerprint.mjs";

const MOST_LINES = 400;
const FOLDERS = ["src", "test", "scripts", "py-worker/cmcr_worker", "py-worker/tests", "py-worker/bench"];
const SOURCE = /\.(ts|mts|mjs|js|py)$/;
const GENERATED = /^src\/bridge\/gen\/|\/__pycache__\//;

/** Each rule: a file's name or a line that matches is reported with `why`. */
const NAME_RULES = [
  { pattern: /(^|\/)(utils?|helpers?|misc|common)\.\w+$/, why: "a file is named after what it holds, not `utils`" },
  { pattern: /(^|\/)legacy_/, why: "there is one way to do a thing, no legacy one beside it" },
];
const LINE_RULES = [
  { pattern: /^(<{7}|>{7}) /, why: "a merge conflict was left in" },
  { pattern: /\b(TO[D]O|FIX[M]E|XX[X])\b/, why: "unfinished work belongs in an issue" },
  { pattern: /\b(it|test|describe)\.(only|skip|todo)\(/, why: "no test is left out, and none alone left in" },
  { pattern: /@pytest\.mark\.(skip|xfail)\b|pytest\.skip\(/, why: "no test is left out; mark those for a GPU with `cuda`" },
  { pattern: /["'`\s(](\/home\/\w|\/root\/|\/Users\/\w|\/work\/\w|\/opt\/\w)/, why: "a path of one person's machine" },
];

/** The violations of one file, given its path with forward slashes and its text. */
export function inspectSource(path, text) {
  const lines = text.split("\n");
  const count = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  const found = count > MOST_LINES ? [`${path}: ${count} lines, at most ${MOST_LINES}`] : [];
  for (const { pattern, why } of NAME_RULES) if (pattern.test(path)) found.push(`${path}: ${why}`);
  lines.forEach((line, index) => {
    for (const { pattern, why } of LINE_RULES) if (pattern.test(line)) found.push(`${path}:${index + 1}: ${why}`);
  });
  return found;
}

/** The violations of all source files below `root`, and how many files were read. */
export function inspectSources(root) {
  const files = FOLDERS.flatMap((folder) => filesBelow(join(root, folder), (file) => SOURCE.test(file)))
    .map((file) => ({ file, path: relative(root, file).split(sep).join("/") }))
    .filter(({ path }) => !GENERATED.test(path));
  const violations = files.flatMap(({ file, path }) => inspectSource(path, readFileSync(file, "utf8")));
  return { files: files.length, violations };
}
