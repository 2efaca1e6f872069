import type { Finding } from "../data/sets/findings.js";

/** Files that are remembered of each number of points. */
const REMEMBERED = 1000;

/** Which clouds of a set have fewer points than the others, as those do that are cut off between two lines. */
export class PointCounts {
  readonly #byCount = new Map<number, { count: number; readonly files: string[] }>();

  add(file: string, points: number): void {
    const entry = this.#byCount.get(points) ?? { count: 0, files: [] };
    this.#byCount.set(points, entry);
    entry.count += 1;
    if (entry.files.length < REMEMBERED) entry.files.push(file);
  }

  /** A finding for each file with fewer points than most have. None where less than half of them agree: then clouds differ by nature. */
  findings(): readonly Finding[] {
    const all = [...this.#byCount.values()].reduce((sum, { count }) => sum + count, 0);
    const [most] = [...this.#byCount].sort(([, a], [, b]) => b.count - a.count);
    if (most === undefined || 2 * most[1].count <= all) return [];
    return [...this.#byCount]
      .filter(([points]) => points < most[0])
      .flatMap(([points, { files }]) => files.map((file): Finding => ({ severity: "fault", reason: "FEWER_POINTS", file, at: "", message: `has ${points} points, and ${most[1].count} of ${all} clouds have ${most[0]}`, fix: "Load or make it again" })));
  }
}
