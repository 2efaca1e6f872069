/** What `cmcr data verify` found, for a terminal. */

import { type Finding, findingPlace, type Severity } from "../data/sets/findings.js";
import type { CountState } from "../data/sets/tally.js";
import { clipLine, counted, digits } from "./setsLines.js";

/** The result as it is shown. */
export interface VerificationText {
  readonly name: string;
  readonly quick: boolean;
  readonly subset: boolean;
  readonly files: number;
  readonly folders: readonly { readonly folder: string; readonly named: number; readonly there: number }[];
  readonly counts: readonly CountState[];
  readonly findings: Readonly<Record<Severity, number>>;
  readonly seconds: number;
}

/** A finding as lines: the place and what is wrong, and what to do. */
export function renderFinding(finding: Finding, width: number): readonly string[] {
  const { reason, message, fix } = finding;
  return [clipLine(`${reason}  ${findingPlace(finding)}: ${message}`, width), clipLine(`    ${fix}.`, width)];
}

/** The counts, the folders, and what all of it comes to. */
export function renderVerification({ name, quick, subset, files, folders, counts, findings, seconds }: VerificationText, width: number): readonly string[] {
  const lines = [
    ...counts.map((count) => `${digits(count.found)} ${count.name}: ${stateText(count)}`),
    ...folders.filter(({ named, there }) => there < named).map(({ folder, named, there }) => `${folder}: ${digits(there)} of ${counted(named, "file")} ${there === 1 ? "is" : "are"} there`),
  ];
  const known = findings.known === 0 ? "" : `, ${digits(findings.known)} known oddit${findings.known === 1 ? "y" : "ies"} of the published annotations, which are handled`;
  const missing = findings.missing === 0 ? "" : `, ${counted(findings.missing, "file")} that a copy may lack ${findings.missing === 1 ? "is" : "are"} not there`;
  const result = findings.fault === 0 ? (subset ? `${name}: nothing is wrong with this subset` : `${name} is whole`) : `${name}: ${counted(findings.fault, "thing")} wrong`;
  return [...lines, `${result}${known}${missing}; ${counted(files, "file")}${quick ? " by name and size alone" : ""} in ${seconds.toFixed(1)} s`].map((line) => clipLine(line, width));
}

function stateText({ found, published, state, what }: CountState): string {
  switch (state) {
    case "whole":
      return "all that are published";
    case "variant":
      return what ?? "as another published file has it";
    case "subset":
      return `a subset of ${digits(found)} of ${digits(published)}`;
    case "wrong":
      return `${digits(published)} are published`;
  }
}
