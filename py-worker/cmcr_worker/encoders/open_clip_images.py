"""What an open_clip model wants done to its images, as the library's own transforms do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cmcr_worker.encoders.image_preparation import ImagePreparation, PixelScale
from cmcr_worker.encoders.open_clip_source import OpenClipSource
from cmcr_worker.errors import Reason, WorkerError

DEFAULTS: Mapping[str, Any] = {
    "mode": "RGB",
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}
"""open_clip's `PreprocessCfg`; the size is that of the model's image tower."""


def open_clip_images(source: OpenClipSource) -> tuple[ImagePreparation, PixelScale]:
    """What is done to an image before the network, and to its pixels on the device.

    Raises:
        WorkerError: CONFIG_INVALID for settings that open_clip does not have either.
    """
    given = {key: source.preprocess[key] for key in DEFAULTS if source.preprocess.get(key) is not None}
    settings = {**DEFAULTS, **given}
    try:
        size = source.config["vision_cfg"].get("image_size", 224)
        target = (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))
        scale = PixelScale(_channels(settings["mean"]), _channels(settings["std"]))
        return _preparation(source, settings, target), scale
    except WorkerError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise _wrong(source, f"{settings} and {source.config.get('vision_cfg')}") from error


def _preparation(
    source: OpenClipSource, settings: Mapping[str, Any], target: tuple[int, int]
) -> ImagePreparation:
    kind = "bilinear" if settings["interpolation"] == "bilinear" else "bicubic"
    if settings["mode"] != "RGB" or settings["interpolation"] not in ("bicubic", "bilinear", "random"):
        raise _wrong(source, f"mode {settings['mode']}, interpolation {settings['interpolation']}")
    match settings["resize_mode"]:
        case "squash":
            return ImagePreparation("exact", target, None, kind, "torchvision")
        case "longest":
            fill = int(settings["fill_color"])
            return ImagePreparation("contain", target, target, kind, "torchvision", fill)
        case "shortest" if target[0] == target[1]:
            return ImagePreparation("shortest", target, target, kind, "torchvision")
        case "shortest":
            # For a target that is not square the library leaves the interpolation at its default.
            return ImagePreparation("cover", target, target, "bicubic", "torchvision")
        case other:
            raise _wrong(source, f"resize_mode {other}")


def _channels(value: Any) -> tuple[float, float, float]:
    if isinstance(value, (int, float)):
        return float(value), float(value), float(value)
    red, green, blue = value
    return float(red), float(green), float(blue)


def _wrong(source: OpenClipSource, what: str) -> WorkerError:
    return WorkerError(
        Reason.CONFIG_INVALID,
        f"the image preprocessing of {source.origin} cannot be followed: {what}",
        subject=source.origin,
        remedy="Check the preprocess_cfg and the vision_cfg of its open_clip_config.json.",
    )
