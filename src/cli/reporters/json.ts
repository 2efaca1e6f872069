import type { RunReporter } from "./reporter.js";

/** Every event as one line of JSON on standard output. */
export function jsonReporter(): RunReporter {
  return {
    report(event) {
      process.stdout.write(`${JSON.stringify(event)}\n`);
    },
    close() {},
  };
}
