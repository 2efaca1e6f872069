import { describePlan } from "./planDescription.js";
import type { LoadedSweep } from "./sweepLoad.js";
import { valueText } from "./sweepVariants.js";

/** What a sweep would run, in plain lines of `what  details`: its variants, and then the experiment that they vary. */
export function describeSweep({ sweep, base, facts }: Pick<LoadedSweep, "sweep" | "base" | "facts">): readonly string[] {
  const { name, variants, reference, metrics, parallel } = sweep;
  const lines: (readonly [string, string])[] = [
    ["sweep", `${name}: ${variants.length} variant${variants.length === 1 ? "" : "s"} compared with ${reference}, ${parallel === "auto" ? "as many at a time as the device allows" : `${parallel} at a time`}`],
    ...metrics.map(({ task, metric, reverse }) => ["metric", `${task} ${metric}${reverse ? ", reverse" : ""}`] as const),
    ...variants.map(({ name: own, changes }) => {
      const said = changes.map(({ path, value }) => `${path}=${valueText(value)}`);
      return ["variant", `${own}: ${said.length === 0 ? "the experiment as it is" : said.join(", ")}`] as const;
    }),
  ];
  return [...lines.map(([what, details]) => `${what.padEnd(10)}  ${details}`), ...describePlan(base.experiment, facts)];
}
