// @ts-check
/** An encoding that is killed again and again, held against one that is not. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { cmcr, runNode } from "./commands.mjs";

const KILLS = { full: 20, quick: 1 };
const TEXTS = { full: 600_000, quick: 40_000 };
/** As the orchestrator cuts them. */
const SHARD_ITEMS = 8192;
/** Whom SIGKILL meets, in turn. */
const VICTIMS = ["orchestrator", "worker", "both"];
const SEED = 20;

const encode = (texts, out, ...more) =>
  cmcr("encode", "--encoder", "builtin", "--model", "scenes-image-text", "--modality", "text", "--input", texts, "--out", out, "--device", "cpu", "--json", ...more);

/** Numbers from 0 to 1, the same in every run. */
function* uniforms(seed) {
  for (let state = seed >>> 0; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Records of finished shards beside an output: name to the time at which each was written. */
function finishedShards(out) {
  const partial = join(out, "..", `.${out.slice(out.lastIndexOf("/") + 1)}.partial`, "shards");
  const found = new Map();
  try {
    for (const key of readdirSync(partial)) {
      for (const name of readdirSync(join(partial, key))) {
        if (/^\d+-\d+\.json$/.test(name)) found.set(name, statSync(join(partial, key, name)).mtimeMs);
      }
    }
  } catch {
    // Not begun, or finished.
  }
  return found;
}

const itemsIn = (shards) => [...shards.keys()].reduce((sum, name) => sum + Number(name.slice(11, 21)) - Number(name.slice(0, 10)), 0);

/** Runs the command until `done` has passed `until` items, and kills. Null when it came to its end before that. */
async function killed(args, until, victim, context) {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"], signal: context.signal });
  let worker = 0;
  let first = null;
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event === "worker") worker = event.pid;
    if (event.event !== "progress" || event.total === null) continue;
    first ??= event.done;
    last = event.done;
    if (event.done >= until && event.done < event.total) {
      if (victim !== "orchestrator") process.kill(worker, "SIGKILL");
      if (victim !== "worker") child.kill("SIGKILL");
      break;
    }
  }
  await new Promise((resolve) => (child.exitCode === null && child.signalCode === null ? child.once("close", resolve) : resolve(undefined)));
  return { first: first ?? 0, last, ended: child.exitCode === 0 };
}

const checksum = (out) => createHash("sha256").update(readFileSync(join(out, "embeddings.npy"))).digest("hex");

/** What is lost at each kill, and whether the result is the same. */
export async function* measureInterruptions(context) {
  const kills = context.quick ? KILLS.quick : KILLS.full;
  const count = context.quick ? TEXTS.quick : TEXTS.full;
  const texts = join(context.scratch, "texts.txt");
  await writeFile(texts, Array.from({ length: count }, (_, index) => `a small red circle, number ${index}\n`).join(""));
  context.say(`interruptions: ${count} texts undisturbed`);
  const whole = join(context.scratch, "whole");
  const seconds = await runNode(encode(texts, whole), context);

  const out = join(context.scratch, "killed");
  const random = uniforms(SEED);
  const lost = [];
  let again = 0;
  let made = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const victim = VICTIMS[kill % VICTIMS.length];
    context.say(`interruptions: kill ${kill + 1} of ${kills} (${victim})`);
    const before = finishedShards(out);
    const left = count - itemsIn(before);
    // Somewhere in what is left, though such that the later kills have something left as well.
    const until = itemsIn(before) + Math.ceil((random.next().value * 2 * left) / (kills - kill + 1));
    const { last, ended } = await killed(encode(texts, out), Math.min(until, count - 1), victim, context);
    if (ended) throw new Error(`the encoding came to its end before kill ${kill + 1}`);
    made += 1;
    const after = finishedShards(out);
    for (const [name, time] of before) if (after.get(name) !== time) again += 1;
    lost.push(Math.max(0, last - itemsIn(after)));
  }
  const began = performance.now();
  await runNode(encode(texts, out), context);
  yield {
    name: "shards-again",
    what: `whole shards encoded twice at a kill, the most of ${made}`,
    unit: "difference",
    measured: Math.floor(Math.max(...lost) / SHARD_ITEMS),
    bar: { atMost: 1 },
    details: { kills: made, items: count, itemsLost: lost, seed: SEED },
  };
  yield { name: "finished-lost", what: "finished shards that were lost or made again", unit: "difference", measured: again, bar: { atMost: 0 } };
  yield {
    name: "checksum",
    what: `embeddings after ${made} kills that differ from undisturbed ones`,
    unit: "difference",
    measured: checksum(out) === checksum(whole) ? 0 : 1,
    bar: { atMost: 0 },
    details: { sha256: checksum(whole), undisturbedSeconds: seconds, lastSeconds: (performance.now() - began) / 1000 },
  };
}
