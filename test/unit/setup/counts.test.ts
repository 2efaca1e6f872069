import { describe, expect, it } from "vitest";
import { deselected, judge, pytestCounts, summaryLine, total, vitestCounts } from "../../../scripts/testing/counts.mjs";

const vitest = {
  numTotalTests: 6,
  numPassedTests: 4,
  numFailedTests: 1,
  numPendingTests: 1,
  numTodoTests: 0,
  success: false,
  testResults: [
    { name: "a.test.ts", status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] },
    { name: "b.test.ts", status: "failed", message: "Cannot find module", assertionResults: [] },
    { name: "c.test.ts", status: "passed", assertionResults: [{ status: "passed" }] },
  ],
};

const junit = `<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="2" skipped="1" tests="10" time="1.204" timestamp="2026-01-01T00:00:00" hostname="failures=&quot;7&quot;"><testcase classname="tests.a" name="test_a" time="0.001"><failure message="tests=&quot;99&quot;">text</failure></testcase></testsuite></testsuites>`;

describe("vitestCounts", () => {
  it("counts a file that cannot be loaded as a failure", () => {
    expect(vitestCounts(vitest)).toEqual({ passed: 4, failed: 2, skipped: 1 });
  });
});

describe("pytestCounts", () => {
  it("counts failures and errors together, and skipped ones apart", () => {
    expect(pytestCounts(junit)).toEqual({ passed: 6, failed: 3, skipped: 1 });
  });
  it("finds no tests in an empty report", () => {
    expect(pytestCounts('<testsuites><testsuite name="pytest" errors="0" failures="0" skipped="0" tests="0" time="0.1"/></testsuites>')).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });
});

describe("deselected", () => {
  it.each([
    ["12 passed, 3 deselected in 4.20s", 3],
    ["12 passed in 4.20s", 0],
  ])("reads %s", (output, expected) => {
    expect(deselected(output)).toBe(expected);
  });
});

describe("judge", () => {
  const good = { passed: 3, failed: 0, skipped: 0 };
  it.each([
    ["all passed", 0, good, 0, undefined],
    ["a test failed", 1, { ...good, failed: 2 }, 2, undefined],
    ["no report was written", 1, undefined, 1, "wrote no report"],
    ["nothing ran", 5, { passed: 0, failed: 0, skipped: 4 }, 1, "ran no tests"],
    ["nothing ran, and the runner did not mind", 0, { passed: 0, failed: 0, skipped: 0 }, 1, "ran no tests"],
    ["the runner itself failed", 2, good, 1, "outside of any test"],
  ])("when %s", (_, exitCode, counts, failed, problem) => {
    const verdict = judge("pytest", exitCode, counts);
    expect(verdict.counts.failed).toBe(failed);
    if (problem === undefined) expect(verdict.problem).toBeUndefined();
    else expect(verdict.problem).toContain(problem);
  });
});

describe("the closing line", () => {
  it("sums both languages, and mentions skipped tests only where there are any", () => {
    expect(summaryLine(total([{ passed: 3, failed: 0, skipped: 0 }, { passed: 4, failed: 1, skipped: 0 }]))).toBe("7 passed, 1 failed");
    expect(summaryLine({ passed: 1, failed: 0, skipped: 2 })).toBe("1 passed, 0 failed, 2 skipped");
  });
});
