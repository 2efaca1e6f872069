import { execa } from "execa";

import { workerEnvironment } from "../../../src/setup/index.js";

/** Dimensions of the files' heads: those of the built-in encoders, so that items can be embedded too. */
export const WIDTHS = { clip: 64, clap: 48, ulip: 40, joint: 32 } as const;

/**
 * Written with PyTorch alone: files as the authors save them, with random weights,
 * and the ways in which one can be wrong.
 */
const MAKE = `
import json, os, sys
from collections import OrderedDict
import torch

folder, widths = sys.argv[1], json.loads(sys.argv[2])
torch.manual_seed(7)

def linear(state, name, outputs, inputs):
    state[name + ".weight"] = torch.randn(outputs, inputs) * inputs ** -0.5
    state[name + ".bias"] = torch.randn(outputs) * 0.1

def norm(state, name, width):
    state[name + ".weight"] = 0.5 + torch.rand(width)
    state[name + ".bias"] = torch.randn(width) * 0.1
    state[name + ".running_mean"] = torch.randn(width) * 0.1
    state[name + ".running_var"] = 0.05 + torch.rand(width)
    state[name + ".num_batches_tracked"] = torch.tensor(3080)

def audio_visual(state, name, inputs, outputs):
    linear(state, name + "net1.0", 2 * inputs, inputs)
    norm(state, name + "net1.1", 2 * inputs)
    linear(state, name + "net2.0", outputs, 2 * inputs)
    norm(state, name + "net2.1", outputs)

def three_d(state, name, inputs, outputs):
    linear(state, name + "net.0", outputs, inputs)
    norm(state, name + "net.1", outputs)

clap_clip, ulip_clip, ex_clap = OrderedDict(), OrderedDict(), OrderedDict()
audio_visual(clap_clip, "Head_A.", widths["clap"], widths["joint"])
audio_visual(clap_clip, "Head_B.", widths["clip"], widths["joint"])
three_d(ulip_clip, "Head_A.", widths["clip"], widths["joint"])
three_d(ulip_clip, "Head_B.", widths["ulip"], widths["joint"])
linear(ex_clap, "Head1", widths["clip"], widths["clap"])
audio_visual(ex_clap, "Head2.mlp1.", widths["clip"], widths["clip"])
audio_visual(ex_clap, "Head2.mlp2.", widths["clip"], widths["clip"])

class Code:
    def __reduce__(self):
        return (os.mkdir, (os.path.join(folder, "bait"),))

lacking = OrderedDict(ulip_clip)
del lacking["Head_B.net.1.running_var"]
files = {
    "clap_clip.pt": clap_clip,
    "ulip_clip.pt": ulip_clip,
    "ex_clap.pt": ex_clap,
    "lacking.pt": lacking,
    "shape.pt": OrderedDict({**ulip_clip, "Head_B.net.0.bias": torch.zeros(7)}),
    "code.pt": {**ulip_clip, "more": Code()},
}
for name, state in files.items():
    torch.save(state, os.path.join(folder, name))
for mode in ("mix", "A", "T", "V", "AT", "AV", "TV"):
    state = OrderedDict()
    linear(state, "Head2.mlps.0", 2048, widths["clap"])
    norm(state, "Head2.mlps.1", 2048)
    linear(state, "Head2.mlps.3", widths["clip"], 2048)
    norm(state, "Head2.mlps.4", widths["clip"])
    os.makedirs(os.path.join(folder, "freebind", mode))
    torch.save(state, os.path.join(folder, "freebind", mode, "best.pt"))
whole = open(os.path.join(folder, "ulip_clip.pt"), "rb").read()
open(os.path.join(folder, "truncated.pt"), "wb").write(whole[: len(whole) // 2])
`;

/** Type, shape and bytes of every tensor of a .pt, in its order, as one line of JSON. */
const TELL = `
import hashlib, json, sys
import torch

state = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
print(json.dumps([[name, str(v.dtype), list(v.shape), hashlib.sha256(v.numpy().tobytes()).hexdigest()] for name, v in state.items()]))
`;

/** Rows through one of the heads, by NumPy alone: normalised, the head with running statistics, normalised. */
const PROJECT = `
import sys
import numpy as np, torch

file, prefix, source, out = sys.argv[1:]
state = {name[len(prefix):]: v.double().numpy() for name, v in torch.load(file, weights_only=True).items() if name.startswith(prefix)}
unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
linear = lambda x, name: x @ state[name + ".weight"].T + state[name + ".bias"]
norm = lambda x, name: (x - state[name + ".running_mean"]) / np.sqrt(state[name + ".running_var"] + 1e-5) * state[name + ".weight"] + state[name + ".bias"]
x = unit(np.load(source).astype(np.float64))
if "net.0.weight" in state:
    x = np.maximum(norm(linear(x, "net.0"), "net.1"), 0)
else:
    x = norm(linear(np.maximum(norm(linear(x, "net1.0"), "net1.1"), 0), "net2.0"), "net2.1")
np.save(out, unit(x).astype(np.float32))
`;

async function python(program: string, ...args: readonly string[]): Promise<string> {
  const { python: path } = await workerEnvironment();
  const { stdout } = await execa(path, ["-c", program, ...args]);
  return stdout;
}

/** Makes the authors' files, and wrong ones, in `folder`. */
export async function writeAuthorsFiles(folder: string): Promise<void> {
  await python(MAKE, folder, JSON.stringify(WIDTHS));
}

/** Name, type, shape and checksum of each tensor of a .pt, loaded as weights alone. */
export async function tensorsOf(file: string): Promise<readonly (readonly [name: string, type: string, shape: readonly number[], sha256: string])[]> {
  return JSON.parse(await python(TELL, file)) as readonly (readonly [string, string, readonly number[], string])[];
}

/** Writes what `prefix`'s head of an authors' file makes of the rows in `source`. */
export async function referenceProjection(file: string, prefix: string, source: string, out: string): Promise<void> {
  await python(PROJECT, file, prefix, source, out);
}
