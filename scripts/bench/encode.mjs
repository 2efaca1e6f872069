// @ts-check
/** Encoding through the whole bridge against a plain loop over the same library, model, photos and batch. */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { Worker } from "../../dist/bridge/worker.js";
import { setupPaths } from "../../dist/setup/paths.js";
import { median, rounded } from "./results.mjs";

const PROGRAM = "encode_vs_loop.py";
const SHARDS = 4;
const FULL = [
  { limit: "device", images: 192, batch: 32, repeats: 5, bar: { atLeast: 0.95 } },
  { limit: "decoding", images: 96, batch: 16, repeats: 5, bar: { atLeast: 1.3 } },
];
const QUICK = [
  { limit: "device", images: 12, batch: 4, repeats: 1, bar: { atLeast: 0.95 } },
  { limit: "decoding", images: 12, batch: 4, repeats: 1, bar: { atLeast: 1.3 } },
];

function python(args, { signal }) {
  const { python: program, workerRoot } = setupPaths();
  return execa(program, [join(workerRoot, "bench", PROGRAM), ...args.map(String)], { env: { OMP_NUM_THREADS: "1", PYTHONPATH: workerRoot }, cancelSignal: signal });
}

/** The plain loop in a process of its own, which embeds once for each line that it is given. */
class Loop {
  #child;
  #lines;

  constructor(folder, batch, context) {
    this.#child = python(["loop", folder, "--batch", batch, "--threads", context.threads], context);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** `{ seconds, difference }` of one pass. */
  async run() {
    this.#child.stdin.write("\n");
    const { value, done } = await this.#lines.next();
    if (done === true) await this.#child;
    return JSON.parse(value);
  }

  async close() {
    this.#child.stdin.end();
    await this.#child;
  }
}

/** Seconds of one pass through the worker, which writes `SHARDS` files into the folder. */
async function throughBridge(worker, folder, photos, batch) {
  const spec = { provider: "huggingface-clip", model: "", checkpoint: join(folder, "model"), options: {} };
  const size = Math.ceil(photos.length / SHARDS / batch) * batch;
  async function* messages() {
    for (let shard = 0; shard * size < photos.length; shard += 1) {
      const names = photos.slice(shard * size, (shard + 1) * size);
      for (let at = 0; at < names.length; at += batch) {
        const items = names.slice(at, at + batch).map((name) => ({ name, part: null, content: { kind: "file", path: join(folder, "photos", name), range: null } }));
        yield { kind: "batch", batch: { kind: "items", items } };
      }
      yield { kind: "end", target: { path: join(folder, `shard-${shard}.npy`) } };
    }
  }
  const failed = [];
  const handles = [];
  const began = performance.now();
  await worker.encoders.encodeShards(
    { spec, modality: "image", total: photos.length, limits: null, messages: messages() },
    {
      onProgress: () => undefined,
      onFailures: (list) => failed.push(...list),
      onNote: () => undefined,
      onShard: ({ tensor }) => {
        handles.push(tensor);
      },
    },
  );
  const seconds = (performance.now() - began) / 1000;
  if (failed.length > 0) throw new Error(`${failed.length} photos were not embedded: ${failed[0].message}`);
  await worker.tensors.release(...handles);
  return seconds;
}

/** Items a second through the bridge to those of the loop: above 1, the bridge is faster. */
export async function* measureEncode(context) {
  for (const { limit, images, batch, repeats, bar } of context.quick ? QUICK : FULL) {
    const what = `encoding through the bridge to a plain loop, the ${limit === "device" ? "device" : "decoding"} being the limit`;
    context.say(`encode: ${what}`);
    const folder = join(context.scratch, limit);
    await mkdir(folder);
    await python(["make", folder, "--limit", limit, "--images", images, ...(context.quick ? ["--quick"] : [])], context);
    const photos = (await readdir(join(folder, "photos"))).sort();
    const { python: program, workerRoot } = setupPaths();
    const worker = await Worker.start({ python: program, packageFolder: workerRoot, device: "cpu", threads: context.threads, roots: [folder], signal: context.signal });
    const loop = new Loop(folder, batch, context);
    try {
      // Once each without the clock: both load the model, and the decoders start.
      await throughBridge(worker, folder, photos, batch);
      await loop.run();
      const bridge = [];
      const plain = [];
      let difference = 0;
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        bridge.push(await throughBridge(worker, folder, photos, batch));
        const pass = await loop.run();
        plain.push(pass.seconds);
        difference = Math.max(difference, pass.difference);
      }
      const details = {
        images,
        batch,
        itemsPerSecond: rounded(images / median(bridge)),
        loopItemsPerSecond: rounded(images / median(plain)),
        seconds: bridge.map(rounded),
        loopSeconds: plain.map(rounded),
        difference: rounded(difference),
      };
      yield { name: `encode-${limit}`, what, unit: "ratio", measured: median(plain.map((seconds, at) => seconds / bridge[at])), bar, details };
    } finally {
      await loop.close();
      await worker.close();
    }
  }
}
