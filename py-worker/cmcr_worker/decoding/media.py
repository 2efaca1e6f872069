"""What an item is once it is in memory."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.decoding.pointcloud import PointCloud

Image: TypeAlias = npt.NDArray[np.uint8]
"""An RGB image, (height, width, 3)."""

Media: TypeAlias = str | Image | AudioClip | PointCloud
"""One item: a text, an image, an audio clip or a point cloud."""

Prepared: TypeAlias = Media | npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]
"""One item as an encoder's forward pass takes it: what its preparation made of the media."""
