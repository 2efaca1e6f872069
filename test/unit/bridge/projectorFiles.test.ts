import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import type { ServerDuplexStream } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";

import { CHUNK_BYTES } from "../../../src/bridge/channel.js";
import { ConnectorClient } from "../../../src/bridge/connectorClient.js";
import type { ExportProjectorsRequest, ExportProjectorsResponse, ImportProjectorsRequest, ImportProjectorsResponse, PublishedSide } from "../../../src/bridge/gen/cmcr/v1/connector.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";
import { fakeWorker } from "./fakeWorker.js";

const DATA = Buffer.from("the projectors");
const sum = (data: Buffer) => createHash("sha256").update(data).digest("hex");
const side = (space: string, source: string): PublishedSide => ({ space, source, head: { preset: "three-d", inputDim: 5, outputDim: 4, layers: [], members: 0 } });
const SIDES = [side("clip", "Head_A."), side("ulip", "Head_B.")];

describe("an import", () => {
  async function importing(answers: readonly ImportProjectorsResponse[], contents: readonly Buffer[] = [DATA]) {
    const requests: ImportProjectorsRequest[] = [];
    const fake = await fakeWorker({
      connectors: {
        importProjectors: (call: ServerDuplexStream<ImportProjectorsRequest, ImportProjectorsResponse>) => {
          call.on("data", (message: ImportProjectorsRequest) => requests.push(message));
          call.on("end", () => {
            for (const answer of answers) call.write(answer);
            call.end();
          });
        },
      },
    });
    const folder = temporaryFolder();
    const files = contents.map((data, index) => ({ name: `${index}.pt`, path: join(folder, `${index}`) }));
    for (const [index, { path }] of files.entries()) writeFileSync(path, contents[index] ?? "");
    const result = await new ConnectorClient(fake.channel()).importProjectors({ layout: "three-d", spaces: ["clip", "ulip"], files });
    return { result, requests };
  }
  const finished = (changes: object = {}): ImportProjectorsResponse => ({
    part: { $case: "finished", value: { sides: SIDES, tensors: 14, bytes: DATA.length, sha256: sum(DATA), ...changes } },
  });
  const chunk = (value: Buffer): ImportProjectorsResponse => ({ part: { $case: "chunk", value } });

  it("sends each file under its name, in pieces, and puts the answer's pieces together", async () => {
    const large = Buffer.alloc(CHUNK_BYTES + 7, 3);
    const { result, requests } = await importing([finished(), chunk(DATA.subarray(0, 5)), chunk(DATA.subarray(5))], [large, DATA]);
    expect(requests.map(({ part }) => part?.$case)).toEqual(["start", "file", "chunk", "chunk", "file", "chunk"]);
    expect(requests[0]?.part).toEqual({ $case: "start", value: { layout: "three-d", spaces: ["clip", "ulip"] } });
    expect(requests[4]?.part).toEqual({ $case: "file", value: "1.pt" });
    expect(requests[3]?.part?.value).toHaveLength(7);
    expect(result.data).toEqual(DATA);
    expect(result).toMatchObject({ sha256: sum(DATA), tensors: 14, sides: [{ space: "clip", source: "Head_A." }, { space: "ulip", head: { preset: "three-d", inputDim: 5, outputDim: 4 } }] });
  });

  it.each([
    ["cut short", [finished(), chunk(DATA.subarray(1))]],
    ["with other bytes", [finished(), chunk(Buffer.from("The projectors"))]],
    ["never announced", [chunk(DATA)]],
    ["of one side", [finished({ sides: SIDES.slice(1) }), chunk(DATA)]],
  ] as const)("%s is refused", async (_what, answers) => {
    expect(await failureOf(importing(answers))).toMatchObject({ code: 4, reason: "CHECKSUM_MISMATCH" });
  });
});

describe("an export", () => {
  async function exporting(answers: readonly ExportProjectorsResponse[], data = DATA) {
    const requests: ExportProjectorsRequest[] = [];
    const fake = await fakeWorker({
      connectors: {
        exportProjectors: (call: ServerDuplexStream<ExportProjectorsRequest, ExportProjectorsResponse>) => {
          call.on("data", (message: ExportProjectorsRequest) => requests.push(message));
          call.on("end", () => {
            for (const answer of answers) call.write(answer);
            call.end();
          });
        },
      },
    });
    const files = await new ConnectorClient(fake.channel()).exportProjectors({ layout: "three-d", spaces: ["clip", "ulip"], data });
    return { files, requests };
  }
  const file = (data: Buffer): ExportProjectorsResponse => ({ part: { $case: "file", value: { tensors: 7, bytes: data.length, sha256: sum(data), sides: SIDES } } });
  const chunk = (value: Buffer): ExportProjectorsResponse => ({ part: { $case: "chunk", value } });

  it("sends the projectors in pieces, and gives every file back", async () => {
    const [one, two] = [Buffer.from("one"), Buffer.from("second")];
    const { files, requests } = await exporting([file(one), chunk(one), file(two), chunk(two.subarray(0, 2)), chunk(two.subarray(2))], Buffer.alloc(CHUNK_BYTES + 1));
    expect(requests.map(({ part }) => part?.$case)).toEqual(["start", "chunk", "chunk"]);
    expect(files.map(({ data, tensors }) => [data.toString(), tensors])).toEqual([["one", 7], ["second", 7]]);
    expect(files[0]?.sides.map(({ source }) => source)).toEqual(["Head_A.", "Head_B."]);
  });

  it.each([
    ["no file", []],
    ["a file cut short", [file(DATA), chunk(DATA.subarray(1))]],
    ["pieces without a file", [chunk(DATA)]],
  ] as const)("with %s is refused", async (_what, answers) => {
    expect(await failureOf(exporting(answers))).toMatchObject({ code: 4, reason: "CHECKSUM_MISMATCH" });
  });
});
