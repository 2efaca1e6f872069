import { type CompiledExperiment, encoderPaths, hasEncoder, type Modality, type SourceInput } from "./compiled.js";
import type { FieldPath } from "./mistake.js";
import { sourceInputs } from "./sourceInputs.js";

/** What a named file is for. */
export type FileUse =
  | { readonly kind: "embeddings"; readonly collection: string; readonly space: string; readonly modality: Modality }
  | { readonly kind: "labels"; readonly collection: string }
  | { readonly kind: "relevance" }
  /** Where something sounds, or the regions of a task's images. */
  | { readonly kind: "boxes" | "regions"; readonly collection: string }
  | { readonly kind: "checkpoint" }
  | { readonly kind: "projectors" }
  | { readonly kind: "source"; readonly expected: SourceInput["expected"]; readonly texts?: SourceInput["texts"] };

/** A file or folder that an experiment names. */
export interface NamedFile {
  /** Absolute. */
  readonly path: string;
  /** The field that names it. */
  readonly field: FieldPath;
  readonly use: FileUse;
}

/** Every file and folder that the experiment names, in its order. */
export function namedFiles(experiment: CompiledExperiment): NamedFile[] {
  const files: NamedFile[] = [];
  for (const [name, space] of Object.entries(experiment.spaces)) {
    for (const { field, path } of hasEncoder(space) ? encoderPaths(space) : []) {
      files.push({ path, field: ["spaces", name, field], use: { kind: "checkpoint" } });
    }
  }
  for (const [name, { embeddings, labels, boxes, source, modality }] of Object.entries(experiment.data)) {
    const field = ["data", name];
    for (const input of source === null ? [] : sourceInputs(source)) {
      files.push({ path: input.path, field: [...field, "source", ...steps(input.field)], use: { kind: "source", expected: input.expected, texts: input.texts } });
    }
    for (const [space, path] of Object.entries(embeddings)) {
      files.push({ path, field: [...field, "embeddings", space], use: { kind: "embeddings", collection: name, space, modality } });
    }
    if (labels?.kind === "file") files.push({ path: labels.path, field: [...field, "labels"], use: { kind: "labels", collection: name } });
    if (boxes?.kind === "file") files.push({ path: boxes.path, field: [...field, "boxes"], use: { kind: "boxes", collection: name } });
  }
  const { connect } = experiment;
  if (connect.method === "imported") files.push({ path: connect.file, field: ["connect", "file"], use: { kind: "projectors" } });
  for (const [index, task] of experiment.evaluate.entries()) {
    if (task.task === "retrieval" && task.relevance.kind === "file") {
      files.push({ path: task.relevance.path, field: ["evaluate", index, "relevance"], use: { kind: "relevance" } });
    }
    if ((task.task === "localization" || task.task === "counterfactual") && task.image.regions.kind === "boxes") {
      const { data, regions } = task.image;
      files.push({ path: regions.path, field: ["evaluate", index, "image", "regions", "path"], use: { kind: "regions", collection: data } });
    }
  }
  return files;
}

/** The steps of a field below another, such as `sources.0.path`. */
function steps(field: string): FieldPath {
  return field.split(".").map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}
