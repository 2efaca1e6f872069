"""transformers and the formulas of its models' cards, as a reference for sentence encoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tiny_huggingface import sentences
from transformers import AutoModel, AutoTokenizer

TEXTS = [text for text in sentences(70) if text]
Pool = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """As the cards of sentence encoders on the hub have it."""
    weights = mask.unsqueeze(-1).expand(states.size()).float()
    return torch.sum(states * weights, 1) / torch.clamp(weights.sum(1), min=1e-9)


def first(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return states[:, 0]


def last(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.stack([row[: int(marks.sum())][-1] for row, marks in zip(states, mask, strict=True)])


def largest(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.stack([row[marks == 1].amax(0) for row, marks in zip(states, mask, strict=True)])


class TextLibrary:
    """transformers, as its own documentation uses it."""

    def __init__(self, folder: Path, pool: Pool, model: Any = AutoModel, **tokens: Any) -> None:
        self._model = model.from_pretrained(folder).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._pool = pool
        self._tokens = {"max_length": 40, **tokens}

    @torch.no_grad()
    def texts(self, items: Sequence[Any]) -> torch.Tensor:
        inputs = self._tokenizer(
            list(items), padding=True, truncation=True, return_tensors="pt", **self._tokens
        )
        inputs.pop("token_type_ids", None)
        return self._pool(self._model(**inputs).last_hidden_state, inputs["attention_mask"])
