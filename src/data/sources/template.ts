import { fieldText } from "../tables/row.js";

/** A column of a template, such as `{start_seconds:06}`. */
interface Slot {
  readonly column: string;
  /** Digits of a number, padded with zeros; 0: the field as it is. */
  readonly digits: number;
}

const SLOT = /\{([^{}:]+)(?::0(\d{1,2}))?\}/g;
/** The column that every table has: the row's number from 0. */
export const ROW = "row";

/** Text with fields of a row in it: `{column}`, `{column:06}` for a number of six digits, `{row}` for the row's number. */
export class Template {
  readonly #texts: readonly string[];
  readonly #slots: readonly Slot[];

  constructor(text: string) {
    const slots: Slot[] = [];
    const texts: string[] = [];
    let at = 0;
    for (const match of text.matchAll(SLOT)) {
      texts.push(text.slice(at, match.index));
      slots.push({ column: match[1] ?? "", digits: Number(match[2] ?? 0) });
      at = match.index + match[0].length;
    }
    [this.#texts, this.#slots] = [[...texts, text.slice(at)], slots];
  }

  /** The columns that it needs. */
  get columns(): readonly string[] {
    return this.#slots.map(({ column }) => column).filter((column) => column !== ROW);
  }

  /** The text for a row, or null where a field is missing, or is no number where one is padded. */
  fill(values: ReadonlyMap<string, unknown>, row: number): string | null {
    let text = this.#texts[0] ?? "";
    for (const [index, { column, digits }] of this.#slots.entries()) {
      const field = column === ROW ? String(row) : fieldText(values.get(column));
      if (field === null) return null;
      const piece = digits === 0 ? field : padded(field, digits);
      if (piece === null) return null;
      text += piece + (this.#texts[index + 1] ?? "");
    }
    return text;
  }
}

/** `30` and `30.000` are both 000030 in six digits. */
function padded(field: string, digits: number): string | null {
  const number = field.trim() === "" ? NaN : Number(field);
  return Number.isFinite(number) && number >= 0 ? String(Math.trunc(number)).padStart(digits, "0") : null;
}
