import type { CompiledRegions, CompiledView } from "../../config/compiled.js";

/** What people call a view, such as `photos in clip`; different views have different names. */
export function viewName({ data, space, regions }: CompiledView): string {
  return regions === undefined ? `${data} in ${space}` : `${data} in ${space}, ${regionsName(regions)}`;
}

/** What people call regions, such as `crops 1 x 1 of 1, 3 x 3 of 0.5, squashed`; different ones have different names. */
export function regionsName(regions: CompiledRegions): string {
  if (regions.kind === "patches") return `patches by ${regions.from}`;
  const squashed = regions.squash ? ", squashed" : "";
  if (regions.kind === "boxes") return `boxes of ${regions.path}${squashed}`;
  return `crops ${regions.windows.map(({ size, steps }) => `${steps} x ${steps} of ${size}`).join(", ")}${squashed}`;
}
