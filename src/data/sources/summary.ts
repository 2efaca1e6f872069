import type { Modality } from "../../config/compiled.js";
import { CmcrError } from "../../errors.js";
import { mapInOrder } from "./inOrder.js";
import type { ItemSource, Oddity, SourceItem } from "./items.js";
import { followingLook } from "./look.js";
import { endingOf, endingsOf } from "./mediaKinds.js";
import { SeenTexts } from "./uniqueIds.js";

/** What would be read of a source. */
export interface SourceSummary {
  readonly count: number;
  /** Bytes of the items that are there; null where there is none. */
  readonly bytes: { readonly total: number; readonly least: number; readonly median: number; readonly most: number } | null;
  /** How many files have each ending; empty for texts. */
  readonly endings: Readonly<Record<string, number>>;
  readonly attributes: readonly AttributeSummary[];
  readonly items: readonly ItemSummary[];
  readonly oddities: readonly OddityCount[];
}

export interface AttributeSummary {
  readonly name: string;
  /** How many different values there are; null where they are too many to be counted. */
  readonly values: number | null;
  /** The most frequent ones. */
  readonly most: readonly { readonly value: string; readonly count: number }[];
}

export interface ItemSummary {
  readonly id: string;
  readonly text?: string;
  readonly file?: string;
  /** Null where the file is not there. */
  readonly bytes: number | null;
  readonly part?: SourceItem["part"];
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface OddityCount {
  readonly reason: string;
  readonly count: number;
  /** What the first few are. */
  readonly first: readonly { readonly place: string; readonly message: string }[];
}

/** Files that are looked at together. */
const LOOKED_AT = 64;
const EXAMPLES = 3;
const MOST_VALUES = 10_000;
const MOST_ENDINGS = 100;
const SHOWN_VALUES = 10;
/** Steps of the sizes' histogram to a doubling: the median is right to a twelfth. */
const STEPS = 8;

/** Reads a source to its end, looking at each file but reading none; memory stays flat. Rejects as the source's `scan` does. */
export async function summarize(source: ItemSource, options: { readonly modality: Modality; readonly limit: number; readonly signal?: AbortSignal }): Promise<SourceSummary> {
  const { modality, limit, signal } = options;
  const summary = new Summary(source.attributes, modality, limit);
  const files = new Files();
  const scanned = mapInOrder(source.scan((oddity) => { summary.told(oddity); }), LOOKED_AT, async (item) => ({ item, size: await files.sizeOf(item) }));
  try {
    for await (const { item, size } of scanned) {
      signal?.throwIfAborted();
      summary.add(item, size);
    }
  } catch (error) {
    throw withOddities(error, summary.result().oddities);
  }
  return summary.result();
}

/** The error with what was odd before it, which may explain why there are no items. */
function withOddities(error: unknown, oddities: readonly OddityCount[]): unknown {
  if (!(error instanceof CmcrError) || error.reason !== "NO_ITEMS" || oddities.length === 0) return error;
  const lines = oddities.map(({ reason, count, first }) => `${count} x ${reason}; the first: ${first[0]?.message ?? ""}`);
  return new CmcrError(error.message, { code: error.code, reason: error.reason, ...(error.path === undefined ? {} : { path: error.path }), details: [error.message, ...lines], cause: error });
}

/** Size of an item in bytes, or why it has none. */
type Size = number | "missing" | "no file" | "cut off";

class Files {
  /** Of the file that was asked for last: members of a tar come one after the other. */
  #last: { readonly path: string; readonly size: Promise<Size> } | null = null;
  readonly #look = followingLook();

  async sizeOf({ content }: SourceItem): Promise<Size> {
    if (content.kind === "text") return Buffer.byteLength(content.text);
    const { path, range } = content;
    const whole = await this.#sizeOfFile(path, range !== undefined);
    if (range === undefined || typeof whole === "string") return whole;
    return range.offset + range.length > whole ? "cut off" : range.length;
  }

  #sizeOfFile(path: string, remember: boolean): Promise<Size> {
    if (this.#last?.path === path) return this.#last.size;
    const size = this.#look.at(path).then((status): Size => (status === null ? "missing" : status.isFile() ? status.size : "no file"));
    if (remember) this.#last = { path, size };
    return size;
  }
}

const PROBLEMS: Readonly<Record<Extract<Size, string>, { readonly reason: string; readonly what: string }>> = {
  missing: { reason: "MISSING_FILE", what: "is not there, or may not be looked at" },
  "no file": { reason: "NOT_A_FILE", what: "is no regular file" },
  "cut off": { reason: "CUT_OFF", what: "ends after its tar does" },
};

class Summary {
  #count = 0;
  #total = 0;
  #least = Infinity;
  #most = 0;
  readonly #histogram = new Map<number, number>();
  readonly #endings = new Map<string, number>();
  readonly #attributes: ReadonlyMap<string, Map<string, number>>;
  readonly #items: ItemSummary[] = [];
  readonly #oddities = new Map<string, { count: number; first: { place: string; message: string }[] }>();
  readonly #seen = new SeenTexts();
  readonly #known: readonly string[];
  readonly #told = new Set<string>();

