import type { RemoteTensor } from "../bridge/types.js";
import type { Worker } from "../bridge/worker.js";
import type { StoredMatrix } from "./context.js";

/** Puts matrices of the store at the worker's hands, each once. */
export class OpenTensors {
  readonly #open = new Map<string, Promise<RemoteTensor>>();

  constructor(private readonly worker: Worker) {}

  /** The matrix under a handle of the worker. */
  get(matrix: Pick<StoredMatrix, "path">): Promise<RemoteTensor> {
    const known = this.#open.get(matrix.path);
    if (known !== undefined) return known;
    const opening = this.worker.tensors.put(matrix.path);
    this.#open.set(matrix.path, opening);
    return opening;
  }

  /** Lets the worker forget them. */
  async release(): Promise<void> {
    const tensors = await Promise.all(this.#open.values());
    this.#open.clear();
    await this.worker.tensors.release(...tensors);
  }
}
