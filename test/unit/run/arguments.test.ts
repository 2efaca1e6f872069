import { describe, expect, it } from "vitest";

import { badArgument } from "../../../src/run/arguments.js";

describe("a complaint about an option", () => {
  it.each([
    ["expected a number", "--dtype: expected a number."],
    ['expected one of a, b. Did you mean "a"?', '--dtype: expected one of a, b. Did you mean "a"?'],
    ["leave it out.", "--dtype: leave it out."],
  ])("%s: ends in one mark", (complaint, message) => {
    expect(badArgument("dtype", complaint)).toMatchObject({ code: 2, message });
  });
});
