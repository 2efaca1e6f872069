"""Clouds and meshes of the PLY format: as text, and as bytes of either order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.cloud_columns import cloud_of
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.mesh_files import text_faces
from cmcr_worker.decoding.ply_records import Listed, Property, Scalar, read_lists, skip_lists
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.decoding.surface import check_counts, sample_surface
from cmcr_worker.decoding.text_lines import Deadline, number_rows, text_lines

_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
_MAX_HEADER_LINES = 1000
_MAX_LINE = 4096


@dataclass(slots=True)
class _Element:
    """What the header says of one kind of record."""

    name: str
    count: int
    properties: list[Property] = field(default_factory=list)

    def scalars(self) -> list[Scalar]:
        return [entry for entry in self.properties if isinstance(entry, Scalar)]

    def record(self, order: str) -> np.dtype[Any]:
        """One record without lists."""
        return np.dtype([(entry.name, order + entry.code) for entry in self.scalars()])

    def least_bytes(self) -> int:
        """Of one record: of its numbers, and of its lists' lengths."""
        return sum(np.dtype(entry.code).itemsize for entry in self.properties)


def ply_cloud(source: Encoded, file: BinaryIO, limits: Limits, points: int) -> PointCloud:
    """The vertices with their colours; of a file with faces, `points` points on its surface.

    Raises:
        WorkerError: DATA_CORRUPT for a file that is damaged or declares more than the limits.
    """
    order, elements = _header(source, file)
    counts = {element.name: element.count for element in elements}
    if "vertex" not in counts:
        raise source.corrupt("has no vertices")
    least = sum(
        element.count * (element.least_bytes() if order else 2 * len(element.properties))
        for element in elements
    )
    check_counts(source, counts["vertex"], counts.get("face", 0), limits, least)
    reader = _Text(source, file, limits) if order == "" else _Binary(source, file, limits, order)
    table: npt.NDArray[Any] | None = None
    triangles = np.empty((0, 3), np.int64)
    for element in elements:
        if element.name == "vertex":
            table = reader.table(element)
        elif element.name == "face" and any(isinstance(entry, Listed) for entry in element.properties):
            triangles = reader.triangles(element)
        else:
            reader.skip(element)
        if table is not None and (len(triangles) or not counts.get("face")):
            break
    assert table is not None
    return _cloud(source, table, triangles, points)


def _cloud(
    source: Encoded, table: npt.NDArray[Any], triangles: npt.NDArray[np.int64], points: int
) -> PointCloud:
    names = table.dtype.names or ()
    if not {"x", "y", "z"} <= set(names):
        raise source.corrupt(f"has vertices without x, y and z: {', '.join(names[:8])}")
    vertices = np.stack([table[name].astype(np.float64) for name in "xyz"], axis=1)
    found = next((keys for keys in _COLOURS if set(keys) <= set(names)), None)
    colours = None if found is None else np.stack([table[name] for name in found], axis=1)
    if colours is not None and colours.dtype.kind in "iu":
        # Whole numbers are of 0 to 255, also where all of them are small.
        if colours.min(initial=0) < 0 or colours.max(initial=0) > 255:
            raise source.corrupt("has colours that are not within 0 to 255")
        colours = colours.astype(np.uint8)
    if len(triangles) == 0:
        return cloud_of(source, vertices, colours)
    return sample_surface(source, vertices, triangles, colours, points)


def _header(source: Encoded, file: BinaryIO) -> tuple[str, list[_Element]]:
    elements: list[_Element] = []
    order: str | None = None
    for number in range(_MAX_HEADER_LINES):
        line = file.readline(_MAX_LINE)
        words = line.decode("ascii", "replace").split()
        match words:
            case ["ply"] if number == 0:
                pass
            case ["format", name, "1.0"] if name in _FORMATS and order is None:
                order = _FORMATS[name]
            case ["comment" | "obj_info", *_]:
                pass
            case ["element", name, count] if count.isdecimal() and len(count) <= 12:
                elements.append(_Element(name, int(count)))
            case ["property", "list", length, code, name] if elements:
                elements[-1].properties.append(Listed.of(source, length, code, name))
            case ["property", code, name] if elements:
                elements[-1].properties.append(Scalar.of(source, code, name))
            case ["end_header"] if order is not None:
                _check_names(source, elements)
                return order, elements
            case _:
                raise source.corrupt(f"has a header line that cannot be read: {' '.join(words)[:60]!r}")
    raise source.corrupt("has a header without end")


