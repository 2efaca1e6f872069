import type { CompiledRegions, CompiledView } from "../../config/compiled.js";

/** What people call a view, such as `photos in clip`; different views have different names. */
export function viewName({ data, space, regions }: CompiledView): string {
  return regions === undefined ? `${data} in ${space}` : `${data} in ${space}, ${regionsName(regions)}`;
}

/** What people call regions, such as `crops 1 x 1 of 1, 3 x 3 of 0.5, 9 x 9 of 1/3, squashed`; different ones have different names. */
export function regionsName(regions: CompiledRegions): string {
  if (regions.kind === "patches") return `patches by ${regions.from}`;
  const squashed = regions.squash ? ", squashed" : "";
  if (regions.kind === "boxes") return `boxes of ${regions.path}${squashed}`;
  return `crops ${regions.windows.map(({ size, steps }) => `${steps} x ${steps} of ${shareText(size)}`).join(", ")}${squashed}`;
}

/** Shares that people write as such, up to this denominator. */
const LARGEST_DENOMINATOR = 12;

/** A share of the frame: `1/3` for what has no end in decimals, else as it is. Different ones read differently. */
function shareText(share: number): string {
  const written = String(share);
  if (written.length <= "0.333".length) return written;
  for (let denominator = 3; denominator <= LARGEST_DENOMINATOR; denominator += 1) {
    const numerator = Math.round(share * denominator);
    if (numerator / denominator === share) return `${numerator}/${denominator}`;
  }
  return written;
}
