"""Arrays that a file holds and that stay there until they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """A run of bytes of a file: those of an array, or of a text that stands for them."""

    offset: int
    length: int
    latin1: bool = False
    """The bytes are UTF-8, whose characters are the array's bytes: how protocol 2 of pickle has them."""

    text: bool = False

    def as_latin1(self) -> StoredBytes:
        """The bytes that a text stands for. Raises TypeError where this is no text."""
        if not self.text:
            raise TypeError("calls encode with what is no text")
        return replace(self, latin1=True, text=False)

    def array(self, dtype: np.dtype[Any], shape: tuple[int, ...], *, column_major: bool) -> StoredArray:
        """The array that the bytes are. Raises ValueError where they are too many or too few for it."""
        wanted = math.prod(shape) * dtype.itemsize
        # A byte above 127 takes two in UTF-8.
        fits = wanted <= self.length <= 2 * wanted if self.latin1 else wanted == self.length
        if self.text or not fits:
            raise ValueError(f"has too many or too few bytes for an array of {shape}")
        return StoredArray(self, dtype, shape, column_major)


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array of numbers in a file."""

    data: StoredBytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    column_major: bool = False

    def read(self, file: BinaryIO) -> npt.NDArray[Any]:
        """The array's values. Raises ValueError where the file does not have them any more."""
        file.seek(self.data.offset)
        content = file.read(self.data.length)
        if self.data.latin1:
            content = content.decode("utf-8").encode("latin1")
        if len(content) != math.prod(self.shape) * self.dtype.itemsize:
            raise ValueError(f"has too many or too few bytes for an array of {self.shape}")
        return np.frombuffer(content, self.dtype).reshape(self.shape, order="F" if self.column_major else "C")
