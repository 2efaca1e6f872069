import { z } from "zod";

import { BASELINES } from "../evaluate/baselines.js";
import type { CheckContext } from "./checks/context.js";
import type { CompiledBaseline } from "./compiled.js";
import { countField, positiveField } from "./fields.js";
import { pathText, type FieldPath } from "./mistake.js";
import { indexByName } from "./registry.js";

/** Every baseline that a file can name. */
export const baselines = indexByName("baseline", BASELINES);

const GAP = "+gap";

/** Every name that a file may write, `+gap` included. */
export const BASELINE_NAMES: readonly string[] = BASELINES.flatMap(({ name, gap }) => (gap ? [name, `${name}${GAP}`] : [name]));

/** Compared with when a task names none. */
export const DEFAULT_BASELINES: readonly string[] = ["chance", "pivot", "pivot-soft", "pivot-two-sided", "procrustes", "ridge"];

const nameSchema = z.enum(BASELINE_NAMES as [string, ...string[]]).describe("A baseline's name; with +gap each modality's memory mean is subtracted first.");

/** What a user writes for a baseline: its name, or a map with its parameters. */
export const baselineSchema = z
  .union([
    nameSchema,
    z.strictObject({
      name: nameSchema,
      temperature: positiveField("Softmax temperature, of pivot-soft (0.05) and pivot-two-sided (0.1).").optional(),
      regularization: positiveField("Ridge as a fraction of the mean diagonal, of ridge, cca and memory-ridge (0.01).").optional(),
      dimensions: countField("Dimensions kept, of cca; all unless given.", 1).optional(),
    }),
  ])
  .describe("A baseline's name, or a map of its name and parameters.");

export type UserBaseline = z.output<typeof baselineSchema>;

const PARAMETERS = ["temperature", "regularization", "dimensions"] as const;

function withoutGap(name: string): string {
  return name.endsWith(GAP) ? name.slice(0, -GAP.length) : name;
}

/** A baseline with its parameters' defaults filled in; null where it has no such parameter. */
export function compileBaseline(user: UserBaseline): CompiledBaseline {
  const given = typeof user === "string" ? { name: user } : user;
  const method = withoutGap(given.name);
  const { parameters } = baselines.get(method);
  return {
    name: given.name,
    method,
    gap: given.name.endsWith(GAP),
    temperature: given.temperature ?? parameters.temperature ?? null,
    regularization: given.regularization ?? parameters.regularization ?? null,
    dimensions: given.dimensions ?? null,
  };
}

/** Reports doubled baselines and parameters that a baseline does not have; warns of those that lose what the file switches off. */
export function checkBaselines(users: readonly UserBaseline[], path: FieldPath, pseudoPairs: boolean, context: CheckContext): void {
  const seen = new Set<string>();
  for (const [index, user] of users.entries()) {
    const given = typeof user === "string" ? { name: user } : user;
    const here = [...path, index];
    const definition = baselines.get(withoutGap(given.name));
    if (seen.has(given.name)) {
      context.report({ path: here, reason: "IMPOSSIBLE_VALUE", expected: "each baseline once", found: `${given.name} for the second time` });
    }
    seen.add(given.name);
    for (const parameter of PARAMETERS) {
      if (given[parameter] === undefined || parameter in definition.parameters) continue;
      const known = Object.keys(definition.parameters);
      context.report({
        path: [...here, parameter],
        reason: "UNKNOWN_FIELD",
        expected: known.length === 0 ? `no parameter, as ${definition.name} has none` : `a parameter of ${definition.name} (${known.join(", ")})`,
        found: parameter,
      });
    }
    if (definition.pseudoPairs && !pseudoPairs) {
      context.warn(`${pathText(here)}: ${definition.name} is fitted on the pseudo pairs, which connect.consistency: false makes at random`);
    }
  }
}
