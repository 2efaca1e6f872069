import type { Claim, LayoutEntry } from "./definition.js";

/** What the audio-visual data sets share: an image and a sound for each id. */

/** The image and the sound of an id, each of which can be cut from the video of that name. */
export function pairClaims(image: string, sound: string = image): readonly Claim[] {
  return [
    { path: `frames/${image}.jpg`, kind: "image", folder: "frames/", cut: { video: image } },
    { path: `audio/${sound}.wav`, kind: "audio", folder: "audio/", cut: { video: sound } },
  ];
}

/** The folders of those, and of the videos that they are cut from. */
export function pairFolders({ id, videos }: { readonly id: string; readonly videos: string }): readonly LayoutEntry[] {
  return [
    { path: "frames/", what: "one image of each clip", files: `${id}.jpg`, need: "needed", by: "prepare", get: `Cut from videos/ by cmcr data prepare, or put there as ${id}.jpg` },
    { path: "audio/", what: "the sound of each clip, 16-bit mono", files: `${id}.wav`, need: "needed", by: "prepare", get: `Cut from videos/ by cmcr data prepare, or put there as ${id}.wav` },
    { path: "videos/", what: "the clips themselves", files: `${id}.mp4`, need: "optional", by: "download", get: videos },
  ];
}
