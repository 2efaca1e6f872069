"""Text towers that differ in kind, so that the spaces of a world differ too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.builtin.tower import Tower
from cmcr_worker.encoders.builtin.vocabulary import MAX_WORDS, PADDING, Vocabulary


class BagOfWords(Tower):
    """Mean of the words' vectors, then two layers: blind to the order of words."""

    def __init__(self, vocabulary: Vocabulary, *, width: int, hidden: int, dimension: int) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self.words = nn.Embedding(len(vocabulary), width, padding_idx=PADDING)
        self.head = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, dimension))

    def prepare(self, items: Sequence[Prepared]) -> torch.Tensor:
        """Word numbers, (n, words) int64."""
        return self._vocabulary.numbers(items)

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Embeddings, (n, dimension)."""
        count = (prepared != PADDING).sum(dim=1, keepdim=True).clamp(min=1)
        mean = self.words(prepared).sum(dim=1) / count
        embeddings: torch.Tensor = self.head(mean)
        return embeddings


class ConvolutionalText(Tower):
    """A convolution over runs of three words, then the maximum over the text."""

    def __init__(self, vocabulary: Vocabulary, *, width: int, channels: int, dimension: int) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self.words = nn.Embedding(len(vocabulary), width, padding_idx=PADDING)
        self.runs = nn.Conv1d(width, channels, kernel_size=3, padding=1)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(channels, dimension))

    def prepare(self, items: Sequence[Prepared]) -> torch.Tensor:
        """Word numbers, (n, words) int64."""
        return self._vocabulary.numbers(items)

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Embeddings, (n, dimension)."""
        longest = int((prepared != PADDING).sum(dim=1).max()) if len(prepared) else 1
        prepared = prepared[:, :longest]
        runs = self.runs(self.words(prepared).transpose(1, 2))
        # Places after the end of a text must not win the maximum.
        runs = runs.masked_fill((prepared == PADDING).unsqueeze(1), float("-inf"))
        embeddings: torch.Tensor = self.head(runs.amax(dim=2))
        return embeddings


class AttendedText(Tower):
    """Learned questions, each of which picks the words that answer it, and two layers over the answers.

    Each question weighs the words of the text by a softmax, as pooling by
    multi-head attention in Lee et al., "Set Transformer" (ICML 2019). A word is
    told its place, so that the order of words can count.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, width: int, questions: int, hidden: int, dimension: int
    ) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self.words = nn.Embedding(len(vocabulary), width, padding_idx=PADDING)
        self.places = nn.Embedding(MAX_WORDS, width)
        self.questions = nn.Linear(width, questions, bias=False)
        self.answers = nn.Linear(width, width)
        self.head = nn.Sequential(
            nn.Linear(questions * width, hidden), nn.ReLU(), nn.Linear(hidden, dimension)
        )

    def prepare(self, items: Sequence[Prepared]) -> torch.Tensor:
        """Word numbers, (n, words) int64."""
        return self._vocabulary.numbers(items)

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Embeddings, (n, dimension)."""
        longest = int((prepared != PADDING).sum(dim=1).max()) if len(prepared) else 1
        prepared = prepared[:, :longest]
        words = self.words(prepared) + self.places.weight[:longest]
        fit = self.questions(words).masked_fill((prepared == PADDING).unsqueeze(2), float("-inf"))
        answers = fit.softmax(dim=1).transpose(1, 2) @ self.answers(words)
        embeddings: torch.Tensor = self.head(answers.flatten(1))
        return embeddings
