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

  it("names an argument that is missing, and who knows what it may be", () => {
    const message = "Not enough non-option arguments: got 0, need at least 1";
    const prepare = { commands: ["data", "prepare"], subcommands: [], options: ["root"], needed: ["name"] };
    expect(explainRefusal({ ...prepare, message, argv: ["data", "prepare"] })).toBe("NAME is missing: cmcr data list has the names. See: cmcr data prepare --help");
    expect(explainRefusal({ ...encode, commands: ["project"], needed: ["run", "file"], message: message.replace("got 0", "got 1"), argv: ["project", "x"] })).toBe("FILE is missing. See: cmcr project --help");
    expect(explainRefusal({ ...encode, needed: [], message, argv: ["encode"] })).toBe(`${message}. See: cmcr encode --help`);
  });

  it("says what an argument may be in one line", () => {
    const message = 'Invalid values:\n  Argument: task, Given: "retreival", Choices: "retrieval", "classification"';
    const metrics = { commands: ["metrics"], subcommands: [], options: [], needed: ["task"] };
    expect(explainRefusal({ ...metrics, message, argv: ["metrics", "retreival"] })).toBe('unknown task "retreival", expected one of retrieval, classification. Did you mean retrieval? See: cmcr metrics --help');
    expect(explainRefusal({ ...metrics, message: message.replace("retreival", "foo"), argv: ["metrics", "foo"] })).toBe('unknown task "foo", expected one of retrieval, classification. See: cmcr metrics --help');
  });

  it("says which command is unknown", () => {
    expect(explainRefusal({ ...top, message: "Unknown commands: encod, photos", argv: ["encod", "photos"] })).toBe("Unknown command: encod. Did you mean encode? See: cmcr --help");
    expect(explainRefusal({ ...top, message: "Unknown command: zzzzzzzz", argv: ["zzzzzzzz"] })).toBe("Unknown command: zzzzzzzz. Known: encode, run, validate. See: cmcr --help");
    expect(explainRefusal({ ...encode, message: "Unknown command: extra", argv: ["encode", "extra"] })).toBe("encode takes no argument extra. See: cmcr encode --help");
  });
});
