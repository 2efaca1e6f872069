import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { asyncBufferFromFile } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";

import type { Modality } from "../../../src/config/compiled.js";
import { PARTS, partSuffix } from "../../../src/data/clipRetrieval/layout.js";
import { joinParts, readClipRetrieval } from "../../../src/data/clipRetrieval/read.js";
import { type DescribedRow, writeClipRetrieval } from "../../../src/data/clipRetrieval/write.js";
import { readNpy, readNpyHeader, writeNpy } from "../../../src/data/npy.js";
import { decodeFloat16, encodeFloat16 } from "../../../src/data/npyFloat16.js";
import { failureOf } from "../../helpers/failures.js";
import { temporaryFolder } from "../../helpers/temporaryFolder.js";
import { encodeNpyHeader } from "../../../src/data/npyHeader.js";

const DIM = 4;

/** Unit rows, each different. */
function unitRows(rows: number): Float32Array {
  const values = Float32Array.from({ length: rows * DIM }, (_, index) => Math.sin(index + 1));
  for (let row = 0; row < rows; row += 1) {
    const length = Math.hypot(...values.subarray(row * DIM, (row + 1) * DIM));
    for (let i = row * DIM; i < (row + 1) * DIM; i += 1) values[i] = (values[i] ?? 0) / length;
  }
  return values;
}

async function write(rows: number, modality: Modality, options: { rowsPerPartition?: number; described?: number; attributes?: readonly string[] } = {}) {
  const place = temporaryFolder();
  const folder = join(place, "out");
  mkdirSync(folder);
  const values = unitRows(rows);
  await writeNpy(join(place, "e.npy"), values, [rows, DIM]);
  async function* described(): AsyncGenerator<DescribedRow> {
    for (let row = 0; row < (options.described ?? rows); row += 1) {
      yield await Promise.resolve({ id: `item ${row}`, caption: modality === "text" ? `caption ${row}, "é"` : null, attributes: { class: `c${row % 2}`, image_path: "no", metadata: "no" } });
    }
  }
  const partitions = await writeClipRetrieval({ folder, modality, embeddings: join(place, "e.npy"), rows: described(), attributes: options.attributes ?? [], ...(options.rowsPerPartition === undefined ? {} : { rowsPerPartition: options.rowsPerPartition }) });
  return { folder, partitions, values };
}

const metadata = async (path: string) => parquetReadObjects({ file: await asyncBufferFromFile(path) });

describe("half precision", () => {
  it("comes back as it was, every value of it", () => {
    const bits = Uint16Array.from({ length: 1 << 16 }, (_, value) => value);
    const back = encodeFloat16(decodeFloat16(bits));
    for (let value = 0; value < 1 << 16; value += 1) {
      const isNaN = (value & 0x7c00) === 0x7c00 && (value & 0x3ff) !== 0;
      if (isNaN) expect((back[value] ?? 0) & 0x7e00).toBe(0x7e00);
      else expect(back[value]).toBe(value);
    }
  });

  it.each([
    // Halfway between two neighbours goes to the even one, as numpy has it.
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [-1e9, 0xfc00],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.001, 0x0001],
    [3 * 2 ** -25, 0x0002],
    [2 ** -14 - 2 ** -26, 0x0400],
    [0.1, 0x2e66],
    [-0, 0x8000],
    [Infinity, 0x7c00],
  ])("of %d is %i", (value, bits) => {
    expect(encodeFloat16(Float32Array.of(value))[0]).toBe(bits);
  });
});

