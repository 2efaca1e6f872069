/** What `cmcr data inspect` shows: a source's items, sizes and what is odd, for a terminal. */

import type { ItemSummary, SourceSummary } from "../data/sources/summary.js";

export interface InspectionText extends SourceSummary {
  readonly type: string;
  readonly modality: string;
}

const NARROWEST = 40;
/** More endings say no more. */
const SHOWN_ENDINGS = 8;

/** The inspection as lines of at most `width` characters. */
export function renderInspection(inspection: InspectionText, width: number): string[] {
  const { type, modality, count, bytes, endings, attributes, items, oddities } = inspection;
  const rows: [string, string][] = [["source", type], ["items", `${number(count)} ${modality}`]];
  if (bytes !== null) rows.push(["bytes", `${size(bytes.total)} in all; least ${size(bytes.least)}, median about ${size(bytes.median)}, most ${size(bytes.most)}`]);
  const kinds = Object.entries(endings);
  if (kinds.length > 0) rows.push(["endings", listed(kinds.map(([ending, times]) => `${ending === "" ? "none" : ending} ${number(times)}`), SHOWN_ENDINGS)]);
  for (const { name, values, most } of attributes) {
    const shown = most.map(({ value, count: times }) => `${value === "" ? '""' : value} ${number(times)}`).join(", ");
    rows.push([name, `${values === null ? "more than 10,000" : number(values)} value${values === 1 ? "" : "s"}: ${shown}${values === null || values > most.length ? ", …" : ""}`]);
  }
  const label = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, text]) => clip(`${name.padEnd(label)}  ${text}`, width));
  if (items.length > 0) lines.push("", items.length < count ? `the first ${items.length}` : "all of them", ...items.map((item) => clip(`  ${itemLine(item)}`, width)));
  lines.push("", oddities.length === 0 ? "nothing is odd" : "odd");
  for (const { reason, count: times, first } of oddities) {
    lines.push(clip(`  ${number(times)} x ${reason}`, width), ...first.map(({ message }) => clip(`    ${message}`, width)));
    if (times > first.length) lines.push("    …");
  }
  return lines;
}

function itemLine({ id, text, bytes, part, attributes = {} }: ItemSummary): string {
  const seconds = part?.startSeconds ?? null;
  const cut = [
    ...(seconds === null ? [] : [`from ${seconds} s`]),
    ...(part?.durationSeconds === undefined || part.durationSeconds === null ? [] : [`for ${part.durationSeconds} s`]),
    ...(part?.position === undefined || part.position === null ? [] : [`frame at ${part.position}`]),
  ];
  const own = Object.entries(attributes).map(([name, value]) => `${name} ${value}`);
  const what = text === undefined ? (bytes === null ? "not there" : size(bytes)) : JSON.stringify(text);
  return [`${id}  ${what}`, ...cut, ...own].join(", ");
}

function listed(parts: readonly string[], most: number): string {
  return parts.length <= most ? parts.join(", ") : `${parts.slice(0, most).join(", ")}, and ${parts.length - most} more`;
}

/** `1,234,567` */
function number(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes as `812 B` or `3.4 MB`; a kilobyte has 1000 bytes. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit += 1) value /= 1000;
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ""}`;
}

/** Control characters would move a terminal's cursor. */
function clip(line: string, width: number): string {
  const plain = line.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
  const most = Math.max(width, NARROWEST);
  return plain.length <= most ? plain : `${plain.slice(0, most - 1)}…`;
}