def _check_names(source: Encoded, elements: Sequence[_Element]) -> None:
    for names in (
        [element.name for element in elements],
        *([entry.name for entry in element.properties] for element in elements),
    ):
        if len(set(names)) < len(names):
            raise source.corrupt(f"declares the same name twice, of {', '.join(names[:8])}")


def _fits(values: npt.NDArray[np.float64], code: str) -> bool:
    limits = np.iinfo(code)
    return bool(((values >= limits.min) & (values <= limits.max)).all())


class _Text:
    """Records of a text file: one on each line."""

    def __init__(self, source: Encoded, file: BinaryIO, limits: Limits) -> None:
        self._source, self._limits = source, limits
        self._lines: Iterator[str] = text_lines(source, file, limits)

    def table(self, element: _Element) -> npt.NDArray[Any]:
        """The records of an element without lists, as float64 by name."""
        if len(element.scalars()) < len(element.properties):
            raise self._source.corrupt(f"has lists in its element {element.name}")
        rows = number_rows(
            self._source,
            self._lines,
            at_most=element.count,
            columns=range(len(element.properties)),
            what="vertices",
        )
        if len(rows) < element.count:
            raise self._source.corrupt(f"ends after {len(rows)} of its {element.count} vertices")
        table = np.empty(element.count, [(entry.name, entry.code) for entry in element.scalars()])
        for column, entry in enumerate(element.scalars()):
            values = rows[:, column]
            if entry.code[0] != "f" and not _fits(values, entry.code):
                raise self._source.corrupt(f"has values of {entry.name} that its type cannot hold")
            with np.errstate(over="ignore"):
                table[entry.name] = values
        return table

    def triangles(self, element: _Element) -> npt.NDArray[np.int64]:
        """The faces of an element, cut into triangles; their corners are its first list."""
        before = next(at for at, entry in enumerate(element.properties) if isinstance(entry, Listed))
        return text_faces(self._source, self._lines, element.count, self._limits, before)

    def skip(self, element: _Element) -> None:
        """Passes an element over."""
        for _ in range(element.count):
            if next(self._lines, None) is None:
                raise self._source.corrupt(f"ends within its element {element.name}")


class _Binary:
    """Records of a binary file, one after the other."""

    def __init__(self, source: Encoded, file: BinaryIO, limits: Limits, order: str) -> None:
        self._source, self._file, self._order, self._limits = source, file, order, limits
        self._deadline = Deadline(source, limits)

    def table(self, element: _Element) -> npt.NDArray[Any]:
        """The records of an element without lists."""
        if len(element.scalars()) < len(element.properties):
            raise self._source.corrupt(f"has lists in its element {element.name}")
        record = element.record(self._order)
        return np.frombuffer(self._bytes(element.count * record.itemsize, element.name), record)

    def triangles(self, element: _Element) -> npt.NDArray[np.int64]:
        """The faces of an element, cut into triangles; their corners are its first list."""
        content = memoryview(self._file.read())
        found, used = read_lists(
            self._source,
            content,
            element.properties,
            element.count,
            self._order,
            self._deadline,
            self._limits,
        )
        self._file.seek(used - len(content), 1)
        return found

    def skip(self, element: _Element) -> None:
        """Passes an element over."""
        if len(element.scalars()) == len(element.properties):
            self._bytes(element.count * element.record(self._order).itemsize, element.name)
            return
        content = memoryview(self._file.read())
        used = skip_lists(
            self._source, content, element.properties, element.count, self._order, self._deadline
        )
        self._file.seek(used - len(content), 1)

    def _bytes(self, count: int, name: str) -> bytes:
        content = self._file.read(count)
        if len(content) < count:
            raise self._source.corrupt(f"ends within its element {name}")
        return content