describe("clip-retrieval's layout", () => {
  it("numbers its parts in int(log10(partitions)) + 1 digits, so that sorted names are in order", () => {
    for (const partitions of [1, 2, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 10_000]) {
      const digits = Math.floor(Math.log10(partitions) + 1e-12) + 1;
      const names = Array.from({ length: partitions }, (_, partition) => partSuffix(partition, partitions));
      expect(names.every((name) => name.length === digits)).toBe(true);
      expect([...names].sort()).toEqual(names);
    }
    expect(partSuffix(0, 1)).toBe("0");
    expect(partSuffix(9, 10)).toBe("09");
  });

  it.each<[Modality, string, string]>([
    ["image", "img_emb", "image_path"],
    ["text", "text_emb", "caption"],
    ["audio", "audio_emb", "audio_path"],
    ["pointcloud", "pc_emb", "pointcloud_path"],
  ])("of %s is float16 parts with their metadata", async (modality, name, column) => {
    const { folder, partitions, values } = await write(3, modality);
    expect(partitions).toBe(1);
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual([name, `${name}/${name}_0.npy`, "metadata", "metadata/metadata_0.parquet"].sort());
    const { dtype, shape, data } = await readNpy(join(folder, name, `${name}_0.npy`));
    expect([dtype, shape]).toEqual(["float16", [3, DIM]]);
    values.forEach((value, index) => { expect(Number(data[index])).toBeCloseTo(value, 3); });
    expect((await metadata(join(folder, "metadata/metadata_0.parquet"))).map((row) => row[column] as unknown)).toEqual([0, 1, 2].map((row) => (modality === "text" ? `caption ${row}, "é"` : `item ${row}`)));
  });

  it("cuts at whole partitions, and keeps rows and metadata together", async () => {
    const { folder, partitions } = await write(25, "image", { rowsPerPartition: 2 });
    expect(partitions).toBe(13);
    const names = readdirSync(join(folder, "img_emb")).sort();
    expect([names[0], names[12]]).toEqual(["img_emb_00.npy", "img_emb_12.npy"]);
    expect((await readNpyHeader(join(folder, "img_emb/img_emb_12.npy"))).shape).toEqual([1, DIM]);
    const rows: unknown[] = [];
    for (const name of readdirSync(join(folder, "metadata")).sort()) rows.push(...(await metadata(join(folder, "metadata", name))).map((row) => row["image_path"] as unknown));
    expect(rows).toEqual(Array.from({ length: 25 }, (_, row) => `item ${row}`));
    expect((await write(10, "image", { rowsPerPartition: 1 })).partitions).toBe(10);
  });

  it("keeps attributes as columns, but for those that clip-retrieval makes itself", async () => {
    const { folder } = await write(2, "image", { attributes: ["class", "image_path", "metadata"] });
    expect(await metadata(join(folder, "metadata/metadata_0.parquet"))).toEqual([{ image_path: "item 0", class: "c0" }, { image_path: "item 1", class: "c1" }]);
    const { schema } = await parquetMetadataAsync(await asyncBufferFromFile(join(folder, "metadata/metadata_0.parquet")));
    expect(schema.map(({ name }) => name)).toEqual(["root", "image_path", "class"]);
  });

  it("is not written for more or fewer rows than there are, or for videos", async () => {
    expect(await failureOf(write(3, "image", { described: 2 }))).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH" });
    expect(await failureOf(write(3, "image", { described: 4 }))).toMatchObject({ code: 3, reason: "SHAPE_MISMATCH" });
    expect(await failureOf(write(3, "video"))).toMatchObject({ code: 2 });
  });
});

