/** How fast a worker gets on, from what it says to have done. */
export class Pace {
  readonly #began: number;
  #first: { readonly at: number; readonly done: number } | null = null;
  #last: { readonly at: number; readonly done: number } | null = null;

  /** `clock` gives milliseconds. */
  constructor(private readonly clock: () => number = () => performance.now()) {
    this.#began = clock();
  }

  /** `done` items are done in all. */
  reached(done: number): void {
    if (done === 0) return;
    const now = { at: this.clock(), done };
    this.#first ??= now;
    this.#last = now;
  }

  /**
   * Items a second; null before the first are done. The first ones count only until others are:
   * before them the encoder was loaded.
   */
  get perSecond(): number | null {
    if (this.#first === null || this.#last === null) return null;
    const later = this.#last.done - this.#first.done;
    const [items, ms] = later > 0 ? [later, this.#last.at - this.#first.at] : [this.#first.done, this.#first.at - this.#began];
    return (1000 * items) / Math.max(1, ms);
  }
}
