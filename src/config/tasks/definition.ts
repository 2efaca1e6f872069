import { z } from "zod";

import { checkBaselines, compileBaseline, baselineSchema, DEFAULT_BASELINES, type UserBaseline } from "../baselines.js";
import type { CheckContext } from "../checks/context.js";
import { checkView } from "../checks/references.js";
import type { CompiledTask, CompiledView } from "../compiled.js";
import { countField, nameField, seedField } from "../fields.js";
import type { ConnectedSpaces } from "../methods/definition.js";
import type { FieldPath } from "../mistake.js";
import { nearestHint } from "../nearest.js";
import type { ResolvePath } from "../providers/definition.js";
import { salvageFields } from "../salvage.js";
import { ascending } from "../schedule.js";

/** A collection seen through a space. */
export const viewSchema = z.strictObject({
  data: nameField("The collection."),
  space: nameField("The space that embeds it, one of the connected ones."),
});

export type UserView = z.output<typeof viewSchema>;

/** The fields that every task has. */
export const taskFields = {
  name: nameField("The task's name in metrics.json."),
  query: viewSchema.describe("What is asked."),
  ks: z
    .array(countField("A cut-off.", 1))
    .min(1)
    .refine(ascending, { error: "expected ascending numbers, each once" })
    .optional()
    .describe("The cut-offs k of the metrics, ascending."),
  baselines: z.array(baselineSchema).optional().describe("What to compare with. Default chance, pivot, pivot-soft, pivot-two-sided, procrustes, ridge."),
  bootstrap: z
    .strictObject({
      resamples: countField("How often the queries are drawn anew.", 1).default(1000),
      seed: seedField("Draws them. Runs with the same seed and queries are paired.").default(0),
    })
    .prefault({})
    .describe("The bootstrap behind the 95 % intervals."),
};

/** Baselines that look at no embedding. */
const PRIORS: readonly string[] = ["chance"];
const PLACE_PRIORS: readonly string[] = ["chance", "centre"];

/** Compared with by tasks of places when they name none: `centre` too, as what sounds is often in the middle. */
export const PLACE_BASELINES: readonly string[] = [...PLACE_PRIORS, ...DEFAULT_BASELINES.filter((name) => !PLACE_PRIORS.includes(name))];

function isPlacePrior(method: string): boolean {
  return PLACE_PRIORS.includes(method) && !PRIORS.includes(method);
}

interface UserTaskFields {
  readonly name: string;
  readonly query: UserView;
  readonly ks?: readonly number[] | undefined;
  readonly baselines?: readonly UserBaseline[] | undefined;
  readonly bootstrap: { readonly resamples: number; readonly seed: number };
}

/** What a task's checks see beside its own fields. */
export interface TaskUse {
  readonly path: FieldPath;
  readonly connected: ConnectedSpaces;
  readonly context: CheckContext;
}

/** A kind of evaluation. */
export interface TaskDefinition<Name extends string = string, Schema extends z.ZodType = z.ZodType> {
  readonly name: Name;
  /** What a user writes for an item of `evaluate`. */
  readonly schema: Schema;
  readonly check: (raw: unknown, use: TaskUse) => void;
  readonly compile: (user: unknown, resolve: ResolvePath) => CompiledTask;
}

interface TypedTask<Name extends string, Schema extends z.ZodObject> {
  readonly name: Name;
  readonly schema: Schema;
  readonly check: (fields: Partial<z.output<Schema>>, use: TaskUse) => void;
  readonly compile: (user: z.output<Schema>, resolve: ResolvePath) => CompiledTask;
}

/** Puts a task's typed functions behind the one type that the registry holds. */
export function defineTask<Name extends string, Schema extends z.ZodObject>(task: TypedTask<Name, Schema>): TaskDefinition<Name, Schema> {
  return {
    name: task.name,
    schema: task.schema,
    check: (raw, use) => {
      task.check(salvageFields(task.schema, raw), use);
    },
    compile: (user, resolve) => task.compile(task.schema.parse(user), resolve),
  };
}

/** Reports a view that is unknown, out of reach, or outside the connected spaces. */
export function checkTaskView(view: UserView | undefined, field: string, { path, connected, context }: TaskUse): void {
  if (view === undefined) return;
  const here = [...path, field];
  checkView(view, { data: [...here, "data"], space: [...here, "space"] }, context);
  const { spaces } = connected;
  if (spaces === undefined || spaces.includes(view.space) || !context.spaces.has(view.space)) return;
  context.report({
    path: [...here, "space"],
    reason: "IMPOSSIBLE_VALUE",
    expected: `a space that connect.sides connects (${spaces.join(", ")})`,
    found: JSON.stringify(view.space),
    ...nearestHint(view.space, spaces),
  });
}

/** Reports a collection without labels where labels decide. */
export function checkLabels(view: UserView | undefined, field: string, purpose: string, { path, context }: TaskUse): void {
  const collection = view === undefined ? undefined : context.data.get(view.data);
  if (view === undefined || collection === undefined || collection === null || collection.labels !== undefined) return;
  context.report({
    path: [...path, field, "data"],
    reason: "IMPOSSIBLE_VALUE",
    expected: `a collection with labels, for ${purpose}`,
    found: `${view.data}, which has none`,
    hint: `Give data.${view.data}.labels.`,
  });
}

/** Reports baselines that cannot be: those that compare embeddings do so across two spaces, and some are made for places alone. */
export function checkTaskBaselines(
  users: readonly UserBaseline[] | undefined,
  views: readonly (UserView | undefined)[],
  { path, connected, context }: TaskUse,
  places = false,
): void {
  if (users === undefined) return;
  const here = [...path, "baselines"];
  checkBaselines(users, here, connected.pseudoPairs ?? true, context);
  const kinds = places ? PLACE_PRIORS : PRIORS;
  const foreign = users.findIndex((user) => isPlacePrior(compileBaseline(user).method) && !places);
  if (foreign >= 0) {
    context.report({
      path: [...here, foreign],
      reason: "IMPOSSIBLE_VALUE",
      expected: "a baseline of this task, as that one predicts places in images",
      found: compileBaseline(users[foreign] ?? "chance").name,
    });
  }
  const [left, right] = views;
  const within = left !== undefined && right !== undefined && left.space === right.space;
  const why =
    connected.fits === false
      ? "baselines are fitted on an overlap and memories, which imported projectors come without"
      : "baselines map one space to another and both sides of this task are the same space";
  if (!within && connected.fits !== false) return;
  const across = users.findIndex((user) => !PLACE_PRIORS.includes(compileBaseline(user).method));
  if (across < 0) return;
  context.report({
    path: [...here, across],
    reason: "IMPOSSIBLE_VALUE",
    expected: `${kinds.join(" and ")} alone, as ${why}`,
    found: compileBaseline(users[across] ?? "chance").name,
  });
}

/** The fields that every task has, with every default filled in. */
export function compileTaskFields(user: UserTaskFields, other: CompiledView, ks: readonly number[], across: readonly string[] = DEFAULT_BASELINES) {
  const names = user.query.space === other.space ? ["chance"] : across;
  return {
    name: user.name,
    query: { ...user.query },
    ks: [...(user.ks ?? ks)],
    baselines: (user.baselines ?? names).map(compileBaseline),
    bootstrap: { ...user.bootstrap },
  };
}
