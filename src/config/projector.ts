import { z } from "zod";

import type { CheckContext } from "./checks/context.js";
import type { CompiledLayer, CompiledProjector } from "./compiled.js";
import { countField, nameField } from "./fields.js";
import type { FieldPath } from "./mistake.js";
import { suggestion } from "./nearest.js";

/** Heads that can be named instead of written out: the paper's two. `layers` stands for those written out. */
export const PRESETS = ["audio-visual", "three-d", "layers"] as const;

const layerSchema = z
  .union([
    z.enum(["batchnorm", "relu", "gelu"]),
    z.strictObject({
      linear: z
        .union([countField("Outputs.", 1), z.literal("joint")])
        .describe("Outputs of the affine map; joint: the joint space's dimension."),
    }),
  ])
  .describe("{ linear: N }, { linear: joint }, batchnorm, relu or gelu.");

const headSchema = z.array(layerSchema).min(1).describe("The layers of a head, in order; normalisation after the last one is implied.");

/** What a user writes below `connect.projector`. */
export const projectorSchema = z
  .strictObject({
    preset: z.enum(PRESETS).optional().describe("audio-visual (the default) or three-d, the paper's heads; layers where they are written out."),
    dim: countField("Dimension of the joint space; the smaller of the two spaces' dimensions unless given.", 1).optional(),
    layers: z
      .union([headSchema, z.record(nameField("A connected space's name."), headSchema)])
      .optional()
      .describe("Explicit layers: one list for both sides, or a map from each space to its list."),
    initialization: z
      .enum(["default", "eye", "xavier"])
      .default("default")
      .describe("Initial weights: PyTorch's own, the identity, or Glorot's uniform ones. The paper leaves it open."),
    batchNorm: z
      .enum(["together", "apart"])
      .default("together")
      .describe("Whether both halves of a space (overlap and pseudo items) are one batch to BatchNorm, or two. The paper leaves it open."),
  })
  .describe("The heads f1 and f2, the only things that are trained.");

export type UserProjector = z.output<typeof projectorSchema>;
type UserHead = z.output<typeof headSchema>;

/** Reports layers that contradict the preset, name other spaces, or do not end in the joint space. */
export function checkProjector(user: UserProjector, spaces: readonly string[], path: FieldPath, context: CheckContext): void {
  if (user.layers === undefined) {
    if (user.preset !== "layers") return;
    context.report({ path: [...path, "layers"], reason: "MISSING_FIELD", expected: "the layers of the heads, as the preset is layers", found: "nothing" });
    return;
  }
  if (user.preset !== undefined && user.preset !== "layers") {
    context.report({
      path: [...path, "layers"],
      reason: "IMPOSSIBLE_VALUE",
      expected: `no layers beside the preset ${user.preset}`,
      found: "layers",
      hint: "Leave out one of the two.",
    });
  }
  for (const [head, headPath] of headsOf(user.layers, spaces, [...path, "layers"], context)) {
    checkHead(head, jointDimension(user, spaces), headPath, context);
  }
}

function headsOf(
  layers: NonNullable<UserProjector["layers"]>,
  spaces: readonly string[],
  path: FieldPath,
  context: CheckContext,
): [UserHead, FieldPath][] {
  if (Array.isArray(layers)) return [[layers, path]];
  for (const name of Object.keys(layers)) {
    if (spaces.includes(name)) continue;
    context.report({
      path: [...path, name],
      reason: "UNKNOWN_NAME",
      expected: "the name of a connected space",
      found: JSON.stringify(name),
      hint: suggestion(name, spaces),
    });
  }
  const heads: [UserHead, FieldPath][] = [];
  for (const space of spaces) {
    const head = Object.hasOwn(layers, space) ? layers[space] : undefined;
    if (head === undefined) {
      context.report({ path: [...path, space], reason: "MISSING_FIELD", expected: `the layers of space ${space}`, found: "nothing" });
    } else {
      heads.push([head, [...path, space]]);
    }
  }
  return heads;
}

function checkHead(head: UserHead, joint: number | null, path: FieldPath, context: CheckContext): void {
  const last = lastLinear(head);
  if (last === undefined) {
    context.report({ path, reason: "IMPOSSIBLE_VALUE", expected: "at least one linear layer", found: "none" });
  } else if (last !== "joint" && last !== joint) {
    context.report({
      path,
      reason: "IMPOSSIBLE_VALUE",
      expected: joint === null ? "{ linear: joint } as the last linear layer" : `${joint} outputs of the last linear layer, the joint dimension`,
      found: `{ linear: ${last} }`,
      hint: "Or give connect.projector.dim.",
    });
  }
}

function lastLinear(head: UserHead): number | "joint" | undefined {
  for (const layer of head.toReversed()) {
    if (typeof layer === "object") return layer.linear;
  }
  return undefined;
}

/** The joint dimension where the file settles it: `dim`, or what all written-out heads end in. */
function jointDimension(user: UserProjector, spaces: readonly string[]): number | null {
  if (user.dim !== undefined) return user.dim;
  if (user.layers === undefined) return null;
  const heads = Array.isArray(user.layers) ? [user.layers] : spaces.map((space) => (user.layers as Record<string, UserHead>)[space] ?? []);
  const ends = new Set(heads.map(lastLinear));
  const [only] = ends;
  return ends.size === 1 && typeof only === "number" ? only : null;
}

function compileHead(head: UserHead): CompiledLayer[] {
  return head.map((layer) =>
    typeof layer === "string" ? { kind: layer } : { kind: "linear", outputs: layer.linear === "joint" ? null : layer.linear },
  );
}

/** The projector with every default filled in; `spaces` are the sides' in order. */
export function compileProjector(user: UserProjector, spaces: readonly [string, string]): CompiledProjector {
  const { layers } = user;
  const head = (space: string): CompiledLayer[] => {
    if (layers === undefined) return [];
    return compileHead(Array.isArray(layers) ? layers : (layers[space] ?? []));
  };
  return {
    preset: user.preset ?? (layers === undefined ? "audio-visual" : "layers"),
    dim: jointDimension(user, spaces),
    layers: [head(spaces[0]), head(spaces[1])],
    initialization: user.initialization,
    batchNorm: user.batchNorm,
  };
}
