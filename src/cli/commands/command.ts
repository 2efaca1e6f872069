import type { ArgumentsCamelCase, Argv, CommandModule } from "yargs";

/** A command whose arguments' types come from its builder; what it does is loaded when it is called. */
export function command<T>(definition: {
  readonly command: string;
  readonly describe: string;
  readonly builder: (yargs: Argv) => Argv<T>;
  readonly handler: (argv: ArgumentsCamelCase<T>) => Promise<void>;
}): CommandModule<object, T> {
  return {
    command: definition.command,
    describe: definition.describe,
    builder: definition.builder,
    handler: async (argv) => definition.handler(argv),
  };
}

/** The options of every command that shows a run's progress. */
export const JSON_OPTION = {
  type: "boolean",
  default: false,
  describe: "Progress and results as JSON lines on standard output, nothing else there",
} as const;

/** Options that may be given again and again; any other must stand once. */
export const REPEATABLE: ReadonlySet<string> = new Set(["set", "task", "root", "item", "option"]);

/** A repeatable option as a list, whatever yargs makes of it. */
export function list(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}
