// @ts-check
/** A million items: how soon the first batch is embedded at a second start, and the orchestrator's peak throughout. */
import { spawn } from "node:child_process";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { deflateSync } from "node:zlib";
import { cmcr, lackOfSpace } from "./commands.mjs";

const FULL = { lines: 1_000_000, files: 1_000_000 };
/** Enough that the first start can be interrupted before its end. */
const QUICK = { lines: 100_000, files: 5_000 };
const SECONDS = { atMost: 10 };
const MEBIBYTES = { atMost: 300 };
const FILES_IN_A_FOLDER = 1_000;
/** A file takes a block and an inode, however small it is. */
const BYTES_OF_A_FILE = 5_000;

/** Runs `cmcr encode` until `done` items are embedded, then interrupts it; all of them where `done` is null. */
async function encodeUntil(args, done, context) {
  const peakFile = join(context.scratch, `${args.name}.peak`);
  const preload = new URL("./peakAtExit.mjs", import.meta.url).href;
  const began = performance.now();
  const command = cmcr("encode", "--encoder", "builtin", "--model", "scenes-image-text", "--device", "cpu", "--json", ...args.more);
  const child = spawn(process.execPath, ["--import", preload, ...command], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NO_COLOR: "1", CMCR_BENCH_PEAK: peakFile },
    signal: context.signal,
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  let firstBatch = null;
  let begun = null;
  let last = "";
  for await (const line of createInterface({ input: child.stdout })) {
    last = line;
    const event = JSON.parse(line);
    if (event.event !== "progress" || event.total === null) continue;
    begun ??= event.done;
    if (event.done > begun) firstBatch ??= (performance.now() - began) / 1000;
    if (done !== null && event.done >= begun + done && event.done < event.total) child.kill("SIGINT");
  }
  const code = await ended;
  if (code !== 0 && code !== 130) throw new Error(`cmcr encode ended with ${code}: ${last}`);
  return { firstBatch: firstBatch ?? Number.NaN, peak: Number(await readFile(peakFile, "utf8")) / 1024, seconds: (performance.now() - began) / 1000 };
}

async function* measureItems({ name, what, input, modality, count, decoders, whole }, context) {
  const more = ["--modality", modality, "--input", input, "--out", join(context.scratch, `${name}-out`), "--decoders", String(decoders)];
  context.say(`manifest: ${what}, first start`);
  const first = await encodeUntil({ name: `${name}-first`, more }, 1, context);
  context.say(`manifest: ${what}, second start`);
  const second = await encodeUntil({ name: `${name}-second`, more }, whole ? null : Math.min(count / 100, 2_000), context);
  const details = { items: count, firstStartSeconds: first.firstBatch, firstStartPeakMiB: first.peak, secondStartPeakMiB: second.peak, seconds: second.seconds };
  yield { name: `${name}-first-batch`, what: `${what}: first batch embedded after a second start`, unit: "s", measured: second.firstBatch, bar: SECONDS, details };
  yield { name: `${name}-peak`, what: `${what}: orchestrator's peak while they are listed and encoded`, unit: "MiB", measured: Math.max(first.peak, second.peak), bar: MEBIBYTES, details };
}

/** Lines of a text file, all of them encoded. */
async function* measureLines(count, context) {
  const input = join(context.scratch, "lines.txt");
  const file = await open(input, "wx");
  for (let start = 0; start < count; start += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, count - start) }, (_, index) => `a small red circle beside a large blue square, number ${start + index}\n`);
    await file.writeFile(lines.join(""));
  }
  await file.close();
  yield* measureItems({ name: "lines", what: `${count} lines of a text file`, input, modality: "text", count, decoders: 1, whole: true }, context);
}

/** Files in folders of a thousand each, the first of them encoded. */
async function* measureFiles(count, context) {
  const input = join(context.scratch, "files");
  const pixels = tinyPng();
  context.say(`manifest: ${count} files are written`);
  for (let start = 0; start < count; start += FILES_IN_A_FOLDER) {
    const folder = join(input, String(start / FILES_IN_A_FOLDER).padStart(4, "0"));
    await mkdir(folder, { recursive: true });
    // Each file's end is its own: what follows a PNG's last chunk is no part of the picture.
    for (let from = 0; from < Math.min(FILES_IN_A_FOLDER, count - start); from += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => writeFile(join(folder, `${from + index}.png`), Buffer.concat([pixels, Buffer.from(`${start + from + index}`)]))));
    }
  }
  yield* measureItems({ name: "files", what: `a folder of ${count} files`, input, modality: "image", count, decoders: 2, whole: false }, context);
}

/** A grey picture of 8 x 8 pixels; its checksums are the fixed ones of these bytes. */
function tinyPng() {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    crc.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, crc]);
  };
  const header = Buffer.from([0, 0, 0, 8, 0, 0, 0, 8, 8, 0, 0, 0, 0]);
  const lines = Buffer.concat(Array.from({ length: 8 }, (_, y) => Buffer.from([0, ...Array.from({ length: 8 }, (_, x) => 16 * x + y)])));
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk("IHDR", header), chunk("IDAT", deflateSync(lines)), chunk("IEND", Buffer.alloc(0))]);
}

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Second start and peak memory for texts and for files. */
export async function* measureManifest(context) {
  const { lines, files } = context.quick ? QUICK : FULL;
  yield* measureLines(lines, context);
  const note = await lackOfSpace(context.scratch, files * BYTES_OF_A_FILE);
  if (note === null) yield* measureFiles(files, context);
  else for (const name of ["files-first-batch", "files-peak"]) yield { name, what: `a folder of ${files} files`, unit: "s", note };
}
