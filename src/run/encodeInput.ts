import { rename } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

import { InterruptedError, WorkerLostError } from "../bridge/errors.js";
import type { DecodeLimits } from "../bridge/types.js";
import type { Worker } from "../bridge/worker.js";
import { type CompiledSource, type CompiledUnreadable, encoderPaths, MODALITIES, type Modality } from "../config/compiled.js";
import { DEFAULT_UNREADABLE_LIMIT } from "../config/collection.js";
import { sourceRoots } from "../config/sourceInputs.js";
import { sources } from "../config/sources/registry.js";
import { PARTS } from "../data/clipRetrieval/layout.js";
import type { ItemList } from "../data/itemList.js";
import { listItems } from "../data/listItems.js";
import { compileFields, fieldsOfType, guessSource } from "../data/sources/guess.js";
import { usageError } from "../errors.js";
import { itemsOfModality, pluralOfModality } from "../plural.js";
import { PartialOutput } from "../store/partial.js";
import { entryKey, PendingFolder } from "../store/pendingFolder.js";
import { badArgument, countArgument, deviceArgument } from "./arguments.js";
import { type Format, FORMATS, writeItemsAsClipRetrieval } from "./clipRetrievalOutput.js";
import { EMBEDDINGS } from "./context.js";
import { madeBefore, refuseOther } from "./encodedBefore.js";
import { SKIPPED } from "./encodedFiles.js";
import { encoderFromArguments } from "./encoderArguments.js";
import { type EncodeJob, encodeInputs, encodeItems } from "./encodeItems.js";
import { StaleItemsError } from "./encodeShards.js";
import { ProgressMeter, type Reporter } from "./events.js";
import { listingReports } from "./itemLists.js";
import { experimentCollection, isExperiment } from "./inspectSource.js";
import { encoderSpec } from "./stages/encodeCollection.js";
import { openWorker } from "./workers.js";
import { WorkFolder } from "./workFolder.js";

/** The arguments of `cmcr encode`, as typed. */
export interface EncodeRequest {
  readonly encoder: string;
  readonly model?: string | undefined;
  readonly modality: string;
  readonly input: string;
  /** Of the source, where the path alone does not tell. */
  readonly type?: string | undefined;
  readonly out: string;
  readonly checkpoint?: string | undefined;
  readonly batchSize?: string | undefined;
  readonly dtype?: string | undefined;
  readonly option: readonly string[];
  /** `store` or `clip-retrieval`. */
  readonly format: string;
  readonly unreadable: string;
  readonly unreadableLimit?: string | undefined;
  readonly device: string;
  readonly threads: string;
  readonly decoders?: string | undefined;
}

interface Surroundings {
  readonly signal: AbortSignal;
  readonly report: Reporter;
}

/**
 * Embeds a folder, a list, a table or a tar into a folder of the store's layout: embeddings.npy,
 * the items' ids and entry.json with checksums. The folder appears whole or not at all. What is
 * finished when it is interrupted lies beside it, and the same command goes on from there.
 */
