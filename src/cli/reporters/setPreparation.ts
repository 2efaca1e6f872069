import type { CmcrError } from "../../errors.js";
import { renderPlan, renderPrepared } from "../../report/setsPreparation.js";
import type { Plan, Prepared } from "../../run/prepare/prepareSet.js";
import type { SetProgress } from "../../run/setPace.js";
import { SetProgressLine } from "./setProgress.js";

/** Files that could not be made, as far as a terminal shows them. */
const MOST_FAILURES = 20;

/** Shows what a preparation does, as lines or as JSON. */
export class SetPreparation {
  readonly #progress = new SetProgressLine();
  readonly #width = process.stdout.isTTY ? process.stdout.columns : Infinity;
  #failures = 0;

  constructor(private readonly json: boolean) {}

  readonly onPlan = ({ definition, root, there, toLoad }: Plan): void => {
    if (this.json) this.#event({ event: "plan", name: definition.name, root, there: there.map(({ path }) => path), toLoad: toLoad.map(({ path, get, need }) => ({ path, get, need })), from: definition.from });
    else this.#say(renderPlan({ definition, root, there, toLoad }, this.#width));
  };

  readonly onProgress = (what: "cut" | "unpack", progress: SetProgress): void => {
    if (!this.json) this.#progress.show(what, what === "cut" ? "files" : "clouds", progress);
  };

  readonly onFailure = (file: string, error: CmcrError): void => {
    if (this.json) {
      this.#event({ event: "failed", file, reason: error.reason, message: error.message });
      return;
    }
    this.#failures += 1;
    if (this.#failures > MOST_FAILURES) return;
    this.#progress.close();
    process.stderr.write(`${file} was not made: ${error.message}\n`);
    if (this.#failures === MOST_FAILURES) process.stderr.write("… further ones are counted; --json names them all\n");
  };

  readonly onResult = (result: Prepared): void => {
    const { definition, lacking, ...rest } = result;
    if (this.json) this.#event({ event: "prepared", name: definition.name, ...rest, lacking: lacking.map(({ path }) => path) });
    else this.#say(renderPrepared(result, this.#width));
  };

  close(): void {
    this.#progress.close();
  }

  #say(lines: readonly string[]): void {
    this.#progress.close();
    for (const line of lines) process.stdout.write(`${line}\n`);
  }

  #event(event: object): void {
    process.stdout.write(`${JSON.stringify(event)}\n`);
  }
}
