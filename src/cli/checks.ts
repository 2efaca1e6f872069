import picocolors from "picocolors";

import type { Check } from "../setup/index.js";
import { stdoutHasColors } from "./colors.js";

/** The checks of `cmcr doctor` as text, a line each, with the remedy below what is not in order. */
export function renderChecks(checks: readonly Check[]): string {
  const colors = picocolors.createColors(stdoutHasColors());
  const marks = { ok: colors.green("ok"), missing: colors.red("missing"), warning: colors.yellow("warning") };
  const names = Math.max(...checks.map(({ name }) => name.length));
  const statuses = Math.max(...Object.keys(marks).map((status) => status.length));
  return checks
    .map(({ name, status, found, remedy }) => {
      const line = `${name.padEnd(names)}  ${marks[status]}${" ".repeat(statuses - status.length)}  ${found}`;
      return `${line}\n${remedy === "" ? "" : `${" ".repeat(names + statuses + 4)}${colors.dim(remedy)}\n`}`;
    })
    .join("");
}
