/** The page docs/datasets.md, made from the registry. */

import type { PublishedCount, SetDefinition } from "../data/sets/definition.js";
import { digits } from "./setsLines.js";
import { renderTree } from "./setsText.js";

/** Parts of the page that a table cannot hold: sets in their order, each with its source, layout, counts and faults. */
export function setsMarkdown(definitions: readonly SetDefinition[]): string {
  return [
    "# Data sets",
    "",
    "<!-- Made by `cmcr data list --markdown`; a test keeps it in step with the registry in src/data/sets. -->",
    "",
    "The data sets of the paper and of `experiments/paper`. None of them comes with cmcr, and none is loaded by it: their licences are between you and their authors.",
    "",
    "```",
    "cmcr data list                                  # this table",
    "cmcr data list vgg-ss                           # all that is known of one",
    "cmcr data prepare vgg-ss --root data/vgg-ss     # folders, what to load and where to put it, frames and sounds cut from videos",
    "cmcr data verify vgg-ss --root data/vgg-ss      # what is missing, damaged or wrong, file by file; exit 3 where anything is",
    "```",
    "",
    "`experiments/paper/*.yaml` read them from one folder with a folder of each name in it: `data/ave`, `data/vgg-ss` and so on, or wherever `--set folders.data=DIR` says. Mind where relative paths start: those of `--set` from the experiment's file, as if they stood in it, and `--root DIR` from the folder that you are in. An absolute path is the same to both; what is missing is always named by its absolute path.",
    "",
    "| name | for | size | licence |",
    "| --- | --- | --- | --- |",
    ...definitions.map(({ name, uses, size, licence }) => `| [${name}](#${name}) | ${uses.join(", ")} | ${cell(size)} | ${cell(licence)} |`),
    "",
    "`verify` tells a subset from a fault: fewer items than published are \"a subset of 37 of 5,158\", more are a fault. Files that are missing are faults one by one, but for data sets whose clips go offline, and with `--subset`, where they are counted. `--quick` looks at names and sizes alone; `--report FILE` and `--json` have every finding. In `--json`, `whole` says that nothing is wrong with what is there, and `subset` that it is not all that is published.",
    "",
    ...definitions.flatMap(section),
  ].join("\n");
}

function section({ name, title, purpose, cite, licence, from, layout, counts, faults, attrition, prepare }: SetDefinition): readonly string[] {
  return [
    `## ${name}`,
    "",
    `**${title}.** ${purpose}. ${cite}.`,
    "",
    `Licence: ${licence}.`,
    "",
    ...from.map(({ what, at }) => `- ${what}: ${at.startsWith("http") && !at.includes(" ") ? `<${at}>` : at}`),
    "",
    "```",
    ...renderTree(layout, `data/${name}`),
    "```",
    "",
    "| file | how it comes there |",
    "| --- | --- |",
    ...layout.map(({ path, get }) => `| \`${path}\` | ${cell(get)} |`),
    "",
    `Published: ${counts.map(countText).join("; ")}.${attrition ? " Files may be missing, as clips go offline: they are counted, and are no fault." : ""}`,
    "",
    ...(prepare.pairs === undefined ? [] : ["`prepare` also writes `pairs.csv`: the items whose image and sound are both there.", ""]),
    "| known of its annotations | what cmcr does |",
    "| --- | --- |",
    ...faults.map(({ what, handling }) => `| ${cell(what)} | ${cell(handling)} |`),
    "",
  ];
}

function countText({ name, published, variants = [] }: PublishedCount): string {
  return [`${digits(published)} ${name}`, ...variants.map(({ count, what }) => `or ${digits(count)} (${what})`)].join(" ");
}

/** Bars end cells, and angle brackets would be tags. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
