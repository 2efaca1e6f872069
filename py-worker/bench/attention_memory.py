"""How much memory attention takes beyond the mapped file, measured in a process of its own.

Prints one JSON object. Writes a memory of --memory x --dim random rows as .npy (2 GB by default),
maps it, attends from --queries rows, and samples the process's anonymous resident memory (RssAnon
of /proc/self/status) throughout: pages of the mapped file are not in it. `extraMiB` is the highest
sample less that before the call; the queries and the result lie in mapped files as well.

    python bench/attention_memory.py --memory 1000000 --dim 512 --queries 512
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from cmcr_worker.connectors.attention import attend
from cmcr_worker.tensors.npy import NpyWriter, open_npy

_BLOCK = 8192


def anonymous_bytes() -> int:
    """Resident memory of this process that no file backs."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no RssAnon: this benchmark needs Linux")


class Peak:
    """Samples anonymous memory on a thread while the body of a `with` runs."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def _sample(self) -> None:
        while not self._stop.wait(0.005):
            self.bytes = max(self.bytes, anonymous_bytes())

    def __enter__(self) -> Peak:
        self.bytes = anonymous_bytes()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.bytes = max(self.bytes, anonymous_bytes())


def write_random(path: Path, rows: int, columns: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    with NpyWriter(path, (rows, columns)) as writer:
        for start in range(0, rows, _BLOCK):
            block = generator.standard_normal((min(_BLOCK, rows - start), columns), dtype=np.float32)
            writer.rows(start, block / np.linalg.norm(block, axis=1, keepdims=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("--memory", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; default: a new one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry; JSON is all it prints")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_random(folder / "memory.npy", options.memory, options.dim, 0)
        write_random(folder / "queries.npy", options.queries, options.dim, 1)
        memory, queries = open_npy(folder / "memory.npy"), open_npy(folder / "queries.npy")
        # The libraries' own buffers are there before the call is measured.
        with NpyWriter(folder / "warm.npy", (8, options.dim)) as writer:
            attend(queries[:8], memory[:64], 0.01, writer, device=options.device)
        before = anonymous_bytes()
        began = time.perf_counter()
        with Peak() as peak, NpyWriter(folder / "out.npy", (options.queries, options.dim)) as writer:
            attend(queries, memory, 0.01, writer, device=options.device)
        seconds = time.perf_counter() - began
    print(
        json.dumps(
            {
                "benchmark": "attention-memory",
                "device": options.device,
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "queries": options.queries,
                "memory": options.memory,
                "dim": options.dim,
                "mappedMiB": round(options.memory * options.dim * 4 / 2**20, 1),
                "beforeMiB": round(before / 2**20, 1),
                "extraMiB": round((peak.bytes - before) / 2**20, 1),
                "seconds": round(seconds, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
