import { readdirSync, readFileSync } from "node:fs";

/** Whether a process of that number still runs; one that has ended and is not yet reaped does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    // Without /proc the signal's answer has to do.
    return process.platform !== "linux";
  }
}

/** Waits until `condition` holds, and says whether it did within the limit. */
export async function within(limitMs: number, condition: () => boolean): Promise<boolean> {
  const end = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/** Processes whose command line names `text`, such as a socket's folder that only one command has. */
export function processesNaming(text: string): readonly number[] {
  const numbers = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return numbers
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number)
    .filter(isRunning);
}
