import { command } from "./command.js";

export const worker = command({
  command: "worker <action>",
  describe: "The worker by itself: install it, start it, or ask one who it is",
  builder: (yargs) =>
    yargs
      .positional("action", {
        type: "string",
        demandOption: true,
        choices: ["install", "start", "info"] as const,
        describe: "install: its Python environment; start: serve until Ctrl-C; info: what it is and has",
      })
      .option("torch", { type: "string", requiresArg: true, choices: ["auto", "cpu", "cuda"] as const, default: "auto" as const, describe: "install: which build of PyTorch" })
      .option("python", { type: "string", describe: "install: the Python to make the environment from" })
      .option("dev", { type: "boolean", default: false, describe: "install: also the tools of the tests" })
      .option("listen", { type: "string", describe: "start: unix:/path or a loopback host:port; a socket of its own unless given" })
      .option("root", { type: "string", array: true, nargs: 1, describe: "start: a folder it may read and write below (repeatable)" })
      .option("device", { type: "string", requiresArg: true, default: "auto", describe: "start, info: auto, cpu, cuda or cuda:N" })
      .option("threads", { type: "string", requiresArg: true, default: "1", describe: "start, info: threads for one operation of torch" })
      .option("decoders", { type: "string", requiresArg: true, describe: "start: processes that decode images, sounds and clouds; as many as there are cores unless given" })
      .option("address", { type: "string", describe: "info: the worker to ask; one is started for it unless given" })
      .option("json", { type: "boolean", default: false, describe: "Answer as JSON" }),
  handler: async (argv) => {
    const { interruptible } = await import("../interrupt.js");
    const { workerAction } = await import("../../run/workerAction.js");
    await interruptible((signal) => workerAction(argv, signal, (line) => process.stdout.write(`${line}\n`)));
  },
});
