"""Points with normals spread evenly over surfaces.

Legend: n points; every surface is closed, and its normals point outwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

CANDIDATES: Final = 6000
"""Points of a surface from which those that are kept are picked."""

_MORTON_BITS: Final = 10


@dataclass(frozen=True, slots=True)
class Surface:
    """Points (n, 3), their outward unit normals (n, 3) and the area that each stands for (n,)."""

    points: Array
    normals: Array
    areas: Array

    def scaled(self, along: Sequence[float]) -> Surface:
        """Stretched along x, y and z about the origin; normals and areas follow."""
        factors = np.asarray(along, dtype=np.float64)
        # A normal goes with the inverse transpose; its length times the volume's factor is the area's.
        normals = self.normals / factors
        lengths = np.linalg.norm(normals, axis=1)
        return Surface(
            self.points * factors, normals / lengths[:, None], self.areas * lengths * factors.prod()
        )

    def moved(self, by: Sequence[float]) -> Surface:
        """Shifted along x, y and z."""
        return Surface(self.points + np.asarray(by, dtype=np.float64), self.normals, self.areas)

    def turned(self, rotation: Array) -> Surface:
        """Turned about the origin by a rotation (3, 3)."""
        return Surface(self.points @ rotation.T, self.normals @ rotation.T, self.areas)

    def where(self, kept: npt.NDArray[np.bool_]) -> Surface:
        """Only those points."""
        return Surface(self.points[kept], self.normals[kept], self.areas[kept])

    def thinned(self, count: int) -> Surface:
        """So many of the points, evenly over the area: systematic sampling in their order."""
        ends = np.cumsum(self.areas)
        picks = np.searchsorted(ends, (np.arange(count) + 0.5) * (ends[-1] / count))
        total = float(ends[-1])
        return Surface(self.points[picks], self.normals[picks], np.full(count, total / count))


def joined(surfaces: Sequence[Surface]) -> Surface:
    """Several surfaces as one."""
    return Surface(
        np.concatenate([surface.points for surface in surfaces]),
        np.concatenate([surface.normals for surface in surfaces]),
        np.concatenate([surface.areas for surface in surfaces]),
    )


def revolved(profile: Sequence[tuple[float, float]]) -> Surface:
    """A profile of (radius, z) turned about the z axis; outwards is on its right, going along it.

    So from the bottom to the top, and a profile that starts and ends on the
    axis, or where it started, is closed.
    """
    corners = np.asarray(profile, dtype=np.float64)
    steps = np.diff(corners, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    along, around = _spread(CANDIDATES).T
    ends = np.cumsum(lengths)
    position = along * ends[-1]
    piece = np.minimum(np.searchsorted(ends, position, side="right"), len(steps) - 1)
    share = (position - (ends - lengths)[piece]) / lengths[piece]
    place = corners[piece] + steps[piece] * share[:, None]
    normal = np.stack([steps[:, 1], -steps[:, 0]], axis=1) / lengths[:, None]
    angle = 2 * np.pi * around
    cos, sin = np.cos(angle), np.sin(angle)
    return Surface(
        np.stack([place[:, 0] * cos, place[:, 0] * sin, place[:, 1]], axis=1),
        np.stack([normal[piece, 0] * cos, normal[piece, 0] * sin, normal[piece, 1]], axis=1),
        2 * np.pi * place[:, 0] * ends[-1] / CANDIDATES,
    )


def faceted(triangles: Sequence[Sequence[Sequence[float]]]) -> Surface:
    """Flat triangles, each of three corners, counter-clockwise seen from outside."""
    corners = np.asarray(triangles, dtype=np.float64)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    crosses = np.cross(first, second)
    doubled = np.linalg.norm(crosses, axis=1)
    surfaces = []
    for face, share in enumerate(doubled / doubled.sum()):
        u, v = _spread(max(1, round(CANDIDATES * float(share)))).T
        # The half of the square beyond the diagonal is folded back onto the triangle.
        beyond = u + v > 1
        u, v = np.where(beyond, 1 - u, u)[:, None], np.where(beyond, 1 - v, v)[:, None]
        points = corners[face, 0] + u * first[face] + v * second[face]
        normal = crosses[face] / doubled[face]
        area = doubled[face] / 2 / len(points)
        surfaces.append(Surface(points, np.tile(normal, (len(points), 1)), np.full(len(points), area)))
    return joined(surfaces)


def box(half: Sequence[float]) -> Surface:
    """A box about the origin, of these half sides."""
    triangles = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = ((axis + 1) % 3, (axis + 2) % 3) if sign > 0 else ((axis + 2) % 3, (axis + 1) % 3)
            square = []
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = [0.0, 0.0, 0.0]
                corner[axis], corner[u], corner[v] = sign * half[axis], a * half[u], b * half[v]
                square.append(corner)
            triangles += [[square[0], square[1], square[2]], [square[0], square[2], square[3]]]
    return faceted(triangles)


def tube(centres: Array, radius: float) -> Surface:
    """A round tube along a curve of centres (k, 3); its ends are left open."""
    along, around = _spread(CANDIDATES).T
    position = along * (len(centres) - 1)
    piece = np.minimum(position.astype(np.int64), len(centres) - 2)
    share = (position - piece)[:, None]
    centre = centres[piece] * (1 - share) + centres[piece + 1] * share
    step = (centres[1:] - centres[:-1])[piece]
    length = np.linalg.norm(step, axis=1)
    tangent = step / length[:, None]
    across = np.cross(tangent, np.array([0.0, 1.0, 0.013]))
    across /= np.linalg.norm(across, axis=1)[:, None]
    angle = (2 * np.pi * around)[:, None]
    normal = np.cos(angle) * across + np.sin(angle) * np.cross(tangent, across)
    return Surface(
        centre + radius * normal, normal, 2 * np.pi * radius * length * (len(centres) - 1) / CANDIDATES
    )


@cache
def _spread(count: int) -> Array:
    """Points spread evenly over the unit square: M. Roberts' R2 sequence, by the plastic number.

    They are in Morton's order, in which neighbours lie near each other: to keep
    each second or third of them thins the square evenly.
    """
    plastic = 1.324717957244746
    steps = np.arange(1, count + 1)[:, None] * np.array([1 / plastic, 1 / plastic**2])
    spread: Array = (0.5 + steps) % 1.0
    cells = (spread * (1 << _MORTON_BITS)).astype(np.int64)
    code = np.zeros(count, dtype=np.int64)
    for bit in range(_MORTON_BITS):
        for axis in range(2):
            code |= ((cells[:, axis] >> bit) & 1) << (2 * bit + axis)
    spread = spread[np.argsort(code, kind="stable")]
    spread.setflags(write=False)
    return spread
