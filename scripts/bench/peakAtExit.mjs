// @ts-check
/**
 * Preloaded into a process that is measured (`node --import`): when it ends, writes its peak
 * resident memory in KiB into the file that CMCR_BENCH_PEAK names.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

const STATUS = "/proc/self/status";

function peakKiB() {
  // getrusage also counts what the parent had before it started us; VmHWM is of this program alone.
  if (!existsSync(STATUS)) return process.resourceUsage().maxRSS;
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(STATUS, "utf8"))?.[1]);
}

process.on("exit", () => {
  const file = process.env.CMCR_BENCH_PEAK;
  if (file !== undefined) writeFileSync(file, `${peakKiB()}\n`);
});