export async function encodeInput(request: EncodeRequest, { signal, report }: Surroundings): Promise<void> {
  const modality = MODALITIES.find((name) => name === request.modality);
  if (modality === undefined) throw badArgument("modality", `expected one of ${MODALITIES.join(", ")}; found "${request.modality}"`);
  const policy = policyOf(request);
  const format = FORMATS.find((name) => name === request.format);
  if (format === undefined) throw badArgument("format", `expected ${FORMATS.join(" or ")}; found "${request.format}"`);
  if (format === "clip-retrieval" && PARTS[modality] === null) throw badArgument("format", `the layout of clip-retrieval has no place for ${modality}`);
  const threads = countArgument("threads", request.threads);
  const device = deviceArgument("device", request.device);
  const encoder = encoderFromArguments(request, (path) => resolve(path));
  const started = performance.now();
  const input = resolve(request.input);
  const out = resolve(request.out);
  await refuseOther(out, format, { provider: encoder.provider, model: encoder.model, modality, batchSize: encoder.batchSize });
  const { source, limits } = await sourceOf(input, modality, request.type);
  const work = new WorkFolder(out);
  await work.make();
  let worker: Worker | undefined;
  let items: ItemList | undefined;
  try {
    const list = (anew: boolean): Promise<ItemList> =>
      listItems(
        source,
        { modality, place: request.input, manifests: work.manifests, describeGenerated: neverGenerated, signal, ...listingReports(report, basename(input), itemsOfModality(modality)) },
        { anew },
      );
    // Before a worker is started, which takes longer than to find that there is nothing to embed.
    items = await list(false);
    const roots = [work.path, ...sourceRoots(source), ...items.roots, ...encoderPaths(encoder).map(({ path }) => dirname(path))];
    worker = await openWorker({ settings: { device, threads, decoders: request.decoders === undefined ? null : countArgument("decoders", request.decoders), address: null }, roots, signal });
    const { info } = worker;
    report({ event: "worker", device: info.device, deviceName: info.deviceName, torchVersion: info.torchVersion, threads: info.threads, pid: info.pid });
    const rules = { policy, limits, batchSize: encoder.batchSize, spec: encoderSpec(encoder), modality, format, name: basename(input) };
    for (;;) {
      try {
        await encodeInto(out, work, { worker, items, rules, signal, report });
        break;
      } catch (error) {
        if (!(error instanceof StaleItemsError)) throw error;
        report({ event: "warning", message: `${basename(input)}: files have changed since they were listed; they are listed anew` });
        await items.close();
        items = await list(true);
      }
    }
    report({ event: "done", run: basename(out), folder: out, seconds: (performance.now() - started) / 1000 });
    await work.remove();
  } catch (error) {
    if (signal.aborted) throw new InterruptedError(undefined, "give the same command again to go on");
    await work.removeUnlessWorth();
    throw error instanceof WorkerLostError ? new WorkerLostError(`${error.message}\nGive the same command again to go on.`, error) : error;
  } finally {
    await items?.close();
    await worker?.close();
  }
}

interface Encoding extends Surroundings {
  readonly worker: Worker;
  readonly items: ItemList;
  readonly rules: Pick<EncodeJob, "policy" | "limits" | "batchSize" | "spec" | "modality"> & { readonly name: string; readonly format: Format };
}

async function encodeInto(out: string, work: WorkFolder, { worker, items, rules, signal, report }: Encoding): Promise<void> {
  const { name, format, ...own } = rules;
  const encoder = await worker.encoders.describe(own.spec);
  if (!encoder.modalities.includes(own.modality)) {
    throw badArgument("modality", `the encoder embeds ${encoder.modalities.join(" and ")}; found "${own.modality}"`);
  }
  const job: EncodeJob = {
    ...own,
    worker,
    items,
    output: name,
    field: own.policy.action === "fail" ? "--unreadable" : "--unreadable-limit",
    list: work.list,
    writeList: (skipped) => work.writeList(skipped),
    report,
  };
  const inputs = encodeInputs(job, encoder);
  const partial = await PartialOutput.open(work.shards, entryKey("encode", inputs), inputs, {
    signal,
    onWait: (pid) => {
      report({ event: "warning", message: `${out} is being made by process ${pid}; waiting for it` });
    },
  });
  try {
    // Whoever was at it until now may have finished; and the same command may be given again.
    const made = await madeBefore(out, inputs, { format, policy: own.policy, count: items.count });
    if (made !== null) {
      if (!(await items.confirm())) throw new StaleItemsError();
      await partial.release();
      const { rows, dim } = made.facts;
      report({ event: "output", stage: "encode", output: `${out} is there already, made from the same inputs: ${pluralOfModality(Number(rows), own.modality)}, ${JSON.stringify(dim)} dimensions`, fromStore: true, seconds: 0 });
      return;
    }
  } catch (error) {
    await partial.release();
    throw error;
  }
  const pending = await PendingFolder.in(work.path);
  try {
    const began = performance.now();
    const { files, facts } = await encodeItems(job, partial, pending, new ProgressMeter(report, "encode", name, itemsOfModality(own.modality)));
    signal.throwIfAborted();
    if (format === "store") {
      await pending.describe("encode", inputs, files, facts);
      await rename(pending.path, out);
    } else {
      const skipped = partial.records.flatMap((record) => record.skipped);
      const layout = await PendingFolder.in(work.path);
      await writeItemsAsClipRetrieval({ items, skipped: skipped.map(({ item }) => item), modality: own.modality, embeddings: pending.file(EMBEDDINGS) }, layout.path, signal);
      if (files.includes(SKIPPED)) await rename(pending.file(SKIPPED), layout.file(SKIPPED));
      await rename(layout.path, out);
      await pending.discard();
    }
    await partial.remove();
    const { rows, dim, skipped } = facts;
    const left = typeof skipped === "number" && skipped > 0 ? `, ${skipped} left out (${join(out, "skipped.jsonl")})` : "";
    report({ event: "output", stage: "encode", output: `${pluralOfModality(Number(rows), own.modality)}, ${JSON.stringify(dim)} dimensions${left}`, fromStore: false, seconds: (performance.now() - began) / 1000 });
  } catch (error) {
    await pending.discard();
    await partial.release();
    throw error;
  }
}

