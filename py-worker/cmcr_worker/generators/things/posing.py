"""A combination's thing: body, base and top put together, in its size and tilt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators.things.attributes import ATTRIBUTES, labels_of
from cmcr_worker.generators.things.bodies import BODIES, Body, arc
from cmcr_worker.generators.things.surfaces import Surface, joined, revolved

POINTS: Final = 2000
"""Points of a thing's surface, with normals."""

_ELONGATIONS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {"flat": (1.05, 0.5), "regular": (0.85, 0.85), "tall": (0.6, 1.2)}
)  # Factors across and along the axis.
_SIZES: Final[Mapping[str, float]] = MappingProxyType({"small": 0.68, "medium": 0.88, "large": 1.12})
_TILTS: Final[Mapping[str, float]] = MappingProxyType({"upright": 0.0, "leaning": np.radians(30)})
# A small part has few points for its area; each gets a share that one can see and scan.
_BASE_POINTS: Final = 400
_TOP_POINTS: Final = 240


def _knob(seat: float, summit: float) -> Surface:
    return revolved([(0.0, seat), (0.08, seat), *arc(summit + 0.25, 0.26, -1.3, np.pi / 2)])


def _antenna(seat: float, summit: float) -> Surface:
    return revolved([(0.0, seat), (0.07, seat), (0.07, summit + 0.6), (0.0, summit + 0.6)])


def _plate(radius: float) -> Surface:
    return revolved([(0.0, -0.14), (radius, -0.14), (radius, 0.0), (0.0, 0.0)])


def _pole(radius: float) -> Surface:
    return revolved([(0.0, -0.5), (0.12, -0.5), (0.12, 0.0), (0.0, 0.0)])


TOPS: Final[Mapping[str, Callable[[float, float], Surface] | None]] = MappingProxyType(
    {"bare": None, "knob": _knob, "antenna": _antenna}
)
"""What stands on a body, from the z of its seat and of its summit."""

BASES: Final[Mapping[str, Callable[[float], Surface] | None]] = MappingProxyType(
    {"free": None, "plate": _plate, "pole": _pole}
)
"""What a body stands on, from the radius that a plate has; its upper side is at z of 0."""


@cache
def thing(combination: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Points (2000, 3) and outward normals (2000, 3) of a combination's thing, float32.

    z is up and the middle of its height is at 0. The order of the points is that
    of the parts, so a part of them should be drawn at random.
    """
    row = labels_of(np.array([combination]))[0].tolist()
    shape, elongation, size, tilt, base, top = (
        attribute.values[label] for attribute, label in zip(ATTRIBUTES, row, strict=True)
    )
    body = _body(shape)
    across, along = _ELONGATIONS[elongation]
    bottom, summit = along * body.bottom, along * body.summit
    grow_top, grow_base = TOPS[top], BASES[base]
    counts = [_TOP_POINTS * (grow_top is not None), _BASE_POINTS * (grow_base is not None)]
    leaning = [body.surface.scaled((across, across, along)).thinned(POINTS - sum(counts))]
    if grow_top is not None:
        leaning.append(grow_top(along * body.seat, summit).thinned(counts[0]))
    angle = _TILTS[tilt]
    cos, sin = np.cos(angle), np.sin(angle)
    turned = joined(leaning).turned(np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]))
    parts = [turned]
    if grow_base is not None:
        foot = (bottom * sin, 0.0, bottom * cos)
        parts.append(grow_base(1.1 * across).thinned(counts[1]).moved(foot))
    whole = joined(parts).scaled((_SIZES[size],) * 3)
    points = whole.points.copy()
    points[:, 2] -= (points[:, 2].min() + points[:, 2].max()) / 2
    return _frozen(points), _frozen(whole.normals)


@cache
def _body(shape: str) -> Body:
    return BODIES[shape]()


def _frozen(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    single = values.astype(np.float32)
    single.setflags(write=False)
    return single
