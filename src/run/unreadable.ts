import type { EncoderSpec } from "../bridge/types.js";
import type { CompiledUnreadable } from "../config/compiled.js";
import { CmcrError, dataError, EXIT } from "../errors.js";
import type { SkippedItem } from "../store/partial.js";

/** Items that an error names one by one. */
const NAMED = 3;
/** Why an item has no row whose embedding is not finite. */
export const NON_FINITE = "NON_FINITE";

/** How many of `count` items may be left out. */
export function mostSkipped({ action, limit }: CompiledUnreadable, count: number): number {
  return action === "fail" ? 0 : Math.floor((limit / 100) * count);
}

/** What an error about unreadable items says of its surroundings. */
export interface UnreadableContext {
  readonly policy: CompiledUnreadable;
  /** What people call the output, such as `photos in clip`. */
  readonly output: string;
  readonly count: number;
  /** Such as `images`. */
  readonly unit: string;
  /** Where all of them are listed. */
  readonly list: string;
  /** Field or option that sets the limit. */
  readonly field: string;
}

/**
 * Items have no embedding that is finite, and no item fails for another reason: it is the encoder, and not the
 * items. Exit 5; null where it is otherwise.
 */
export function notFinite(
  skipped: readonly SkippedItem[],
  { output, count, unit, list, encoder }: Pick<UnreadableContext, "output" | "count" | "unit" | "list"> & { readonly encoder: EncoderSpec },
): CmcrError | null {
  const [first] = skipped;
  if (first === undefined || skipped.some(({ reason }) => reason !== NON_FINITE)) return null;
  const { provider, model, checkpoint, options } = encoder;
  const name = [provider, model, checkpoint ?? ""].filter((part) => part !== "").join(" ");
  const dtype = options["dtype"] === "float16" ? "the element type float16, which overflows: try float32 or bfloat16" : "an element type that overflows, as float16 does: try float32 or bfloat16";
  return new CmcrError(
    `${output}: the encoder ${name} gives values that are not finite, or zeros alone, for ${skipped.length} of ${count} ${unit}, of which the first one is ${first.id}. ` +
      `The items can be read. The cause is its weights, damaged or not finite themselves, or ${dtype}. The list is ${list}.`,
    { code: EXIT.numerics, reason: NON_FINITE, path: first.file ?? first.id },
  );
}

/** Items could not be read that may not be left out: exit 3. The items found so far are `skipped`. */
export function tooManyUnreadable(skipped: readonly SkippedItem[], { policy, output, count, unit, list, field }: UnreadableContext): CmcrError {
  const [first] = skipped;
  const named = skipped.slice(0, NAMED).map(({ id, message }) => (message.includes(id) ? message : `${id}: ${message}`));
  const more = skipped.length > NAMED ? `; and ${skipped.length - NAMED} more` : "";
  const found = policy.action === "fail" ? "an item cannot be read" : `${skipped.length} of ${count} ${unit} cannot be read, more than ${policy.limit} %`;
  const remedy = policy.action === "fail" ? `Repair or remove it, or set ${field} to skip` : `Repair or remove them, or raise ${field}`;
  return dataError(`${output}: ${found}: ${named.join("; ").replace(/\.$/, "")}${more}. The list is ${list}. ${remedy}.`, {
    reason: "UNREADABLE_ITEMS",
    path: first?.file ?? first?.id ?? output,
  });
}
