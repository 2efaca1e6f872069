"""Point clouds in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class PointCloud:
    """A cloud in memory, in the order and the scale of its file.

    `xyz` is float32, (points, 3); `rgb` is float32, (points, 3) in [0, 1], or None where the file has
    no colours.
    """

    xyz: npt.NDArray[np.float32]
    rgb: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for name, values in (("xyz", self.xyz), ("rgb", self.rgb)):
            if values is None:
                continue
            if values.ndim != 2 or values.shape[1] != 3 or values.dtype != np.float32:
                raise ValueError(f"{name} must be float32 (points, 3), got {values.dtype} {values.shape}")
        if self.rgb is not None and len(self.rgb) != len(self.xyz):
            raise ValueError(f"there are {len(self.rgb)} colours for {len(self.xyz)} points")
