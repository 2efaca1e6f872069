"""EncoderService.UnpackClouds over the wire."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
from served import LIMIT, Served, failure_of

from cmcr.v1 import encoder_pb2
from cmcr_worker.errors import Reason


def request(path: Path, folder: Path) -> encoder_pb2.UnpackCloudsRequest:
    return encoder_pb2.UnpackCloudsRequest(path=str(path), folder=str(folder))


def test_clouds_are_written_with_progress_and_labels(served: Served) -> None:
    path, folder = served.root / "cache.dat", served.root / "clouds"
    clouds = [np.full((20, 6), number, np.float32) for number in range(30)]
    labels = [np.array([number % 7], np.int32) for number in range(30)]
    path.write_bytes(pickle.dumps([clouds, labels]))
    *progress, last = served.encoders.UnpackClouds(request(path, folder), timeout=LIMIT)
    assert last == encoder_pb2.UnpackCloudsResponse(
        done=30, total=30, labels=[number % 7 for number in range(30)], layout="modelnet40 cache"
    )
    assert progress
    assert all(message.total == 30 and not message.layout for message in progress)
    assert np.array_equal(np.load(folder / "000029.npy"), clouds[29])


def test_files_without_labels_say_so(served: Served) -> None:
    np.save(served.root / "pc.npy", np.zeros((2, 5, 3), np.float32))
    *_, last = served.encoders.UnpackClouds(
        request(served.root / "pc.npy", served.root / "out"), timeout=LIMIT
    )
    assert (last.total, list(last.labels), last.layout) == (2, [], "array")


def test_failures_say_what_is_wrong(served: Served, tmp_path: Path) -> None:
    path = served.root / "cache.dat"
    path.write_bytes(pickle.dumps([[], []])[:-3])

    def fails(path: Path, folder: Path) -> Reason | None:
        return failure_of(lambda: served.encoders.UnpackClouds(request(path, folder), timeout=LIMIT)).reason

    assert fails(path, served.root / "out") is Reason.DATA_CORRUPT
    assert fails(served.root / "none.dat", served.root / "out") is Reason.DATA_MISSING
    outside = served.root.parent / "elsewhere"
    assert fails(path, outside) is Reason.PATH_FORBIDDEN
    assert fails(outside / "cache.dat", served.root / "out") is Reason.PATH_FORBIDDEN
    (served.root / "full").mkdir()
    (served.root / "full" / "x").write_text("")
    path.write_bytes(pickle.dumps([[np.zeros((5, 3))], [np.array([0])]]))
    assert fails(path, served.root / "full") is Reason.CONFIG_INVALID
