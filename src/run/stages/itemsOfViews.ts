import type { CompiledView } from "../../config/compiled.js";
import type { KeptItems } from "../../data/keptItems.js";
import { type Labels, labelsOf } from "../../data/labels.js";
import type { TaskMetrics } from "../../evaluate/metricsFile.js";
import type { MethodContext } from "./methods.js";
import type { CountedContext } from "./taskKind.js";

/** Labels of the rows of a view. Exit 3 when they do not fit the items. */
export async function viewLabels({ run: { experiment, worker, lists }, table }: CountedContext, view: CompiledView): Promise<Labels> {
  const collection = experiment.data[view.data];
  if (collection === undefined) throw new Error(`no collection ${view.data}`);
  return labelsOf(collection, table.get(view).kept, {
    describeGenerated: (source, count) => worker.encoders.describeGenerated(source, count),
    list: (listed) => lists.get(listed),
  });
}

/** A task's metrics with the number of items that are in no number, where there are some. */
export function withLeftOut({ table }: Pick<MethodContext, "table">, metrics: TaskMetrics, queries: CompiledView, gallery: CompiledView): TaskMetrics {
  const unread = ({ skipped, notDrawn = 0 }: KeptItems): number => skipped.length - notDrawn;
  const skipped = (view: CompiledView): number => unread(table.get(view).kept);
  const unreadable = { queries: skipped(queries), gallery: skipped(gallery) };
  if (unreadable.queries + unreadable.gallery === 0) return metrics;
  const notes = [...new Map([queries, gallery].map((view) => [view.data, view])).values()].flatMap((view) => {
    const { kept } = table.get(view);
    return unread(kept) === 0 ? [] : [`${unread(kept)} of the ${kept.count} items of ${view.data} cannot be read and ${unread(kept) === 1 ? "is" : "are"} in no number.`];
  });
  return { ...metrics, unreadable, notes: [...metrics.notes, ...notes] };
}
