import type { z } from "zod";

import { type CompiledEncoder, hasEncoder } from "../config/compiled.js";
import { mistakesOf } from "../config/issues.js";
import { nearestName } from "../config/nearest.js";
import { providers } from "../config/providers/registry.js";
import { usageError } from "../errors.js";
import { badArgument } from "./arguments.js";

/** An encoder as a command line names it. */
export interface EncoderArguments {
  readonly encoder: string;
  readonly model?: string | undefined;
  readonly checkpoint?: string | undefined;
  readonly batchSize?: string | undefined;
  readonly dtype?: string | undefined;
  /** Further settings of the provider, each as `name=value`, or `options.name=value` where a setting is a map. */
  readonly option: readonly string[];
}

/** Options that have a name of their own, by the provider's field. */
const OPTION_OF_FIELD: Readonly<Record<string, string>> = { provider: "encoder", model: "model", checkpoint: "checkpoint", batchSize: "batch-size", dtype: "dtype" };

/** The encoder that a command line names, by the same rules as an experiment file's. Exit 2 for what these refuse. */
export function encoderFromArguments(given: EncoderArguments, resolve: (path: string) => string): CompiledEncoder {
  const encoding = providers.names.filter((name) => name !== "precomputed");
  if (!encoding.includes(given.encoder)) {
    const nearest = nearestName(given.encoder, encoding);
    const hint = nearest === undefined ? `Known: ${encoding.join(", ")}` : `Did you mean '${nearest}'?`;
    throw usageError(`--encoder: unknown provider '${given.encoder}'. ${hint}`, { reason: "UNKNOWN_NAME", path: "--encoder" });
  }
  const provider = providers.get(given.encoder);
  const user: Record<string, unknown> = { provider: given.encoder };
  if (given.model !== undefined) user["model"] = given.model;
  if (given.checkpoint !== undefined) user["checkpoint"] = given.checkpoint;
  if (given.batchSize !== undefined) user["batchSize"] = scalar(given.batchSize);
  if (given.dtype !== undefined) user["dtype"] = given.dtype;
  for (const text of given.option) {
    const [, name, inner, value] = /^([A-Za-z][A-Za-z0-9]*)(?:\.([A-Za-z]\w*))?=(.*)$/s.exec(text) ?? [];
    if (name === undefined || value === undefined) throw badArgument("option", `expected name=value, such as revision=main or options.floor=0.1; found "${text}"`);
    if (inner === undefined) user[name] = scalar(value);
    else user[name] = { ...(typeof user[name] === "object" ? user[name] : {}), [inner]: scalar(value) };
  }
  check(provider.schema, user);
  provider.check(user, [], {
    spaces: new Map(),
    data: new Map(),
    report: ({ path, expected, found, hint }) => {
      throw badArgument(optionOf(path), `expected ${expected}; found ${found}${hint === undefined ? "" : `. ${hint.replace(/\.$/, "")}`}`);
    },
    // What a file may keep for later, a command line has said for now: a model that is passed over is a mistake.
    warn: (warning) => {
      throw usageError(`${warning.replace(/\b(model|checkpoint)\b/g, "--$1")}. Leave one of them out.`, { reason: "BAD_COMMAND_LINE", path: "--model" });
    },
    use: () => undefined,
  });
  const compiled = provider.compile(user, given.encoder, resolve);
  if (!hasEncoder(compiled)) throw new Error(`${given.encoder} has no encoder`);
  return compiled;
}

function check(schema: z.ZodType, user: Readonly<Record<string, unknown>>): void {
  const parsed = schema.safeParse(user);
  if (parsed.success) return;
  const [first] = mistakesOf(parsed.error.issues, schema, user);
  if (first === undefined) throw parsed.error;
  const hint = first.hint === undefined ? "" : `. ${first.hint.replace(/\.$/, "")}`;
  throw badArgument(optionOf(first.path), `expected ${first.expected}; found ${first.found}${hint}`);
}

function optionOf(path: readonly (string | number)[]): string {
  const field = String(path[0] ?? "provider");
  return OPTION_OF_FIELD[field] ?? `option ${path.map(String).join(".")}`;
}

/** A value as an experiment file would have it: a number, true or false, else text; in quotes it is text in any case. */
function scalar(text: string): string | number | boolean {
  const quoted = /^"([^"\\]*)"$|^'([^']*)'$/s.exec(text);
  if (quoted !== null) return quoted[1] ?? quoted[2] ?? "";
  if (text === "true" || text === "false") return text === "true";
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}
