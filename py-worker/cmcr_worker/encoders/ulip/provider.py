"""The provider of ULIP and ULIP-2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from cmcr_worker.encoders.image_preparation import ImagePreparation, PixelScale
from cmcr_worker.encoders.model_files import files_sha256
from cmcr_worker.encoders.options import Options, dtype_name
from cmcr_worker.encoders.protocol import EncoderDescription, Preparation, as_it_is
from cmcr_worker.encoders.restricted_checkpoint import Checkpoint, read_checkpoint, read_layout
from cmcr_worker.encoders.ulip.checkpoint import Contents, contents
from cmcr_worker.encoders.ulip.preparation import CloudPreparation, Normalization, Sampling
from cmcr_worker.encoders.ulip.sizes import MODELS, UlipSizes
from cmcr_worker.errors import Reason, WorkerError

if TYPE_CHECKING:
    from cmcr_worker.encoders.ulip.encoder import UlipEncoder

REVISION = "ulip-1"

IMAGENET_SCALE = PixelScale(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""Of ULIP's image tower; ULIP-2's has CLIP's."""


@dataclass(frozen=True, slots=True)
class _Settings:
    """A request's options."""

    dtype: torch.dtype
    normalize: Normalization
    points: int | None
    sampling: Sampling
    seed: int
    swap_yz: bool
    missing_colour: float
    open_clip_model: str
    open_clip_checkpoint: Path | None


@dataclass(frozen=True, slots=True)
class _Resolved:
    """All that a request stands for; `checkpoint` without its tensors."""

    checkpoint: Checkpoint
    contents: Contents
    settings: _Settings
    description: EncoderDescription
    clouds: CloudPreparation
    images: ImagePreparation | None
    scale: PixelScale


class UlipProvider:
    """ULIP's checkpoints as their authors saved them; `sizes` are those of all parts that no file states."""

    def __init__(self, sizes: UlipSizes | None = None) -> None:
        self._sizes = sizes or UlipSizes(MODELS["ULIP_PointBERT"])

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        """What `load` would give, from the checkpoint's names and shapes.

        Raises:
            WorkerError: as the protocol says, and UNKNOWN_NAME for a model that is not one of `MODELS`.
        """
        return self._resolve(model, checkpoint, options).description

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> UlipEncoder:
        """The encoder, ready on that device. Raises as `describe` does."""
        from cmcr_worker.encoders.image_batch import ImageBatch
        from cmcr_worker.encoders.ulip.encoder import UlipEncoder
        from cmcr_worker.encoders.ulip.loading import frozen_network, tokenizer_of, towers_of

        found = self._resolve(model, checkpoint, options)
        settings = found.settings
        state = read_checkpoint(found.checkpoint.path).state
        network = frozen_network(state, found.contents.sizes, device, settings.dtype)
        towers = towers_of(
            found.checkpoint.path,
            state,
            settings.open_clip_model,
            settings.open_clip_checkpoint,
            carried=found.contents.open_clip,
            device=device,
            dtype=settings.dtype,
        )
        preparations: dict[str, Preparation] = {"pointcloud": found.clouds}
        if found.images is not None:
            preparations["image"] = found.images
        if "text" in found.description.modalities:
            preparations["text"] = as_it_is
        return UlipEncoder(
            found.description,
            network,
            None if towers is None else towers.network,
            preparations=preparations,
            neighbours=found.clouds.neighbours,
            pixels=None
            if found.images is None
            else ImageBatch(found.images.size, found.scale, device, settings.dtype),
            tokenizer=tokenizer_of(found.contents.sizes, towers),
            device=device,
            dtype=settings.dtype,
        )

    def _resolve(self, model: str, checkpoint: Path | None, options: Mapping[str, object]) -> _Resolved:
        settings = _settings(options)
        if checkpoint is None:
            raise WorkerError(
                Reason.CHECKPOINT_MISSING,
                "the provider ulip needs a checkpoint",
                subject="encoder.checkpoint",
                remedy="Download pointbert_ULIP-2.pt or another PointBERT of its authors and name its path.",
            )
        layout = read_layout(checkpoint)
        held = contents(layout, model, self._sizes)
        points = held.sizes.points
        _check_points(settings.points, max(points.groups, points.neighbours))
        clouds = CloudPreparation(
            channels=points.channels,
            groups=points.groups,
            neighbours=points.neighbours,
            normalize=settings.normalize,
            points=settings.points,
            sampling=settings.sampling,
            seed=settings.seed,
            swap_yz=settings.swap_yz,
            missing_colour=settings.missing_colour,
        )
        images, scale, texts = _towers(layout, held, settings)
        preprocessing: dict[str, object] = {"pointcloud": clouds.settings()}
        if images is not None:
            preprocessing["image"] = {**images.settings(), "scale": scale.settings()}
        if texts is not None:
            preprocessing["text"] = texts
        files = [checkpoint]
        if settings.open_clip_checkpoint is not None:
            files.append(settings.open_clip_checkpoint)
        description = EncoderDescription(
            dimension=points.dimension,
            modalities=frozenset(preprocessing),
            weights_sha256=files_sha256(files),
            revision=REVISION,
            compute_dtype=dtype_name(settings.dtype),
            preprocessing=preprocessing,
        )
        return _Resolved(layout, held, settings, description, clouds, images, scale)


