"""The world of things as a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from cmcr_worker.decoding.media import Media
from cmcr_worker.decoding.regions import Box
from cmcr_worker.errors import Reason, WorkerError, unknown_name
from cmcr_worker.generators.combinations import columns_of
from cmcr_worker.generators.protocol import AttributeColumn
from cmcr_worker.generators.splits import check_indices, check_split
from cmcr_worker.generators.things.attributes import ATTRIBUTES, SHAPE, TESTED, VALIDATED, labels_of
from cmcr_worker.generators.things.clouds import render_clouds
from cmcr_worker.generators.things.draws import combinations_of
from cmcr_worker.generators.things.images import render_images
from cmcr_worker.generators.things.wording import OPENINGS, plain_phrase, prompt, render_captions

_RENDERERS: Final[Mapping[str, Callable[[str, int, Sequence[int]], Sequence[Media]]]] = MappingProxyType(
    {"image": render_images, "pointcloud": render_clouds, "text": render_captions}
)

_SPLITS: Final[Mapping[str, int | None]] = MappingProxyType(
    {
        "train": None,
        "images": None,
        "captions": None,
        "clouds": None,
        "validation": VALIDATED,
        "test": TESTED,
        "prompts": len(SHAPE.values) * len(OPENINGS),
    }
)


class ThingsGenerator:
    """Things that one can see, scan and describe.

    Splits: `train` is for encoders; `images`, `captions` and `clouds` are for
    connecting spaces, and are unpaired: the same index is a different thing in
    each. `validation` and `test` hold 120 and 500 combinations that occur in no
    other split; their image, cloud and caption of one index are of the same
    thing, and the caption leaves nothing out. `prompts` has texts alone: the ten
    shapes' names after the first opening, then after the next.
    """

    name: str = "things"
    revision: str = "1"
    splits: Mapping[str, int | None] = _SPLITS
    modalities: frozenset[str] = frozenset(_RENDERERS)

    def check(self, split: str) -> None:
        """Raises WorkerError UNKNOWN_NAME where there is no such split."""
        check_split(self.name, self.splits, split)

    def render(self, modality: str, split: str, seed: int, indices: Sequence[int]) -> list[Media]:
        """The items of these indices in one modality, in that order.

        Raises:
            WorkerError: UNKNOWN_NAME for the split or the modality, CONFIG_INVALID for an index that the
                split does not have and for prompts that are not texts.
        """
        self._check_indices(split, indices)
        renderer = _RENDERERS.get(modality)
        if renderer is None:
            raise unknown_name("modality of the generator things", modality, _RENDERERS)
        if split == "prompts" and modality != "text":
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"the split 'prompts' of the generator things has texts alone, nothing of {modality}",
                subject="generated.source.split",
                remedy="Take another split, such as test.",
            )
        return list(renderer(split, seed, indices))

    def attributes(self, split: str, seed: int, indices: Sequence[int]) -> list[AttributeColumn]:
        """The labels of these items, one column for each attribute; of prompts the shape alone."""
        self._check_indices(split, indices)
        if split == "prompts":
            shapes = np.asarray(indices, dtype=np.uint32) % np.uint32(len(SHAPE.values))
            return [AttributeColumn(SHAPE.name, SHAPE.values, shapes)]
        return columns_of(ATTRIBUTES, labels_of(combinations_of(split, seed, indices)))

    def captions(self, split: str, seed: int, indices: Sequence[int]) -> list[str]:
        """One phrase for each item that names all its attributes; of prompts the prompt."""
        self._check_indices(split, indices)
        if split == "prompts":
            return [prompt(index) for index in indices]
        return [plain_phrase(row) for row in labels_of(combinations_of(split, seed, indices)).tolist()]

    def boxes(self, split: str, seed: int, indices: Sequence[int]) -> list[list[Box]] | None:
        """None: things make no sound."""
        self._check_indices(split, indices)
        return None

    def _check_indices(self, split: str, indices: Sequence[int]) -> None:
        check_indices(self.name, self.splits, split, indices)
