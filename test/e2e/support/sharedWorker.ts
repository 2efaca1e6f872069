import { start, type Workplace } from "./cli.js";

/** A worker that serves several commands: what they test is not how one is started. */
export interface SharedWorker {
  readonly address: string;
  /** Arguments that make `cmcr run` use it. */
  readonly use: readonly string[];
  /** Ends it as Ctrl-C does; the command's exit code. */
  stop(): Promise<number | undefined>;
}

/** Starts `cmcr worker start` and waits until it listens. `listen` is the option's value; `roots` are the folders that it may see. */
export async function startWorker(place: Workplace, listen: string, roots: readonly string[]): Promise<SharedWorker> {
  const args = ["worker", "start", "--device", "cpu", "--listen", listen, ...roots.flatMap((root) => ["--root", root])];
  // For as long as the tests of a file take.
  const child = start(args, { env: place.env, limitMs: 300_000 });
  let said = "";
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
      const listening = /listening on (\S+),/.exec(said)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    void child.then(({ stderr }) => {
      reject(new Error(`the worker did not start:\n${said}${stderr}`));
    });
  });
  return {
    address,
    use: ["--set", `worker={address: "${address}"}`],
    async stop() {
      child.kill("SIGINT");
      return (await child).exitCode;
    },
  };
}
