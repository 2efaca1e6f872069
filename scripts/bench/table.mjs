// @ts-check
/** The document of a run of the benchmarks, for people. */

const FORMATS = {
  fraction: (value) => `${(100 * value).toFixed(2)} %`,
  ratio: (value) => value.toFixed(2),
  MiB: (value) => `${value.toFixed(1)} MiB`,
  s: (value) => `${value.toFixed(3)} s`,
  difference: (value) => value.toExponential(1),
};

function bar({ bar: limit, unit }) {
  if (limit === null) return "";
  return "atMost" in limit ? `<= ${FORMATS[unit](limit.atMost)}` : `>= ${FORMATS[unit](limit.atLeast)}`;
}

const VERDICTS = new Map([
  [true, "pass"],
  [false, "MISS"],
  [null, ""],
]);

/** The table, what was left out, and the machine. */
export function renderTable({ quick, machine, load, seconds, results }) {
  const head = ["section", "what", "measured", "bar", ""];
  const rows = results.map((result) => [
    result.section,
    result.what,
    result.measured === null ? "left out" : FORMATS[result.unit](result.measured),
    bar(result),
    VERDICTS.get(result.met) ?? "",
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd();
  const notes = results.filter(({ note }) => note !== null).map(({ what, note }) => `${what}: ${note}`);
  return [
    line(head),
    widths.map((width) => "-".repeat(width)).join("  ").trimEnd(),
    ...rows.map(line),
    "",
    ...notes,
    ...(quick ? ["Small sizes, to see that everything runs: no bar is judged."] : []),
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}; ${machine.threads} thread(s) to the worker`,
    `Node ${machine.node}, Python ${machine.python}, PyTorch ${machine.torch}, cmcr ${machine.cmcr} (${machine.revision ?? "no revision"})`,
    `${Math.round(seconds)} s; load ${load.before} before and ${load.after} after`,
  ].join("\n");
}
