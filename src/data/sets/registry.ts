import { indexByName } from "../../config/registry.js";
import { audiocaps } from "./audiocaps.js";
import { audioset } from "./audioset.js";
import { ave } from "./ave.js";
import { cc3m } from "./cc3m.js";
import { clotho } from "./clotho.js";
import { coco } from "./coco.js";
import type { SetDefinition } from "./definition.js";
import { flickrSoundnet } from "./flickrSoundnet.js";
import { flickrSoundnetExtended } from "./flickrSoundnetExtended.js";
import { imagenet } from "./imagenet.js";
import { modelnet40 } from "./modelnet40.js";
import { msrVtt } from "./msrVtt.js";
import { musicSolo } from "./musicSolo.js";
import { vggSs } from "./vggSs.js";
import { vggSsExtended } from "./vggSsExtended.js";

/** Every data set of the paper. A new one is a definition and a line here. */
export const SETS: readonly SetDefinition[] = [
  ave,
  flickrSoundnet,
  vggSs,
  musicSolo,
  vggSsExtended,
  flickrSoundnetExtended,
  modelnet40,
  audiocaps,
  clotho,
  coco,
  cc3m,
  msrVtt,
  audioset,
  imagenet,
];

export const sets = indexByName("data set", SETS);
