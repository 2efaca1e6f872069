// @ts-check
/**
 * Progress of the set-up, on stderr: stdout belongs to the command that follows.
 * A terminal gets one line that changes, everything else plain lines.
 */
import process from "node:process";

const REDRAW_MS = 200;
const REMINDER_MS = 20_000;

/** Seconds or minutes and seconds, for people. */
export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** A reporter of steps; `stream` is stderr outside of tests. Once `signal` is aborted a step's failure is no news. */
export function createProgress(signal, stream = process.stderr) {
  const terminal = stream.isTTY === true && process.env.CI === undefined;
  const clear = () => terminal && stream.write("\r\x1b[K");
  const line = (text) => {
    clear();
    stream.write(`${text}\n`);
  };

  /** Runs one step; `work` is handed a function that says what it is at. */
  async function step(title, work) {
    const started = Date.now();
    let note = "";
    const elapsed = () => duration(Date.now() - started);
    if (!terminal) line(`${title} …`);
    const timer = setInterval(
      () => {
        if (!terminal) return line(`  … ${note === "" ? "still running" : note} (${elapsed()})`);
        const width = (stream.columns ?? 80) - 1;
        stream.write(`\r\x1b[K${`${title} … ${elapsed()}  ${note}`.slice(0, width)}`);
      },
      terminal ? REDRAW_MS : REMINDER_MS,
    );
    try {
      const result = await work((text) => {
        note = text;
        if (!terminal) line(`  ${text}`);
      });
      line(`${title}: done in ${elapsed()}`);
      return result;
    } catch (error) {
      if (!signal.aborted) line(`${title}: failed after ${elapsed()}`);
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  return { line, step };
}
