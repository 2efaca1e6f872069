import { dirname } from "node:path";

import type { Modality } from "../../config/compiled.js";
import type { CompiledSource } from "../../config/compiledSource.js";
import { dataError } from "../../errors.js";
import { textSha256 } from "../../store/checksums.js";
import { partJson } from "./folder.js";
import type { Oddity, SourceItem, SourceReader } from "./items.js";
import { endingsOf, partOf, searchedEndings } from "./mediaKinds.js";
import { listTars, type TarFile } from "./tarList.js";
import { type TarMember, tarMembers } from "./tarMembers.js";
import { UniqueIds } from "./uniqueIds.js";

type WebDataset = Extract<CompiledSource, { readonly type: "webdataset" }>;
type OnOddity = (oddity: Oddity) => void;

/** A longer member is no caption. */
const LARGEST_TEXT_BYTES = 1 << 20;

/**
 * The samples of WebDataset tars, as the webdataset library groups them: members that follow each
 * other and share their path up to the first dot of the name are one sample, and what comes
 * after that dot is the member's kind. The items lie in the tars; texts are read here.
 */
export const readWebDataset: SourceReader<"webdataset"> = async (source, { modality, signal }) => {
  const tars = await listTars(source.paths, signal);
  const kinds = source.members ?? defaultKinds(modality, source);
  async function* scan(onOddity: OnOddity): AsyncGenerator<SourceItem> {
    const ids = new UniqueIds();
    let count = 0;
    for (const tar of tars) {
      for await (const sample of samplesOf(tar, onOddity, kinds, signal)) {
        for (const item of itemsOf(sample, { source, modality, kinds, onOddity })) {
          const { id, repeated } = ids.of(item.id);
          if (repeated) onOddity({ reason: "DUPLICATE_ID", place: item.id, message: `${item.id} is there again, and is called ${id}` });
          count += 1;
          yield { ...item, id };
        }
      }
    }
    if (count === 0) throw dataError(`${tars[0]?.path ?? ""}: no sample of the ${tars.length} tars has ${modality} (${kinds.join(", ")}).`, { reason: "NO_ITEMS", path: tars[0]?.path ?? "" });
  }
  return {
    identity: {
      type: "webdataset",
      tars: textSha256(tars.map(({ label }) => label).join("\n")),
      members: source.members === null ? null : [...source.members],
      ...(modality === "text" ? { fields: [...source.fields], captions: source.captions } : {}),
      part: partJson(source.part),
    },
    roots: [...new Set(tars.map(({ path }) => dirname(path)))],
    attributes: ["key"],
    async fingerprint() {
      const now = await listTars(source.paths, signal);
      return textSha256(now.map(({ label, size, mtimeMs }) => `${label} ${size} ${mtimeMs}`).join("\n"));
    },
    scan,
  };
};

function defaultKinds(modality: Modality, { part }: WebDataset): readonly string[] {
  if (modality === "text") return ["txt", "json"];
  const endings = searchedEndings(modality, part);
  // In a tar a .txt beside other members is a caption.
  return (endings.length === 0 ? endingsOf(modality) : endings).map((ending) => ending.slice(1)).filter((kind) => kind !== "txt");
}

interface Sample {
  readonly tar: TarFile;
  readonly key: string;
  /** The members of the wanted kinds, with the text where it was read. */
  readonly members: ReadonlyMap<string, TarMember & { readonly text: Buffer | null }>;
  /** Kinds that there are, wanted or not. */
  readonly kinds: readonly string[];
}

interface Gathered {
  readonly key: string;
  readonly members: Map<string, TarMember & { readonly text: Buffer | null }>;
  readonly kinds: string[];
}

