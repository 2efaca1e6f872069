import type { CompiledSource } from "../../config/compiled.js";
import { readBuiltin } from "./builtin.js";
import { readFolder } from "./folder.js";
import type { ItemList, SourceContext, SourceReader } from "./items.js";
import { readInline, readLines } from "./texts.js";

/** What reads each type of source; a type without a line here does not compile. */
const READERS: { readonly [T in CompiledSource["type"]]: SourceReader<T> } = {
  builtin: readBuiltin,
  inline: readInline,
  lines: readLines,
  folder: readFolder,
};

/** Lists the items of a source. Rejects with exit 3 when there are none, or they cannot be read. */
export function listItems(source: CompiledSource, context: SourceContext): Promise<ItemList> {
  const read = READERS[source.type] as SourceReader<CompiledSource["type"]>;
  return read(source, context);
}
