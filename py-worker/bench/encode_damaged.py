"""Damaged files of every kind among good ones, through a running worker's service and its decoders.

Prints one JSON object: how many were made, listed and embedded, how long it took, and one cause for each
kind. Exits with 1 where one was not listed or a good one has no row.

    python bench/encode_damaged.py --count 1000 --seed 0
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "server"))

import damaged_files
import numpy as np
import torch
from served import serving
from strange_encoder import expected
from test_damaged_files import COUNTS, EveryModality, messages

from cmcr_worker.server import encoders
from cmcr_worker.server.embedding import printable


def run(folder: Path, count: int, seed: int) -> dict[str, Any]:
    provider = EveryModality()
    encoders.provider = lambda name: provider  # type: ignore[assignment]
    report: dict[str, Any] = {"count": count, "seed": seed, "modalities": {}}
    with serving(folder) as served:
        for modality, (share, _) in COUNTS.items():
            place = served.root / modality
            place.mkdir()
            damaged = count * share // 1000
            made = damaged_files.make(place, modality, damaged, max(1, damaged // 4), seed)
            began = time.monotonic()
            answers = list(served.encoders.Encode(iter(messages(place, made, modality)), timeout=600))
            seconds = time.monotonic() - began
            listed = {failure.item: failure.message for answer in answers for failure in answer.failures}
            good = [each.number for each in made if each.number is not None]
            rows = served.values(answers[-1].shard.tensor.handle)
            wrong = [each.name for at, each in enumerate(made) if (each.number is None) != (at in listed)]
            report["modalities"][modality] = {
                "damaged": damaged,
                "good": len(good),
                "listed": len(listed),
                "rowsRight": rows.shape == (len(good), 2) and np.allclose(rows, expected(good), atol=1e-6),
                "wrong": wrong,
                "seconds": round(seconds, 2),
                "decodersLive": len(served.state.decoders.pids()),
                "causes": {
                    each.kind: listed[at].replace(printable(each.name), "…")
                    for at, each in enumerate(made)
                    if at in listed
                },
            }
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory(prefix="cmcr-bench-") as folder:
        report = run(Path(folder), options.count, options.seed)
    print(json.dumps(report, indent=1, ensure_ascii=False))
    parts = report["modalities"].values()
    return 0 if all(part["rowsRight"] and not part["wrong"] for part in parts) else 1


if __name__ == "__main__":
    sys.exit(main())
