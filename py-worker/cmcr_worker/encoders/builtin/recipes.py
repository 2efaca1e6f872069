"""What each built-in encoder is trained on, and how."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import torch

from cmcr_worker.decoding.media import Media
from cmcr_worker.encoders.builtin.augmentation import mirrored, scanned_anew
from cmcr_worker.generators.scenes.foreign import render_foreign_captions
from cmcr_worker.generators.scenes.images import render_images as render_scene_images
from cmcr_worker.generators.scenes.sounds import render_sounds
from cmcr_worker.generators.scenes.wording import render_captions as render_scene_captions
from cmcr_worker.generators.things.clouds import render_clouds
from cmcr_worker.generators.things.images import render_images as render_thing_images
from cmcr_worker.generators.things.wording import render_captions as render_thing_captions

Rendering: TypeAlias = Callable[[str, int, Sequence[int]], Sequence[Media]]
"""From a split, a seed and indices to the items."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How an encoder is trained; the defaults made the weights of the scenes that come with the package.

    Each pair of those keeps one caption through all epochs, as in collections of
    real pairs. With fresh wording in every epoch their encoders become so good on
    that small world that every way of joining them comes to the same.
    """

    pairs: int = 8000
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    temperature: float = 0.07
    # Share of words that training replaces by the unknown word, so that it gets a meaning.
    unknown_words: float = 0.02


def recipe_note(settings: TrainingSettings) -> str:
    """The settings as JSON, for the metadata of the weights that they made."""
    return json.dumps(asdict(settings), sort_keys=True)


@dataclass(frozen=True, slots=True)
class PairSource:
    """The pairs that a model is trained on: each an item in two modalities, or twice in one.

    Where `modality` and `other` are the same, one tower embeds both.
    """

    modality: str
    render: Rendering
    # The item in its other modality, or told once more: what it is called, or what it looks like.
    counterpart: Rendering
    # No two models of a world share an item.
    first_index: int
    index_step: int
    other: str = "text"
    # Where each epoch has captions of its own: those of (seed, indices, epoch); epoch 0 has the counterparts.
    reworded: Callable[[int, Sequence[int], int], list[str]] | None = None
    # What each step changes in what the tower of a modality is given; (n, ...) to (n, ...).
    varied: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = field(default_factory=dict)
    settings: TrainingSettings = field(default_factory=TrainingSettings)

    def indices(self, pairs: int) -> list[int]:
        """The items of the split `train` that this model is trained on."""
        return list(range(self.first_index, self.first_index + pairs * self.index_step, self.index_step))


def _thing_captions_of_epoch(seed: int, indices: Sequence[int], epoch: int) -> list[str]:
    return render_thing_captions("train", seed, indices, version=epoch)


WORLDS: Mapping[str, Mapping[str, PairSource]] = MappingProxyType(
    {
        # Captions of even index are as seen, those of odd index as heard.
        "scenes": {
            "scenes-image-text": PairSource(
                "image", render_scene_images, render_scene_captions, first_index=0, index_step=2
            ),
            "scenes-audio-text": PairSource(
                "audio", render_sounds, render_scene_captions, first_index=1, index_step=2
            ),
            # Beyond the items of the other two; what both languages tell of them.
            "scenes-two-languages": PairSource(
                "text", render_foreign_captions, render_scene_captions, first_index=16_000, index_step=1
            ),
        },
        "things": {
            "things-image-text": PairSource(
                "image",
                render_thing_images,
                render_thing_captions,
                first_index=0,
                index_step=2,
                reworded=_thing_captions_of_epoch,
                varied={"image": mirrored},
                settings=TrainingSettings(epochs=24, batch_size=128),
            ),
            "things-cloud-image": PairSource(
                "pointcloud",
                render_clouds,
                render_thing_images,
                first_index=1,
                index_step=2,
                other="image",
                varied={"image": mirrored, "pointcloud": scanned_anew},
                settings=TrainingSettings(epochs=20, batch_size=128),
            ),
        },
    }
)
"""The models of each world and the pairs they are trained on."""
