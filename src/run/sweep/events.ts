import type { RunEvent } from "../events.js";
import type { SweepTable } from "./table.js";

/** Where a variant stands. */
export type VariantStatus = "pending" | "running" | "complete" | "failed" | "interrupted";

/** An event of a variant's run, with the variant's name. */
export type VariantRunEvent = RunEvent & { readonly variant: string };

/** What a sweep tells whoever watches, beside the events of its runs. With `--json` each is one line on standard output. */
export type SweepEvent =
  | {
      readonly event: "sweep";
      readonly sweep: string;
      readonly folder: string;
      readonly variants: number;
      /** Of these, how many are finished from before. */
      readonly finished: number;
    }
  /** How many run at the same time; told once the first worker has said what it computes on. */
  | { readonly event: "lanes"; readonly lanes: number; readonly device: string }
  | {
      readonly event: "variant";
      readonly variant: string;
      readonly status: Exclude<VariantStatus, "pending">;
      /** How many variants are finished now, whether well or not. */
      readonly done: number;
      readonly total: number;
      /** How long it ran. */
      readonly seconds: number | null;
      /** Why it failed. */
      readonly message?: string;
    }
  | { readonly event: "sweep-warning"; readonly message: string }
  | { readonly event: "table"; readonly table: SweepTable }
  | { readonly event: "sweep-done"; readonly sweep: string; readonly folder: string; readonly seconds: number; readonly complete: number; readonly failed: number }
  | VariantRunEvent;

/** Hears the events of a sweep. */
export type SweepReporter = (event: SweepEvent) => void;
