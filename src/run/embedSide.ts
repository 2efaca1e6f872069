import type { CompiledExperiment, Modality } from "../config/compiled.js";

/**
 * The spaces that items of a modality go through, the one that is meant first. An
 * embedding through another space is another one, so where a run says which side is
 * meant, no other is named.
 *
 * Imported projectors: the side that their authors send the modality through. Trained
 * ones: the side whose memory is of that modality; for the overlap's modality, which
 * both embed, the side whose memory holds images, else the first. So text goes through
 * CLIP and not through CLAP's text encoder, which C-MCR does not use at inference.
 * A modality that the run does not speak of: any side that embeds it, in their order.
 */
export function sidesFor({ connect, data }: Pick<CompiledExperiment, "connect" | "data">, modality: Modality): readonly string[] {
  const all = connect.sides.map(({ space }) => space);
  if (connect.method === "imported") {
    const meant = connect.sides.filter(({ embeds }) => embeds.includes(modality)).map(({ space }) => space);
    return meant.length > 0 ? meant : all;
  }
  const withMemory = (wanted: Modality): readonly string[] => connect.sides.filter(({ memory }) => data[memory]?.modality === wanted).map(({ space }) => space);
  const meant = withMemory(modality);
  if (meant.length > 0) return meant.slice(0, 1);
  if (data[connect.overlap]?.modality === modality) return [withMemory("image")[0] ?? connect.sides[0].space];
  return all;
}
