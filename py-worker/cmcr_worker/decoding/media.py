"""What an item is once it is in memory."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding.audio import AudioClip

Image: TypeAlias = npt.NDArray[np.uint8]
"""An RGB image, (height, width, 3)."""

Media: TypeAlias = str | Image | AudioClip
"""One item: a text, an image or an audio clip."""
