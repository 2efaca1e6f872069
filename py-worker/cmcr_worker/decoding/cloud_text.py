"""Point clouds as text: a point on each line, its numbers separated by commas, semicolons or blanks."""

from __future__ import annotations

import re
from itertools import chain
from typing import BinaryIO

from cmcr_worker.decoding.cloud_columns import cloud_of_columns
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.decoding.text_lines import number_rows, text_lines

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+|nan|inf)(e[+-]?\d+)?", re.IGNORECASE)


def text_cloud(source: Encoded, file: BinaryIO, limits: Limits) -> PointCloud:
    """A cloud of x y z, or x y z and colours or normals, as `cloud_of_columns` tells them apart.

    Comments after `#` or `//` may stand before the points, then one line of names, or the number of points
    that .pts files begin with.

    Raises:
        WorkerError: DATA_CORRUPT for anything else, and for more points than the limit.
    """
    lines = (line for line in text_lines(source, file, limits) if not line.startswith(("#", "//")))
    first = next(lines, None)
    if first is not None and (not _is_row(first) or len(_fields(first)) == 1):
        first = next(lines, None)
    if first is None:
        raise source.corrupt("holds no points")
    count = len(_fields(first))
    if count not in (3, 6) or not _is_row(first):
        raise source.corrupt(
            f"begins with {first[:60]!r}; expected 3 numbers on a line, or 6 with colours or normals"
        )
    rows = number_rows(source, chain([first], lines), at_most=limits.points + 1, delimiter=_delimiter(first))
    if len(rows) > limits.points:
        raise source.corrupt(f"has more than {limits.points} points")
    return cloud_of_columns(source, rows)


def _delimiter(line: str) -> str | None:
    return next((character for character in ",;" if character in line), None)


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split(_delimiter(line))]


def _is_row(line: str) -> bool:
    return all(_NUMBER.fullmatch(field) for field in _fields(line))
