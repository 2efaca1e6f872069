"""One matrix out of a .safetensors file, mapped into memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from cmcr_worker.errors import Reason, WorkerError, unknown_name
from cmcr_worker.tensors.mapping import map_matrix
from cmcr_worker.tensors.npy import missing_error

_DTYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
_LENGTH_BYTES = 8


def open_safetensors(path: str | Path, key: str = "") -> npt.NDArray[Any]:
    """Maps the matrix of that key, (n, d) float16 or float32, row-major.

    An empty key stands for the file's only matrix. Raises DATA_MISSING, DATA_CORRUPT,
    UNKNOWN_NAME (no such key), CONFIG_INVALID (several matrices and no key), DTYPE_MISMATCH or
    SHAPE_MISMATCH.
    """
    path = Path(path)

    def refuse(reason: Reason, what: str, remedy: str) -> WorkerError:
        return WorkerError(reason, f"{path} {what}", subject=str(path), remedy=remedy)

    try:
        # Checks the header, and that the tensors fill the file without a gap or an overlap.
        with safe_open(path, framework="numpy") as file:
            keys = sorted(file.keys())
    except OSError as error:
        raise missing_error(path, error) from error
    except SafetensorError as error:
        raise refuse(
            Reason.DATA_CORRUPT, f"is no readable .safetensors file: {error}", "Copy or save it again."
        ) from error
    if key == "":
        if len(keys) != 1:
            raise refuse(
                Reason.CONFIG_INVALID,
                f"holds {len(keys)} tensors: {', '.join(keys)}",
                "Name the one that is meant by its key.",
            )
        key = keys[0]
    if key not in keys:
        raise unknown_name(f"tensor in {path}", key, keys)
    with path.open("rb") as raw:
        length = int.from_bytes(raw.read(_LENGTH_BYTES), "little")
        entry = json.loads(raw.read(length))[key]
    shape: tuple[int, ...] = tuple(entry["shape"])
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise refuse(
            Reason.DTYPE_MISMATCH,
            f"holds {key!r} as {entry['dtype']}; expected F16 or F32",
            "Save it as float32.",
        )
    if len(shape) != 2 or min(shape) < 1:
        raise refuse(
            Reason.SHAPE_MISMATCH,
            f"holds {key!r} with shape {shape}; expected (n, d) with at least one row and one column",
            "Save it as a matrix.",
        )
    offset: int = _LENGTH_BYTES + length + entry["data_offsets"][0]
    return map_matrix(path, dtype, shape, offset)
