import type { Modality } from "./compiled.js";
import { indexByName } from "./registry.js";

/** One of the two spaces of projectors that others trained. */
export interface ImportSide {
  /** Its name in the run, unless the file gives another. */
  readonly space: string;
  /** The modalities that the authors send through this side. */
  readonly embeds: readonly Modality[];
}

/** Projectors that others trained, and how they saved them. */
export interface ImportPreset {
  readonly name: string;
  /** What they are, to follow "the projectors of". */
  readonly title: string;
  /** Name in the worker's registry of layouts. */
  readonly layout: string;
  /** The base, which texts and images go through, and the space that is joined to it. */
  readonly sides: readonly [ImportSide, ImportSide];
  /** Names of the authors' files, in order; of a folder where there are several. */
  readonly files: readonly string[];
}

const CLIP: ImportSide = { space: "clip", embeds: ["text", "image"] };
const CLAP: ImportSide = { space: "clap", embeds: ["audio"] };
const ULIP: ImportSide = { space: "ulip", embeds: ["pointcloud"] };

/** The training data of each of FreeBind's projectors; one folder each. */
const FREEBIND_MODES = ["mix", "A", "T", "V", "AT", "AV", "TV"] as const;

/**
 * Every kind of checkpoint that can be imported. C-MCR: text goes through CLIP
 * in both of its spaces, and CLAP's text encoder is not used.
 */
const PRESETS: readonly ImportPreset[] = [
  { name: "audio-visual", title: "C-MCR of CLIP and CLAP", layout: "audio-visual", sides: [CLIP, CLAP], files: ["clap_clip.pt"] },
  { name: "three-d", title: "C-MCR of CLIP and ULIP", layout: "three-d", sides: [CLIP, ULIP], files: ["ulip_clip.pt"] },
  { name: "ex-mcr-audio", title: "Ex-MCR of CLAP into CLIP", layout: "ex-mcr", sides: [CLIP, CLAP], files: ["ex_clap.pt"] },
  { name: "ex-mcr-3d", title: "Ex-MCR of ULIP into CLIP", layout: "ex-mcr", sides: [CLIP, ULIP], files: ["ex_ulip.pt"] },
  {
    name: "freebind",
    title: "FreeBind of an expert into its base",
    layout: "freebind",
    sides: [
      { space: "base", embeds: ["text", "image"] },
      { space: "expert", embeds: ["audio"] },
    ],
    files: FREEBIND_MODES.map((mode) => `${mode}/best.pt`),
  },
];

export const importPresets = indexByName("preset of imported projectors", PRESETS);

/** A preset's name as an experiment file may have it. */
export const IMPORT_PRESET_NAMES = PRESETS.map(({ name }) => name) as [string, ...string[]];
