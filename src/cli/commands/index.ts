import type { CommandModule } from "yargs";

import { data } from "./data.js";
import { doctor } from "./doctor.js";
import { embed } from "./embed.js";
import { encode } from "./encode.js";
import { evaluate } from "./evaluate.js";
import { exportProjectors } from "./export.js";
import { importProjectors } from "./importProjectors.js";
import { init } from "./init.js";
import { metrics } from "./metrics.js";
import { project } from "./project.js";
import { run } from "./run.js";
import { schema } from "./schema.js";
import { sweep } from "./sweep.js";
import { validate } from "./validate.js";
import { worker } from "./worker.js";

/** Every command, in the order of the help. */
export const COMMANDS = [run, validate, init, schema, evaluate, metrics, sweep, data, encode, embed, project, importProjectors, exportProjectors, worker, doctor] as unknown as readonly CommandModule[];
