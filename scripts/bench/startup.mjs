// @ts-check
/** Start-up of the command line, best of several, beside that of Node itself. */
import { join } from "node:path";
import { ROOT, cmcr, runNode } from "./commands.mjs";
import { rounded } from "./results.mjs";

const COMMANDS = [
  { name: "help", what: "cmcr --help", args: cmcr("--help"), bar: { atMost: 0.3 } },
  { name: "validate", what: "cmcr validate experiments/quickstart.yaml", args: cmcr("validate", join(ROOT, "experiments", "quickstart.yaml")), bar: { atMost: 0.5 } },
];

/** Best time of each command, and its ratio to the best of `node -e 0` in the same rounds. */
export async function* measureStartup(context) {
  const rounds = context.quick ? 2 : 10;
  context.say(`start-up: best of ${rounds}`);
  const empty = [];
  const taken = COMMANDS.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    empty.push(await runNode(["-e", "0"], context));
    for (const [index, { args }] of COMMANDS.entries()) taken[index].push(await runNode(args, context));
  }
  const node = Math.min(...empty);
  for (const [index, { name, what, bar }] of COMMANDS.entries()) {
    const best = Math.min(...taken[index]);
    const seconds = taken[index].map(rounded);
    yield { name, what: `${what}, best of ${rounds}`, unit: "s", measured: best, bar, details: { seconds, nodeSeconds: rounded(node) } };
    yield { name: `${name}-to-node`, what: `${what} to node -e 0`, unit: "ratio", measured: best / node };
  }
}
