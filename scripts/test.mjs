// `npm test [-- --only ts|py] [-- FILTER…]`: set-up, then the tests of both languages.
// The last line counts them over both.
import process from "node:process";
import { parseArgs } from "node:util";
import { runBootstrap } from "./setup/entry.mjs";
import { RUNNERS } from "./testing/runners.mjs";
import { runTests } from "./testing/run.mjs";

function options() {
  try {
    const { values, positionals } = parseArgs({ options: { only: { type: "string" } }, allowPositionals: true });
    if (values.only !== undefined && !(values.only in RUNNERS)) throw new Error(`--only takes ${Object.keys(RUNNERS).join(" or ")}, not ${values.only}`);
    // The two runners' filters differ: vitest takes parts of names, pytest paths.
    if (positionals.length > 0 && values.only === undefined) throw new Error("filters need --only ts or --only py");
    return { only: values.only, filters: positionals };
  } catch (error) {
    console.error(`${error.message}. Usage: npm test -- [--only ts|py] [FILTER…]`);
    process.exit(2);
  }
}

const chosen = options();
await runBootstrap({ dev: true });
const { line, passed } = await runTests(chosen);
console.log(line);
process.exitCode = passed ? 0 : 1;
