/** Data sets as a terminal shows them: the table of `cmcr data list`, a set's description, the layout as a tree. */

import type { LayoutEntry, SetDefinition } from "../data/sets/definition.js";
import { columns, digits, wrapText } from "./setsLines.js";

/** A data set, with what lies in its folder where one was named. */
export interface ListedSet {
  readonly definition: SetDefinition;
  readonly found: { readonly root: string; readonly there: readonly string[]; readonly lacking: readonly string[] } | null;
}

/** What `cmcr data list` shows: the table, or all of the one that was named. */
export function listingText(listed: readonly ListedSet[], named: boolean, width: number): readonly string[] {
  const [only] = listed;
  if (!named || only === undefined) return renderList(listed, width);
  const state = stateText(only);
  return [...renderSet(only.definition, width), ...(only.found === null ? [] : [`${only.found.root}: ${state ?? ""}`])];
}

/** What lies in a folder, in a few words; null where no folder was named. */
function stateText({ found }: ListedSet): string | null {
  if (found === null) return null;
  if (found.there.length === 0) return "nothing";
  return found.lacking.length === 0 ? "all parts" : `lacks ${found.lacking.join(", ")}`;
}

/** A line for each data set: name, use, size, licence, and its state where a folder was named. */
export function renderList(listed: readonly ListedSet[], width: number): readonly string[] {
  const states = listed.some(({ found }) => found !== null);
  const head = ["name", "for", "size", ...(states ? ["there"] : []), "licence"];
  const rows = listed.map((set) => [set.definition.name, set.definition.uses.join(", "), set.definition.size, ...(states ? [stateText(set) ?? ""] : []), set.definition.licence]);
  return columns([head, ...rows], width);
}

/** All that is known of a data set, in lines of at most `width` characters. */
export function renderSet(definition: SetDefinition, width: number): readonly string[] {
  const { name, title, purpose, uses, size, cite, licence, from, counts, faults, layout, attrition } = definition;
  const wide = Math.min(width, 100);
  const field = (label: string, text: string): readonly string[] => wrapText(`${label.padEnd(8)} ${text}`, wide, " ".repeat(9));
  return [
    `${title} (${name})`,
    "",
    ...field("for", `${uses.join(", ")}: ${lowerFirst(purpose)}`),
    ...field("size", size),
    ...field("licence", licence),
    ...field("paper", cite),
    "",
    "where it comes from",
    ...from.flatMap(({ what, at }) => [...wrapText(`  ${what}`, wide, "    "), `    ${at}`]),
    "",
    "what its folder must look like",
    ...renderTree(layout, "ROOT").map((line) => `  ${line}`),
    "",
    "counts of the published files",
    ...counts.flatMap(({ name: count, published, variants = [] }) => [`  ${digits(published)} ${count}`, ...variants.flatMap((variant) => wrapText(`    or ${digits(variant.count)}: ${variant.what}`, wide, "      "))]),
    ...(attrition ? wrapText("  files may be missing, as clips go offline: they are counted, and are no fault", wide, "    ") : []),
    "",
    "what to know of its annotations, and what cmcr does",
    ...faults.flatMap(({ what, handling }) => [...wrapText(`  - ${what}:`, wide, "    "), ...wrapText(`    ${handling}`, wide, "    ")]),
    "",
    `next: cmcr data prepare ${name} --root DIR`,
  ];
}

/** A layout as a tree below `root`, with what each entry is. */
export function renderTree(layout: readonly LayoutEntry[], root: string): readonly string[] {
  const nodes = layout.flatMap(({ path, files, what, need }) => {
    const entry = { text: path, depth: 0, note: `${what}${need === "optional" ? " (optional)" : typeof need === "object" ? ` (one of the ${need.choice} is enough)` : ""}` };
    return files === undefined ? [entry] : [entry, { text: files, depth: 1, note: "" }];
  });
  const lines = nodes.map(({ text, depth, note }, index) => {
    const lastAtTop = !nodes.slice(index + 1).some((other) => other.depth === 0);
    const branch = depth === 0 ? (lastAtTop ? "└── " : "├── ") : `${lastAtTop ? "    " : "│   "}└── `;
    return { head: branch + text, note };
  });
  // One long name must not push all notes aside.
  const column = Math.min(40, Math.max(...lines.filter(({ note }) => note !== "").map(({ head }) => head.length)));
  return [`${root}/`, ...lines.map(({ head, note }) => (note === "" ? head : `${head.padEnd(column)}  ${note}`))];
}

function lowerFirst(text: string): string {
  // Names such as AVE stay as they are.
  return /^[A-Z][a-z]/.test(text) ? text.slice(0, 1).toLowerCase() + text.slice(1) : text;
}
