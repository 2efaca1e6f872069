#!/usr/bin/env node
import { readFileSync } from "node:fs";

import yargs from "yargs";
import { hideBin } from "yargs/helpers";

import { EXIT } from "../errors.js";
import { REPEATABLE } from "./commands/command.js";
import { COMMANDS } from "./commands/index.js";
import { fail } from "./failure.js";
import { explainRefusal } from "./refusal.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
const argv = hideBin(process.argv);
const json = argv.some((argument) => argument === "--json" || argument === "--json=true");

/** Thrown when yargs refuses the command line. */
class UsageError extends Error {}

const parser = yargs(argv)
  .scriptName("cmcr")
  .usage("$0 COMMAND\n\nConnects frozen contrastive spaces through the modality that they share.")
  .version(version)
  .alias("help", "h")
  .strict()
  .strictCommands()
  .check(eachOptionHasOneValue, true)
  .demandCommand(1, "Name a command.")
  .parserConfiguration({ "dot-notation": false, "parse-numbers": false, "parse-positional-numbers": false })
  .wrap(Math.min(100, process.stdout.columns || 100))
  .exitProcess(false)
  .fail((message: string | null, error: Error | undefined) => {
    if (error !== undefined && message === null) throw error;
    throw new UsageError(explainRefusal({ message: message ?? error?.message ?? "the command line is wrong", argv, ...known() }));
  });
for (const command of COMMANDS) parser.command(command);

/** What the parser knows where it stands: it is one object for all commands. Its types leave this out. */
function known(): { readonly commands: readonly string[]; readonly subcommands: readonly string[]; readonly options: readonly string[]; readonly needed: readonly string[] } {
  const inner = parser as unknown as {
    getOptions(): { readonly key: Readonly<Record<string, unknown>>; readonly alias: Readonly<Record<string, readonly string[]>> };
    getInternalMethods(): { getContext(): { readonly commands: readonly string[]; readonly fullCommands: readonly string[] }; getCommandInstance(): { getCommands(): readonly string[] } };
  };
  const { key, alias } = inner.getOptions();
  const methods = inner.getInternalMethods();
  return {
    commands: [...methods.getContext().commands],
    subcommands: methods.getCommandInstance().getCommands().filter((name) => !name.startsWith("$")),
    // `prepare <name>`, `embed <run> [item..]`
    needed: [...(methods.getContext().fullCommands.at(-1) ?? "").matchAll(/<([\w-]+)(?:\.\.)?>/g)].map(([, name = ""]) => name),
    options: [...Object.keys(key), ...Object.values(alias).flat()],
  };
}

/** An option must say something, and one thing: an empty path would be the folder that one is in. */
function eachOptionHasOneValue(options: Record<string, unknown>): true {
  for (const [name, value] of Object.entries(options)) {
    if (name === "_") continue;
    if (Array.isArray(value) && !REPEATABLE.has(name)) throw new UsageError(`--${name}: expected once, found ${value.length} times.`);
    if (value === "") throw new UsageError(`--${name}: expected a value, found nothing.`);
  }
  return true;
}

// Whoever reads our output has gone, as `| head` does: end in order, as at Ctrl-C.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") {
      if (stream === process.stdout) process.kill(process.pid, "SIGINT");
      return;
    }
    if (stream === process.stdout) process.stderr.write(`error: standard output cannot be written (${error.code ?? error.message}).\n`);
    process.exit(EXIT.data);
  });
}

try {
  await parser.parseAsync();
} catch (error) {
  if (error instanceof UsageError) {
    const { usageError } = await import("../errors.js");
    fail(usageError(error.message, { reason: "BAD_COMMAND_LINE" }), json);
  } else fail(error, json);
}
process.exitCode ??= EXIT.success;
