import { batchesPerEpoch } from "../connect/batches.js";
import { cropCount } from "../evaluate/regionMaps.js";
import { plural } from "../plural.js";
import {
  type CompiledCollection,
  type CompiledConnect,
  type CompiledCounterfactual,
  type CompiledExperiment,
  type CompiledImport,
  type CompiledLocalization,
  type CompiledRegions,
  type CompiledSource,
  type CompiledSpace,
  type CompiledTask,
  type CompiledView,
  connectedViews,
  hasEncoder,
  taskViews,
  type Schedule,
} from "./compiled.js";
import type { CompiledTexts } from "./compiledSource.js";
import type { DataFacts } from "./fit.js";

/** What would run, in plain lines of `what  details`; counts where the facts know them. */
export function describePlan(experiment: CompiledExperiment, facts: DataFacts): string[] {
  const views = neededViews(experiment);
  const { worker } = experiment;
  const lines: [string, string][] = [
    ["experiment", `${experiment.name}, ${experiment.seeds.length === 1 ? `seed ${experiment.seed}` : `seeds ${experiment.seeds.join(", ")}`}`],
    ["worker", worker.address === null ? `started here, device ${worker.device}, ${plural(worker.threads, "thread")}` : `at ${worker.address}`],
    ...Object.values(experiment.spaces).map((space): [string, string] => ["space", describeSpace(space, facts)]),
    ...Object.values(experiment.data).map((collection): [string, string] => ["data", describeCollection(collection, views, facts)]),
    ...describeConnect(experiment.connect, facts).map((line): [string, string] => ["connect", line]),
    ...experiment.evaluate.map((task): [string, string] => ["evaluate", describeTask(task, facts)]),
  ];
  if (experiment.evaluate.length === 0) lines.push(["evaluate", "nothing"]);
  return lines.map(([what, details]) => `${what.padEnd(10)}  ${details}`);
}

/** Every collection and space that come together somewhere, once. */
function neededViews({ connect, evaluate }: CompiledExperiment): CompiledView[] {
  const views: CompiledView[] = [...connectedViews(connect)];
  for (const task of evaluate) views.push(...taskViews(task));
  return [...new Map(views.map((view) => [`${view.data}/${view.space}`, view])).values()];
}

function describeSpace(space: CompiledSpace, { dimensions }: DataFacts): string {
  const dimension = dimensions.get(space.name);
  const size = dimension === undefined ? "" : `, ${dimension} dimensions`;
  if (!hasEncoder(space)) return `${space.name}: precomputed embeddings${size}`;
  const model = [space.provider, space.model].filter((part) => part !== "").join(" ");
  return `${space.name}: ${model}${space.checkpoint === null ? "" : ` with ${space.checkpoint}`}${size}`;
}

function describeCollection(collection: CompiledCollection, views: readonly CompiledView[], { rows }: DataFacts): string {
  const spaces = views.filter(({ data }) => data === collection.name).map(({ space }) => space);
  const given = spaces.filter((space) => Object.hasOwn(collection.embeddings, space));
  const encoded = spaces.filter((space) => !given.includes(space));
  const count = rows.get(collection.name);
  const parts = [`${collection.name}: ${count === undefined ? "" : `${count} `}${collection.modality}`];
  if (collection.source !== null) parts.push(describeSource(collection.source));
  if (given.length > 0) parts.push(`embeddings given for ${given.join(" and ")}`);
  if (encoded.length > 0) parts.push(`to be encoded into ${encoded.join(" and ")}`);
  if (spaces.length === 0) parts.push("not used");
  if (collection.labels !== null) parts.push("with labels");
  if (collection.boxes !== null) parts.push("with boxes");
  return parts.join(", ");
}

function describeSource(source: CompiledSource): string {
  switch (source.type) {
    case "builtin":
      return `generated (${source.generator}, ${source.split})`;
    case "inline":
      return "written in the file";
    case "joined":
      return source.sources.map(describeSource).join(" and ");
    case "glob":
      return `from ${source.path}/${source.pattern}`;
    case "webdataset": {
      const [first] = source.paths;
      const more = source.paths.length > 1 ? ` and ${source.paths.length - 1} more` : "";
      return `webdataset ${first === undefined ? "" : [first.path, first.pattern ?? []].flat().join("/")}${more}`;
    }
    case "table":
      return `${source.origin} ${source.path}${source.root === null ? "" : ` with files below ${source.root}`}`;
    case "lines":
    case "folder":
    case "class-folder":
      return `from ${source.path}`;
    case "prompts":
      return `prompts: ${describeTexts(source.labels)}, each in ${describeTexts(source.templates)}`;
    case "modelnet40":
      return `modelnet40 ${source.split} ${source.clouds ?? source.root}`;
    case "coco":
    case "msr-vtt":
    case "vgg-ss":
    case "flickr-soundnet":
    case "music-solo":
    case "extended":
      return `${source.type} ${source.path}${source.root === null ? "" : ` with files below ${source.root}`}`;
  }
}

function describeTexts(texts: CompiledTexts): string {
  return texts.kind === "inline" ? `${texts.texts.length} of the file` : `those of ${texts.path}${texts.key === null ? "" : ` (${texts.key})`}`;
}

