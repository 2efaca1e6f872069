import { describe, expect, it } from "vitest";

import { loadExperiment, parseExperiment } from "../../../src/config/load.js";
import { describePlan } from "../../../src/config/planDescription.js";
import { initTemplate, TEMPLATE_NAMES } from "../../../src/config/templates.js";
import { change, compile, DIGITS } from "./samples.js";

const UNKNOWN = { rows: new Map<string, number>(), dimensions: new Map<string, number>() };

describe("describePlan", () => {
  it("says what the quickstart would do, with its counts and steps", async () => {
    const { experiment, facts } = await loadExperiment("experiments/quickstart.yaml");
    const lines = describePlan(experiment, facts);
    expect(lines).toContain("experiment  quickstart, seed 0");
    expect(lines).toContain("space       hearing: builtin scenes-audio-text");
    expect(lines).toContain("data        captions: 4000 text, generated (scenes, captions), to be encoded into sight and hearing");
    expect(lines).toContain("connect     36 epochs in batches of 512: 252 steps, 7 an epoch");
    expect(lines.at(-1)).toMatch(/^evaluate {4}sound-to-image: retrieval, 1000 test_sounds \(hearing\) in 1000 test_images \(sight\), relevance rows, k 1, 5, 10, beside chance, /);
  });

  it("names every seed", () => {
    expect(describePlan(compile(change(DIGITS, "seed: 0", "seeds: [0, 1, 2]")), UNKNOWN)).toContain("experiment  digits, seeds 0, 1, 2");
  });

  it("leaves out what is not known yet", () => {
    const lines = describePlan(compile(DIGITS), UNKNOWN);
    expect(lines).toContain("data        captions: text, embeddings given for clip and clap");
    expect(lines).toContain("connect     36 epochs in batches of 512");
  });

  it("says what is off, scheduled or unused", () => {
    let text = change(DIGITS, "{ variance: 0.004 }", "false");
    text = change(text, "consistency: { temperature: 0.01 }", "consistency: false");
    text = change(text, "intra:   { weight: 0.1 }", "intra: { weight: { schedule: linear, from: 0, to: 1 } }");
    text = change(text, "connect:\n", "  spare: { modality: text, embeddings: { clip: x.npy } }\nconnect:\n");
    const lines = describePlan(compile(text), UNKNOWN).join("\n");
    expect(lines).toContain("consistency off, any item of the memory; completion off");
    expect(lines).toContain("loss 1 x overlap at 0.01 + 1 x pseudo at 0.01 + linear from 0 to 1 x intra");
    expect(lines).toContain("spare: text, not used");
  });
});

describe("initTemplate", () => {
  it.each(TEMPLATE_NAMES)("%s is commented and right in itself", (name) => {
    const text = initTemplate(name);
    expect(text.match(/^ *#/gm)?.length).toBeGreaterThan(5);
    expect(parseExperiment(text, "new.yaml").warnings).toEqual([]);
  });

  it("begins with precomputed embeddings unless told otherwise", () => {
    expect(initTemplate()).toBe(initTemplate("precomputed"));
    expect(TEMPLATE_NAMES[0]).toBe("precomputed");
  });

  it("names the nearest template", () => {
    expect(() => initTemplate("quikstart")).toThrow('there is no template named "quikstart". Did you mean "quickstart"?');
  });
});
