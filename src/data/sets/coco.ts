import { fieldText } from "../tables/row.js";
import { type SetCopy, textField } from "./copy.js";
import type { SetDefinition, SetItem } from "./definition.js";

const KARPATHY = "coco_test_karpathy.json";
/** Of each list: the folder of its images, and what counts are called. */
const LISTS = [
  { file: "captions_train2014.json", folder: "train2014/", name: "train2014" },
  { file: "captions_val2014.json", folder: "val2014/", name: "val2014" },
  { file: KARPATHY, folder: "val2014/", name: "Karpathy's test" },
] as const;
const FEWEST_CAPTIONS = 5;
const FIX = "Correct it, or load the file again";

/** COCO's captions. */
export const coco: SetDefinition = {
  name: "coco",
  title: "COCO Captions",
  uses: ["queries", "test"],
  purpose: "Captions of images among the texts by which the spaces are connected; with images, image-text retrieval as a check",
  size: "123,287 images, 616,767 captions",
  cite: "Lin et al., Microsoft COCO, ECCV 2014 (arXiv 1405.0312); Chen et al., Microsoft COCO Captions (arXiv 1504.00325)",
  from: [
    { what: "annotations_trainval2014.zip, train2014.zip, val2014.zip", at: "https://cocodataset.org/#download" },
    { what: `${KARPATHY} (release 1.0.0)`, at: "https://github.com/mehdidc/retrieval_annotations" },
  ],
  licence: "annotations: CC BY 4.0, as published by its authors; images: those of Flickr's uploaders, under Flickr's terms",
  layout: [
    { path: "captions_train2014.json", what: "captions of the training images", need: "needed", by: "download", get: "annotations/captions_train2014.json of annotations_trainval2014.zip" },
    { path: "captions_val2014.json", what: "captions of the validation images", need: "optional", by: "download", get: "annotations/captions_val2014.json of annotations_trainval2014.zip" },
    { path: KARPATHY, what: "Karpathy's test split, of the validation images", need: "optional", by: "download", get: `${KARPATHY} of the release` },
    { path: "train2014/", what: "training images", files: "COCO_train2014_<id, twelve digits>.jpg", need: "optional", by: "download", get: "What is in train2014.zip" },
    { path: "val2014/", what: "validation images", files: "COCO_val2014_<id, twelve digits>.jpg", need: "optional", by: "download", get: "What is in val2014.zip" },
  ],
  counts: [
    { name: "train2014 images", published: 82783 },
    { name: "train2014 captions", published: 414113, with: "train2014 images" },
    { name: "val2014 images", published: 40504 },
    { name: "val2014 captions", published: 202654, with: "val2014 images" },
    { name: "Karpathy's test images", published: 5000 },
    { name: "Karpathy's test captions", published: 25010, with: "Karpathy's test images" },
  ],
  faults: [
    { key: "more-than-five", what: "some images have six or seven captions (25,010 of Karpathy's 5,000 test images)", published: null, handling: "all are taken; an image is found when any of its captions is, and papers that cut to five get other numbers" },
    { key: "order-of-images", what: "images are not in the order of their ids in the file", published: null, handling: "they come in the order of their ids, as torchvision's CocoCaptions gives them" },
  ],
  attrition: false,
  prepare: {},
  read: readCoco,
};

async function* readCoco(copy: SetCopy): AsyncGenerator<SetItem> {
  for (const { file, folder, name } of LISTS) {
    if (!(await copy.has(file))) continue;
    // How many captions each image has.
    const captions = new Map<string, number>();
    for await (const { values, at } of copy.objects(file, "images")) {
      const [id, image] = [fieldText(values.get("id")), textField(values, "file_name")];
      copy.count(`${name} images`);
      if (id === null || image === "") {
        copy.fault("BAD_ID", at, "has no id or no file_name", FIX);
        continue;
      }
      if (captions.has(id)) copy.fault("REPEATED_ID", at, `the image ${id} is there already`, FIX);
      captions.set(id, 0);
      yield { id: image, place: `${file}, ${at.at}`, claims: [{ path: `${folder}${image}`, kind: "image", folder }] };
    }
    if (copy.unread.has(file)) continue;
    for await (const { values, at } of copy.objects(file, "annotations")) {
      const id = fieldText(values.get("image_id"));
      const before = id === null ? undefined : captions.get(id);
      copy.count(`${name} captions`);
      if (textField(values, "caption") === "") copy.fault("EMPTY_CAPTION", at, "its caption is empty, or no text", FIX);
      if (id === null || before === undefined) copy.fault("UNKNOWN_ID", at, `its image_id ${id ?? ""} is that of no image`, FIX);
      else captions.set(id, before + 1);
    }
    if (copy.unread.has(file)) continue;
    for (const [id, count] of captions) if (count < FEWEST_CAPTIONS) copy.fault("FEW_CAPTIONS", { file, at: `image ${id}` }, `has ${count} caption${count === 1 ? "" : "s"}; each published image has five at least`, "Load the file again");
  }
}
