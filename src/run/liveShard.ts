import type { FailedItem } from "../bridge/types.js";
import type { ItemRun, UnreadableItem } from "../data/itemList.js";
import { PartialOutput, type SkippedItem } from "../store/partial.js";

/** A shard that is being made. */
export class LiveShard {
  /** Numbers of its items that were sent, in order. */
  readonly sent: number[] = [];
  /** Those that have no row, with those that were not even sent. */
  readonly skipped: SkippedItem[] = [];
  /** Why items cannot be read that were sent without their bytes. */
  readonly #spoilt = new Map<number, UnreadableItem>();
  readonly #failed = new Set<number>();
  #to: number;
  #rowsSent = 0;
  #rowsFailed = 0;

  /** `from` is its first item; `base` counts the items that were sent before it; `rowsOf` tells the rows that an item gives. */
  constructor(
    readonly from: number,
    readonly base: number,
    private readonly rowsOf: (item: number) => number = () => 1,
  ) {
    this.#to = from;
  }

  get to(): number {
    return this.#to;
  }

  get fileName(): string {
    return PartialOutput.fileName(this.from, this.#to);
  }

  /** Takes the items of a run that is sent. */
  add({ to, items, spoilt }: ItemRun): void {
    for (const item of items) {
      this.sent.push(item);
      this.#rowsSent += this.rowsOf(item);
    }
    for (const cause of spoilt) this.#spoilt.set(cause.item, cause);
    this.#to = to;
  }

  /** Whether an item, by its place among all that were sent, is one of its own. */
  sends(place: number): boolean {
    return place >= this.base && place < this.base + this.sent.length;
  }

  /** How many of the items that were sent have no row. */
  get failed(): number {
    return this.#failed.size;
  }

  /** The rows of the items that were sent, of those that failed as well. */
  get rowsSent(): number {
    return this.#rowsSent;
  }

  /** The rows of those that have not failed. */
  get rows(): number {
    return this.#rowsSent - this.#rowsFailed;
  }

  /** Notes that the worker has no row for one of its items, and says why. */
  fail({ item: place, reason, message }: FailedItem): UnreadableItem {
    const item = this.sent[place - this.base] ?? -1;
    if (!this.#failed.has(item)) this.#rowsFailed += this.rowsOf(item);
    this.#failed.add(item);
    return this.#spoilt.get(item) ?? { item, reason, message };
  }

  /** Items that were sent without their bytes, and were embedded all the same. */
  get falseRows(): readonly UnreadableItem[] {
    return [...this.#spoilt.values()].filter(({ item }) => !this.#failed.has(item));
  }
}
