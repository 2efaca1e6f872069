"""Image files to RGB pixels."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cmcr_worker.errors import Reason, WorkerError

MAX_PIXELS = 100_000_000
"""Largest image that is decoded, by the size its header declares: 300 MB as RGB."""


def decode_image(path: Path) -> npt.NDArray[np.uint8]:
    """The first frame of any format that Pillow knows, upright by its EXIF tag, uint8 RGB (h, w, 3).

    Transparent parts are laid on white, as a browser shows them.

    Raises:
        WorkerError: DATA_MISSING where there is no such file; DATA_CORRUPT where it is damaged, is not
            an image, or declares more than `MAX_PIXELS`.
    """
    if not path.is_file():
        raise WorkerError(
            Reason.DATA_MISSING,
            f"there is no image file {path}",
            subject=str(path),
            remedy="Check the path, or remove the item from the list.",
        )
    try:
        with warnings.catch_warnings():
            # Pillow's own limit is a warning at a lower size; ours is checked before any pixel is read.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                width, height = file.size
                if width * height > MAX_PIXELS:
                    raise _corrupt(path, f"declares {width} x {height} pixels; at most {MAX_PIXELS} are read")
                return np.asarray(_to_rgb(ImageOps.exif_transpose(file)), dtype=np.uint8)
    except WorkerError:
        raise
    except UnidentifiedImageError as error:
        raise _corrupt(path, "is not in an image format that can be read") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        MemoryError,
        EOFError,
        Image.DecompressionBombError,
    ) as error:
        # Pillow raises SyntaxError for a broken PNG, among others.
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _corrupt(path, f"cannot be decoded ({first_line})") from error


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


def _corrupt(path: Path, what: str) -> WorkerError:
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"image file {path} {what}",
        subject=str(path),
        remedy="Replace the file, or remove the item from the list.",
    )
