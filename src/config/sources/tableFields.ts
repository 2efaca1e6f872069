import { z } from "zod";

import type { CheckContext } from "../checks/context.js";
import type { Modality } from "../compiled.js";
import type { CompiledTable, TableFormat, TableLayout } from "../compiledSource.js";
import { pathField } from "../fields.js";
import type { FieldPath } from "../mistake.js";
import type { ResolvePath } from "../providers/definition.js";
import { compilePart, missingField, partFields, rootField } from "./partFields.js";

/** Fields that tables of every format share. */

const columnField = (description: string) => z.string({ error: "expected a column's name" }).min(1).describe(description);
const columnsField = (description: string) => z.union([columnField(description), z.array(columnField("A column.")).min(1)]).describe(description);

/** What a user writes of a table beside its type. */
export const tableFields = {
  path: pathField("The table, relative to this file."),
  text: columnsField("As texts: the column of the captions, or a list of several, each of which is an item.").optional(),
  file: columnField("As files: their column, or a pattern of their names. {COLUMN} stands for a field, {COLUMN:06} for a number of six digits, {row} for the row's number from 0, .* for whichever ending is there.").optional(),
  root: rootField,
  id: columnField("The column of the items' ids; the row's number or the file's path unless given.").optional(),
  attributes: z.array(columnField("A column.")).default([]).describe("Columns to keep with the items, which can serve as labels."),
  where: z
    .record(z.string(), z.union([z.string(), z.array(z.string()).min(1)]).describe("A value, or several of which one must be there."))
    .default({})
    .describe("Only rows whose columns have these values, such as { split: test }."),
  missing: missingField,
  ...partFields,
};

export type UserTable = z.output<z.ZodObject<typeof tableFields>>;

/** A table as its user describes it. */
export function compileTable(origin: string, user: UserTable, format: TableFormat, resolve: ResolvePath): CompiledTable {
  const layout: TableLayout = {
    needs: [],
    texts: user.text === undefined ? [] : typeof user.text === "string" ? [user.text] : user.text,
    file: user.file === undefined ? null : user.file.includes("{") ? user.file : `{${user.file}}`,
    id: user.id === undefined ? null : `{${user.id}}`,
    fileId: user.id === undefined ? null : `{${user.id}}`,
    attributes: Object.fromEntries(user.attributes.map((column) => [column, `{${column}}`])),
    cut: null,
    oncePerFile: false,
  };
  return {
    ...TABLE_DEFAULTS,
    origin,
    path: resolve(user.path),
    format,
    layouts: [layout],
    root: user.root === undefined ? null : resolve(user.root),
    where: Object.fromEntries(Object.entries(user.where).map(([column, values]) => [column, typeof values === "string" ? [values] : values])),
    missing: user.missing,
    part: compilePart(user),
  };
}

/** What most tables have not. */
export const TABLE_DEFAULTS = { type: "table", where: {}, rows: null, labels: null, part: null, pairs: null, missing: "unreadable", root: null } as const;

/** A layout of a dataset's list, with what most of them share. */
export function layoutOf(layout: Partial<TableLayout>): TableLayout {
  return { needs: [], texts: [], file: null, id: null, fileId: null, attributes: {}, cut: null, oncePerFile: false, ...layout };
}

const FILES: readonly Modality[] = ["image", "audio", "pointcloud", "video"];

/** What a table can deliver: texts where a column of texts is named, files where one of files is. */
export function tableDelivers({ text, file }: UserTable): readonly Modality[] {
  return [...(text === undefined ? [] : (["text"] as const)), ...(file === undefined ? [] : FILES)];
}

/** Reports a table that names no column. */
export function checkTable({ text, file }: UserTable, path: FieldPath, context: CheckContext): void {
  if (text !== undefined || file !== undefined) return;
  context.report({ path: [...path, "text"], reason: "MISSING_FIELD", expected: "text, the column of the captions, or file, that of the files", found: "neither" });
}

/** CSV as spreadsheets and Python write it, with a header. */
export const CSV: Extract<TableFormat, { readonly kind: "csv" }> = { kind: "csv", delimiter: ",", quote: '"', columns: null, comment: null, skipSpace: false };
