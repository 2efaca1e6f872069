import { DEADLINE_MS, readAll, unary, writeAll } from "./calls.js";
import { bytesOf } from "./arrays.js";
import { CHUNK_BYTES } from "./channel.js";
import type { Channel } from "./connection.js";
import { destination, remoteTensor } from "./tensorClient.js";
import { train } from "./trainingClient.js";
import { exportProjectors, importProjectors } from "./projectorFiles.js";
import type { ExportedFile, ExportRequest, FitRequest, ImportedProjectors, ImportRequest, OnProgress, RemoteConnector, RemoteTensor, ResultTarget, TrainedProjectors, TrainingRequest } from "./types.js";
import { ConnectorServiceClient, type LoadProjectorsRequest, type LoadProjectorsResponse } from "./gen/cmcr/v1/connector.js";
import type { TensorInfo } from "./gen/cmcr/v1/tensor.js";

/** Projectors that were loaded, with the spaces that they embed. */
export interface LoadedProjectors extends RemoteConnector {
  readonly sides: readonly { readonly space: string; readonly inputDim: number }[];
}

/** Pseudo pairs, projectors and closed-form maps. */
export class ConnectorClient {
  readonly #client: ConnectorServiceClient;
  constructor(private readonly channel: Channel) {
    this.#client = channel.client(ConnectorServiceClient);
  }

  /** Softmax attention of every query over the whole memory; (queries, d), rows L2-normalised. */
  async attend(queries: RemoteTensor, memory: RemoteTensor, temperature: number, target: ResultTarget, onProgress: OnProgress): Promise<RemoteTensor> {
    let result: TensorInfo | undefined;
    const request = { queries: queries.handle, memory: memory.handle, temperature, destination: destination(target) };
    await readAll(
      this.channel.context,
      "Attend",
      (metadata, options) => this.#client.attend(request, metadata, options),
      (message) => {
        onProgress(message.rowsDone, message.rowsTotal);
        result = message.tensor ?? result;
      },
    );
    return remoteTensor(result, "Attend");
  }

  /** The rows of `source` that `rows` names, in that order. */
  async gather(source: RemoteTensor, rows: Uint32Array, target: ResultTarget): Promise<RemoteTensor> {
    const answer = await unary(this.channel.context, "Gather", DEADLINE_MS.work, this.#client.gather.bind(this.#client), {
      source: source.handle,
      rows: bytesOf(rows),
      destination: destination(target),
    });
    return remoteTensor(answer.tensor, "Gather");
  }

  /** Trains projectors step by step as planned. Rejects with exit code 5 when a value is not finite. */
  train(request: TrainingRequest): Promise<TrainedProjectors> {
    return train(this.channel.context, this.#client, request);
  }

  /** Loads the bytes of a projectors.safetensors. */
  async loadProjectors(data: Buffer): Promise<LoadedProjectors> {
    function* chunks(): Generator<LoadProjectorsRequest> {
      for (let at = 0; at < data.length; at += CHUNK_BYTES) yield { chunk: data.subarray(at, at + CHUNK_BYTES) };
    }
    const answer = await writeAll<LoadProjectorsRequest, LoadProjectorsResponse>(
      this.channel.context,
      "LoadProjectors",
      (metadata, options, callback) => this.#client.loadProjectors(metadata, options, callback),
      chunks(),
    );
    return { handle: answer.connector, outputDim: answer.outputDim, sides: answer.sides };
  }

  /** Reads published projectors. Rejects with exit code 2 for a file of another layout, 3 for a wrong one. */
  importProjectors(request: ImportRequest): Promise<ImportedProjectors> {
    return importProjectors(this.channel.context, this.#client, request);
  }

  /** Writes projectors as their authors publish them: the bytes of each file. */
  exportProjectors(request: ExportRequest): Promise<readonly ExportedFile[]> {
    return exportProjectors(this.channel.context, this.#client, request);
  }

  /** Fits a map in closed form. */
  async fit(request: FitRequest): Promise<RemoteConnector> {
    const answer = await unary(this.channel.context, `Fit ${request.method}`, DEADLINE_MS.work, this.#client.fit.bind(this.#client), {
      method: request.method,
      sourceSpace: request.sourceSpace,
      targetSpace: request.targetSpace,
      sourceOverlap: request.sourceOverlap.handle,
      targetOverlap: request.targetOverlap.handle,
      sourcePseudo: request.sourcePseudo?.handle ?? "",
      targetPseudo: request.targetPseudo?.handle ?? "",
      sourceMemory: request.sourceMemory?.handle ?? "",
      targetMemory: request.targetMemory?.handle ?? "",
      temperature: request.temperature ?? undefined,
      regularization: request.regularization ?? undefined,
      dimensions: request.dimensions ?? 0,
    });
    return { handle: answer.connector, outputDim: answer.outputDim };
  }

  /** Rows of `space` in the connector's joint space; `centerOn` is the memory whose mean `+gap` subtracts. */
  async embed(
    connector: RemoteConnector,
    space: string,
    input: RemoteTensor,
    centerOn: RemoteTensor | null,
    target: ResultTarget,
  ): Promise<RemoteTensor> {
    const answer = await unary(this.channel.context, "Embed", DEADLINE_MS.work, this.#client.embed.bind(this.#client), {
      connector: connector.handle,
      space,
      input: input.handle,
      centerOn: centerOn?.handle ?? "",
      destination: destination(target),
    });
    return remoteTensor(answer.tensor, "Embed");
  }

  /** Forgets connectors; unknown ones are passed over. */
  async release(...connectors: readonly RemoteConnector[]): Promise<void> {
    await unary(this.channel.context, "ReleaseConnector", DEADLINE_MS.short, this.#client.releaseConnector.bind(this.#client), {
      connectors: connectors.map((connector) => connector.handle),
    });
  }
}
