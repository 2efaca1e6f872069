import { workerSchema } from "../config/worker.js";
import { type CmcrError, usageError } from "../errors.js";

/** A complaint about a command's option: exit 2. `message` is without the option's name, and gets a full stop where it does not end in a mark. */
export function badArgument(option: string, message: string): CmcrError {
  return usageError(`--${option}: ${message.replace(/(?<![.?!])$/, ".")}`, { reason: "BAD_COMMAND_LINE", path: `--${option}` });
}

/** A whole number from 1 on, as typed. Exit 2 for anything else. */
export function countArgument(option: string, text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(number) || number < 1) throw badArgument(option, `expected a whole number from 1 on; found "${text}"`);
  return number;
}

/** A device as the experiment file has it. Exit 2 for what is none; whether the machine has it, the worker says. */
export function deviceArgument(option: string, text: string): string {
  if (!workerSchema.shape.device.safeParse(text).success) throw badArgument(option, `expected auto, cpu, cuda or cuda:N; found "${text}"`);
  return text;
}

/** A worker's address as the experiment file has it. Exit 2 for what is none. */
export function addressArgument(option: string, text: string): string {
  if (!workerSchema.shape.address.safeParse(text).success) throw badArgument(option, `expected unix:/path or host:port; found "${text}"`);
  return text;
}
