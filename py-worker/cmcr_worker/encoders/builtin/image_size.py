"""Images of any size as the built-in models see them; without torch, for decoder processes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from cmcr_worker.decoding.media import Media, Prepared

SIDE = 32


def is_image(item: object) -> bool:
    """Whether an item is an RGB image, (height, width, 3) uint8."""
    return isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim == 3 and item.shape[2] == 3


def fitted(media: Media) -> Prepared:
    """An image resized to `SIDE` x `SIDE`; whatever else it is stays as it is, for the tower to refuse."""
    return resized(media) if isinstance(media, np.ndarray) and is_image(media) else media


def resized(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image in `SIDE` x `SIDE`; the same where that is its size."""
    if image.shape[:2] == (SIDE, SIDE):
        return image
    # Pillow averages over all pixels that fall together, so that fine detail does not alias.
    small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=np.uint8)
