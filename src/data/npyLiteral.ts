/**
 * The subset of Python literals that a .npy header may hold: dicts, tuples,
 * lists, strings, integers, True, False and None. Nothing is evaluated.
 */

/** A parsed literal. Tuples and lists both become arrays. */
export type PythonLiteral = string | number | boolean | null | readonly PythonLiteral[] | ReadonlyMap<string, PythonLiteral>;

/** Thrown when the text is not a literal of that subset; `offset` counts characters from 0. */
export class LiteralError extends Error {
  override readonly name: string = "LiteralError";
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(message);
  }
}

/** Deeper nesting is no header that numpy writes, and would cost stack. */
const MAX_DEPTH = 16;

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "\\": "\\", "'": "'", '"': '"' };
const WORDS: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ["True", true],
  ["False", false],
  ["None", null],
]);

class LiteralParser {
  private at = 0;

  constructor(private readonly text: string) {}

  parse(): PythonLiteral {
    const value = this.value(0);
    this.skipSpace();
    if (this.at < this.text.length) throw this.unexpected("the end");
    return value;
  }

  private value(depth: number): PythonLiteral {
    if (depth > MAX_DEPTH) throw new LiteralError(`nested deeper than ${MAX_DEPTH}`, this.at);
    this.skipSpace();
    const first = this.text[this.at];
    if (first === "{") return this.dict(depth);
    if (first === "(") return this.sequence(")", depth);
    if (first === "[") return this.sequence("]", depth);
    if (first === "'" || first === '"') return this.string();
    const word = /^(?:-?\d+L?|[A-Za-z_]+)/.exec(this.text.slice(this.at, this.at + 40))?.[0];
    if (word === undefined) throw this.unexpected("a value");
    const constant = WORDS.get(word);
    // Python 2 wrote long integers with an L.
    const integer = Number(word.replace(/L$/, ""));
    if (constant === undefined && !Number.isSafeInteger(integer)) throw this.unexpected("a value");
    this.at += word.length;
    return constant === undefined ? integer : constant;
  }

  private dict(depth: number): ReadonlyMap<string, PythonLiteral> {
    const entries = new Map<string, PythonLiteral>();
    this.at += 1;
    while (!this.take("}")) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw new LiteralError("a key is not a string", this.at);
      if (entries.has(key)) throw new LiteralError(`the key '${key}' occurs twice`, this.at);
      this.expect(":");
      entries.set(key, this.value(depth + 1));
      if (!this.take(",")) {
        this.expect("}");
        break;
      }
    }
    return entries;
  }

  private sequence(close: ")" | "]", depth: number): PythonLiteral {
    const items: PythonLiteral[] = [];
    this.at += 1;
    while (!this.take(close)) {
      items.push(this.value(depth + 1));
      if (!this.take(",")) {
        this.expect(close);
        // `(3)` is a number in brackets, `(3,)` a tuple.
        const [only] = items;
        return close === ")" && items.length === 1 && only !== undefined ? only : items;
      }
    }
    return items;
  }

  private string(): string {
    const quote = this.text[this.at];
    let value = "";
    for (this.at += 1; this.at < this.text.length; this.at += 1) {
      const character = this.text.charAt(this.at);
      if (character === quote) {
        this.at += 1;
        return value;
      }
      if (character === "\\") {
        this.at += 1;
        const escaped = ESCAPES[this.text.charAt(this.at)];
        if (escaped === undefined) throw new LiteralError("an escape that headers do not use", this.at);
        value += escaped;
      } else {
        value += character;
      }
    }
    throw new LiteralError("a string without its end", this.at);
  }

  private take(token: string): boolean {
    this.skipSpace();
    if (this.text[this.at] !== token) return false;
    this.at += 1;
    return true;
  }

  private expect(token: string): void {
    if (!this.take(token)) throw this.unexpected(`'${token}'`);
  }

  private skipSpace(): void {
    while (this.at < this.text.length && " \t\r\n".includes(this.text.charAt(this.at))) this.at += 1;
  }

  private unexpected(expected: string): LiteralError {
    const found = this.text[this.at];
    return new LiteralError(`expected ${expected}, found ${found === undefined ? "the end" : JSON.stringify(found)}`, this.at);
  }
}

/** Parses one literal that fills the whole text. Throws LiteralError. */
export function parsePythonLiteral(text: string): PythonLiteral {
  return new LiteralParser(text).parse();
}
