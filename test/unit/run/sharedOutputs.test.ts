import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

import { execa } from "execa";
import { describe, expect, it } from "vitest";

import { InterruptedError } from "../../../src/bridge/errors.js";
import { produce, type RunContext } from "../../../src/run/context.js";
import type { RunEvent } from "../../../src/run/events.js";
import { entryKey } from "../../../src/store/pendingFolder.js";
import { Store } from "../../../src/store/store.js";
import { builtModule } from "../../helpers/built.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

interface OneRun {
  readonly events: RunEvent[];
  readonly records: RunContext["records"];
  make(work?: () => Promise<void>): Promise<string>;
}

/** A run of several that share a store; each makes the same output. */
async function runIn(root: string, signal = new AbortController().signal): Promise<OneRun> {
  const store = await Store.open(root);
  const events: RunEvent[] = [];
  const records: RunContext["records"] = [];
  const context = { store, signal, report: (event: RunEvent) => events.push(event), fresh: false, records } as unknown as RunContext;
  return {
    events,
    records,
    async make(work = () => Promise.resolve()) {
      const entry = await produce(context, {
        stage: "enhance",
        output: "images for each of captions",
        unit: "queries",
        inputs: "the same",
        async make(pending) {
          await work();
          await writeFile(pending.file("a"), "made");
          return { files: ["a"], facts: {} };
        },
      });
      return readFile(entry.path("a"), "utf8");
    },
  };
}

/** Settles when `release` is called; `reached` when somebody waits for it. */
function gate(): { readonly reached: Promise<void>; readonly wait: () => Promise<void>; release(): void } {
  let reach: () => void = () => undefined;
  let open: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const opened = new Promise<void>((resolve) => (open = resolve));
  return {
    reached,
    wait() {
      reach();
      return opened;
    },
    release: () => {
      open();
    },
  };
}

const taken = ({ records }: OneRun): boolean[] => records.map(({ fromStore }) => fromStore);
const waited = ({ events }: OneRun): string[] => events.flatMap((event) => (event.event === "progress" ? [event.note ?? ""] : []));

describe("an output that several runs want at the same time", () => {
  it("is made once; the others wait for it and take it", async () => {
    const root = join(temporaryFolder(), "store");
    const [first, second, third] = [await runIn(root), await runIn(root), await runIn(root)];
    const held = gate();
    const making = first.make(held.wait);
    await held.reached;
    let early = false;
    const others = [second, third].map((run) => run.make(() => Promise.reject(new Error("made twice"))));
    for (const other of others) void other.then(() => (early = true));
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(early).toBe(false);
    held.release();
    expect(await Promise.all([making, ...others])).toEqual(["made", "made", "made"]);
    expect([taken(first), taken(second), taken(third)]).toEqual([[false], [true], [true]]);
    expect([waited(first), waited(second)]).toEqual([[], ["waiting: another run makes it"]]);
    expect(await readdir(join(root, "claims"))).toEqual([]);
  });

  it("is made once by many that begin in the same moment", async () => {
    const root = join(temporaryFolder(), "store");
    const runs = await Promise.all(Array.from({ length: 8 }, () => runIn(root)));
    let made = 0;
    await Promise.all(
      runs.map((run) =>
        run.make(() => {
          made += 1;
          return Promise.resolve();
        }),
      ),
    );
    expect(made).toBe(1);
    expect(runs.flatMap(taken).filter((fromStore) => !fromStore)).toHaveLength(1);
  });

  it("is made by the next one when the first fails", async () => {
    const root = join(temporaryFolder(), "store");
    const [first, second] = [await runIn(root), await runIn(root)];
    const held = gate();
    const making = first.make(async () => {
      await held.wait();
      throw new Error("out of memory");
    });
    await held.reached;
    const other = second.make();
    held.release();
    await expect(making).rejects.toThrow("out of memory");
    expect(await other).toBe("made");
    expect(taken(second)).toEqual([false]);
  });

  it("is waited for no longer once the user interrupts", async () => {
    const root = join(temporaryFolder(), "store");
    const controller = new AbortController();
    const [first, second] = [await runIn(root), await runIn(root, controller.signal)];
    const held = gate();
    const making = first.make(held.wait);
    await held.reached;
    const other = failureOf(second.make());
    controller.abort(new InterruptedError());
    expect((await other).code).toBe(130);
    held.release();
    expect(await making).toBe("made");
  });

  it("is made at once where its maker is gone, and made here too where it is on another machine", async () => {
    const root = join(temporaryFolder(), "store");
    const folder = join((await Store.open(root)).claims, `enhance-${entryKey("enhance", "the same")}`);
    await mkdir(folder, { recursive: true });
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    await writeFile(join(folder, `claim-${pid}.json`), JSON.stringify({ host: hostname(), pid, start: null }));
    expect(await (await runIn(root)).make()).toBe("made");
    expect(await readdir(join(root, "claims"))).toEqual([]);

    const other = join(temporaryFolder(), "store");
    const foreign = join((await Store.open(other)).claims, `enhance-${entryKey("enhance", "the same")}`);
    await mkdir(foreign, { recursive: true });
    await writeFile(join(foreign, "claim-7.json"), JSON.stringify({ host: "elsewhere", pid: 7, start: null }));
    expect(await (await runIn(other)).make()).toBe("made");
  });

  it("leaves no claims of processes that were killed", async () => {
    const root = join(temporaryFolder(), "store");
    const folder = join((await Store.open(root)).claims, "enhance-1");
    await mkdir(folder, { recursive: true });
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    await writeFile(join(folder, `claim-${pid}.json`), JSON.stringify({ host: hostname(), pid, start: null }));
    await Store.open(root);
    expect(await readdir(join(root, "claims"))).toEqual([]);
  });
});

/** Wants the same outputs one after another; prints how many it made itself. */
const MAKER = `
import { writeFileSync } from "node:fs";
const { produce } = await import(process.argv[1]);
const { Store } = await import(process.argv[2]);
const store = await Store.open(process.argv[3]);
const context = { store, signal: new AbortController().signal, report() {}, fresh: false, records: [] };
for (let round = 0; round < 12; round += 1) {
  await produce(context, { stage: "connect", output: "projectors", unit: "steps", inputs: { round }, async make(pending) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    writeFileSync(pending.file("a"), String(round));
    return { files: ["a"], facts: {} };
  } });
}
console.log(context.records.filter(({ fromStore }) => !fromStore).length);
`;

it("outputs that two processes want at the same time are each made once", async () => {
  const root = join(temporaryFolder(), "store");
  const modules = [builtModule("run/context.js"), builtModule("store/store.js")];
  const outputs = await Promise.all([0, 1].map(() => execa(process.execPath, ["--input-type=module", "-e", MAKER, ...modules, root])));
  expect(outputs.reduce((sum, { stdout }) => sum + Number(stdout), 0)).toBe(12);
});
