import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

import { CmcrError, EXIT } from "../errors.js";
import { type CallContext, converse } from "./calls.js";
import { CHUNK_BYTES } from "./channel.js";
import type { ExportedFile, ExportRequest, ImportedProjectors, ImportRequest, PublishedHead } from "./types.js";
import type { ConnectorServiceClient, ExportProjectorsRequest, ExportedFile as WireFile, ImportFinished, ImportProjectorsRequest, PublishedSide } from "./gen/cmcr/v1/connector.js";

/** Sends the files of published projectors; what comes back is the bytes of a projectors.safetensors. */
export async function importProjectors(context: CallContext, client: ConnectorServiceClient, { layout, spaces, files }: ImportRequest): Promise<ImportedProjectors> {
  async function* messages(): AsyncGenerator<ImportProjectorsRequest> {
    yield { part: { $case: "start", value: { layout, spaces: [...spaces] } } };
    for (const { name, path } of files) {
      yield { part: { $case: "file", value: name } };
      const content = createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>;
      for await (const chunk of content) yield { part: { $case: "chunk", value: chunk } };
    }
  }
  let finished: ImportFinished | undefined;
  const received = new Received();
  await converse(
    context,
    "ImportProjectors",
    (metadata, options) => client.importProjectors(metadata, options),
    messages(),
    ({ part }) => {
      if (part?.$case === "finished") finished = part.value;
      else if (part?.$case === "chunk") received.add(part.value);
    },
  );
  if (finished === undefined) throw notWhatWasSent();
  return { ...received.whole(finished), sides: publishedHeads(finished.sides), tensors: finished.tensors };
}

/** Sends a projectors.safetensors; what comes back is the bytes of each published file. */
export async function exportProjectors(context: CallContext, client: ConnectorServiceClient, { layout, spaces, data }: ExportRequest): Promise<readonly ExportedFile[]> {
  // eslint-disable-next-line @typescript-eslint/require-await -- the call reads its messages asynchronously.
  async function* messages(): AsyncGenerator<ExportProjectorsRequest> {
    yield { part: { $case: "start", value: { layout, spaces: [...spaces] } } };
    for (let at = 0; at < data.length; at += CHUNK_BYTES) yield { part: { $case: "chunk", value: data.subarray(at, at + CHUNK_BYTES) } };
  }
  const files: { readonly description: WireFile; readonly received: Received }[] = [];
  await converse(
    context,
    "ExportProjectors",
    (metadata, options) => client.exportProjectors(metadata, options),
    messages(),
    ({ part }) => {
      if (part?.$case === "file") files.push({ description: part.value, received: new Received() });
      else if (part?.$case === "chunk") files.at(-1)?.received.add(part.value);
    },
  );
  if (files.length === 0) throw notWhatWasSent();
  return files.map(({ description, received }) => ({ ...received.whole(description), tensors: description.tensors, sides: publishedHeads(description.sides) }));
}

function publishedHeads(sides: readonly PublishedSide[]): readonly [PublishedHead, PublishedHead] {
  const [base, joined] = sides.map(({ space, head, source }): PublishedHead => ({
    space,
    head: { preset: head?.preset ?? "", inputDim: head?.inputDim ?? 0, outputDim: head?.outputDim ?? 0 },
    source,
  }));
  if (base === undefined || joined === undefined) throw notWhatWasSent();
  return [base, joined];
}

/** The pieces of a file, and whether they are the file that was announced. */
class Received {
  readonly #chunks: Buffer[] = [];

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  /** All of it. Exit 4 when it is not what the worker announced. */
  whole(announced: { readonly bytes: number; readonly sha256: string }): { readonly data: Buffer; readonly sha256: string } {
    const data = Buffer.concat(this.#chunks);
    const sha256 = createHash("sha256").update(data).digest("hex");
    if (announced.bytes !== data.length || announced.sha256 !== sha256) throw notWhatWasSent();
    return { data, sha256 };
  }
}

function notWhatWasSent(): CmcrError {
  return new CmcrError("the projectors that came from the worker are not the ones that it sent", { code: EXIT.worker, reason: "CHECKSUM_MISMATCH" });
}