  constructor(
    attributes: readonly string[],
    private readonly modality: Modality,
    private readonly limit: number,
  ) {
    this.#attributes = new Map(attributes.map((name) => [name, new Map()]));
    this.#known = endingsOf(modality);
  }

  /** Notes what the source itself says. */
  told(oddity: Oddity): void {
    this.#told.add(oddity.reason);
    this.#odd(oddity);
  }

  #odd({ reason, place, message }: Oddity): void {
    const known = this.#oddities.get(reason);
    if (known === undefined) this.#oddities.set(reason, { count: 1, first: [{ place, message }] });
    else {
      known.count += 1;
      if (known.first.length < EXAMPLES) known.first.push({ place, message });
    }
  }

  add(item: SourceItem, size: Size): void {
    this.#count += 1;
    const { id, content, part, attributes = {} } = item;
    if (typeof size === "number") this.#addSize(id, size);
    else this.#problem(id, size);
    if (content.kind === "file") this.#addEnding(id);
    const what = content.kind === "text" ? content.text : JSON.stringify([content.path, content.range?.offset ?? 0, part ?? null]);
    if (this.#seen.add(what)) {
      const reason = content.kind === "text" ? "SAME_TEXT" : "SAME_FILE";
      this.#odd({ reason, place: id, message: `${id} is ${content.kind === "text" ? "a text" : "a file"} that another item is already` });
    }
    for (const [name, value] of Object.entries(attributes)) {
      const values = this.#attributes.get(name);
      // One more than can be counted tells that they are too many.
      if (values !== undefined && (values.has(value) || values.size <= MOST_VALUES)) values.set(value, (values.get(value) ?? 0) + 1);
    }
    if (this.#items.length < this.limit) {
      this.#items.push({
        id,
        ...(content.kind === "text" ? { text: content.text } : { file: content.path }),
        bytes: typeof size === "number" ? size : null,
        ...(part === undefined ? {} : { part }),
        ...(item.attributes === undefined ? {} : { attributes }),
      });
    }
  }

  result(): SourceSummary {
    return {
      count: this.#count,
      bytes: this.#histogram.size === 0 ? null : { total: this.#total, least: this.#least, median: this.#median(), most: this.#most },
      endings: Object.fromEntries([...this.#endings].sort(([, a], [, b]) => b - a)),
      attributes: [...this.#attributes].map(([name, values]) => ({
        name,
        values: values.size > MOST_VALUES ? null : values.size,
        most: [...values].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, SHOWN_VALUES).map(([value, count]) => ({ value, count })),
      })),
      items: this.#items,
      oddities: [...this.#oddities].map(([reason, { count, first }]) => ({ reason, count, first })).sort((a, b) => b.count - a.count),
    };
  }

  #addSize(id: string, size: number): void {
    this.#total += size;
    this.#least = Math.min(this.#least, size);
    this.#most = Math.max(this.#most, size);
    const step = size === 0 ? -1 : Math.floor(Math.log2(size) * STEPS);
    this.#histogram.set(step, (this.#histogram.get(step) ?? 0) + 1);
    if (size === 0) this.#odd({ reason: "EMPTY_FILE", place: id, message: `${id} has no bytes` });
  }

  #problem(id: string, problem: Extract<Size, string>): void {
    const { reason, what } = PROBLEMS[problem];
    // Sources that look for their files, and readers of tars, have said so already.
    if (!this.#told.has(reason)) this.#odd({ reason, place: id, message: `${id} ${what}` });
  }

  #addEnding(id: string): void {
    const ending = endingOf(id);
    if (this.#endings.has(ending) || this.#endings.size < MOST_ENDINGS) this.#endings.set(ending, (this.#endings.get(ending) ?? 0) + 1);
    if (!this.#known.includes(ending)) this.#odd({ reason: "UNKNOWN_ENDING", place: id, message: `${id} has not the ending of a kind of ${this.modality} file that is known` });
  }

  /** The middle of the histogram's step that holds the median. */
  #median(): number {
    const steps = [...this.#histogram].sort(([a], [b]) => a - b);
    const counted = steps.reduce((sum, [, count]) => sum + count, 0);
    let before = 0;
    for (const [step, count] of steps) {
      before += count;
      if (before * 2 >= counted) return step < 0 ? 0 : Math.min(this.#most, Math.max(this.#least, Math.round(2 ** ((step + 0.5) / STEPS))));
    }
    return 0;
  }
}
