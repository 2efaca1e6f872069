"""Between the wire's messages and numpy's arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmcr.v1 import encoder_pb2, tensor_pb2
from cmcr_worker.errors import Reason, WorkerError

CHUNK_BYTES = 1 << 20
"""Larger chunks are never clearly faster."""

TYPE_OF_DTYPE: dict[np.dtype[np.generic], tensor_pb2.ElementType] = {
    np.dtype("<f2"): tensor_pb2.ELEMENT_TYPE_FLOAT16,
    np.dtype("<f4"): tensor_pb2.ELEMENT_TYPE_FLOAT32,
    np.dtype("<i4"): tensor_pb2.ELEMENT_TYPE_INT32,
    np.dtype("<i8"): tensor_pb2.ELEMENT_TYPE_INT64,
    np.dtype("<u4"): tensor_pb2.ELEMENT_TYPE_UINT32,
}
ELEMENT_TYPES: dict[tensor_pb2.ElementType, np.dtype[np.generic]] = {
    number: dtype for dtype, number in TYPE_OF_DTYPE.items()
}

MODALITY_NUMBERS: dict[str, encoder_pb2.Modality] = {
    "text": encoder_pb2.MODALITY_TEXT,
    "image": encoder_pb2.MODALITY_IMAGE,
    "audio": encoder_pb2.MODALITY_AUDIO,
    "pointcloud": encoder_pb2.MODALITY_POINTCLOUD,
    "video": encoder_pb2.MODALITY_VIDEO,
}
MODALITY_NAMES: dict[encoder_pb2.Modality, str] = {number: name for name, number in MODALITY_NUMBERS.items()}


def element_type(number: tensor_pb2.ElementType, *, field: str) -> np.dtype[np.generic]:
    """The numpy type of a wire element type; a WorkerError DTYPE_MISMATCH for an unknown one."""
    dtype = ELEMENT_TYPES.get(number)
    if dtype is None:
        raise WorkerError(
            Reason.DTYPE_MISMATCH,
            f"element type {number} is not supported",
            subject=field,
            remedy=f"Use one of {', '.join(str(known) for known in ELEMENT_TYPES.values())}.",
        )
    return dtype


def modality_name(number: encoder_pb2.Modality) -> str:
    """The name of a wire modality; a WorkerError CONFIG_INVALID for an unknown one."""
    name = MODALITY_NAMES.get(number)
    if name is None:
        raise WorkerError(Reason.CONFIG_INVALID, f"{number} is not a modality", subject="modality")
    return name


def to_wire(array: NDArray[np.generic]) -> tensor_pb2.Tensor:
    """A whole array as one message."""
    packed = np.ascontiguousarray(array)
    return tensor_pb2.Tensor(
        dtype=TYPE_OF_DTYPE[packed.dtype], shape=list(packed.shape), data=packed.tobytes()
    )


def uint32(data: bytes, *, field: str) -> NDArray[np.uint32]:
    """Numbers from little-endian uint32; a WorkerError SHAPE_MISMATCH for a part of one."""
    if len(data) % 4:
        raise WorkerError(
            Reason.SHAPE_MISMATCH, f"{len(data)} bytes are not a whole number of uint32", subject=field
        )
    return np.frombuffer(data, dtype="<u4")


def row_numbers(data: bytes, rows: int, *, field: str) -> NDArray[np.uint32]:
    """Row numbers below `rows` from little-endian uint32; refuses others, naming the first."""
    numbers = uint32(data, field=field)
    if numbers.size and int(numbers.max()) >= rows:
        place = int(np.argmax(numbers >= rows))
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"row number {numbers[place]} at place {place} of {field} is not below {rows}",
            subject=field,
        )
    return numbers
