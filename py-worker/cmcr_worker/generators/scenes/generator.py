"""The world of scenes as a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

from cmcr_worker.decoding.media import Media
from cmcr_worker.decoding.regions import Box
from cmcr_worker.errors import unknown_name
from cmcr_worker.generators.combinations import columns_of
from cmcr_worker.generators.protocol import AttributeColumn
from cmcr_worker.generators.scenes.attributes import ATTRIBUTES, labels_of
from cmcr_worker.generators.scenes.draws import SPLITS, combinations_of
from cmcr_worker.generators.scenes.duets import DUETS, boxes_of, render_duets
from cmcr_worker.generators.scenes.foreign import FOREIGN, render_foreign_captions
from cmcr_worker.generators.scenes.images import render_images
from cmcr_worker.generators.scenes.sounds import render_sounds
from cmcr_worker.generators.scenes.wording import (
    plain_duets,
    plain_phrase,
    render_captions,
    render_duet_captions,
)
from cmcr_worker.generators.splits import check_indices, check_split

_Renderer: TypeAlias = Callable[[str, int, Sequence[int]], Sequence[Media]]

_RENDERERS: Final[Mapping[str, _Renderer]] = MappingProxyType(
    {"image": render_images, "audio": render_sounds, "text": render_captions}
)
# The sound of a duet is that of one scene.
_DUET_RENDERERS: Final[Mapping[str, _Renderer]] = MappingProxyType(
    {"image": render_duets, "audio": render_sounds, "text": render_duet_captions}
)
# All but the language is as in other splits.
_FOREIGN_RENDERERS: Final[Mapping[str, _Renderer]] = MappingProxyType(
    {"image": render_images, "audio": render_sounds, "text": render_foreign_captions}
)


class ScenesGenerator:
    """Scenes that one can see, hear and describe.

    Splits: `train` is for encoders; `captions`, `images` and `sounds` are for
    connecting spaces, and are unpaired: the same index is a different scene in
    each. `test` holds the 1000 combinations that are held out: they occur in none
    of those. Its image, sound and caption of one index show the same scene.

    `duets` has images of two scenes of held-out combinations, and the sound of one
    of them: that of index i is of combination i, as in `test`. `mismatched` has
    the same, but in half of its items the sound is of a scene that is not in the
    image. `duets-validation` and `mismatched-validation` are made likewise of
    combinations that are not held out, for choosing settings.

    `foreign` and `foreign-test` have texts in a second language, the former for
    connecting spaces and unpaired like the others, the latter of combination i at
    index i, as in `test`. Their images and sounds are as anywhere.
    """

    name: str = "scenes"
    revision: str = "1"
    splits: Mapping[str, int | None] = SPLITS
    modalities: frozenset[str] = frozenset(_RENDERERS)

    def check(self, split: str) -> None:
        """Raises WorkerError UNKNOWN_NAME where there is no such split."""
        check_split(self.name, self.splits, split)

    def render(self, modality: str, split: str, seed: int, indices: Sequence[int]) -> list[Media]:
        """The items of these indices in one modality, in that order.

        Raises:
            WorkerError: UNKNOWN_NAME for the split or the modality, CONFIG_INVALID for an index that the
                split does not have.
        """
        self._check_indices(split, indices)
        renderer = _renderers(split).get(modality)
        if renderer is None:
            raise unknown_name("modality of the generator scenes", modality, _RENDERERS)
        return list(renderer(split, seed, indices))

    def attributes(self, split: str, seed: int, indices: Sequence[int]) -> list[AttributeColumn]:
        """The labels of these items, one column for each attribute; of a duet what is heard."""
        self._check_indices(split, indices)
        return columns_of(ATTRIBUTES, labels_of(combinations_of(split, seed, indices)))

    def captions(self, split: str, seed: int, indices: Sequence[int]) -> list[str]:
        """One phrase for each item that names all its attributes, and of a duet where each object is."""
        self._check_indices(split, indices)
        if split in DUETS:
            return plain_duets(split, seed, indices)
        return [plain_phrase(row) for row in labels_of(combinations_of(split, seed, indices)).tolist()]

    def boxes(self, split: str, seed: int, indices: Sequence[int]) -> list[list[Box]] | None:
        """The 32 x 32 pixels of each duet's object that sounds, if one does; None for other splits."""
        self._check_indices(split, indices)
        return boxes_of(split, seed, indices) if split in DUETS else None

    def _check_indices(self, split: str, indices: Sequence[int]) -> None:
        check_indices(self.name, self.splits, split, indices)


def _renderers(split: str) -> Mapping[str, _Renderer]:
    if split in DUETS:
        return _DUET_RENDERERS
    return _FOREIGN_RENDERERS if split in FOREIGN else _RENDERERS