function policyOf({ unreadable, unreadableLimit }: EncodeRequest): CompiledUnreadable {
  if (unreadable !== "skip" && unreadable !== "fail") throw badArgument("unreadable", `expected skip or fail; found "${unreadable}"`);
  if (unreadableLimit === undefined) return { action: unreadable, limit: DEFAULT_UNREADABLE_LIMIT };
  const limit = Number(unreadableLimit);
  if (unreadableLimit.trim() === "" || !(limit >= 0 && limit <= 100)) throw badArgument("unreadable-limit", `expected a percentage from 0 to 100; found "${unreadableLimit}"`);
  if (unreadable === "fail") throw usageError("--unreadable-limit says nothing beside --unreadable fail. Leave one of them out.", { reason: "BAD_COMMAND_LINE", path: "--unreadable-limit" });
  return { action: unreadable, limit };
}

/** An input is what lies on the disk: nothing that a worker makes. */
function neverGenerated(): Promise<never> {
  return Promise.reject(new Error("an input is never generated"));
}

interface Input {
  readonly source: CompiledSource;
  /** A collection's own; null where the input is a path. */
  readonly limits: DecodeLimits | null;
}

async function sourceOf(path: string, modality: Modality, type: string | undefined): Promise<Input> {
  const hash = path.lastIndexOf("#");
  if (hash > 0 && isExperiment(path.slice(0, hash))) return ofCollection(path.slice(0, hash), path.slice(hash + 1), modality, type);
  return { source: await sourceOfPath(path, modality, type), limits: null };
}

async function ofCollection(file: string, name: string, modality: Modality, type: string | undefined): Promise<Input> {
  if (type !== undefined) throw badArgument("type", "an experiment file says that itself; leave it out");
  const collection = await experimentCollection(file, name, "input");
  if (collection.source.type === "builtin") {
    throw usageError(`data.${name} is generated by cmcr itself (${collection.source.generator}, ${collection.source.split}): there is nothing to read.`, { reason: "IMPOSSIBLE_VALUE", path: `data.${name}` });
  }
  if (collection.modality !== modality) throw badArgument("modality", `${name} of ${file} is ${collection.modality}; found "${modality}"`);
  return { source: collection.source, limits: collection.limits };
}

async function sourceOfPath(path: string, modality: Modality, type: string | undefined): Promise<CompiledSource> {
  if (type === undefined) return guessSource(path, modality);
  if (!sources.names.includes(type)) throw badArgument("type", `expected one of ${sources.names.join(", ")}; found "${type}"`);
  return compileFields(await fieldsOfType(type, path, modality));
}
