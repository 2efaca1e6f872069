import { z } from "zod";

import { defineSource } from "./definition.js";
import { checkTable, compileTable, tableDelivers, tableFields } from "./tableFields.js";

/** A file with a JSON object in each line. */
export const jsonl = defineSource({
  name: "jsonl",
  schema: z
    .strictObject({ type: z.literal("jsonl").describe("A table with a JSON object in each line."), ...tableFields })
    .describe("A table with a JSON object in each line; its keys are the columns."),
  compile: (user, resolve) => compileTable("jsonl", user, { kind: "jsonl" }, resolve),
  delivers: tableDelivers,
  attributes: ({ attributes }) => attributes,
  check: checkTable,
});

/** One list of objects of a JSON document. */
export const json = defineSource({
  name: "json",
  schema: z
    .strictObject({
      type: z.literal("json").describe("A list of objects in a JSON document."),
      ...tableFields,
      list: z.string().min(1).optional().describe("The key of the list in the document's map; the document itself is the list unless given."),
    })
    .describe("A table that is a list of objects in a JSON document."),
  compile: (user, resolve) => compileTable("json", user, { kind: "json", key: user.list ?? null }, resolve),
  delivers: tableDelivers,
  attributes: ({ attributes }) => attributes,
  check: checkTable,
});
