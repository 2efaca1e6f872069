"""What files of many clouds hold: which of their arrays are clouds, and which are labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.encoded import Limits
from cmcr_worker.decoding.stored_arrays import StoredArray
from cmcr_worker.errors import Reason, WorkerError

MODELNET_CACHE = "modelnet40 cache"
SAMPLES = "samples"
CLOUDS = "clouds"
ARRAY = "array"

MAX_COLUMNS = 16

Numbers = StoredArray | npt.NDArray[Any]
"""An array in memory, or one that its file still holds."""


@dataclass(frozen=True, slots=True)
class Found:
    """The clouds of a file, each one array, or several to be put side by side."""

    clouds: Sequence[tuple[Numbers, ...]]
    labels: list[int] | None
    layout: str


def clouds_of_value(path: Path, value: object, file: BinaryIO) -> Found:
    """The clouds of what a pickle holds.

    Raises:
        WorkerError: DATA_CORRUPT where it holds none, or not as many labels as clouds.
    """
    if isinstance(value, dict):
        return Found([_of_sample(path, 0, value)], None, SAMPLES)
    if isinstance(value, list) and len(value) == 2 and (labels := _labels(path, value[1], file)) is not None:
        points = value[0]
        if not isinstance(points, list) or not all(
            isinstance(cloud, StoredArray | np.ndarray) for cloud in points
        ):
            raise corrupt(path, "has labels, but no list of clouds before them")
        if len(labels) != len(points):
            raise corrupt(path, f"has {len(points)} clouds and {len(labels)} labels")
        return Found([(cloud,) for cloud in points], labels, MODELNET_CACHE)
    if isinstance(value, list) and all(isinstance(sample, dict) for sample in value):
        samples = [_of_sample(path, number, sample) for number, sample in enumerate(value)]
        return Found(samples, None, SAMPLES)
    if isinstance(value, list) and all(isinstance(cloud, StoredArray | np.ndarray) for cloud in value):
        return Found([(cloud,) for cloud in value], None, CLOUDS)
    raise corrupt(
        path,
        "holds neither [clouds, labels], nor samples with xyz, nor clouds; "
        f"it is a pickled {type(value).__name__}",
    )


def _labels(path: Path, value: object, file: BinaryIO) -> list[int] | None:
    """The labels of a list of them, or of an array; None for what holds none: it may be a cloud."""
    if (
        isinstance(value, StoredArray | np.ndarray)
        and value.dtype.kind in "iu"
        and value.shape[1:] in ((), (1,))
    ):
        found = value.read(file) if isinstance(value, StoredArray) else value
        value = list(found.reshape(-1))
    if not isinstance(value, list) or not value:
        return None
    arrays = [np.asarray(label) for label in value if isinstance(label, int | np.integer | np.ndarray)]
    if len(arrays) < len(value) or any(array.size != 1 for array in arrays):
        return None
    return [_label(path, number, array) for number, array in enumerate(arrays)]


def _label(path: Path, number: int, label: npt.NDArray[Any]) -> int:
    value = label.reshape(())
    if value.dtype.kind not in "iu" or not 0 <= int(value) < 1 << 32:
        raise corrupt(path, f"has the label {value!s} for cloud {number}; expected the number of a class")
    return int(value)


def _of_sample(path: Path, number: int, sample: dict[Any, Any]) -> tuple[Numbers, ...]:
    xyz, rgb = sample.get("xyz"), sample.get("rgb")
    if not isinstance(xyz, StoredArray | np.ndarray):
        raise corrupt(path, f"has no array xyz in sample {number}")
    if rgb is None:
        return (xyz,)
    if not isinstance(rgb, StoredArray | np.ndarray):
        raise corrupt(path, f"has an rgb that is no array in sample {number}")
    return (xyz, rgb)


def check_cloud(path: Path, number: int, arrays: tuple[Numbers, ...]) -> None:
    """Refuses a cloud by its shape, before anything is read."""
    shapes = [array.shape for array in arrays]
    points = shapes[0][0] if shapes[0] else 0
    columns = sum(shape[1] for shape in shapes if len(shape) == 2)
    if any(len(shape) != 2 or shape[0] != points for shape in shapes) or not 3 <= columns <= MAX_COLUMNS:
        raise corrupt(
            path,
            f"has a cloud, number {number}, of the shape {' and '.join(map(str, shapes))}; "
            "expected (points, 3 or more)",
        )
    if not 0 < points <= Limits().points:
        raise corrupt(path, f"has {points} points in cloud {number}; expected 1 to {Limits().points}")
    if any(array.dtype.kind not in "fiu" for array in arrays):
        raise corrupt(path, f"has no numbers in cloud {number}")


def corrupt(path: Path, what: str) -> WorkerError:
    """The error for a file that is damaged or of another layout: `what` follows its name."""
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"{path} {what}",
        subject=str(path),
        remedy="Download or make the file again.",
    )
