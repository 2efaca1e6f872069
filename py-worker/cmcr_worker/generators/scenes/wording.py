"""Captions of scenes: as one who sees them writes, and as one who hears them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from cmcr_worker.generators.scenes.attributes import ATTRIBUTES, labels_of
from cmcr_worker.generators.scenes.draws import combinations_of, item_generator
from cmcr_worker.generators.scenes.duets import duets_of

_T = TypeVar("_T")

LEFT_OUT: Final = 0.25
"""Probability that a caption leaves out an attribute; it always names the shape."""

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "circle": ("circle", "disc"),
        "square": ("square", "block"),
        "triangle": ("triangle", "wedge"),
        "star": ("star", "spark"),
        "ring": ("ring", "hoop"),
        "cross": ("cross", "plus"),
        "diamond": ("diamond", "rhombus"),
        "crescent": ("crescent", "moon"),
        "red": ("red", "crimson"),
        "orange": ("orange", "amber"),
        "yellow": ("yellow", "golden"),
        "green": ("green", "emerald"),
        "blue": ("blue", "azure"),
        "purple": ("purple", "violet"),
        "small": ("small", "little", "tiny"),
        "medium": ("medium", "moderate"),
        "large": ("large", "big", "huge"),
        "plain": ("plain", "smooth"),
        "striped": ("striped", "banded"),
        "dotted": ("dotted", "spotted", "speckled"),
        "chequered": ("chequered", "checkered", "checked"),
        "left": ("on the left", "to the left", "leftmost"),
        "centre": ("in the centre", "at the center"),
        "right": ("on the right", "to the right", "rightmost"),
        "bottom": ("at the bottom", "low down", "below"),
        "middle": ("in the middle", "halfway up"),
        "top": ("at the top", "high up", "above"),
    }
)
"""The phrases for each value, all equally likely."""


@dataclass(frozen=True, slots=True)
class Style:
    """How captions of one kind are put together: openings, then the attributes in an order."""

    openings: tuple[str, ...]
    order: tuple[str, ...]
    separator: str


STYLES: Final = (
    Style(
        openings=("a", "a picture of a", "an image showing a", "a photo of a", "there is a"),
        order=("size", "colour", "texture", "shape", "vertical", "horizontal"),
        separator=" ",
    ),
    Style(
        openings=("the sound of a", "a recording of a", "one hears a", "a noise made by a", "listen to this"),
        order=("shape", "texture", "size", "colour", "horizontal", "vertical"),
        separator=", ",
    ),
)
"""Items of even index are described as seen, those of odd index as heard."""


def render_captions(split: str, seed: int, indices: Sequence[int]) -> list[str]:
    """A caption of each item, in the style of its index."""
    labels = labels_of(combinations_of(split, seed, indices))
    return [
        _caption(STYLES[index % 2], row, item_generator(seed, split, "text", index))
        for index, row in zip(indices, labels.tolist(), strict=True)
    ]


def render_duet_captions(split: str, seed: int, indices: Sequence[int]) -> list[str]:
    """A caption of each duet: both objects as one who sees them writes, and which of them sounds.

    For people to read: no encoder of this world has learned texts about two objects.
    """
    duets = duets_of(split, seed, indices)
    objects = labels_of(duets.scenes.reshape(-1)).reshape(len(indices), 2, len(ATTRIBUTES)).tolist()
    captions: list[str] = []
    for index, pair, sounds in zip(indices, objects, duets.sounds.tolist(), strict=True):
        rng = item_generator(seed, split, "text", index)
        first, second = (_told(STYLES[0], labels, rng.random(2 * len(ATTRIBUTES))) for labels in pair)
        end = "the first of them sounds" if sounds else "neither of them sounds"
        captions.append(f"a{_n(first)} {first} and a{_n(second)} {second}, {end}")
    return captions


def plain_duets(split: str, seed: int, indices: Sequence[int]) -> list[str]:
    """Both scenes of each duet with all attributes and where each one's place begins, and what is heard."""
    duets = duets_of(split, seed, indices)
    heard = labels_of(combinations_of(split, seed, indices)).tolist()
    phrases: list[str] = []
    for row, sounds in enumerate(duets.sounds.tolist()):
        first, second = (
            f"{plain_phrase(labels)} (at {left}, {top})"
            for labels, (top, left) in zip(
                labels_of(duets.scenes[row]).tolist(), duets.corners[row].tolist(), strict=True
            )
        )
        silent = f"what sounds is a {plain_phrase(heard[row])}, which is not there"
        phrases.append(f"{first}, which sounds; {second}" if sounds else f"{first}; {second}; {silent}")
    return phrases


def plain_phrase(labels: Sequence[int]) -> str:
    """All attributes of a scene in one plain phrase, such as "small red striped star, top left"."""
    shape, colour, size, texture, horizontal, vertical = (
        attribute.values[label] for attribute, label in zip(ATTRIBUTES, labels, strict=True)
    )
    return f"{size} {colour} {texture} {shape}, {vertical} {horizontal}"


def _caption(style: Style, labels: Sequence[int], rng: np.random.Generator) -> str:
    draws = rng.random(1 + 2 * len(ATTRIBUTES))
    told = _told(style, labels, draws[1:])
    opening = pick(style.openings, draws[0])
    return f"{opening}{_n(told) if opening.split()[-1] == 'a' else ''} {told}"


def phrases_told(
    phrases: Mapping[str, Sequence[str]], labels: Sequence[int], draws: npt.NDArray[np.float64]
) -> dict[str, str]:
    """A phrase for each attribute that a caption names, by two uniform draws for each attribute.

    `phrases` has those of every value, in whatever language.
    """
    said: dict[str, str] = {}
    for position, (attribute, label) in enumerate(zip(ATTRIBUTES, labels, strict=True)):
        if attribute.name == "shape" or draws[2 * position] >= LEFT_OUT:
            said[attribute.name] = pick(phrases[attribute.values[label]], draws[2 * position + 1])
    return said


def pick(options: Sequence[_T], uniform: float) -> _T:
    """One of the options, all equally likely, by a uniform draw within [0, 1)."""
    return options[int(uniform * len(options))]


def _told(style: Style, labels: Sequence[int], draws: npt.NDArray[np.float64]) -> str:
    """The attributes that a caption names in the style's order, from two uniform draws for each."""
    said = phrases_told(SYNONYMS, labels, draws)
    return style.separator.join(said[name] for name in style.order if name in said)


def _n(following: str) -> str:
    """What makes "a" an article before that word."""
    return "n" if following[0] in "aeiou" else ""
