"""Meshes as text: .off and .obj."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.cloud_columns import cloud_of
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.decoding.surface import check_counts, check_triangles, sample_surface
from cmcr_worker.decoding.text_lines import number_rows, text_lines

_OFF = re.compile(r"(C|N)?OFF\b\s*|(C|N)?OFF(?=\d)")


def off_cloud(source: Encoded, file: BinaryIO, limits: Limits, points: int) -> PointCloud:
    """`points` points on the surface of an OFF mesh; its vertices where it has no faces.

    The counts may follow the first word without a blank, as in some files of ModelNet ("OFF490 518 0").

    Raises:
        WorkerError: DATA_CORRUPT for a file that is damaged or declares more than the limits.
    """
    lines = (text for line in text_lines(source, file, limits) if (text := line.split("#")[0].strip()))
    first = next(lines, "")
    found = _OFF.match(first)
    if found is None:
        raise source.corrupt(f"begins with {first[:30]!r}; expected OFF")
    rest = first[found.end() :].strip()
    counts = (rest or next(lines, "")).split()
    if len(counts) not in (2, 3) or not all(re.fullmatch(r"\d{1,12}", count) for count in counts):
        raise source.corrupt("does not say how many vertices and faces it has")
    vertex_count, face_count = int(counts[0]), int(counts[1])
    # The shortest vertex is "0 0 0" with a line's end, the shortest face "3 0 1 2".
    check_counts(source, vertex_count, face_count, limits, 6 * vertex_count + 2 * face_count)
    coloured = first.startswith("C")
    rows = number_rows(
        source,
        lines,
        at_most=vertex_count,
        columns=range(6) if coloured else range(3),
        what="vertices",
    )
    if len(rows) < vertex_count:
        raise source.corrupt(f"ends after {len(rows)} of its {vertex_count} vertices")
    vertices, colours = rows[:, :3], rows[:, 3:] if coloured else None
    triangles = text_faces(source, lines, face_count, limits)
    if len(triangles) == 0:
        return cloud_of(source, vertices, colours)
    return sample_surface(source, vertices, triangles, colours, points)


def text_faces(
    source: Encoded, lines: Iterator[str], count: int, limits: Limits, skipped: int = 0
) -> npt.NDArray[np.int64]:
    """Triangles (n, 3) of `count` lines, each the number of corners and then the corners.

    `skipped` numbers before them are passed over, and so is what follows.

    Raises:
        WorkerError: DATA_CORRUPT where there are fewer, or a line is no face.
    """
    flat = array("q")
    for done in range(count):
        line = next(lines, None)
        if line is None:
            raise source.corrupt(f"ends after {done} of its {count} faces")
        fields = line.split()
        try:
            corners = int(fields[skipped])
            named = [int(field) for field in fields[skipped + 1 : skipped + 1 + corners]]
            if corners < 0 or len(named) < corners:
                raise ValueError
            _fan(flat, named)
        except (ValueError, IndexError, OverflowError):
            raise source.corrupt(f"has a face that cannot be read: {line[:60]!r}") from None
        check_triangles(source, len(flat) // 3, limits)
    return np.frombuffer(flat, np.int64).reshape(-1, 3) if flat else np.empty((0, 3), np.int64)


def obj_cloud(source: Encoded, file: BinaryIO, limits: Limits, points: int) -> PointCloud:
    """`points` points on the surface of a Wavefront OBJ mesh; its vertices where it has no faces.

    Of the file only `v` (with colours after the coordinates, as some programs write them) and `f` are
    read: no material, no texture, no other file.

    Raises:
        WorkerError: DATA_CORRUPT for a file that is damaged or holds more than the limits.
    """
    numbers, colours, flat = array("d"), array("d"), array("q")
    vertex_count = 0
    for line in text_lines(source, file, limits):
        kind, _, rest = line.partition(" ")
        try:
            if kind == "v":
                fields = [float(field) for field in rest.split()]
                if len(fields) not in (3, 4, 6, 7):
                    raise ValueError
                numbers.extend(fields[:3])
                colours.extend(fields[3:6] if len(fields) > 4 else ())
                vertex_count += 1
            elif kind == "f":
                named = [int(field.partition("/")[0]) for field in rest.split()]
                if 0 in named:
                    raise ValueError
                # Negative numbers count backwards from the vertex that was defined last.
                _fan(flat, [at - 1 if at > 0 else vertex_count + at for at in named])
        except (ValueError, OverflowError):
            raise source.corrupt(f"has a line that cannot be read: {line[:60]!r}") from None
        if vertex_count > limits.points:
            raise source.corrupt(f"has more than {limits.points} vertices")
        check_triangles(source, len(flat) // 3, limits)
    if vertex_count == 0:
        raise source.corrupt("holds no vertices")
    vertices = np.frombuffer(numbers, np.float64).reshape(-1, 3)
    has_colours = len(colours) == len(numbers)
    rgb = np.frombuffer(colours, np.float64).reshape(-1, 3) if has_colours else None
    if not flat:
        return cloud_of(source, vertices, rgb)
    return sample_surface(source, vertices, np.frombuffer(flat, np.int64).reshape(-1, 3), rgb, points)


def _fan(flat: array[int], corners: list[int]) -> None:
    for at in range(1, len(corners) - 1):
        flat.extend((corners[0], corners[at], corners[at + 1]))
