import { z } from "zod";

import { defineSource } from "./definition.js";
import { checkTable, compileTable, CSV, tableDelivers, tableFields } from "./tableFields.js";

const columnsField = z
  .array(z.string().min(1))
  .min(1)
  .describe("Names of the columns of a file without a header, in order. A first row that repeats them is passed over.");

/** A file of comma-separated values. */
export const csv = defineSource({
  name: "csv",
  schema: z
    .strictObject({
      type: z.literal("csv").describe("A table of comma-separated values."),
      ...tableFields,
      columns: columnsField.optional(),
      delimiter: z.string().length(1, { error: "expected one character" }).default(",").describe("What is between two fields."),
      quotes: z.boolean().default(true).describe('Whether " encloses fields; false: it is a character like any other.'),
    })
    .describe("A table of comma-separated values with a header, or with columns named here."),
  compile: (user, resolve) => compileTable("csv", user, { ...CSV, delimiter: user.delimiter, quote: user.quotes ? '"' : null, columns: user.columns ?? null }, resolve),
  delivers: tableDelivers,
  attributes: ({ attributes }) => attributes,
  check: checkTable,
});

/** A file of tab-separated values, as open_clip's CsvDataset reads it. */
export const tsv = defineSource({
  name: "tsv",
  schema: z
    .strictObject({
      type: z.literal("tsv").describe("A table of tab-separated values."),
      ...tableFields,
      columns: columnsField.optional(),
      quotes: z.boolean().default(true).describe('Whether " encloses fields; false: it is a character like any other.'),
    })
    .describe("A table of tab-separated values with a header, or with columns named here."),
  compile: (user, resolve) => compileTable("tsv", user, { ...CSV, delimiter: "\t", quote: user.quotes ? '"' : null, columns: user.columns ?? null }, resolve),
  delivers: tableDelivers,
  attributes: ({ attributes }) => attributes,
  check: checkTable,
});
