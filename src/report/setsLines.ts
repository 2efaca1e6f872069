/** A whole number with commas between its thousands: `1,281,167`. */
export function digits(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** The same with its noun in the right number: `1 file`, `1,281,167 files`. */
export function counted(value: number, noun: string): string {
  return `${digits(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Rows as lines whose columns begin at the same places, two spaces apart; what is wider than `width` is cut off. */
export function columns(rows: readonly (readonly string[])[], width: number): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) => clipLine(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd(), width));
}

/** A line of at most `width` characters, without characters that would move a terminal's cursor. */
export function clipLine(line: string, width: number): string {
  const plain = line.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
  return plain.length <= width ? plain : `${plain.slice(0, Math.max(1, width - 1))}…`;
}

/** Breaks a text at spaces into lines of at most `width` characters; those after the first begin with `indent`. A word that is longer stays whole. */
export function wrapText(text: string, width: number, indent: string): readonly string[] {
  const [lead = ""] = /^ */.exec(text) ?? [];
  const lines: string[] = [];
  let line = lead;
  for (const word of text.slice(lead.length).split(" ")) {
    const blank = line.trim() === "";
    const longer = blank ? line + word : `${line} ${word}`;
    if (longer.length > width && !blank) {
      lines.push(line);
      line = indent + word;
    } else line = longer;
  }
  return [...lines, line];
}
