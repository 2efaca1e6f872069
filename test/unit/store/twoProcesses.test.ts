import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { execa } from "execa";
import { describe, expect, it } from "vitest";

import { Store } from "../../../src/store/store.js";
import { builtModule } from "../../helpers/built.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";

const ROUNDS = 25;

/** Commits the same keys as fast as it can, looking each up before and after. */
const COMMITTER = `
import { writeFileSync } from "node:fs";
const { Store } = await import(process.argv[1]);
const store = await Store.open(process.argv[2]);
let damaged = 0;
for (let round = 0; round < ${ROUNDS}; round += 1) {
  await store.find("encode", { round }, () => (damaged += 1));
  const pending = await store.begin();
  writeFileSync(pending.file("embeddings.npy"), "rows of round " + round);
  await store.commit(pending, "encode", { round }, ["embeddings.npy"], {});
}
console.log(damaged);
`;

describe("two processes that make the same outputs", () => {
  it("both finish, never see half an output, and leave each output once and whole", async () => {
    const root = join(temporaryFolder(), "store");
    const module = builtModule("store/store.js");
    const runs = [0, 1].map(() => execa(process.execPath, ["--input-type=module", "-e", COMMITTER, module, root]));
    const outputs = await Promise.all(runs);
    expect(outputs.map(({ stdout }) => stdout)).toEqual(["0", "0"]);
    const store = await Store.open(root);
    for (let round = 0; round < ROUNDS; round += 1) {
      const found = await store.find("encode", { round }, ({ problem }) => expect.fail(problem));
      expect(await readFile(found?.path("embeddings.npy") ?? "", "utf8")).toBe(`rows of round ${round}`);
    }
    expect(await readdir(join(root, "encode"))).toHaveLength(ROUNDS);
    expect(await readdir(join(root, "pending"))).toEqual([]);
  });
});
