"""What an encoder is, and what provides encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from cmcr_worker.decoding.media import Media, Prepared

if TYPE_CHECKING:
    # For annotations alone: decoder processes import preparations from here, and are light without torch.
    import torch


PatchSource: TypeAlias = Literal["tokens", "values"]
"""Where embeddings of patches come from: the last layer's tokens, or its attention's values (`patches`)."""


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """Patches of an image that have embeddings of their own, row-major from the top left.

    `revision` is that of the code that embeds them; the encoder's own does not speak of patches.
    """

    rows: int
    columns: int
    revision: str


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """All that an encoder's embeddings depend on.

    `weights_sha256` is that of the weights file, lower-case hexadecimal;
    `revision` changes whenever preprocessing or forward pass change their
    results; `compute_dtype` is the element type of the forward pass;
    `preprocessing` has, for each modality, the settings of what is done before
    the forward pass, as plain JSON values. `patch_grid` is None where patches
    have no embeddings, and `patches_missing` says why, in a few words.
    """

    dimension: int
    modalities: frozenset[str]
    weights_sha256: str
    revision: str
    compute_dtype: str
    preprocessing: Mapping[str, object] = field(default_factory=dict)
    patch_grid: PatchGrid | None = None
    patches_missing: str = "only CLIP's vision transformers have them, by huggingface-clip or open-clip"


class Preparation(Protocol):
    """From one decoded item to what the forward pass takes of it.

    It runs in a decoder process beside others: it must be picklable, must not need torch, and its
    result must depend on the item alone.
    """

    def __call__(self, media: Media) -> Prepared:
        """The item prepared.

        Raises:
            WorkerError: CONFIG_INVALID for an item that is not of the modality, DATA_CORRUPT for one that
                cannot be prepared, such as a cloud with too few points.
        """


def as_it_is(media: Media) -> Prepared:
    """The preparation of an encoder that takes media as they are."""
    return media


class Encoder(Protocol):
    """An encoder with its weights, frozen, on a device."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""

    @property
    def modalities(self) -> frozenset[str]:
        """What it embeds, such as `image` and `text`."""

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file, lower-case hexadecimal."""

    @property
    def revision(self) -> str:
        """Changes whenever preprocessing or forward pass change their results."""

    @property
    def compute_dtype(self) -> str:
        """Element type of the forward pass, such as `float32`."""

    def preparation(self, modality: str) -> Preparation:
        """What is done to an item of that modality before `embed`.

        Raises:
            WorkerError: UNKNOWN_NAME for a modality that it does not embed.
        """

    def embed(self, modality: str, inputs: Sequence[Prepared]) -> torch.Tensor:
        """Embeddings of prepared items, (n, dimension) float32 on the CPU, rows L2-normalised.

        All items go through the network together: how many that are is the caller's choice. An item's
        row does not depend on the others, within 1e-5 in float32. `torch.OutOfMemoryError` is left to
        the caller, who tries again with fewer.

        Raises:
            WorkerError: UNKNOWN_NAME for a modality that it does not embed, CONFIG_INVALID for an item
                that is not of the modality.
        """


@runtime_checkable
class PatchEncoder(Protocol):
    """What an encoder has besides where it may embed the patches of an image, each by itself."""

    @property
    def patch_grid(self) -> PatchGrid | None:
        """The patches; None where this one has none, as `patches_missing` says."""

    @property
    def patches_missing(self) -> str:
        """Why there are none, in a few words."""

    def embed_patches(self, inputs: Sequence[Prepared], source: PatchSource) -> torch.Tensor:
        """Embeddings of the patches of prepared images, (n, rows * columns, dimension) float32 on the CPU.

        Rows are L2-normalised, and lie in the space that `embed` embeds whole images in. Otherwise as
        `Encoder.embed`; to be called where there is a `patch_grid`.
        """


def encode(encoder: Encoder, modality: str, media: Sequence[Media]) -> torch.Tensor:
    """Prepares and embeds these items in this process; as `Encoder.embed`."""
    prepare = encoder.preparation(modality)
    return encoder.embed(modality, [prepare(item) for item in media])


class EncoderProvider(Protocol):
    """A family of encoders."""

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        """What `load` would give, without building it.

        Raises:
            WorkerError: UNKNOWN_NAME for the model, CHECKPOINT_MISSING, DATA_CORRUPT or SHAPE_MISMATCH
                for the checkpoint, CONFIG_INVALID for the options.
        """

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> Encoder:
        """The encoder, ready on that device. Raises as `describe` does."""