describe("a folder of clip-retrieval", () => {
  it("is read back as it was written, in the order of the names", async () => {
    for (const [modality, name] of Object.entries(PARTS) as [Modality, string | null][]) {
      if (name === null) continue;
      const { folder, values } = await write(25, modality, { rowsPerPartition: 2 });
      const parts = await readClipRetrieval(folder, modality);
      expect([parts.shape, parts.dtype, parts.paths.length]).toEqual([[25, DIM], "float16", 13]);
      expect((await readClipRetrieval(join(folder, name), modality)).shape).toEqual([25, DIM]);
      const joined = join(temporaryFolder(), "joined.npy");
      await joinParts(parts, joined);
      expect((await readNpy(joined)).data).toEqual(decodeFloat16(encodeFloat16(values)));
    }
  });

  it("is read in the order of sorted(glob), as its consumers do, also where names are not padded", async () => {
    const { folder } = await write(11, "image", { rowsPerPartition: 1 });
    for (const place of ["img_emb/img_emb", "metadata/metadata"]) {
      for (let n = 0; n < 10; n += 1) {
        const ending = place.startsWith("img") ? "npy" : "parquet";
        renameSync(join(folder, `${place}_0${n}.${ending}`), join(folder, `${place}_${n}.${ending}`));
      }
    }
    expect((await readClipRetrieval(folder, "image")).paths.map((path) => path.replace(/.*_/, ""))).toEqual(["0.npy", "1.npy", "10.npy", ...[2, 3, 4, 5, 6, 7, 8, 9].map((n) => `${n}.npy`)]);
  });

  it("may lack metadata, and may be of float32", async () => {
    const { folder } = await write(3, "image");
    rmSync(join(folder, "metadata"), { recursive: true });
    await writeNpy(join(folder, "img_emb/img_emb_0.npy"), unitRows(3), [3, DIM]);
    expect(await readClipRetrieval(folder, "image")).toMatchObject({ dtype: "float32", shape: [3, DIM] });
  });

  it.each<[string, (folder: string) => void, RegExp]>([
    ["has not the modality", (folder) => { renameSync(join(folder, "img_emb"), join(folder, "text_emb")); }, /expected the folder img_emb .* found text_emb/],
    ["has no parts", (folder) => { for (const name of readdirSync(join(folder, "img_emb"))) rmSync(join(folder, "img_emb", name)); }, /expected img_emb_0\.npy/],
    ["lacks a part", (folder) => { rmSync(join(folder, "img_emb/img_emb_1.npy")); }, /metadata_1\.parquet is there, and img_emb_1\.npy is not/],
    ["has other metadata", (folder) => { writeFileSync(join(folder, "metadata/metadata_1.parquet"), Buffer.from(parquetWriteBuffer({ columnData: [{ name: "image_path", data: ["a"], type: "STRING" }] }))); }, /it has 2 rows, and metadata_1\.parquet 1/],
    ["has parts of other dimensions", (folder) => { part(folder, "float16", [2, 3], 12); }, /expected 4 dimensions, as img_emb_0\.npy has, found 3/],
    ["has parts of other types", (folder) => { part(folder, "float32", [2, 4], 32); }, /expected float16, as img_emb_0\.npy has, found float32/],
    ["has a vector for a part", (folder) => { part(folder, "float16", [8], 16); }, /expected a matrix/],
    ["has a damaged part", (folder) => { writeFileSync(join(folder, "img_emb/img_emb_1.npy"), readFileSync(join(folder, "img_emb/img_emb_1.npy")).subarray(0, 100)); }, /ends within its header|truncated/],
  ])("that %s is exit 3", async (_, change, message) => {
    const { folder } = await write(4, "image", { rowsPerPartition: 2 });
    change(folder);
    const error = await failureOf(readClipRetrieval(folder, "image"));
    expect(error.code).toBe(3);
    expect(error.message).toMatch(message);
  });

  it("is told from a folder of cmcr encode, whose file is named", async () => {
    const folder = temporaryFolder();
    await writeNpy(join(folder, "embeddings.npy"), Float32Array.of(1, 0), [1, 2]);
    for (const modality of ["audio", "pointcloud"] as const) {
      expect((await failureOf(readClipRetrieval(folder, modality))).message).toContain(`found a folder of cmcr encode. Give ${join(folder, "embeddings.npy")}.`);
    }
  });

  it("has no videos", async () => {
    expect((await failureOf(readClipRetrieval(temporaryFolder(), "video"))).message).toContain("no embeddings of the modality video");
  });
});

function part(folder: string, dtype: "float16" | "float32", shape: readonly number[], bytes: number): void {
  writeFileSync(join(folder, "img_emb/img_emb_1.npy"), Buffer.concat([encodeNpyHeader(dtype, shape), Buffer.alloc(bytes)]));
}
