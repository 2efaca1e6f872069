"""From a decoded image to the pixels that a network sees: resized and cropped, still 8 bits.

Needs Pillow and numpy alone, so that decoder processes start quickly. What follows, from pixels to
the network's numbers, is `image_batch`, on the device.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from cmcr_worker.decoding.media import Media
from cmcr_worker.errors import Reason, WorkerError

Resize: TypeAlias = Literal["none", "shortest", "exact", "cover", "contain"]
"""How an image comes to its size: `shortest`: the shorter edge becomes the target's height, the longer
one in proportion, cut to a whole number (torchvision's and transformers' rule); `exact`: the target,
proportions aside; `cover` and `contain`: in proportion, rounded, so that the target is just covered or
just holds the image (open_clip's rule); `none`: as it is."""

Centering: TypeAlias = Literal["transformers", "torchvision"]
"""Where the middle lies when a whole number of pixels cannot be left on both sides. Cropping,
transformers rounds down and torchvision to the nearest even number; padding, transformers puts the odd
pixel before the image and torchvision behind it."""

FILTERS: dict[str, Pillow.Resampling] = {
    "nearest": Pillow.Resampling.NEAREST,
    "lanczos": Pillow.Resampling.LANCZOS,
    "bilinear": Pillow.Resampling.BILINEAR,
    "bicubic": Pillow.Resampling.BICUBIC,
    "box": Pillow.Resampling.BOX,
    "hamming": Pillow.Resampling.HAMMING,
}
"""Pillow's filters by their names in an encoder's settings."""

MAX_RESIZED_PIXELS = 1 << 25
"""Of an image that is resized whole before it is cropped; only one of more than 600 to 1 exceeds it."""


@dataclass(frozen=True, slots=True)
class ImagePreparation:
    """Resizes and crops: an RGB image of any size becomes (height, width, 3) uint8.

    `target` is (height, width) of the resize, `crop` that of the cut around the middle, where what an
    image lacks is filled with the grey value `fill`.
    """

    resize: Resize
    target: tuple[int, int]
    crop: tuple[int, int] | None
    filter: str = "bicubic"
    centering: Centering = "transformers"
    fill: int = 0

    def __post_init__(self) -> None:
        if self.filter not in FILTERS:
            raise _wrong(f"there is no filter {self.filter!r}; known: {', '.join(FILTERS)}")
        if min(self.target + (self.crop or ())) < 1:
            raise _wrong(f"images are to be resized to {self.target} and cropped to {self.crop}")
        if self.crop is None and self.resize != "exact":
            raise _wrong("images would keep different sizes, and those cannot go through a network together")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the result."""
        return self.crop or self.target

    @property
    def keeps_squares_whole(self) -> bool:
        """Whether of a square image all is seen, and nothing besides: neither cut off nor padded."""
        if self.resize == "exact":
            return self.size == self.target
        edge = self.target[0]
        return self.resize != "none" and self.target == self.size == (edge, edge)

    def settings(self) -> dict[str, object]:
        """All that the result depends on, as plain JSON values."""
        return asdict(self)

    def __call__(self, media: Media) -> npt.NDArray[np.uint8]:
        """The image as the network sees it, (height, width, 3) uint8.

        Raises:
            WorkerError: CONFIG_INVALID for an item that is no RGB image, DATA_CORRUPT for one without pixels.
        """
        image = _checked(media)
        height, width = image.shape[:2]
        resized = self._resized(height, width)
        rows = _window(resized[0], self.size[0], self.centering)
        columns = _window(resized[1], self.size[1], self.centering)
        seen = self._pixels(image, resized, rows, columns)
        if seen.shape[:2] == self.size:
            return seen
        canvas = np.full((*self.size, 3), self.fill, dtype=np.uint8)
        canvas[rows.before : rows.before + rows.count, columns.before : columns.before + columns.count] = seen
        return canvas

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if self.resize == "none":
            return height, width
        if self.resize == "exact":
            return self.target
        if self.resize == "shortest":
            edge = self.target[0]
            if width <= height:
                return int(edge * height / width), edge
            return edge, int(edge * width / height)
        ratios = height / self.target[0], width / self.target[1]
        ratio = min(ratios) if self.resize == "cover" else max(ratios)
        # An edge that would vanish keeps one pixel.
        return max(1, round(height / ratio)), max(1, round(width / ratio))

    def _pixels(
        self, image: npt.NDArray[np.uint8], resized: tuple[int, int], rows: _Window, columns: _Window
    ) -> npt.NDArray[np.uint8]:
        height, width = image.shape[:2]
        if resized == (height, width):
            return image[rows.first : rows.first + rows.count, columns.first : columns.first + columns.count]
        picture = Pillow.fromarray(np.ascontiguousarray(image))
        kind = FILTERS[self.filter]
        if resized[0] * resized[1] <= MAX_RESIZED_PIXELS:
            whole = np.asarray(picture.resize((resized[1], resized[0]), kind))
            return whole[rows.first : rows.first + rows.count, columns.first : columns.first + columns.count]
        # An image of a few rows and millions of columns would fill the memory once its rows are as many as
        # the network sees. Of it the window alone is computed, in the source's coordinates; Pillow's filter
        # reaches beyond the box where it has to, so this differs by rounding alone.
        down, across = height / resized[0], width / resized[1]
        box = (
            columns.first * across,
            rows.first * down,
            min((columns.first + columns.count) * across, width),
            min((rows.first + rows.count) * down, height),
        )
        return np.asarray(picture.resize((columns.count, rows.count), kind, box=box))


@dataclass(frozen=True, slots=True)
class PixelScale:
    """From 8-bit pixels to a network's numbers: (pixel * factor - mean) / std for each of R, G, B."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    factor: float = 1 / 255

    def __post_init__(self) -> None:
        if min(self.std) <= 0:
            raise _wrong(f"the standard deviation {self.std} of the pixels is not positive")

    def settings(self) -> dict[str, object]:
        """All that the result depends on, as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Window:
    """Of one axis of a resized image: the first pixel that is kept, how many, and how many are put before."""

    first: int
    count: int
    before: int


def _window(resized: int, size: int, centering: Centering) -> _Window:
    if resized >= size:
        surplus = resized - size
        first = surplus // 2 if centering == "transformers" else round(surplus / 2)
        return _Window(first, size, 0)
    missing = size - resized
    return _Window(0, resized, (missing + 1) // 2 if centering == "transformers" else missing // 2)


def _checked(media: Media) -> npt.NDArray[np.uint8]:
    if not isinstance(media, np.ndarray) or media.dtype != np.uint8 or media.ndim != 3 or media.shape[2] != 3:
        found = f"an array {media.shape} of {media.dtype}" if isinstance(media, np.ndarray) else type(media)
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"expected an RGB image, (height, width, 3) uint8, found {found}",
            subject="item",
        )
    if 0 in media.shape:
        raise WorkerError(Reason.DATA_CORRUPT, f"an image of {media.shape} has no pixels", subject="item")
    return media


def _wrong(what: str) -> WorkerError:
    return WorkerError(
        Reason.CONFIG_INVALID,
        f"the model's preprocessing cannot be followed: {what}",
        subject="encoder.preprocessing",
        remedy="Check the model's preprocessor_config.json, or what stands in its place.",
    )
