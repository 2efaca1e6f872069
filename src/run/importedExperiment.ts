import { stat } from "node:fs/promises";
import { resolve } from "node:path";

import { stringify } from "yaml";

import { type ImportPreset, importPresets } from "../config/importPresets.js";
import { type ParsedExperiment, parseExperiment } from "../config/load.js";
import { applyOverrides, readOverride } from "../config/overrides.js";
import { dataError, usageError } from "../errors.js";
import { canonicalJson, type Json } from "../store/checksums.js";
import { badArgument } from "./arguments.js";
import type { ImportedFile } from "./importedProjectors.js";

/** What a user says of the encoders of imported projectors. */
export interface EncoderSettings {
  /** Folder or file with CLIP's weights, in place of the hub's. */
  readonly clipCheckpoint?: string | undefined;
  readonly clapCheckpoint?: string | undefined;
  readonly ulipCheckpoint?: string | undefined;
  /** `path.to.field=value`, within `spaces` and `worker`. */
  readonly set: readonly string[];
}

/** What the file is written for. */
export interface ImportedFrom {
  readonly preset: string;
  readonly file: string;
  readonly files: readonly ImportedFile[];
  /** The run's folder, absolute, and its name. */
  readonly folder: string;
  readonly name: string;
}

type Space = Readonly<Record<string, string>>;

/** A name that an experiment may have. */
const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** What can be changed of an import; data and tasks belong into a copy of the file that it writes. */
const CHANGEABLE = ["spaces", "worker"];

/**
 * The experiment file of imported projectors: its text, and the same compiled. Exit 2
 * for settings that cannot be, 3 for weights that are not there.
 */
export async function importedExperiment(settings: EncoderSettings, from: ImportedFrom): Promise<{ readonly text: string; readonly parsed: ParsedExperiment }> {
  const preset = importPresets.get(from.preset);
  const overrides = settings.set.map(readOverride);
  const foreign = overrides.find(({ path }) => !CHANGEABLE.includes(String(path[0])));
  if (foreign !== undefined) {
    throw usageError(`${foreign.place.text}: an import changes ${CHANGEABLE.join(" and ")} alone. Put data and tasks into a copy of the run's file.`, {
      reason: "BAD_OVERRIDE",
      path: "--set",
    });
  }
  const value = {
    version: 1,
    name: RUN_NAME.test(from.name) ? from.name : `imported-${preset.name}`,
    spaces: await spacesOf(preset, settings),
    data: {},
    connect: {
      method: "imported",
      preset: preset.name,
      file: from.file,
      sides: preset.sides.map(({ space, embeds }) => ({ space, embeds: [...embeds] })),
    },
    evaluate: [],
  };
  const named = `${from.name}/experiment.yaml`;
  const given = parseExperiment(stringify(value), named, { set: settings.set, folder: process.cwd() });
  const changed = applyOverrides(value, overrides, () => ({ text: "", offset: 0 })).value;
  const text = `${header(preset, from)}${stringify(changed)}`;
  const parsed = parseExperiment(text, named, { folder: from.folder });
  if (canonicalJson(parsed.experiment.spaces as unknown as Json) !== canonicalJson(given.experiment.spaces as unknown as Json)) {
    throw usageError("--set: give absolute paths; relative ones would start from the folder of the run.", { reason: "IMPOSSIBLE_VALUE", path: "--set" });
  }
  return { text, parsed };
}

function header({ title }: ImportPreset, { file, files }: ImportedFrom): string {
  const place = file.replaceAll(/\p{Cc}/gu, " ");
  const sums = files.map(({ name, sha256 }) => `#   ${name}  sha256 ${sha256}\n`).join("");
  return (
    `# The projectors of ${title}, imported from ${place}\n${sums}` +
    "# To evaluate them: add data and tasks to a copy of this file, then\n#   cmcr evaluate RUN --experiment COPY.yaml\n"
  );
}

async function spacesOf({ name, sides }: ImportPreset, settings: EncoderSettings): Promise<Readonly<Record<string, Space>>> {
  const checkpoints = { clip: settings.clipCheckpoint, clap: settings.clapCheckpoint, ulip: settings.ulipCheckpoint };
  const known = sides.map(({ space }) => space);
  const spaces: Record<string, Space> = {};
  for (const [space, checkpoint] of Object.entries(checkpoints)) {
    if (checkpoint !== undefined && !known.includes(space)) throw badArgument(`${space}-checkpoint`, `the preset ${name} has no space ${space}, but ${known.join(" and ")}`);
  }
  for (const { space } of sides) {
    const given = space in checkpoints ? checkpoints[space as keyof typeof checkpoints] : undefined;
    spaces[space] = given === undefined ? (DEFAULTS[space] ?? PRECOMPUTED) : await withCheckpoint(space, resolve(given));
  }
  return spaces;
}

const PRECOMPUTED: Space = { provider: "precomputed" };

/** Of CLAP the sounds alone: C-MCR and Ex-MCR send texts through CLIP, and so need no tokenizer of CLAP's. */
const SOUNDS_ALONE = { tokenizer: "none" };

/** The encoders that the authors use, where the hub has them. ULIP's weights must be given: until then its embeddings are. */
const DEFAULTS: Readonly<Record<string, Space>> = {
  clip: { provider: "huggingface-clip", model: "openai/clip-vit-base-patch32" },
  clap: { provider: "laion-clap", model: "630k-fusion-best", ...SOUNDS_ALONE },
};

/** The provider that reads a checkpoint of that space: CLAP's original is a file, transformers' a folder. */
async function withCheckpoint(space: string, checkpoint: string): Promise<Space> {
  const status = await stat(checkpoint).catch((cause: unknown) => {
    throw dataError(`--${space}-checkpoint: ${checkpoint} is not there.`, { reason: "DATA_MISSING", path: `--${space}-checkpoint`, cause });
  });
  if (space === "clip") return { provider: "huggingface-clip", checkpoint };
  if (space === "ulip") return { provider: "ulip", checkpoint };
  return status.isDirectory() ? { provider: "huggingface-clap", checkpoint } : { provider: "laion-clap", checkpoint, ...SOUNDS_ALONE };
}
