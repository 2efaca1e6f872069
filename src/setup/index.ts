/** The set-up of a checkout: what the commands `worker install` and `doctor` call. */
export { type Check, diagnose } from "./diagnose.js";
export { type TorchBuild, type WorkerEnvironment, workerEnvironment } from "./environment.js";
export { type InstallOptions, type WorkerVersions, describeVersions, installWorker } from "./install.js";
export { generatePythonStubs } from "./stubs.js";
export type { TorchChoice } from "./torch.js";
