"""Texts to token numbers, as ULIP's tokenizer makes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


class UlipTokenizer:
    """CLIP's byte pair encoding, cut at the context's length without putting the end token there.

    A text that is too long thus loses its end token. The place of the largest number, which the network
    takes, is then the start token's, the first: as in ULIP, all such texts have one and the same
    embedding.
    """

    def __init__(self, context: int) -> None:
        self._context = context

    @cached_property
    def _encoding(self) -> Any:
        # open_clip takes seconds to import, and who embeds clouds alone does not need it.
        from cmcr_worker.encoders.torchvision_import import import_torchvision

        import_torchvision()
        from open_clip.tokenizer import SimpleTokenizer

        return SimpleTokenizer()

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(texts, context) int64, filled up with zeros."""
        tokens_BL = torch.zeros(len(texts), self._context, dtype=torch.int64)
        start, end = self._encoding.sot_token_id, self._encoding.eot_token_id
        for row, text in enumerate(texts):
            numbers = [start, *self._encoding.encode(text), end][: self._context]
            tokens_BL[row, : len(numbers)] = torch.tensor(numbers)
        return tokens_BL
