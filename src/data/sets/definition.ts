import type { SetCopy } from "./copy.js";

/** What an experiment uses a data set for. */
export type SetUse = "test" | "queries" | "memory";

/** Where a part of a data set is published: facts, for a person to follow. */
export interface Origin {
  /** What is to be had there. */
  readonly what: string;
  /** An address, or a name to search for. */
  readonly at: string;
}

/** A file or folder below a copy's root. */
export interface LayoutEntry {
  /** Relative, with `/`; a folder's ends in `/`. */
  readonly path: string;
  readonly what: string;
  /** How the files of a folder are named, such as `<id>.jpg`. */
  readonly files?: string;
  /**
   * Whether a copy is whole without it. Of entries with the same `choice` one is enough. What is optional is checked
   * where it is there.
   */
  readonly need: "needed" | "optional" | { readonly choice: string };
  /** How it comes there: loaded from one of the origins, made by `cmcr data prepare`, or by the user in any way. */
  readonly by: "download" | "prepare";
  /** What to load and where to put it, as one sentence; `by: "prepare"` says what it is made from. */
  readonly get: string;
}

/** A number that the published files have. */
export interface PublishedCount {
  /** As `SetCopy.count` calls it, such as `boxes`. */
  readonly name: string;
  readonly published: number;
  /** Other numbers that published files have, and what is to be known of each. */
  readonly variants?: readonly { readonly count: number; readonly what: string }[];
  /** The count that tells a subset from a fault: where that one is whole, this one must be too. Unset: fewer are a subset. */
  readonly with?: string;
}

/** Something wrong or surprising in the published annotations, which is there in every copy. */
export interface KnownFault {
  /** As `SetCopy.known` calls it, such as `degenerate-box`. */
  readonly key: string;
  readonly what: string;
  /** How often the published files have it; null where it is not counted. */
  readonly published: number | null;
  /** The count that is whole where it must be there exactly so often. */
  readonly with?: string;
  /** What cmcr does about it. */
  readonly handling: string;
}

/** What kind of content a file must have. */
export type FileKind = "image" | "audio" | "video" | "cloud";

/** A file that an annotation names. */
export interface Claim {
  /** Relative, with `/`; one that ends in `.*` is the first of the kind's endings that is there. */
  readonly path: string;
  readonly kind: FileKind;
  /** The entry of the layout that it lies in. */
  readonly folder: string;
  /** The video that it can be cut from, below `videos/`, without its ending; `frame` is the number of the frame from 0 where it is a certain one. */
  readonly cut?: { readonly video: string; readonly frame?: number };
}

/** An entry of a data set with the files that belong to it. */
export interface SetItem {
  readonly id: string;
  /** The file and line or item that names it, such as `vggss.json, item 12`. */
  readonly place: string;
  readonly claims: readonly Claim[];
  /** Further columns of `pairs.csv`, such as its class. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** What `cmcr data prepare` can make besides folders. */
export interface Preparation {
  /** Cuts frames and sounds from `videos/`; `frame` is where a frame is taken unless said otherwise. */
  readonly clips?: { readonly frame: "middle" | number };
  /** Columns of `pairs.csv` beside id, image and audio: the items whose image and sound are both there. */
  readonly pairs?: readonly string[];
  /** Unpacks a file of many clouds to `clouds/`. */
  readonly clouds?: boolean;
}

/** A data set: what is known of it, and how a copy is read. */
export interface SetDefinition {
  /** As users type it. */
  readonly name: string;
  readonly title: string;
  readonly uses: readonly SetUse[];
  /** What the paper and its experiments use it for. */
  readonly purpose: string;
  /** Such as `5,158 clips`. */
  readonly size: string;
  readonly cite: string;
  readonly from: readonly Origin[];
  readonly licence: string;
  readonly layout: readonly LayoutEntry[];
  readonly counts: readonly PublishedCount[];
  readonly faults: readonly KnownFault[];
  /** Whether files are missing from nearly every copy, as videos go offline: those are counted, and no fault. */
  readonly attrition: boolean;
  readonly prepare: Preparation;
  /** The items of a copy with their files, as a stream; tells `copy` what is wrong with the annotations on the way. */
  readonly read: (copy: SetCopy) => AsyncGenerator<SetItem>;
}
