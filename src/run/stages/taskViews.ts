import type { CompiledTask, CompiledView } from "../../config/compiled.js";

/** The views that a task looks at, the query's first. */
export function taskViews(task: CompiledTask): readonly CompiledView[] {
  return [task.query, task.task === "retrieval" ? task.gallery : task.classes];
}
