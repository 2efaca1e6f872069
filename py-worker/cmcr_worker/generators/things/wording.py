"""Captions of things, and the bare prompts of their families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np

from cmcr_worker.generators.things.attributes import ATTRIBUTES, NUISANCES, SHAPE, labels_of
from cmcr_worker.generators.things.draws import combinations_of, item_generator, nuisances_of

_Option = TypeVar("_Option")

LEFT_OUT: Final = (0.15, 0.4, 0.85)
"""Probabilities that a caption leaves out an attribute; each caption has one of them, and names the shape.

So a bare name is a caption like others, and a model that knows captions knows prompts.
"""

TELLING_ALL: Final = frozenset({"test", "validation"})
"""Splits whose captions leave nothing out: two things must not fit one caption equally well."""

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ball": ("ball", "sphere", "orb"),
        "cube": ("cube", "block"),
        "cone": ("cone", "funnel"),
        "cylinder": ("cylinder", "drum"),
        "ring": ("ring", "hoop", "torus"),
        "pyramid": ("pyramid", "tent"),
        "spring": ("spring", "coil", "helix"),
        "cross": ("cross", "plus"),
        "arrow": ("arrow", "pointer"),
        "bowl": ("bowl", "dish", "basin"),
        "flat": ("flat", "squat", "flattened"),
        "regular": ("regular", "balanced"),
        "tall": ("tall", "elongated", "stretched"),
        "small": ("small", "little", "tiny"),
        "medium": ("medium", "moderate"),
        "large": ("large", "big", "huge"),
        "upright": ("upright", "straight"),
        "leaning": ("leaning", "tilted", "slanted"),
        "free": ("without a base", "standing free"),
        "plate": ("on a plate", "on a slab"),
        "pole": ("on a pole", "on a stick"),
        "bare": ("with a bare top", "with nothing above"),
        "knob": ("with a knob", "topped by a bead"),
        "antenna": ("with an antenna", "with an aerial", "topped by a rod"),
        "red": ("red", "crimson"),
        "orange": ("orange", "amber"),
        "yellow": ("yellow", "golden"),
        "green": ("green", "emerald"),
        "blue": ("blue", "azure"),
        "purple": ("purple", "violet"),
        "dark": ("in the dark", "at night"),
        "bright": ("in bright light", "by day"),
    }
)
"""The phrases for each value, all equally likely."""

OPENINGS: Final = (
    "a",
    "a picture of a",
    "a photo of a",
    "a 3d model of a",
    "a rendering of a",
    "there is a",
    "this is a",
    "one sees a",
)
"""How a caption begins, and each kind of bare prompt."""

_ORDER: Final = ("size", "colour", "elongation", "tilt", "shape", "base", "top", "background")


def render_captions(split: str, seed: int, indices: Sequence[int], *, version: int = 0) -> list[str]:
    """A caption of each item; each version says other things, and in other words, of the same item."""
    if split == "prompts":
        return [prompt(index) for index in indices]
    labels = np.concatenate(
        [labels_of(combinations_of(split, seed, indices)), nuisances_of(split, seed, indices)], axis=1
    )
    stream = f"text/{version}"
    return [
        _caption(row, item_generator(seed, split, stream, index), tells_all=split in TELLING_ALL)
        for index, row in zip(indices, labels.tolist(), strict=True)
    ]


def prompt(index: int) -> str:
    """A shape's name after one of the openings: the ten shapes with the first of them, then with the next."""
    opening, shape = divmod(index, len(SHAPE.values))
    return _sentence(OPENINGS[opening], SHAPE.values[shape])


def plain_phrase(labels: Sequence[int]) -> str:
    """All attributes of a thing in one plain phrase, such as "large tall leaning cone, plate, knob"."""
    shape, elongation, size, tilt, base, top = (
        attribute.values[label] for attribute, label in zip(ATTRIBUTES, labels, strict=True)
    )
    return f"{size} {elongation} {tilt} {shape}, {base}, {top}"


def _caption(labels: Sequence[int], rng: np.random.Generator, *, tells_all: bool) -> str:
    attributes = (*ATTRIBUTES, *NUISANCES)
    draws = rng.random(2 + 2 * len(attributes))
    left_out = 0.0 if tells_all else _pick(LEFT_OUT, draws[1])
    said: dict[str, str] = {}
    for place, (attribute, label) in enumerate(zip(attributes, labels, strict=True)):
        if attribute is SHAPE or draws[2 + 2 * place] >= left_out:
            said[attribute.name] = _pick(SYNONYMS[attribute.values[label]], draws[3 + 2 * place])
    return _sentence(_pick(OPENINGS, draws[0]), " ".join(said[name] for name in _ORDER if name in said))


def _sentence(opening: str, told: str) -> str:
    article = "n" if opening.split()[-1] == "a" and told[0] in "aeiou" else ""
    return f"{opening}{article} {told}"


def _pick(options: Sequence[_Option], uniform: float) -> _Option:
    return options[int(uniform * len(options))]
