import { Pace } from "./pace.js";

/** How far work on a data set's files is. */
export interface SetProgress {
  readonly done: number;
  /** Null before the files are counted. */
  readonly total: number | null;
  /** Null before the rate is known. */
  readonly perSecond: number | null;
  readonly secondsLeft: number | null;
}

/** The first files say little of how long the others take. */
const FIRST_MS = 1_000;

/** Before the files are counted. */
export const COUNTING: SetProgress = { done: 0, total: null, perSecond: null, secondsLeft: null };

/** How fast files are dealt with, from when it is made on. */
export class SetPace {
  readonly #began = performance.now();
  readonly #pace = new Pace();

  constructor(private readonly total: number) {}

  /** So many are done. */
  reached(done: number): SetProgress {
    const { total } = this;
    this.#pace.reached(done);
    const perSecond = performance.now() - this.#began < FIRST_MS ? null : this.#pace.perSecond;
    return { done, total, perSecond, secondsLeft: perSecond === null || perSecond === 0 ? null : (total - done) / perSecond };
  }
}
