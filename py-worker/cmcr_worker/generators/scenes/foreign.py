"""Captions of scenes in a second language, which is made up and has nothing of English.

No word of it is one of the English captions', and its grammar is another: the
shape comes first, what it is like follows behind a linking word each time, and
the verb ends the sentence; where the scene lies may come before all of it. So
who knows English alone, word by word, learns nothing from a text of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cmcr_worker.generators.scenes.attributes import ATTRIBUTES, labels_of
from cmcr_worker.generators.scenes.draws import combinations_of, item_generator
from cmcr_worker.generators.scenes.wording import phrases_told, pick

FOREIGN: Final = frozenset({"foreign", "foreign-test"})
"""The splits whose texts are in the second language."""

FOREIGN_SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "circle": ("moru", "olapi"),
        "square": ("tekan", "bidor"),
        "triangle": ("zilet", "karup"),
        "star": ("shemi", "filak"),
        "ring": ("lovan", "onggo"),
        "cross": ("dritu", "ekash"),
        "diamond": ("vupel", "samiro"),
        "crescent": ("nalei", "hurim"),
        "red": ("rukha", "temar"),
        "orange": ("pilona", "gashu"),
        "yellow": ("sorei", "nintha"),
        "green": ("velku", "amodi"),
        "blue": ("kelio", "uleno"),
        "purple": ("bazim", "orethi"),
        "small": ("pikwe", "nushi"),
        "medium": ("dalan", "yomek"),
        "large": ("gorbu", "vashto"),
        "plain": ("lemsa", "shuro"),
        "striped": ("ravik", "tolinde"),
        "dotted": ("mippu", "kidra"),
        "chequered": ("zakhe", "wubeno"),
        "left": ("sinu ha", "larekke"),
        "centre": ("medu ha", "ubril"),
        "right": ("dek ha", "yantur"),
        "bottom": ("jumo wi", "basheru"),
        "middle": ("tevi wi", "ollim"),
        "top": ("kuyo wi", "ishran"),
    }
)
"""The phrases for each value, both equally likely; a place may have a particle behind it."""

_LINK: Final = "ke"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A way to put a sentence together: which attributes precede the shape, and which follow it."""

    before: tuple[str, ...]
    qualities: tuple[str, ...]
    after: tuple[str, ...]
    endings: tuple[str, ...]


SENTENCES: Final = (
    Sentence(
        before=(),
        qualities=("colour", "texture", "size"),
        after=("horizontal", "vertical"),
        endings=("ezhu", "tamo ezhu", "irru vel ezhu"),
    ),
    Sentence(
        before=("vertical", "horizontal"),
        qualities=("texture", "size", "colour"),
        after=(),
        endings=("nahi", "sho nahi"),
    ),
)
"""Both equally likely: "moru ke rukha sinu ha ezhu", or "sinu ha, moru ke rukha nahi"."""


def render_foreign_captions(split: str, seed: int, indices: Sequence[int]) -> list[str]:
    """A caption of each item in the second language.

    What it leaves out and which words it takes do not depend on the English
    caption of the same item.
    """
    labels = labels_of(combinations_of(split, seed, indices)).tolist()
    captions: list[str] = []
    for index, row in zip(indices, labels, strict=True):
        draws = item_generator(seed, split, "foreign-text", index).random(2 + 2 * len(ATTRIBUTES))
        sentence = pick(SENTENCES, draws[0])
        said = phrases_told(FOREIGN_SYNONYMS, row, draws[2:])
        captions.append(_put_together(sentence, said, pick(sentence.endings, draws[1])))
    return captions


def _put_together(sentence: Sentence, said: Mapping[str, str], ending: str) -> str:
    def told(names: Sequence[str]) -> list[str]:
        return [said[name] for name in names if name in said]

    thing = f" {_LINK} ".join([said["shape"], *told(sentence.qualities)])
    before = " ".join(told(sentence.before))
    rest = " ".join([thing, *told(sentence.after), ending])
    return f"{before}, {rest}" if before else rest
