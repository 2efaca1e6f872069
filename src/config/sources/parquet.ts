import { z } from "zod";

import { defineSource } from "./definition.js";
import { checkTable, compileTable, tableDelivers, tableFields } from "./tableFields.js";

/** A Parquet file; only the columns that are named are read. */
export const parquet = defineSource({
  name: "parquet",
  schema: z
    .strictObject({ type: z.literal("parquet").describe("A Parquet file."), ...tableFields })
    .describe("A table in a Parquet file."),
  compile: (user, resolve) => compileTable("parquet", user, { kind: "parquet" }, resolve),
  delivers: tableDelivers,
  attributes: ({ attributes }) => attributes,
  check: checkTable,
});
