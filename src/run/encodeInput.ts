import { rename, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";

import { type CompiledSource, MODALITIES, type Modality } from "../config/compiled.js";
import { listItems } from "../data/sources/registry.js";
import { dataError } from "../errors.js";
import { writeFileWhole } from "../store/files.js";
import { PendingFolder } from "../store/pendingFolder.js";
import { badArgument, countArgument, deviceArgument } from "./arguments.js";
import { EMBEDDINGS, receiveAt } from "./context.js";
import { ProgressMeter, type Reporter } from "./events.js";
import { NAMES } from "./stages/encode.js";
import { openWorker } from "./workers.js";

/** The arguments of `cmcr encode`, as typed. */
export interface EncodeRequest {
  readonly encoder: string;
  readonly model?: string | undefined;
  readonly modality: string;
  readonly input: string;
  readonly out: string;
  readonly checkpoint?: string | undefined;
  readonly batchSize: string;
  readonly device: string;
  readonly threads: string;
}

/**
 * Embeds a folder or a list into a folder of the store's layout: embeddings.npy,
 * names.json and entry.json with checksums. The folder appears whole or not at all.
 */
export async function encodeInput(request: EncodeRequest, { signal, report }: { readonly signal: AbortSignal; readonly report: Reporter }): Promise<void> {
  const modality = MODALITIES.find((name) => name === request.modality);
  if (modality === undefined) throw badArgument("modality", `expected one of ${MODALITIES.join(", ")}; found "${request.modality}"`);
  const batchSize = countArgument("batch-size", request.batchSize);
  const threads = countArgument("threads", request.threads);
  const device = deviceArgument("device", request.device);
  if (request.encoder === "builtin" && request.model === undefined) throw badArgument("model", "the provider builtin needs one, such as scenes-image-text");
  const started = performance.now();
  const input = resolve(request.input);
  const out = resolve(request.out);
  await refuseExisting(out);
  const source = await sourceOf(input, modality);
  const checkpoint = request.checkpoint === undefined ? null : resolve(request.checkpoint);
  // Before a worker is started, which takes longer than to find that there is nothing to embed.
  const items = await listItems(source, { modality, place: request.input, describeGenerated: neverGenerated, signal });
  const pending = await PendingFolder.beside(out);
  const worker = await openWorker({
    settings: { device, threads, address: null },
    roots: [pending.path, source.type === "folder" ? input : dirname(input), ...(checkpoint === null ? [] : [dirname(checkpoint)])],
    signal,
  }).catch(async (error: unknown) => {
    await pending.discard();
    throw error;
  });
  try {
    const spec = { provider: request.encoder, model: request.model ?? "", checkpoint, options: {} };
    const encoder = await worker.encoders.describe(spec);
    const meter = new ProgressMeter(report, "encode", basename(input), `${modality}s`);
    const tensor = await receiveAt(worker, pending.file(EMBEDDINGS), (target) =>
      worker.encoders.encode(spec, modality, items.count, items.batches(batchSize), target, (done, total) => {
        meter.update(done, total);
      }),
    );
    await writeFileWhole(pending.file(NAMES), `${JSON.stringify(items.names)}\n`);
    await pending.describe("encode", { provider: spec.provider, model: spec.model, ...encoder, modalities: [...encoder.modalities], modality, items: items.identity }, [EMBEDDINGS, NAMES], {
      rows: tensor.rows,
      dim: tensor.dim,
      dtype: "float32",
    });
    await rename(pending.path, out);
    const seconds = (performance.now() - started) / 1000;
    report({ event: "output", stage: "encode", output: `${tensor.rows} ${modality}s, ${tensor.dim} dimensions`, fromStore: false, seconds });
    report({ event: "done", run: basename(out), folder: out, seconds });
  } catch (error) {
    await pending.discard();
    throw error;
  } finally {
    await worker.close();
  }
}

/** An input is a folder or a list: `sourceOf` makes no other source. */
function neverGenerated(): Promise<never> {
  return Promise.reject(new Error("an input is never generated"));
}

async function sourceOf(input: string, modality: Modality): Promise<CompiledSource> {
  const status = await stat(input).catch((cause: unknown) => {
    throw dataError(`${input} is not there.`, { reason: "DATA_MISSING", path: input, cause });
  });
  if (status.isDirectory()) return { type: "folder", path: input };
  if (modality === "text") return { type: "lines", path: input };
  throw badArgument("input", `expected a folder of ${modality} files; found the file ${input}`);
}

async function refuseExisting(out: string): Promise<void> {
  const there = await stat(out).then(
    () => true,
    () => false,
  );
  if (there) throw badArgument("out", `${out} is there already, and is left as it is; name another folder`);
}