async function* samplesOf(tar: TarFile, onOddity: OnOddity, kinds: readonly string[], signal: AbortSignal | undefined): AsyncGenerator<Sample> {
  let current = null as Gathered | null;
  for await (const member of tarMembers(tar.path, onOddity, signal)) {
    const split = splitName(member.name);
    if (split === null) continue;
    const { key, kind } = split;
    if (current?.key !== key) {
      if (current !== null) yield { tar, ...current };
      current = { key, members: new Map(), kinds: [] };
    }
    if (current.kinds.includes(kind)) {
      onOddity({ reason: "DUPLICATE_MEMBER", place: `${tar.label}/${member.name}`, message: `${tar.label}/${member.name} comes twice in its sample; the first one counts` });
      continue;
    }
    current.kinds.push(kind);
    if (!kinds.includes(kind)) continue;
    const readable = (kind.endsWith("txt") || kind.endsWith("json")) && !member.cutOff && member.length <= LARGEST_TEXT_BYTES;
    current.members.set(kind, { ...member, text: readable ? await member.content() : null });
  }
  if (current !== null) yield { tar, ...current };
}

/** Key and kind of a member's name: cut at the first dot after the last slash. Null for names that webdataset passes over. */
export function splitName(name: string): { readonly key: string; readonly kind: string } | null {
  const start = name.lastIndexOf("/") + 1;
  const dot = name.indexOf(".", start);
  if (dot <= start || /^__[^/]*__($|\/)/.test(name)) return null;
  return { key: name.slice(0, dot), kind: name.slice(dot + 1).toLowerCase() };
}

interface ItemOptions {
  readonly source: WebDataset;
  readonly modality: Modality;
  readonly kinds: readonly string[];
  readonly onOddity: OnOddity;
}

function* itemsOf(sample: Sample, { source, modality, kinds, onOddity }: ItemOptions): Generator<SourceItem> {
  const place = `${sample.tar.label}/${sample.key}`;
  const kind = kinds.find((wanted) => sample.members.has(wanted));
  const member = kind === undefined ? undefined : sample.members.get(kind);
  if (kind === undefined || member === undefined) {
    onOddity({ reason: "NO_MEMBER", place, message: `${place} has no ${modality}, only ${sample.kinds.join(", ")}` });
    return;
  }
  const id = `${sample.tar.label}/${member.name}`;
  const attributes = { key: sample.key };
  if (modality !== "text") {
    const part = partOf(member.name, modality, source.part);
    const content = { kind: "file", path: sample.tar.path, range: { offset: member.offset, length: member.length } } as const;
    yield { id, content, attributes, ...(part === undefined ? {} : { part }) };
    return;
  }
  const texts = captionsOf(member.text, kind, source);
  if (typeof texts === "string") {
    onOddity({ reason: texts, place: id, message: `${id} ${WHY[texts] ?? ""}, and is left out` });
    return;
  }
  for (const [number, text] of texts.entries()) {
    const own = texts.length > 1 || source.captions === "all" ? `${id}#${number + 1}` : id;
    if (text.trim() === "") onOddity({ reason: "EMPTY_CAPTION", place: own, message: `${own} is an empty caption, and is left out` });
    else yield { id: own, content: { kind: "text", text }, attributes };
  }
}

const WHY: Readonly<Record<string, string>> = {
  UNREADABLE_TEXT: `is cut off, or has more than ${LARGEST_TEXT_BYTES} bytes`,
  NOT_UTF8: "is not UTF-8",
  BAD_JSON: "is no JSON object",
  NO_CAPTION: "has no caption under the fields that were asked for",
};

/** The captions of a member, or the reason why there are none. */
function captionsOf(bytes: Buffer | null, kind: string, { fields, captions }: WebDataset): readonly string[] | string {
  if (bytes === null) return "UNREADABLE_TEXT";
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "NOT_UTF8";
  }
  if (!kind.endsWith("json")) {
    const whole = text.replace(/(\r?\n)+$/, "");
    return captions === "all" ? whole.split(/\r?\n/) : [whole];
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "BAD_JSON";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "BAD_JSON";
  for (const field of fields) {
    const found = Object.hasOwn(value, field) ? (value as Readonly<Record<string, unknown>>)[field] : undefined;
    const list = (Array.isArray(found) ? found : [found]).filter((entry) => typeof entry === "string");
    if (list.length > 0) return captions === "all" ? list : list.slice(0, 1);
  }
  return "NO_CAPTION";
}
