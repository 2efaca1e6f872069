"""Image files to RGB pixels."""

from __future__ import annotations

import warnings
from functools import cache
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cmcr_worker.decoding.containers import is_film
from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.decoding.failing import naming

FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""What is read, by Pillow's names. Its others either start a program (EPS) or have so weak a mark that
bytes of no image at all pass for one (TGA, PCX)."""


def decode_image(source: Encoded, limits: Limits, part: Part | None) -> npt.NDArray[np.uint8]:
    """The first frame of an image file, upright by its EXIF tag, or the frame `part` of a video.

    uint8 RGB, (h, w, 3). Transparent parts are laid on white, as a browser shows them.

    Raises:
        WorkerError: as `Encoded.open`; DATA_CORRUPT where it is damaged, is not an image, or declares more
            pixels than its limit. For videos as `video.decode_frame`.
    """
    with source.open(limits) as file:
        if is_film(file, source.ending):
            # Only where it is needed: few collections of images hold videos.
            from cmcr_worker.decoding.video import decode_frame

            return decode_frame(source, limits, part)
        with naming(source, "cannot be decoded"), warnings.catch_warnings():
            # Of metadata that is odd, and of sizes beyond Pillow's own limit; ours is checked here.
            warnings.simplefilter("ignore")
            return _pixels(source, file, limits)


def _pixels(source: Encoded, file: BinaryIO, limits: Limits) -> npt.NDArray[np.uint8]:
    try:
        opened = Image.open(file, formats=_formats())
    except UnidentifiedImageError as error:
        raise source.corrupt("is not in an image format that can be read") from error
    except Image.DecompressionBombError as error:
        raise source.corrupt(f"declares more pixels than are read, {limits.pixels}") from error
    with opened as image:
        width, height = image.size
        if width * height > limits.pixels:
            raise source.corrupt(f"declares {width} x {height} pixels; at most {limits.pixels} are read")
        # Before its metadata is looked at, so that an error of the pixels is told as one.
        image.load()
        return np.asarray(_to_rgb(_upright(image)), dtype=np.uint8)


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow knows."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        # Broken metadata is common, and says nothing about the pixels; Pillow raises many kinds of error.
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow clips 16-bit greys at 255 on conversion; scaled, they keep their range.
        grey = np.asarray(image, dtype=np.float64) / 257.0
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(canvas, rgba).convert("RGB")
    return image.convert("RGB")
