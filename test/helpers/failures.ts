import { expect } from "vitest";

import { CmcrError } from "../../src/errors.js";

/** The error that `work` rejects with, which must be one of ours. */
export async function failureOf(work: Promise<unknown>): Promise<CmcrError> {
  const error: unknown = await work.then(
    (value) => new Error(`expected a failure, and ${JSON.stringify(value)} came`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CmcrError);
  return error as CmcrError;
}

/** Waits until `condition` holds; fails after `limitMs`, naming what did not come about. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what} did not come about within ${limitMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
