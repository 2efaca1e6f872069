"""A thousand damaged files among good ones: each is listed with its cause, each good one has its row."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import damaged_files
import numpy as np
import pytest
from damaged_files import Made
from served import Served
from strange_encoder import StrangeProvider, expected, shard_end, start

from cmcr.v1 import encoder_pb2
from cmcr_worker.errors import Reason
from cmcr_worker.server import encoders
from cmcr_worker.server.embedding import printable

COUNTS = {"image": (400, 120), "audio": (350, 100), "pointcloud": (250, 80)}
"""Damaged and good files of each modality; a thousand are damaged."""

NUMBERS = {
    "image": encoder_pb2.MODALITY_IMAGE,
    "audio": encoder_pb2.MODALITY_AUDIO,
    "pointcloud": encoder_pb2.MODALITY_POINTCLOUD,
}
BATCH = 32
SEED = 0


class EveryModality(StrangeProvider):
    """Takes the fingerprint of items of any modality."""

    modalities = frozenset(NUMBERS)

    def preparation(self, modality: str) -> Any:
        return damaged_files.fingerprint


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = EveryModality()
    monkeypatch.setattr(encoders, "provider", lambda name: provider)


def messages(folder: Path, made: list[Made], modality: str) -> list[Any]:
    limits = encoder_pb2.DecodeLimits(work_seconds=10, seconds=1800)
    found = [start(len(made), modality=NUMBERS[modality], limits=limits)]
    for first in range(0, len(made), BATCH):
        batch = [
            encoder_pb2.Item(
                file=encoder_pb2.FilePart(path=str(folder / each.name)), name=f"{modality}/{each.name}"
            )
            for each in made[first : first + BATCH]
        ]
        found.append(
            encoder_pb2.EncodeRequest(batch=encoder_pb2.ItemBatch(list=encoder_pb2.ItemList(items=batch)))
        )
    return [*found, shard_end()]


def test_they_are_a_thousand() -> None:
    assert sum(damaged for damaged, _ in COUNTS.values()) == 1000


@pytest.mark.parametrize("modality", list(COUNTS))
def test_each_is_listed_and_each_good_one_has_its_row(served: Served, modality: str) -> None:
    folder = served.root / modality
    folder.mkdir()
    made = damaged_files.make(folder, modality, *COUNTS[modality], SEED)
    began = time.monotonic()
    answers = list(served.encoders.Encode(iter(messages(folder, made, modality)), timeout=120))
    seconds = time.monotonic() - began

    listed = {failure.item: failure for answer in answers for failure in answer.failures}
    missed = {
        place: each.kind for place, each in enumerate(made) if (each.number is None) != (place in listed)
    }
    assert missed == {}
    allowed = {Reason.DATA_CORRUPT, Reason.DATA_MISSING, Reason.PATH_FORBIDDEN}
    for place, failure in listed.items():
        assert Reason(failure.reason) in allowed, failure.message
        # It names the item, and says what is wrong with it.
        name = printable(made[place].name)
        assert name in failure.message or Reason(failure.reason) is Reason.PATH_FORBIDDEN, failure.message
        assert len(failure.message) > len(name) + 5
        assert "Traceback" not in failure.message
        assert failure.message.isprintable()
    rows = served.values(answers[-1].shard.tensor.handle)
    numbers = [each.number for each in made if each.number is not None]
    np.testing.assert_allclose(rows, expected(numbers), atol=1e-6)
    # The worker lives, and no decoder had to be ended for one that stalled.
    assert len(served.state.decoders.pids()) == served.state.decoders.size
    assert seconds < 60
    assert not [name for name in os.listdir("/tmp") if name.startswith("cmcr-damaged-")]


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    for modality in COUNTS:
        contents = []
        for name in ("a", "b"):
            folder = tmp_path / modality / name
            folder.mkdir(parents=True)
            made = damaged_files.make(folder, modality, 60, 5, 3)
            files = [folder / each.name for each in made]
            contents.append([path.read_bytes() for path in files if path.is_file() and not path.is_symlink()])
        assert contents[0] == contents[1]
