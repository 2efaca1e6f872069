// @ts-check
/** Both runners, one after the other: they share the cores, and their outputs stay apart. */
import { RUNNERS } from "./runners.mjs";
import { summaryLine, total } from "./counts.mjs";

/**
 * Runs the tests of both languages, or of one.
 *
 * @param {{ only?: string, filters?: string[] }} [options]
 * @returns the closing line, and whether all is well
 */
export async function runTests({ only = undefined, filters = [] } = {}) {
  const results = [];
  for (const [name, runner] of Object.entries(RUNNERS)) {
    if (only !== undefined && only !== name) continue;
    console.log(`\n${runner.title}`);
    results.push(await runner.run(filters));
  }
  console.log("");
  for (const { problem } of results) if (problem !== undefined) console.log(problem);
  const counts = total(results.map((result) => result.counts));
  return { line: summaryLine(counts), passed: counts.failed === 0 };
}
