"""Regions of an image: which pixels they are, and how an image becomes a square.

Needs Pillow and numpy alone, as all that runs in a decoder process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from cmcr_worker.decoding.media import Image, Media, Prepared
from cmcr_worker.errors import Reason, WorkerError

REVISION = "1"
"""Of this code; changes whenever it gives other pixels than before."""

MOST_REGIONS = 4096
"""Of one image; what an encoder takes of as many fits into the memory of a decoder process."""

LARGEST_SIDE = 8192
"""Of a square that an image is squashed to: a strip of pixels must not become a picture of gigabytes."""

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom of a region, in fractions of the image's width and height."""

_SLACK = 2.0**-24
"""Corners travel as float32, which may be off by as much: 2/3 of 300 pixels must not end in the 201st."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An image of which regions are taken: what the encoder takes of each, in the regions' order."""

    parts: tuple[Prepared, ...]


def pixel_box(box: Box, height: int, width: int) -> tuple[int, int, int, int]:
    """The region's pixels: first column, first row, and the column and the row after its last ones.

    Every pixel that the region touches is in it: the left edge is floor(left * width), the right one
    ceil(right * width), and likewise from top to bottom; an edge that lies on the border between two
    pixels, by the precision of float32, touches the inner one alone. At least one pixel each way.
    """
    left, right = _span(box[0], box[2], width)
    top, bottom = _span(box[1], box[3], height)
    return left, top, right, bottom


def _span(start: float, end: float, size: int) -> tuple[int, int]:
    slack = size * _SLACK
    first = min(math.floor(start * size + slack), size - 1)
    return first, max(first + 1, min(math.ceil(end * size - slack), size))


def cut(media: Media, regions: tuple[Box, ...], prepare: Callable[[Media], Prepared]) -> Cut:
    """The regions of an image, each prepared by itself. Raises as `prepare` and `pixels_of` do."""
    image = pixels_of(media)
    height, width = image.shape[:2]
    boxes = (pixel_box(box, height, width) for box in regions)
    return Cut(tuple(prepare(image[top:bottom, left:right]) for left, top, right, bottom in boxes))


def pixels_of(media: Media) -> Image:
    """The media, if it is an RGB image with pixels.

    Raises:
        WorkerError: CONFIG_INVALID for anything else, DATA_CORRUPT for an image without pixels.
    """
    if not isinstance(media, np.ndarray) or media.dtype != np.uint8 or media.ndim != 3 or media.shape[2] != 3:
        raise WorkerError(
            Reason.CONFIG_INVALID, "only images have regions and can be squashed to squares", subject="item"
        )
    if 0 in media.shape:
        raise WorkerError(Reason.DATA_CORRUPT, f"an image of {media.shape} has no pixels", subject="item")
    return media


def squash(image: Image) -> npt.NDArray[np.uint8]:
    """The image as a square whose side is its longer one: proportions give way, and no pixel is lost.

    The shorter axis alone is resampled, by Pillow's bicubic filter, so that what an encoder does next is
    the only resampling along the longer one. An image of more than `LARGEST_SIDE` pixels along one side
    becomes a square of that size.
    """
    height, width = image.shape[:2]
    side = min(max(height, width), LARGEST_SIDE)
    if (height, width) == (side, side):
        return image
    # Pillow leaves out the pass along an axis that keeps its size.
    picture = Pillow.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((side, side), Pillow.Resampling.BICUBIC))


@dataclass(frozen=True, slots=True)
class Squashed:
    """An encoder's preparation of images, each squashed to a square first."""

    prepare: Any

    def __call__(self, media: Media) -> Prepared:
        """The image prepared. Raises as the encoder's own preparation and `pixels_of` do."""
        prepared: Prepared = self.prepare(squash(pixels_of(media)))
        return prepared
