import { describe, expect, it } from "vitest";

import { explainRefusal } from "../../../src/cli/refusal.js";

const encode = { commands: ["encode"], subcommands: [], options: ["help", "version", "h", "encoder", "batch-size", "option", "json"] };
const top = { commands: [], subcommands: ["encode", "run", "validate"], options: ["help", "version"] };

describe("what a refused command line is told", () => {
  it("names an unknown option before what is missing, with the one that is meant", () => {
    const said = explainRefusal({ ...encode, message: "Missing required argument: encoder", argv: ["encode", "--encodr", "builtin"] });
    expect(said).toBe("Unknown option: --encodr. Did you mean --encoder? See: cmcr encode --help");
  });

  it("names it once, though the parser has two names for it", () => {
    const said = explainRefusal({ ...encode, message: "Unknown arguments: bach-size, bachSize", argv: ["encode", "--bach-size", "3"] });
    expect(said).toBe("Unknown option: --bach-size. Did you mean --batch-size? See: cmcr encode --help");
  });

  it.each([
    [["--pretrained", "openai"], "pretrained=openai"],
    [["--pretrained=openai"], "pretrained=openai"],
    [["--crop-seed", "--json"], "cropSeed=VALUE"],
  ])("leads %j to the provider's own settings", (argv, setting) => {
    expect(explainRefusal({ ...encode, message: "Unknown argument", argv })).toContain(`A provider's own setting is given as --option ${setting}. See: cmcr encode --help`);
  });

  it("leaves known options, their negation and what follows -- alone", () => {
    const said = explainRefusal({ ...encode, message: "Missing required argument: encoder", argv: ["--batchSize", "3", "--no-json", "-h", "--", "--bogus"] });
    expect(said).toBe("Missing required argument: encoder. See: cmcr encode --help");
  });

  it("says which command is unknown", () => {
    expect(explainRefusal({ ...top, message: "Unknown commands: encod, photos", argv: ["encod", "photos"] })).toBe("Unknown command: encod. Did you mean encode? See: cmcr --help");
    expect(explainRefusal({ ...top, message: "Unknown command: zzzzzzzz", argv: ["zzzzzzzz"] })).toBe("Unknown command: zzzzzzzz. Known: encode, run, validate. See: cmcr --help");
    expect(explainRefusal({ ...encode, message: "Unknown command: extra", argv: ["encode", "extra"] })).toBe("encode takes no argument extra. See: cmcr encode --help");
  });
});
