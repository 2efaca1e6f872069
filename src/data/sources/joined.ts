import { canonicalJson, textSha256 } from "../../store/checksums.js";
import type { ItemSource, ListedSource, SourceContext } from "./items.js";

type Joined = Extract<ListedSource, { readonly type: "joined" }>;

/** Reads several sources one after the other. An item's id begins with its source's number, so that two may have the same files. */
export async function readJoined(source: Joined, context: SourceContext, open: (part: Joined["sources"][number], context: SourceContext) => Promise<ItemSource>): Promise<ItemSource> {
  const parts: ItemSource[] = [];
  for (const [index, part] of source.sources.entries()) parts.push(await open(part, { ...context, place: `${context.place}.sources.${index}` }));
  const [first, ...others] = parts;
  const shared = (first?.attributes ?? []).filter((attribute) => others.every(({ attributes }) => attributes.includes(attribute)));
  return {
    identity: { type: "joined", sources: parts.map(({ identity }) => identity) },
    roots: [...new Set(parts.flatMap(({ roots }) => roots))],
    attributes: shared,
    fingerprint: async () => textSha256(canonicalJson(await Promise.all(parts.map((part) => part.fingerprint())))),
    async *scan(onOddity) {
      for (const [index, part] of parts.entries()) {
        for await (const item of part.scan(onOddity)) {
          const attributes = Object.fromEntries(Object.entries(item.attributes ?? {}).filter(([name]) => shared.includes(name)));
          yield { ...item, id: `${index}:${item.id}`, attributes };
        }
      }
    },
  };
}
