/** Names lie in pieces of this size, none across two. */
const PIECE = 1 << 20;
/** Two bytes before each name say how many follow; a name of a file has 255 bytes at most, which are no more units. */
const PREFIX = 2;
const NOTHING = Buffer.alloc(0);

/**
 * Names of a folder's entries, outside of the heap: a million strings on it would let it grow to
 * several times their size before it is swept. They are held in UTF-16, the larger byte
 * first, so that the order of their bytes is that of their units.
 */
export class NameList {
  readonly #pieces: Buffer[] = [];
  /** Where each name begins: piece by piece, as if they were one. */
  #starts = new Uint32Array(1024);
  #count = 0;
  #end = 0;

  get length(): number {
    return this.#count;
  }

  /** Takes a name of at most 32,767 units. */
  add(name: string): void {
    const bytes = name.length * 2;
    if (bytes > 0xffff) throw new RangeError("a name of a file is not so long");
    if (this.#end % PIECE === 0 || (this.#end % PIECE) + PREFIX + bytes > PIECE) {
      this.#pieces.push(Buffer.allocUnsafeSlow(PIECE));
      this.#end = (this.#pieces.length - 1) * PIECE;
    }
    const piece = this.#pieces.at(-1) ?? NOTHING;
    const at = this.#end % PIECE;
    piece.writeUInt16BE(bytes, at);
    piece.write(name, at + PREFIX, "utf16le");
    piece.subarray(at + PREFIX, at + PREFIX + bytes).swap16();
    if (this.#count === this.#starts.length) {
      const longer = new Uint32Array(2 * this.#count);
      longer.set(this.#starts);
      this.#starts = longer;
    }
    this.#starts[this.#count] = this.#end;
    this.#count += 1;
    // A full piece is begun anew by the next name.
    this.#end += PREFIX + bytes;
    if (this.#end % PIECE === 0) this.#end = this.#pieces.length * PIECE;
  }

  /** The names in the order of their UTF-16 units. */
  *sorted(): Generator<string> {
    const starts = this.#starts.subarray(0, this.#count).sort((a, b) => this.#compare(a, b));
    for (const start of starts) {
      const piece = this.#piece(start);
      const from = (start % PIECE) + PREFIX;
      yield Buffer.from(piece.subarray(from, from + lengthBefore(piece, from))).swap16().toString("utf16le");
    }
  }

  /** Called some twenty million times for a million names: it makes nothing. */
  #compare(a: number, b: number): number {
    const pieceA = this.#piece(a);
    const pieceB = this.#piece(b);
    const fromA = (a % PIECE) + PREFIX;
    const fromB = (b % PIECE) + PREFIX;
    return pieceA.compare(pieceB, fromB, fromB + lengthBefore(pieceB, fromB), fromA, fromA + lengthBefore(pieceA, fromA));
  }

  #piece(start: number): Buffer {
    return this.#pieces[Math.floor(start / PIECE)] ?? NOTHING;
  }
}

function lengthBefore(piece: Buffer, from: number): number {
  return ((piece[from - 2] ?? 0) << 8) | (piece[from - 1] ?? 0);
}
