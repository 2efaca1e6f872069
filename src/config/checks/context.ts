import type { UserCollection } from "../collection.js";
import type { FieldPath, Mistake } from "../mistake.js";
import type { UserSpace } from "../providers/registry.js";

/**
 * What the checks across sections see. An entry that is null is there, but
 * wrong in itself: its own mistakes are reported, and no others that follow.
 */
export interface CheckContext {
  readonly spaces: ReadonlyMap<string, UserSpace | null>;
  readonly data: ReadonlyMap<string, UserCollection | null>;
  readonly report: (mistake: Mistake) => void;
  readonly warn: (warning: string) => void;
  /** Notes that a name is used, so that what nothing uses can be told. */
  readonly use: (kind: "spaces" | "data", name: string) => void;
}

/** A collection seen through a space, as a user writes it. */
export interface UserView {
  readonly data: string;
  readonly space: string;
}

/** Paths of the two names of a view: what to point at. */
export interface ViewPaths {
  readonly data: FieldPath;
  readonly space: FieldPath;
}
