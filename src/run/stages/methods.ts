import type { RemoteConnector, RemoteTensor } from "../../bridge/types.js";
import { baselines } from "../../config/baselines.js";
import type { CompiledBaseline, CompiledConnect, CompiledView } from "../../config/compiled.js";
import type { Json } from "../../store/checksums.js";
import type { RunContext } from "../context.js";
import type { OpenTensors } from "../tensors.js";
import type { EmbeddingTable } from "./encode.js";
import type { PseudoPairs } from "./enhance.js";

/** What the methods of an evaluation have in common. */
export interface MethodContext {
  readonly run: Pick<RunContext, "experiment" | "worker" | "lists">;
  readonly table: EmbeddingTable;
  readonly pseudo: PseudoPairs;
  readonly tensors: OpenTensors;
}

/** A method as an evaluation uses it: both sides' rows in one space, where the dot product compares them. */
export interface Method {
  /** Rows of a view in the method's joint space, L2-normalised; the caller releases them. */
  embed(view: CompiledView): Promise<RemoteTensor>;
  /** The same of other rows in the place of the view's own. */
  embedTensor(view: CompiledView, rows: RemoteTensor): Promise<RemoteTensor>;
  release(): Promise<void>;
}

/** The trained projectors. */
export function projectorMethod({ run: { worker }, table, tensors }: MethodContext, projectors: RemoteConnector): Method {
  const embedTensor: Method["embedTensor"] = (view, rows) => worker.connectors.embed(projectors, view.space, rows, null, "memory");
  return {
    embed: async (view) => embedTensor(view, await tensors.get(table.get(view))),
    embedTensor,
    release: () => Promise.resolve(),
  };
}

/**
 * A baseline that maps the space of `from` into that of `to`. It is fitted on the
 * overlap and the memories alone: on nothing that the method itself does not see.
 */
export async function baselineMethod(context: MethodContext, baseline: CompiledBaseline, from: string, to: string): Promise<Method> {
  const { worker, experiment } = context.run;
  const { table, tensors } = context;
  const { connect } = experiment;
  if (connect.method === "imported") throw new Error(`${baseline.name} cannot be fitted: imported projectors come without data`);
  const source = await sideOf(context, connect, from, baseline);
  const target = await sideOf(context, connect, to, baseline);
  const connector = await worker.connectors.fit({
    method: baseline.method,
    sourceSpace: from,
    targetSpace: to,
    sourceOverlap: source.overlap,
    targetOverlap: target.overlap,
    sourcePseudo: source.pseudo,
    targetPseudo: target.pseudo,
    sourceMemory: source.memory,
    targetMemory: target.memory,
    temperature: baseline.temperature,
    regularization: baseline.regularization,
    dimensions: baseline.dimensions,
  });
  const embedTensor: Method["embedTensor"] = (view, rows) => {
    const side = view.space === from ? source : target;
    // The gap is that of the view's own modality: the memory's, unless it is the overlap's.
    const isOverlap = isOfOverlap(context, connect, view);
    const center = baseline.gap ? (isOverlap ? side.overlap : side.memory) : null;
    return worker.connectors.embed(connector, view.space, rows, center, "memory");
  };
  return {
    embed: async (view) => embedTensor(view, await tensors.get(table.get(view))),
    embedTensor,
    release: () => worker.connectors.release(connector),
  };
}

/** All that a baseline's outcomes on some views depend on beside the views themselves: its parameters and what it is fitted on, no more. */
export function baselineIdentity(context: MethodContext, { name: _name, ...parameters }: CompiledBaseline, views: readonly CompiledView[]): Json {
  const { connect } = context.run.experiment;
  if (connect.method === "imported") return { ...parameters };
  const { table, pseudo } = context;
  const uses = usesOf(parameters);
  const overlap = (space: string): Json => table.get({ data: connect.overlap, space }).sha256;
  return {
    ...parameters,
    overlap: Object.fromEntries(connect.sides.map(({ space }) => [space, overlap(space)])),
    memories: uses.memories ? Object.fromEntries(connect.sides.map(({ space, memory }) => [space, table.get({ data: memory, space }).sha256])) : null,
    pseudo: uses.pseudo ? (pseudo?.map(({ sha256 }) => sha256) ?? null) : null,
    ofOverlap: parameters.gap ? views.map((view) => isOfOverlap(context, connect, view)) : null,
  };
}

interface Side {
  readonly overlap: RemoteTensor;
  readonly memory: RemoteTensor | null;
  readonly pseudo: RemoteTensor | null;
}

async function sideOf({ table, pseudo, tensors }: MethodContext, { overlap, sides }: CompiledConnect, space: string, baseline: CompiledBaseline): Promise<Side> {
  const index = sides.findIndex((side) => side.space === space);
  const side = sides[index];
  if (side === undefined) throw new Error(`${space} is not connected`);
  const items = pseudo?.[index];
  const uses = usesOf(baseline);
  return {
    overlap: await tensors.get(table.get({ data: overlap, space })),
    memory: uses.memories ? await tensors.get(table.get({ data: side.memory, space })) : null,
    pseudo: uses.pseudo && items !== undefined ? await tensors.get(items) : null,
  };
}

/** What a baseline is given beside the overlap. */
function usesOf({ method, gap }: Pick<CompiledBaseline, "method" | "gap">): { readonly memories: boolean; readonly pseudo: boolean } {
  const { memories, pseudoPairs } = baselines.get(method);
  return { memories: memories || gap, pseudo: pseudoPairs };
}

function isOfOverlap({ run: { experiment } }: MethodContext, { overlap }: CompiledConnect, { data }: CompiledView): boolean {
  return experiment.data[data]?.modality === experiment.data[overlap]?.modality;
}
