"""An encoder of one's own: images and texts by the colours that they show or name.

    spaces:
      colours: { provider: python, checkpoint: own_encoder.py, model: NamedColours }

docs/own-encoder.md explains it line by line.
"""

import re

import numpy as np
from PIL import Image

COLOURS = {
    "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "red": (200, 30, 30),
    "orange": (240, 140, 20), "yellow": (240, 220, 40), "green": (40, 150, 50), "blue": (40, 70, 190),
    "purple": (120, 50, 150), "pink": (245, 160, 190), "brown": (115, 70, 35),
}
ALSO = {"gray": "grey", "violet": "purple", "crimson": "red", "navy": "blue", "golden": "yellow"}


class NamedColours:
    """The eleven basic colour terms (Berlin and Kay, 1969) as a space of eleven dimensions."""

    dimension = len(COLOURS)
    modalities = ("image", "text")
    version = "1"

    def __init__(self, floor: float = 0.05, device: str = "cpu"):
        self.floor = floor
        self.palette = np.array(list(COLOURS.values()), dtype=np.float32)

    @staticmethod
    def prepare(modality, item):
        """One item made small, in a decoder process. Images are (height, width, 3) uint8, texts str."""
        if modality == "text":
            return item
        if min(item.shape[:2]) < 8:
            raise ValueError(f"an image of {item.shape[1]} x {item.shape[0]} pixels is too small")
        return np.asarray(Image.fromarray(item).resize((32, 32), Image.Resampling.BOX))

    def encode(self, modality, items):
        """Embeddings of prepared items, (n, 11); cmcr normalises them."""
        shares = [self.shown(item) if modality == "image" else self.named(item) for item in items]
        return np.stack(shares) + self.floor

    def shown(self, pixels):
        """The share of the pixels that is nearest to each colour."""
        distances = np.linalg.norm(pixels.reshape(-1, 1, 3) - self.palette, axis=2)
        return np.bincount(distances.argmin(axis=1), minlength=self.dimension) / len(distances)

    def named(self, text):
        """The share of each colour among the colours that are named."""
        words = [ALSO.get(word, word) for word in re.findall(r"[a-z]+", text.lower())]
        counts = np.array([words.count(colour) for colour in COLOURS], dtype=np.float32)
        return counts / max(1, counts.sum())
