// @ts-check
/** Counting tests from what vitest and pytest write for machines. */

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** Counts of vitest's JSON report. A file that cannot even be loaded counts as one failure. */
export function vitestCounts(report) {
  const unloadable = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloadable,
    skipped: report.numPendingTests + (report.numTodoTests ?? 0),
  };
}

/** Counts of pytest's JUnit XML. An error in a fixture or in collection counts as a failure. */
export function pytestCounts(xml) {
  const suites = [...xml.matchAll(/<testsuite\s([^>]*)>/g)].map((match) => match[1]);
  const sum = (name) => suites.reduce((total, attributes) => total + Number(new RegExp(`\\b${name}="(\\d+)"`).exec(attributes)?.[1] ?? 0), 0);
  const failed = sum("failures") + sum("errors");
  return { passed: sum("tests") - failed - sum("skipped"), failed, skipped: sum("skipped") };
}

/** How many tests a selection left out, from pytest's closing line. */
export function deselected(output) {
  return Number(/(\d+) deselected/.exec(output)?.[1] ?? 0);
}

/**
 * What a runner's end means. A runner that found no tests, wrote no report, or
 * failed outside of any test has failed, whatever it counted.
 *
 * @param {string} name
 * @param {number} exitCode
 * @param {Counts | undefined} counts undefined: no report
 */
export function judge(name, exitCode, counts) {
  if (counts === undefined) return { counts: { passed: 0, failed: 1, skipped: 0 }, problem: `${name} wrote no report (exit code ${exitCode}).` };
  if (counts.passed + counts.failed === 0) return { counts: { ...counts, failed: 1 }, problem: `${name} ran no tests (exit code ${exitCode}).` };
  if (exitCode !== 0 && counts.failed === 0) return { counts: { ...counts, failed: 1 }, problem: `${name} failed outside of any test (exit code ${exitCode}).` };
  return { counts, problem: undefined };
}

/** The sum over both runners. */
export function total(all) {
  return all.reduce(
    (sum, counts) => ({ passed: sum.passed + counts.passed, failed: sum.failed + counts.failed, skipped: sum.skipped + counts.skipped }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}

/** The closing line, such as `412 passed, 0 failed`. */
export function summaryLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
