"""Files mapped into memory as arrays."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# Python 3.13 has mmap.MAP_NORESERVE; before that only the number helps, which is Linux's.
_MAP_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)


def map_matrix(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> npt.NDArray[Any]:
    """The array that starts `offset` bytes into the file; its pages come and go with the page cache.

    The mapping is private and writable, so that torch may wrap the array, while nothing written
    to it reaches the file. No swap is reserved for it: a file may be larger than memory. Raises
    OSError.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(
            file.fileno(),
            0,
            flags=mmap.MAP_PRIVATE | _MAP_NORESERVE,
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
        )
    return np.ndarray(shape, dtype=dtype, buffer=mapped, offset=offset)
