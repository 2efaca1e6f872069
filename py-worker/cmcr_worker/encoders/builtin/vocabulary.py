"""Words to numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.builtin.tower import wrong_item

PADDING = 0
UNKNOWN = 1
MAX_WORDS = 32
"""Words of a text that are read; what follows is ignored."""


class Vocabulary:
    """The words that an encoder knows; all others are one unknown word."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(self.words, start=UNKNOWN + 1)}

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> Vocabulary:
        """All words of these texts, in alphabetical order."""
        return cls(sorted({word for text in texts for word in words_of(text)}))

    def __len__(self) -> int:
        """Numbers in use, those of padding and of the unknown word included."""
        return len(self.words) + 2

    def numbers(self, texts: Sequence[Prepared]) -> torch.Tensor:
        """Word numbers, (n, MAX_WORDS) int64, padded; a text without words is one unknown word."""
        rows = torch.full((len(texts), MAX_WORDS), PADDING, dtype=torch.int64)
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise wrong_item("a text", text, row)
            words = words_of(text)[:MAX_WORDS]
            numbers = [self._numbers.get(word, UNKNOWN) for word in words] or [UNKNOWN]
            rows[row, : len(numbers)] = torch.tensor(numbers)
        return rows


def words_of(text: str) -> list[str]:
    """The lower-case words of a text, in order: runs of letters and digits."""
    return re.findall(r"[^\W_]+", text.lower())
