import { dataError } from "../../errors.js";
import { parseRow } from "./jsonl.js";
import type { Row } from "./row.js";
import { textOf } from "./textStream.js";

/** No object of an annotation file comes near it. */
const LARGEST_OBJECT = 1 << 24;

const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP, SPACE] = Array.from(`"\\,[]{} `, (c) => c.charCodeAt(0)) as [
  number, number, number, number, number, number, number, number,
];

/**
 * The objects of one list of a JSON document: the list under `key` of its map, or the
 * document itself where `key` is null. The document is never held whole, so a file of
 * any size takes the memory of its largest object. Rejects with exit 3 when the file is
 * malformed or cut off, has no such list, or the list holds anything but objects.
 */
export async function* jsonListRows(path: string, key: string | null, signal?: AbortSignal): AsyncGenerator<Row> {
  const scanner = new ListScanner(path, key);
  let number = 0;
  for await (const piece of textOf(path, signal)) {
    for (const text of scanner.scan(piece)) {
      const place = `${path}, ${key ?? "item"} ${number}`;
      yield { values: parseRow(text, place), place, number };
      number += 1;
    }
  }
  scanner.end();
}

/** Finds the objects of the wanted list in a document that comes in pieces. */
class ListScanner {
  /** Brackets that are open. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Depth of the wanted list's items; 0 while it is not open. */
  #listDepth = 0;
  /** Whether the document is a map; null before its first bracket. */
  #isMap: boolean | null = null;
  #found = false;
  /** The string at depth 1 that was last seen: a key when a list follows it. */
  #key = "";
  readonly #keys: string[] = [];
  /** The part of the current object that came with earlier pieces; null outside of objects. */
  #object: string | null = null;

  constructor(
    private readonly path: string,
    private readonly key: string | null,
  ) {}

  *scan(piece: string): Generator<string> {
    let start = 0;
    let keyStart = 0;
    for (let at = 0; at < piece.length; at += 1) {
      const code = piece.charCodeAt(at);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === BACKSLASH) this.#escaped = true;
        else if (code === QUOTE) {
          this.#inString = false;
          if (this.#depth === 1) this.#key += piece.slice(keyStart, at);
        }
        continue;
      }
      switch (code) {
        case QUOTE:
          this.#inString = true;
          if (this.#depth === 1) [this.#key, keyStart] = ["", at + 1];
          if (this.#object === null) this.#refuseOther(code);
          break;
        case OPEN_MAP:
          this.#isMap ??= true;
          if (this.#listDepth > 0 && this.#depth === this.#listDepth) [this.#object, start] = ["", at];
          this.#depth += 1;
          break;
        case OPEN_LIST:
          if (this.#object === null) this.#refuseOther(code);
          this.#depth += 1;
          this.#openList();
          break;
        case CLOSE_MAP:
        case CLOSE_LIST:
          this.#depth -= 1;
          if (this.#object !== null && this.#depth === this.#listDepth) {
            yield this.#object + piece.slice(start, at + 1);
            this.#object = null;
          } else if (this.#depth < this.#listDepth) this.#listDepth = 0;
          break;
        default:
          if (this.#object === null && code > SPACE && code !== COMMA) this.#refuseOther(code);
      }
    }
    if (this.#inString && this.#depth === 1) this.#key += piece.slice(keyStart);
    if (this.#object === null) return;
    this.#object += piece.slice(start);
    if (this.#object.length > LARGEST_OBJECT) throw this.#bad(`an object of more than ${LARGEST_OBJECT} characters is no annotation`);
  }

  /** Thrown when the document is not whole, or the list was not there. */
  end(): void {
    if (this.#isMap === null) throw this.#bad("expected a JSON document, found nothing of the kind");
    if (this.#depth !== 0 || this.#inString) throw this.#bad("the file is cut off: not all of its brackets are closed. Copy or load it again");
    if (this.#found) return;
    const there = this.#isMap ? `found a map with ${this.#keys.length === 0 ? "no list" : `the lists ${this.#keys.join(", ")}`}` : "found a list";
    throw this.#bad(`expected ${this.key === null ? "a list of objects" : `a map with the list "${this.key}"`}, ${there}`);
  }

  #openList(): void {
    const atTop = this.#isMap === null;
    this.#isMap ??= false;
    const wanted = this.key === null ? atTop : this.#isMap && this.#depth === 2 && this.#key === this.key;
    if (this.#isMap && this.#depth === 2 && this.#keys.length < 20) this.#keys.push(this.#key);
    if (!wanted) return;
    this.#found = true;
    this.#listDepth = this.#depth;
  }

  #refuseOther(code: number): void {
    if (this.#isMap === null && code !== OPEN_LIST) throw this.#bad("expected a JSON document, found something else");
    if (this.#listDepth > 0 && this.#depth === this.#listDepth) throw this.#bad(`expected objects in the list${this.key === null ? "" : ` "${this.key}"`}, found something else`);
  }

  #bad(message: string): Error {
    return dataError(`${this.path}: ${message}.`, { reason: "BAD_TABLE", path: this.path });
  }
}