function describeConnect(connect: CompiledConnect | CompiledImport, facts: DataFacts): string[] {
  if (connect.method === "cmcr") return describeTraining(connect, facts);
  const [first, second] = connect.sides;
  const side = ({ space, embeds }: typeof first): string => `${space} (${embeds.join(", ")})`;
  return [`imported: the ${connect.preset} projectors of ${side(first)} and ${side(second)} in ${connect.file}`];
}

function describeTraining(connect: CompiledConnect, { rows }: DataFacts): string[] {
  const { consistency, completion, projector, optimizer } = connect;
  const [first, second] = connect.sides;
  const queries = rows.get(connect.overlap);
  const side = ({ space, memory }: typeof first): string => `${space} (memory ${memory})`;
  const consistent = consistency.mode === "softmax" ? `softmax at ${consistency.temperature}` : "off, any item of the memory";
  return [
    `${connect.method}: ${side(first)} with ${side(second)} through ${connect.overlap}`,
    `consistency ${consistent}; completion ${completion === null ? "off" : `variance ${describeSchedule(completion.variance)}`}`,
    `heads ${projector.preset} into ${projector.dim ?? "the smaller of the two"} dimensions, ${projector.initialization} initial weights, halves ${projector.batchNorm} in BatchNorm`,
    `loss ${describeLoss(connect.loss)}`,
    `${optimizer.type}, lr ${describeSchedule(optimizer.lr)}, weight decay ${describeSchedule(optimizer.weightDecay)}`,
    describeSteps(connect, queries),
  ];
}

function describeLoss({ overlap, pseudo, intra }: CompiledConnect["loss"]): string {
  const terms: string[] = [];
  if (overlap !== null) terms.push(`${describeSchedule(overlap.weight)} x overlap at ${describeSchedule(overlap.temperature)}`);
  if (pseudo !== null) terms.push(`${describeSchedule(pseudo.weight)} x pseudo at ${describeSchedule(pseudo.temperature)}`);
  if (intra !== null) terms.push(`${describeSchedule(intra.weight)} x intra`);
  return terms.join(" + ");
}

function describeSteps(connect: CompiledConnect, queries: number | undefined): string {
  const { batchSize, epochs, lastBatch } = connect;
  const settings = `${plural(epochs, "epoch")} in batches of ${batchSize}`;
  if (queries === undefined) return settings;
  const perEpoch = batchesPerEpoch({ queries, batchSize, lastBatch });
  return `${settings}: ${plural(perEpoch * epochs, "step")}, ${perEpoch} an epoch`;
}

function describeSchedule(schedule: Schedule): string {
  switch (schedule.kind) {
    case "constant":
      return String(schedule.from);
    case "linear":
    case "cosine":
      return `${schedule.kind} from ${schedule.from} to ${schedule.to}`;
    case "step":
      return `from ${schedule.from}, times ${schedule.factor} at ${schedule.milestones.join(", ")} of the steps`;
    case "warmup-cosine":
      return `cosine from ${schedule.from} to ${schedule.to} after a warm-up over ${schedule.warmup} of the steps`;
  }
}

function describeTask(task: CompiledTask, { rows }: DataFacts): string {
  const view = ({ data, space }: CompiledView): string => {
    const count = rows.get(data);
    return `${count === undefined ? "" : `${count} `}${data} (${space})`;
  };
  const what = (): string => {
    switch (task.task) {
      case "retrieval":
        return `retrieval, ${view(task.query)} in ${view(task.gallery)}, relevance ${task.relevance.kind === "file" ? task.relevance.path : task.relevance.kind}`;
      case "classification":
        return `classification, ${view(task.query)} among ${view(task.classes)}`;
      case "localization":
      case "counterfactual":
        return `${task.task}, ${view(task.query)} in ${describeRegions(task.image.regions)} of ${view(task.image)}, ${describeMap(task)}`;
    }
  };
  const names = task.baselines.map(({ name }) => name);
  const ks = task.ks.length === 0 ? "" : `, k ${task.ks.join(", ")}`;
  return `${task.name}: ${what()}${ks}, beside ${names.length === 0 ? "no baseline" : names.join(", ")}`;
}

function describeRegions(regions: CompiledRegions): string {
  switch (regions.kind) {
    case "crops":
      return plural(cropCount(regions.windows), "crop");
    case "boxes":
      return `the boxes of ${regions.path}`;
    case "patches":
      return `the patches (${regions.from})`;
  }
}

function describeMap({ image: { regions }, map }: CompiledLocalization | CompiledCounterfactual): string {
  const held = `at ${map.resolution} x ${map.resolution}${map.consensus === 1 ? "" : `, ${map.consensus} boxes agreeing`}`;
  if (map.predict === "best-region") return `the best region ${held}`;
  const between = regions.kind === "patches" ? `${map.interpolation}${map.alignCorners ? "" : " without aligned corners"}` : `the ${map.combine} over a pixel`;
  return `${between}, cut ${map.strict ? "above" : "at"} ${map.threshold === null ? "the median" : map.threshold} ${held}`;
}