def _settings(given: Mapping[str, object]) -> _Settings:
    options = Options("ulip", given)
    points = options.whole("points", 0)
    path = options.text("openClipCheckpoint", "")
    found = _Settings(
        dtype=options.dtype(),
        normalize=cast(Normalization, options.choice("normalize", "none", ("none", "unit-sphere"))),
        points=points or None,
        sampling=cast(Sampling, options.choice("sampling", "first", ("first", "pointnet2", "random"))),
        seed=options.whole("samplingSeed", 0),
        swap_yz=options.flag("swapYZ", False),
        missing_colour=options.number("missingColour", 0.4, least=0, most=1),
        open_clip_model=options.text("openClipModel", "ViT-bigG-14"),
        open_clip_checkpoint=Path(path) if path else None,
    )
    options.finish()
    return found


def _check_points(points: int | None, least: int) -> None:
    if points is not None and points < least:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"the option points of the provider ulip is {points}; the model needs {least} points",
            subject="encoder.options.points",
            remedy="Give at least as many, such as 8192, or leave the option out to take all.",
        )


def _towers(
    layout: Checkpoint, held: Contents, settings: _Settings
) -> tuple[ImagePreparation | None, PixelScale, dict[str, object] | None]:
    """How images and texts are prepared, each None where there is no tower for them."""
    sizes = held.sizes
    if held.open_clip or settings.open_clip_checkpoint is not None:
        from cmcr_worker.encoders.ulip.open_clip_towers import CLIP_SCALE, OpenClipTowers, state_within

        towers = OpenClipTowers(settings.open_clip_model)
        if towers.dimension != sizes.points.dimension:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"{settings.open_clip_model} embeds in {towers.dimension} dimensions and the point encoder "
                f"in {sizes.points.dimension}: they share no space",
                subject="encoder.options.openClipModel",
                remedy="Name the model that the point encoder was trained with: ViT-bigG-14 for ULIP-2.",
            )
        if settings.open_clip_checkpoint is None:
            towers.check(layout.path, state_within(layout.state))
        else:
            towers.check(settings.open_clip_checkpoint, read_layout(settings.open_clip_checkpoint).state)
        text: dict[str, object] = {"tokenizer": settings.open_clip_model}
        return towers.images(), CLIP_SCALE, text
    images = None
    if sizes.image is not None:
        side = (sizes.image.side, sizes.image.side)
        images = ImagePreparation("shortest", side, side, filter="bilinear", centering="torchvision")
    text = {"tokenizer": "bpe_simple_vocab_16e6", "endTokenKept": False}
    return images, IMAGENET_SCALE, None if sizes.text is None else text
