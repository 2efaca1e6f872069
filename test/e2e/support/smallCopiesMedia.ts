import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { jpeg, monoWav } from "./smallCopiesFiles.js";

/** How large a small copy is, and what is in it. */
export interface SmallCopyOptions {
  /** How many items: clips, images or clouds (12 unless given). Lists of captions have as many rows, or what their format makes of it. */
  readonly items?: number;
  /** Whether images, sounds and clouds are written beside the annotations (true unless given). */
  readonly media?: boolean;
}

/** Writes files below a folder, making the folders that they lie in. */
export class CopyWriter {
  /** Paths of the files, relative, in the order of their writing. */
  readonly files: string[] = [];

  constructor(readonly root: string) {
    mkdirSync(root, { recursive: true });
  }

  write(path: string, content: string | Buffer): void {
    const target = join(this.root, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
    this.files.push(path);
  }

  /** A picture of 64 x 48 pixels that looks like its class: its colour, and a square at a place of the item. */
  picture(path: string, label: number, item: number): void {
    const [r, g, b] = [(label * 97) % 256, (label * 151 + 60) % 256, (label * 199 + 120) % 256];
    this.write(path, jpeg(8, 6, (x, y) => (x === item % 8 && y === (item >> 3) % 6 ? [255 - r, 255 - g, 255 - b] : [r, g, (b + 4 * y) % 256])));
  }

  /** A sound of one second at 16 kHz that sounds like its class: its pitch; its loudness is the item's. */
  sound(path: string, label: number, item: number, seconds = 1): void {
    const pitch = 220 * 2 ** ((label % 24) / 12);
    const loudness = 0.3 + 0.05 * (item % 10);
    this.write(path, monoWav(seconds, 16_000, (time) => loudness * Math.sin(2 * Math.PI * pitch * time)));
  }
}

/** An id as YouTube makes them: eleven letters, digits, `-` and `_`, told by a number. The first ones begin with `-` and `_`, as some do. */
export function videoId(number: number): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const first = number === 0 ? "-" : number === 1 ? "_" : (letters[(number * 7) % 62] ?? "");
  let rest = "";
  for (let at = 1, state = number + 11; at < 11; at += 1) {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    rest += letters[(state >> 8) % 62] ?? "";
  }
  return first + rest;
}

/** Numbers from 0. */
export function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}
