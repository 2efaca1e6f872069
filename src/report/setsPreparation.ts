/** What `cmcr data prepare` says, for a terminal. */

import type { LayoutEntry, SetDefinition } from "../data/sets/definition.js";
import { missingParts } from "../data/sets/layout.js";
import { counted, digits, wrapText } from "./setsLines.js";

export interface PlanText {
  readonly definition: SetDefinition;
  readonly root: string;
  readonly there: readonly LayoutEntry[];
  readonly toLoad: readonly LayoutEntry[];
}

export interface PreparedText {
  readonly definition: SetDefinition;
  readonly root: string;
  readonly cut: { readonly made: number; readonly failed: number; readonly failures: readonly string[]; readonly withoutVideo: number; readonly folders: readonly { readonly folder: string; readonly named: number; readonly there: number }[] } | null;
  readonly unpacked: { readonly state: "unpacked"; readonly file: string; readonly count: number } | { readonly state: "there" | "nothing" } | null;
  readonly pairs: { readonly count: number; readonly state: "written" | "same" | "other" } | null;
  readonly lacking: readonly LayoutEntry[];
}

/** What is there and what to load, and where to put it. */
export function renderPlan({ definition, root, there, toLoad }: PlanText, width: number): readonly string[] {
  const { title, from, licence } = definition;
  const wide = Math.min(width, 100);
  const needed = toLoad.filter(({ need }) => need !== "optional");
  const optional = toLoad.filter(({ need }) => need === "optional");
  return [
    `${title} in ${root}`,
    ...(there.length === 0 ? [] : wrapText(`there: ${there.map(({ path }) => path).join(", ")}`, wide, "  ")),
    ...(needed.length === 0
      ? []
      : [
          "",
          "to be loaded by you, since cmcr loads no data:",
          ...needed.flatMap((entry) => entryLines(root, entry, wide)),
          ...(optional.length === 0 ? [] : ["and where you have a use for it:", ...optional.flatMap((entry) => entryLines(root, entry, wide))]),
          "from",
          ...from.flatMap(({ what, at }) => [...wrapText(`  ${what}:`, wide, "    "), `    ${at}`]),
          ...wrapText(`licence: ${licence}`, wide, "  "),
          "",
        ]),
    ...(needed.length > 0 || optional.length === 0 ? [] : wrapText(`not there, and not needed: ${optional.map(({ path }) => path).join(", ")}`, wide, "  ")),
  ];
}

function entryLines(root: string, { path, files, get, need }: LayoutEntry, width: number): readonly string[] {
  return [`  ${root}/${path}${files ?? ""}${typeof need === "object" ? `  (one of the ${need.choice} is enough)` : ""}`, ...wrapText(`      ${get}`, width, "      ")];
}

/** What was made; the last line says what is still missing, and what comes next. */
export function renderPrepared({ definition, root, cut, unpacked, pairs, lacking }: PreparedText, width: number): readonly string[] {
  const { name } = definition;
  const wide = Math.min(width, 100);
  const optional = (folder: string): boolean => definition.layout.some(({ path, need }) => path === folder && need === "optional");
  // What nobody needs is missing only where it was begun.
  const begun = cut !== null && cut.made + cut.failed > 0;
  const short = (cut?.folders ?? []).filter(({ folder, named, there }) => there < named && (!optional(folder) || there > 0 || begun));
  const lines = [
    ...(cut === null || cut.made + cut.failed === 0 ? [] : [`cut from videos/: ${counted(cut.made, "file")}${cut.failed > 0 ? `, and ${digits(cut.failed)} could not be` : ""}`]),
    ...(cut?.folders ?? []).map(({ folder, named, there }) => `${folder} has ${digits(there)} of ${counted(named, "file")}${optional(folder) ? " (optional)" : ""}`),
    ...(unpacked?.state === "unpacked" ? [`unpacked: ${counted(unpacked.count, "cloud")} of ${unpacked.file} to clouds/; experiments read them with --set data.COLLECTION.source.format=unpacked`] : []),
    ...(pairs === null ? [] : [pairsText(pairs)]),
  ];
  const again = `cmcr data prepare ${name} --root ${root}`;
  const missing = [...missingParts(lacking).map(({ path }) => path), ...short.filter(({ folder }) => !lacking.some(({ path }) => path === folder)).map(({ folder, named, there }) => `${counted(named - there, "file")} of ${folder}`)];
  const last = missing.length === 0 ? `nothing is missing; next: cmcr data verify ${name} --root ${root}` : `still missing: ${missing.join(", ")}; next: ${nextStep(lacking, short.length > 0, cut)}, then ${again}`;
  return [...lines.flatMap((line) => wrapText(line, wide, "  ")), last];
}

function nextStep(lacking: readonly LayoutEntry[], clips: boolean, cut: PreparedText["cut"]): string {
  const toLoad = missingParts(lacking.filter(({ by }) => by === "download")).map(({ path }) => path);
  if (toLoad.length > 0) return `load ${toLoad.join(", ")}`;
  if (cut !== null && cut.failed > 0) {
    const more = cut.failed - cut.failures.length;
    const again = `load the videos again of what could not be cut (${cut.failures.join(", ")}${more > 0 ? ` and ${digits(more)} more` : ""}), or leave it out`;
    return cut.withoutVideo === 0 ? again : `put the other clips into videos/, and ${again}`;
  }
  const [made] = lacking.filter(({ by }) => by === "prepare");
  return clips || made?.path !== "clouds/" ? "put the clips into videos/" : "load what clouds/ is unpacked from";
}

function pairsText({ count, state }: NonNullable<PreparedText["pairs"]>): string {
  const items = `${counted(count, "item")} with both files`;
  if (state === "other") return `pairs.csv is there and says something else; remove it to have one of ${items}`;
  return `pairs.csv: ${items}${state === "same" ? ", as before" : ""}`;
}
