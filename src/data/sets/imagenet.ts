import { readdir } from "node:fs/promises";

import { filesBelow } from "../sources/walk.js";
import { endingOf } from "../sources/mediaKinds.js";
import type { SetCopy } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";

const SPLITS = ["train", "val"] as const;
const IMAGES: ReadonlySet<string> = new Set([".jpeg", ".jpg", ".png"]);

/** ImageNet of the challenge of 2012. */
export const imagenet: SetDefinition = {
  name: "imagenet",
  title: "ImageNet (ILSVRC 2012)",
  uses: ["memory"],
  purpose: "The memory of images (the paper's has 1.3 M)",
  size: "1,281,167 + 50,000 images, 1,000 classes",
  cite: "Deng et al., ImageNet, CVPR 2009; Russakovsky et al., IJCV 2015 (arXiv 1409.0575)",
  from: [
    { what: "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar, after registration", at: "https://image-net.org/download.php" },
  ],
  licence: "research and education without commercial use, under terms to be accepted on registration, as published by its authors; the images are their makers'",
  layout: [
    { path: "train/", what: "a folder for each of the 1,000 classes", files: "<WordNet id>/<WordNet id>_<number>.JPEG", need: "needed", by: "download", get: "What is in the tars within ILSVRC2012_img_train.tar, each in a folder of its name" },
    { path: "val/", what: "the validation images, in a folder for each class", files: "<WordNet id>/ILSVRC2012_val_<number, eight digits>.JPEG", need: "optional", by: "download", get: "What is in ILSVRC2012_img_val.tar, sorted by ILSVRC2012_validation_ground_truth" },
  ],
  counts: [
    { name: "train images", published: 1281167 },
    { name: "train classes", published: 1000, with: "train images" },
    { name: "val images", published: 50000 },
    { name: "val classes", published: 1000, with: "val images" },
  ],
  faults: [
    { key: "no-jpeg", what: "one image ending in .JPEG is a PNG (n02105855_2933), and 22 are in CMYK", published: null, handling: "files are decoded by their content, and made RGB" },
  ],
  attrition: false,
  prepare: {},
  read: readImageNet,
};

async function* readImageNet(copy: SetCopy): AsyncGenerator<SetItem> {
  for (const split of SPLITS) {
    if ((await copy.kindOf(split)) !== "folder") continue;
    const classes = new Map<string, number>();
    for (const entry of await readdir(copy.path(split), { withFileTypes: true })) if (entry.isDirectory()) classes.set(entry.name, 0);
    for await (const path of filesBelow(copy.path(split), { accept: () => true, depth: 1, signal: copy.signal, onOddity: () => undefined })) {
      const [name = "", file] = path.split("/");
      const at = { file: `${split}/${path}`, at: "" };
      if (file === undefined) {
        if (IMAGES.has(endingOf(name))) copy.fault("NO_CLASS", at, "lies in no class's folder", "Put it into the folder of its class");
        continue;
      }
      if (!IMAGES.has(endingOf(file))) {
        copy.fault("NOT_AN_IMAGE", at, "is no image by its ending", "Remove it, or unpack it where it is a tar");
        continue;
      }
      copy.count(`${split} images`);
      classes.set(name, (classes.get(name) ?? 0) + 1);
      if (split === "train" && /^n\d{8}$/.test(name) && !file.startsWith(`${name}_`)) copy.fault("WRONG_CLASS", at, `is in the folder of ${name}, and its name says otherwise`, "Put it into the folder of its class");
      yield { id: path, place: `${split}/${path}`, claims: [{ path: `${split}/${path}`, kind: "image", folder: `${split}/` }] };
    }
    copy.count(`${split} classes`, classes.size);
    for (const [name, count] of classes) {
      if (!/^n\d{8}$/.test(name)) copy.fault("UNKNOWN_CLASS", { file: `${split}/${name}`, at: "" }, "is no WordNet id, such as n01440764", "Rename the folder to the WordNet id of its class, or move it elsewhere");
      if (count === 0) copy.fault("EMPTY", { file: `${split}/${name}`, at: "" }, "has no image", `Unpack ${name}.tar into it`);
    }
  }
}
