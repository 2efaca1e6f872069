import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { jpeg, monoWav } from "./smallCopiesFiles.js";

/**
 * What stands in for ffmpeg on PATH: it notes what it is asked, says that each video has ten seconds, and writes a
 * picture or a sound where a file is asked for. A video whose content is `broken` it cannot read, one that is `silent`
 * has no sound, and one that is `slow` takes a minute.
 */
const PROGRAM = `
const { appendFileSync, copyFileSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const args = process.argv.slice(2);
if (args.includes("-version")) process.exit(0);
const place = __dirname;
const video = args[args.indexOf("-i") + 1];
const content = readFileSync(video, "utf8");
const output = args.at(-1);
appendFileSync(join(place, "asked.jsonl"), JSON.stringify({ pid: process.pid, args }) + "\\n");
const say = (text, code) => { process.stderr.write(text + "\\n"); process.exit(code); };
if (content === "broken") say(video + ": Invalid data found when processing input", 1);
if (output === video) say("  Duration: 00:00:10.04, start: 0.000000, bitrate: 253 kb/s\\nAt least one output file must be specified", 1);
if (content === "silent" && args.includes("wav")) say("Stream map '0:a:0' matches no streams.\\nTo ignore this, add a trailing '?' to the map.", 1);
const write = () => copyFileSync(join(place, args.includes("wav") ? "tone.wav" : "still.jpg"), output);
if (content === "slow") setTimeout(write, 60000); else write();
`;

/** A call: its arguments and the process that answered it. */
export interface Asked {
  readonly pid: number;
  readonly args: readonly string[];
}

/** A stand-in for ffmpeg in a folder of its own. */
export class StandInFfmpeg {
  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "still.jpg"), jpeg(8, 6, (x, y) => [x * 30, y * 40, 90]));
    writeFileSync(join(folder, "tone.wav"), monoWav(1, 16_000, (time) => 0.5 * Math.sin(2000 * time)));
    writeFileSync(join(folder, "program.cjs"), PROGRAM);
    writeFileSync(join(folder, "ffmpeg"), `#!/bin/sh\nexec "${process.execPath}" "${join(folder, "program.cjs")}" "$@"\n`);
    chmodSync(join(folder, "ffmpeg"), 0o755);
  }

  /** The environment in which this one is found. */
  get env(): Readonly<Record<string, string>> {
    return { PATH: `${this.folder}:/usr/bin:/bin` };
  }

  /** What it was asked so far, from the first on. */
  get asked(): readonly Asked[] {
    const log = join(this.folder, "asked.jsonl");
    if (!existsSync(log)) return [];
    return readFileSync(log, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as Asked);
  }
}
