/** Slots for each id that is kept: a table this empty finds free slots at once. */
const SLOTS_PER_ID = 2;

/**
 * Remembers texts by 64-bit hashes, 16 to 32 bytes each, so that a million of them take little
 * memory. Two different texts count as one with a chance of 1 to 4 * 10^7 for a million.
 */
export class SeenTexts {
  #slots = new Uint32Array(2 * 1024);
  #count = 0;

  /** Whether the text was given before; it is remembered. */
  add(text: string): boolean {
    const [high, low] = hash(text);
    if (this.#holds(high, low)) return true;
    if ((this.#count + 1) * SLOTS_PER_ID > this.#slots.length / 2) this.#grow();
    this.#put(high, low);
    this.#count += 1;
    return false;
  }

  /** Whether the text was given before; it is not remembered. */
  has(text: string): boolean {
    return this.#holds(...hash(text));
  }

  #holds(high: number, low: number): boolean {
    const size = this.#slots.length / 2;
    for (let slot = low % size; ; slot = (slot + 1) % size) {
      const [a = 0, b = 0] = [this.#slots[2 * slot], this.#slots[2 * slot + 1]];
      if (a === 0 && b === 0) return false;
      if (a === high && b === low) return true;
    }
  }

  #put(high: number, low: number): void {
    const size = this.#slots.length / 2;
    let slot = low % size;
    while (this.#slots[2 * slot] !== 0 || this.#slots[2 * slot + 1] !== 0) slot = (slot + 1) % size;
    this.#slots[2 * slot] = high;
    this.#slots[2 * slot + 1] = low;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 2) {
      const [high = 0, low = 0] = [old[at], old[at + 1]];
      if (high !== 0 || low !== 0) this.#put(high, low);
    }
  }
}

/** Makes ids unique: the second `x` becomes `x~2`. */
export class UniqueIds {
  readonly #seen = new SeenTexts();

  /** The id, changed where it was there before. */
  of(id: string): { readonly id: string; readonly repeated: boolean } {
    if (!this.#seen.add(id)) return { id, repeated: false };
    for (let number = 2; ; number += 1) {
      const other = `${id}~${number}`;
      if (!this.#seen.add(other)) return { id: other, repeated: true };
    }
  }
}

/** Two 32-bit hashes of a text, mixed as in MurmurHash3; never both 0. */
function hash(text: string): readonly [number, number] {
  let a = 0x9e3779b9;
  let b = 0x85ebca6b;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    a = Math.imul(a ^ unit, 0xcc9e2d51);
    b = Math.imul(b ^ unit, 0x1b873593);
    a = (a << 13) | (a >>> 19);
    b = (b << 15) | (b >>> 17);
  }
  a = mix(a ^ text.length);
  b = mix(b + a);
  return [a, b === 0 ? 1 : b];
}

function mix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
