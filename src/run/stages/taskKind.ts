import type { CompiledBaseline, CompiledTask, CompiledView } from "../../config/compiled.js";
import type { Compared, TaskMetrics } from "../../evaluate/metricsFile.js";
import type { Json } from "../../store/checksums.js";
import type { StoredMatrix } from "../context.js";
import type { Method, MethodContext } from "./methods.js";

/**
 * What a method came to on a task: arrays from which all its metrics follow, such as the
 * ranks of the relevant items. The store keeps each as a one-dimensional .npy of its name,
 * so that a baseline is measured once whatever is trained beside it.
 */
export type Outcomes = Readonly<Record<string, Uint32Array | Float64Array>>;

/** A method with its outcomes, as the comparison takes it. */
export type MeasuredMethod =
  /** One element for each seed of the training; a baseline has one. */
  | { readonly kind: "measured"; readonly name: string; readonly seeds: readonly Outcomes[] }
  /** A baseline that looks at no embedding, such as chance: the comparison works it out from the truth. */
  | { readonly kind: "prior"; readonly name: string; readonly baseline: CompiledBaseline };

/** A method both ways round: a baseline's map from the query's space, and on demand that from the other side's. */
export interface MethodPair {
  readonly there: Method;
  /** Null where the method is the same both ways round. The caller releases it. */
  readonly back: (() => Promise<Method>) | null;
}

export type { Compared } from "../../evaluate/metricsFile.js";

/** The context of a truth: read before anything is trained. */
export type TruthContext = Pick<MethodContext, "run" | "table">;

/** The same before anything is embedded: the items of each view, all of them as if they could be read. */
export interface CountedContext {
  readonly run: MethodContext["run"];
  readonly table: { get(view: CompiledView): Pick<StoredMatrix, "kept"> };
}

/** A kind of evaluation. */
export interface TaskKind<T extends CompiledTask = CompiledTask, Truth = unknown> {
  /** Raised when its outcomes would be others than before. */
  readonly version: number;
  /** The views that it looks at, the query's first: a baseline maps the first one's space into the second one's. */
  readonly views: (task: T) => readonly CompiledView[];
  /** Labels, lists or boxes, held against the items. Exit 3 when they do not fit; called before hours of training, and not after. */
  readonly truth: (context: TruthContext, task: T) => Promise<Truth>;
  /**
   * Refuses, before hours of encoding, what `truth` would refuse whichever items can be read. Exit 3.
   *
   * @param whole whether all items of the query are expected to be read, so that each of them must be right
   */
  readonly before: (context: CountedContext, task: T, whole: boolean) => Promise<void>;
  /**
   * All beside the views and the method that outcomes depend on, such as checksums of the truth: part of their key.
   * The task's fields are in the key anyway, all but `name`, `ks`, `baselines` and `bootstrap`.
   */
  readonly identity: (truth: Truth, task: T) => Json;
  /** The outcomes of one method, the same arrays for each. */
  readonly measure: (context: MethodContext, task: T, truth: Truth, method: MethodPair) => Promise<Outcomes>;
  /** Metrics of all methods, the projectors first. Pure. */
  readonly compare: (task: T, truth: Truth, methods: readonly MeasuredMethod[]) => Compared;
  /**
   * Adds to the metrics what only the context knows, such as names of items. Called every time, so it
   * embeds nothing: what it needs of the embeddings is among the outcomes, here those of the first seed's projectors.
   */
  readonly finish?: (context: MethodContext, task: T, truth: Truth, metrics: TaskMetrics, outcomes: Outcomes) => Promise<TaskMetrics>;
}
