"""The ten families of bodies: closed surfaces of radius about 1 between z of -1 and 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from cmcr_worker.generators.things.surfaces import Surface, box, faceted, joined, revolved, tube

_ARC: Final = 32  # Straight pieces of a half circle.


@dataclass(frozen=True, slots=True)
class Body:
    """A body before it is stretched; `seat` is the z on its axis where something stands on it."""

    surface: Surface
    seat: float
    bottom: float = -1.0
    summit: float = 1.0


def arc(centre: float, radius: float, start: float, end: float) -> list[tuple[float, float]]:
    """Profile (radius, z) of a sphere about (0, centre) between two latitudes, in radians."""
    angles = np.linspace(start, end, _ARC + 1)
    return [(float(max(0.0, radius * np.cos(a))), float(centre + radius * np.sin(a))) for a in angles]


def _ball() -> Body:
    return Body(revolved(arc(0.0, 1.0, -np.pi / 2, np.pi / 2)), seat=1.0)


def _cube() -> Body:
    return Body(box((0.8, 0.8, 1.0)), seat=1.0)


def _cone() -> Body:
    return Body(revolved([(0.0, -1.0), (1.0, -1.0), (0.0, 1.0)]), seat=0.95)


def _cylinder() -> Body:
    return Body(revolved([(0.0, -1.0), (0.85, -1.0), (0.85, 1.0), (0.0, 1.0)]), seat=1.0)


def _ring() -> Body:
    # It stands, so that its hole is seen from most sides.
    angle = np.linspace(0, 2 * np.pi, 65)
    circle = 0.73 * np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], axis=1)
    return Body(tube(circle, 0.27), seat=1.0)


def _pyramid() -> Body:
    corners = [[0.9, 0.9, -1.0], [-0.9, 0.9, -1.0], [-0.9, -0.9, -1.0], [0.9, -0.9, -1.0]]
    apex = [0.0, 0.0, 1.0]
    sides = [[corners[i], corners[(i + 1) % 4], apex] for i in range(4)]
    under = [[corners[0], corners[2], corners[1]], [corners[0], corners[3], corners[2]]]
    return Body(faceted([*sides, *under]), seat=0.95)


def _spring() -> Body:
    turn = np.linspace(0, 2 * np.pi * 3, 145)
    helix = np.stack([0.8 * np.cos(turn), 0.8 * np.sin(turn), np.linspace(-0.84, 0.84, 145)], axis=1)
    return Body(tube(helix, 0.16), seat=0.9)


def _cross() -> Body:
    # Three bars through one middle, so that it is a cross from every side.
    halves = np.array([[1.0, 0.27, 0.27], [0.27, 1.0, 0.27], [0.27, 0.27, 1.0]])
    bars = []
    for own, half in enumerate(halves):
        bar = box(half.tolist())
        hidden = [
            (np.abs(bar.points) < halves[other] - 1e-9).all(axis=1) for other in range(3) if other != own
        ]
        bars.append(bar.where(~np.logical_or(*hidden)))
    return Body(joined(bars), seat=1.0)


def _arrow() -> Body:
    profile = [(0.0, -1.0), (0.27, -1.0), (0.27, 0.05), (0.9, 0.05), (0.0, 1.0)]
    return Body(revolved(profile), seat=0.95)


def _bowl() -> Body:
    # A half ball with a wall: out and up, over the rim, and down on the inside.
    outside, inside = arc(0.5, 1.0, -np.pi / 2, 0.0), arc(0.5, 0.86, 0.0, -np.pi / 2)
    shell = revolved([*outside, *inside]).scaled((1.0, 1.0, 1.4))
    return Body(shell, seat=-0.5, bottom=-0.7, summit=0.7)


BODIES: Final[Mapping[str, Callable[[], Body]]] = MappingProxyType(
    {
        "ball": _ball,
        "cube": _cube,
        "cone": _cone,
        "cylinder": _cylinder,
        "ring": _ring,
        "pyramid": _pyramid,
        "spring": _spring,
        "cross": _cross,
        "arrow": _arrow,
        "bowl": _bowl,
    }
)
"""How each family's body is made."""
