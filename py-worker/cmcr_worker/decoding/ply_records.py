"""Records with lists in binary PLY files: faces, and whatever else stands before what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.surface import check_triangles, fans
from cmcr_worker.decoding.text_lines import Deadline

_CODES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A property that is one number; `code` is its element type, such as `f4`."""

    name: str
    code: str

    @classmethod
    def of(cls, source: Encoded, code: str, name: str) -> Scalar:
        """The property of a header line. Raises DATA_CORRUPT for a type that PLY does not have."""
        return cls(name, _code(source, code))


@dataclass(frozen=True, slots=True)
class Listed:
    """A property that is a list: `code` is the element type of its length, `items` that of its items."""

    name: str
    code: str
    items: str

    @classmethod
    def of(cls, source: Encoded, length: str, code: str, name: str) -> Listed:
        """The property of a header line. Raises DATA_CORRUPT for types that PLY does not have."""
        found = cls(name, _code(source, length), _code(source, code))
        if found.code.startswith("f"):
            raise source.corrupt(f"has a list {name} whose length is no whole number")
        return found


Property = Scalar | Listed


def _code(source: Encoded, name: str) -> str:
    if name not in _CODES:
        raise source.corrupt(f"has a property of the type {name[:20]!r}, which PLY does not have")
    return _CODES[name]


def read_lists(
    source: Encoded,
    content: memoryview,
    properties: Sequence[Property],
    count: int,
    order: str,
    deadline: Deadline,
    limits: Limits,
) -> tuple[npt.NDArray[np.int64], int]:
    """The first list of each of `count` records, as corners of a face and cut into triangles (n, 3), and
    how many bytes the records take.

    Raises:
        WorkerError: DATA_CORRUPT where the file ends before, or takes too long.
    """
    equal = _of_equal_lengths(content, properties, count, order)
    if equal is not None:
        lists, used = equal
        check_triangles(source, count * max(0, lists.shape[1] - 2), limits)
        return fans(lists.astype(np.int64)), used
    parts: list[npt.NDArray[np.int64]] = []
    position = triangles = 0
    for _ in range(count):
        deadline.check()
        corners, position = _record(source, content, properties, position, order)
        triangles += max(0, len(corners) - 2)
        check_triangles(source, triangles, limits)
        parts.append(fans(corners.astype(np.int64)[None]))
    return np.concatenate(parts) if parts else np.empty((0, 3), np.int64), position


def skip_lists(
    source: Encoded,
    content: memoryview,
    properties: Sequence[Property],
    count: int,
    order: str,
    deadline: Deadline,
) -> int:
    """How many bytes `count` records with lists take. Raises as `read_lists`."""
    position = 0
    for _ in range(count):
        deadline.check()
        _, position = _record(source, content, properties, position, order)
    return position


def _of_equal_lengths(
    content: memoryview, properties: Sequence[Property], count: int, order: str
) -> tuple[npt.NDArray[Any], int] | None:
    """The lists of all records, (count, length), and how many bytes the records take, where each has one
    list, and of the same length; None where not."""
    at = next(at for at, entry in enumerate(properties) if isinstance(entry, Listed))
    if count == 0 or sum(isinstance(entry, Listed) for entry in properties) > 1:
        return None
    listed = properties[at]
    assert isinstance(listed, Listed)
    before = np.dtype([(entry.name, order + entry.code) for entry in properties[:at]]).itemsize
    length = np.dtype(order + listed.code)
    if before + length.itemsize > len(content):
        return None
    corners = int(np.frombuffer(content, length, 1, before)[0])
    if not 0 < corners <= 64:
        return None
    fields: list[Any] = [
        (f"before{number}", order + entry.code) for number, entry in enumerate(properties[:at])
    ]
    fields += [("length", length), ("items", order + listed.items, (corners,))]
    fields += [(f"after{number}", order + entry.code) for number, entry in enumerate(properties[at + 1 :])]
    record = np.dtype(fields)
    if count * record.itemsize > len(content):
        return None
    table = np.frombuffer(content, record, count)
    if not (table["length"] == corners).all():
        return None
    return table["items"], count * record.itemsize


def _record(
    source: Encoded, content: memoryview, properties: Sequence[Property], position: int, order: str
) -> tuple[npt.NDArray[Any], int]:
    """The first list of the record at `position`, and where the next record begins."""
    first: npt.NDArray[Any] | None = None
    for entry in properties:
        if isinstance(entry, Scalar):
            position += int(entry.code[1])
            continue
        values, position = _list(source, content, entry, position, order)
        first = values if first is None else first
    if position > len(content):
        raise source.corrupt("ends within a face")
    return (np.empty(0, np.int64) if first is None else first), position


def _list(
    source: Encoded, content: memoryview, entry: Listed, position: int, order: str
) -> tuple[npt.NDArray[Any], int]:
    size, item = int(entry.code[1]), int(entry.items[1])
    if position + size > len(content):
        raise source.corrupt("ends within a face")
    length = int(np.frombuffer(content, order + entry.code, 1, position)[0])
    position += size
    if length < 0 or position + length * item > len(content):
        raise source.corrupt(f"has a face of {length} corners, for which it has no bytes")
    return np.frombuffer(content, order + entry.items, length, position), position + length * item
