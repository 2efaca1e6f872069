import { nearestName } from "../config/nearest.js";

/** What the parser knew when it refused a command line. */
export interface Refused {
  /** What it says itself. */
  readonly message: string;
  /** The command line, without the program. */
  readonly argv: readonly string[];
  /** Commands that it had understood, such as `data`, `inspect`. */
  readonly commands: readonly string[];
  /** Commands that may follow them. */
  readonly subcommands: readonly string[];
  /** Options that these take, without the dashes. */
  readonly options: readonly string[];
}

/** Every command has these, and nobody means them by something else. */
const GENERAL = ["help", "version"];

/**
 * What is wrong with a command line, and whose help tells more. An unknown option comes before what is
 * missing: most often it is the missing one, misspelt.
 */
export function explainRefusal(refused: Refused): string {
  const { message, commands } = refused;
  const text = (unknownOptions(refused) ?? unknownCommand(refused) ?? message).trim();
  return `${text.replace(/(?<![.?!])$/, ".")} See: ${["cmcr", ...commands].join(" ")} --help`;
}

function unknownOptions({ argv, options }: Refused): string | null {
  const known = new Set(options.map(camelCase));
  const end = argv.indexOf("--");
  const given = end < 0 ? argv : argv.slice(0, end);
  const sentences = new Map<string, string>();
  for (const [index, token] of given.entries()) {
    const [, name, assigned] = /^--([^=]+)(?:=(.*))?$/s.exec(token) ?? [];
    if (name === undefined || known.has(camelCase(name)) || known.has(camelCase(name.replace(/^no-/, "")))) continue;
    const next = given[index + 1];
    const value = assigned ?? (next === undefined || next.startsWith("-") ? "VALUE" : next);
    sentences.set(name, `Unknown option: --${name}.${hint(name, value, options)}`);
  }
  return sentences.size === 0 ? null : [...sentences.values()].join(" ");
}

function hint(name: string, value: string, options: readonly string[]): string {
  const nearest = nearestName(name, options.filter((option) => option.length > 1 && !GENERAL.includes(option)));
  if (nearest !== undefined) return ` Did you mean --${nearest}?`;
  return options.includes("option") ? ` A provider's own setting is given as --option ${camelCase(name)}=${value}.` : "";
}

function unknownCommand({ message, commands, subcommands }: Refused): string | null {
  const [, name] = /^Unknown commands?: (.+)$/s.exec(message) ?? [];
  if (name === undefined) return null;
  if (subcommands.length === 0) return `${commands.join(" ")} takes no argument ${name}`;
  // What follows it would have been its arguments.
  const [first = name] = name.split(", ");
  const nearest = nearestName(first, subcommands);
  return `Unknown command: ${first}. ${nearest === undefined ? `Known: ${subcommands.join(", ")}.` : `Did you mean ${nearest}?`}`;
}

/** An option's name as the parser has it too: `batch-size` and `batchSize` are one. */
function camelCase(name: string): string {
  return name.replace(/-+([a-z])/g, (_dashes, letter: string) => letter.toUpperCase());
}
