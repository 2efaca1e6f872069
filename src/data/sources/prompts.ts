import type { CompiledTexts } from "../../config/compiledSource.js";
import { LABEL_SLOT } from "../../config/sources/prompts.js";
import { dataError } from "../../errors.js";
import { canonicalJson, textSha256 } from "../../store/checksums.js";
import { linesOf } from "../tables/lines.js";
import { textOf } from "../tables/textStream.js";
import { className } from "./className.js";
import { fileStamp } from "./fileStamp.js";
import type { SourceItem, SourceReader } from "./items.js";
import { endingOf } from "./mediaKinds.js";
import { UniqueIds } from "./uniqueIds.js";

/** Lists of labels and templates are far shorter. */
const LARGEST = 1 << 24;

/** Every template for every label, label after label; the attribute `class` is the label. */
export const readPrompts: SourceReader<"prompts"> = ({ labels, templates }, { signal }) =>
  Promise.resolve({
    identity: { type: "prompts", labels: inlineJson(labels), templates: inlineJson(templates) },
    roots: [],
    attributes: ["class"],
    fingerprint: async () => (await Promise.all([stampOf(labels), stampOf(templates)])).join(" "),
    async *scan(onOddity) {
      const names = (await promptTexts(labels, "label", signal)).map(className);
      const forms = await promptTexts(templates, "template", signal);
      const ids = new UniqueIds();
      for (const name of names) {
        const { id, repeated } = ids.of(name);
        if (repeated) onOddity({ reason: "DUPLICATE_LABEL", place: placeOf(labels), message: `${placeOf(labels)}: the label ${name} is there again; its prompts count twice` });
        for (const [index, form] of forms.entries()) {
          yield { id: `${id}#${index + 1}`, content: { kind: "text", text: form.replaceAll(LABEL_SLOT, () => name) }, attributes: { class: name } } satisfies SourceItem;
        }
      }
    },
  });

function inlineJson(texts: CompiledTexts): string {
  return texts.kind === "inline" ? textSha256(canonicalJson(texts.texts)) : `file ${texts.key ?? ""}`;
}

async function stampOf(texts: CompiledTexts): Promise<string> {
  return texts.kind === "inline" ? inlineJson(texts) : fileStamp(texts.path);
}

function placeOf(texts: CompiledTexts): string {
  return texts.kind === "inline" ? "the experiment file" : texts.path;
}

/** The labels or templates of prompts. Rejects with exit 3 when there are none, one is empty, or a template has no place for its label. */
export async function promptTexts(texts: CompiledTexts, what: "label" | "template", signal?: AbortSignal): Promise<readonly string[]> {
  const found = texts.kind === "inline" ? texts.texts : endingOf(texts.path) === ".json" ? await ofJson(texts.path, texts.key, signal) : await ofLines(texts.path, signal);
  const empty = found.findIndex((text) => text.trim() === "");
  if (empty >= 0) throw dataError(`${placeOf(texts)}: the ${what} ${empty + 1} is empty. Remove it.`, { reason: "EMPTY_ITEM", path: placeOf(texts) });
  if (found.length === 0) throw dataError(`${placeOf(texts)} has no ${what}s.`, { reason: "NO_ITEMS", path: placeOf(texts) });
  const without = what === "template" ? found.find((form) => form.search(LABEL_SLOT) < 0) : undefined;
  if (without !== undefined) throw dataError(`${placeOf(texts)}: the template ${JSON.stringify(without)} has no {} where the label goes.`, { reason: "BAD_TEMPLATE", path: placeOf(texts) });
  return found;
}

async function ofLines(path: string, signal: AbortSignal | undefined): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { text } of linesOf(path, signal)) lines.push(text);
  return lines;
}

/** A list of texts of a JSON document: itself, or one of its map. */
async function ofJson(path: string, key: string | null, signal: AbortSignal | undefined): Promise<readonly string[]> {
  let text = "";
  for await (const piece of textOf(path, signal)) {
    text += piece;
    if (text.length > LARGEST) throw dataError(`${path} has more than ${LARGEST} characters; it is no list of labels or templates.`, { reason: "TOO_LARGE", path });
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw dataError(`${path} is no JSON (${cause instanceof Error ? cause.message : "malformed"}).`, { reason: "BAD_TABLE", path, cause });
  }
  const map = typeof document === "object" && document !== null && !Array.isArray(document) ? (document as Readonly<Record<string, unknown>>) : null;
  const list = key === null ? document : map !== null && Object.hasOwn(map, key) ? map[key] : undefined;
  if (Array.isArray(list) && list.every((entry) => typeof entry === "string")) return list;
  const keys = map === null ? "" : `; its map has ${Object.keys(map).slice(0, 20).join(", ")}`;
  throw dataError(`${path}: expected a list of texts${key === null ? "" : ` under "${key}"`}, found something else${keys}.${key === null && map !== null ? " Name one: { path, key }." : ""}`, { reason: "BAD_TABLE", path });
}
