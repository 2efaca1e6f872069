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
  /** Arguments that they need, in order, such as `name`. */
  readonly needed?: readonly string[];
}

/** Every command has these, and nobody means them by something else. */
const GENERAL = ["help", "version"];

/** Who knows what an argument may be. */
const KNOWN_BY: Readonly<Record<string, string>> = {
  "data prepare": "cmcr data list has the names",
  "data verify": "cmcr data list has the names",
};

/**
 * What is wrong with a command line, and whose help tells more. An unknown option comes before what is
 * missing: most often it is the missing one, misspelt.
 */
export function explainRefusal(refused: Refused): string {
  const { message, commands } = refused;
  const text = (unknownOptions(refused) ?? unknownCommand(refused) ?? missingArgument(refused) ?? wrongChoice(message) ?? message).trim();
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

/** The parser counts what is missing; its name says more. */
function missingArgument({ message, commands, needed = [] }: Refused): string | null {
  const [, given] = /^Not enough non-option arguments: got (\d+)/.exec(message) ?? [];
  const missing = given === undefined ? [] : needed.slice(Number(given)).map((name) => name.toUpperCase());
  if (missing.length === 0) return null;
  const where = KNOWN_BY[commands.join(" ")];
  return `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} missing${where === undefined ? "" : `: ${where}`}`;
}

/** An argument of which there are few, in one line. */
function wrongChoice(message: string): string | null {
  const [, name = "", found = "", list] = /^Invalid values:\s+Argument: ([\w-]+), Given: "(.*?)", Choices: (.+)$/s.exec(message) ?? [];
  if (list === undefined) return null;
  const choices = [...list.matchAll(/"([^"]*)"/g)].map(([, choice = ""]) => choice);
  const nearest = nearestName(found, choices);
  return `unknown ${name} "${found}", expected one of ${choices.join(", ")}.${nearest === undefined ? "" : ` Did you mean ${nearest}?`}`;
}

/** An option's name as the parser has it too: `batch-size` and `batchSize` are one. */
function camelCase(name: string): string {
  return name.replace(/-+([a-z])/g, (_dashes, letter: string) => letter.toUpperCase());
}
