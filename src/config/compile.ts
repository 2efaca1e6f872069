import { baselines } from "./baselines.js";
import { compileCollection } from "./collection.js";
import type { CompiledExperiment } from "./compiled.js";
import type { ParsedFields } from "./experiment.js";
import { deepFreeze } from "./freeze.js";
import { methods } from "./methods/registry.js";
import type { ResolvePath } from "./providers/definition.js";
import { providers } from "./providers/registry.js";
import { tasks } from "./tasks/registry.js";
import { compileWorker } from "./worker.js";

/**
 * The frozen experiment: every default filled in, every path made absolute by
 * `resolve`. The fields have passed the schema and the checks.
 */
export function compileExperiment(fields: ParsedFields, resolve: ResolvePath): CompiledExperiment {
  const connect = methods.get(fields.connect.method).compile(fields.connect, resolve);
  const seeds = fields.seeds ?? [fields.seed ?? 0];
  return deepFreeze<CompiledExperiment>({
    version: fields.version,
    name: fields.name,
    seed: seeds[0] ?? 0,
    seeds,
    worker: compileWorker(fields.worker),
    spaces: mapEntries(fields.spaces, (space, name) => providers.get(space.provider).compile(space, name, resolve)),
    data: mapEntries(fields.data, (collection, name) => compileCollection(collection, name, resolve)),
    connect,
    evaluate: fields.evaluate.map((task) => {
      const compiled = tasks.get(task.task).compile(task, resolve);
      // What a task is compared with by default is fitted on data that imported projectors come without.
      return connect.method === "imported" ? { ...compiled, baselines: compiled.baselines.filter(({ method }) => baselines.get(method).computed === "expectation") } : compiled;
    }),
  });
}

function mapEntries<From, To>(entries: Readonly<Record<string, From>>, map: (value: From, name: string) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, map(value, name)]));
}
