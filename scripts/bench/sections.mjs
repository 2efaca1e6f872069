// @ts-check
/** The sections, in the order in which they run. A new one is a file and a line here. */
import { measureBridge } from "./bridge.mjs";
import { measureConsistency } from "./consistency.mjs";
import { measureEncode } from "./encode.mjs";
import { measureInterruptions } from "./interruptions.mjs";
import { measureManifest } from "./manifest.mjs";
import { measureMemory } from "./memory.mjs";
import { measureStartup } from "./startup.mjs";
import { measureStep } from "./step.mjs";

/** Each yields what it has measured, as `judged` takes it. */
export const SECTIONS = {
  bridge: measureBridge,
  consistency: measureConsistency,
  step: measureStep,
  encode: measureEncode,
  manifest: measureManifest,
  interruptions: measureInterruptions,
  memory: measureMemory,
  startup: measureStartup,
};
