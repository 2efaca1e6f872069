"""A sentence encoder in transformers' format, frozen, on a device."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.described import DescribedEncoder
from cmcr_worker.encoders.frozen import forward_pass, unit_rows
from cmcr_worker.encoders.protocol import EncoderDescription, as_it_is
from cmcr_worker.encoders.sentence_layout import SentenceLayout
from cmcr_worker.encoders.sentence_pooling import pooled
from cmcr_worker.encoders.text_batch import texts_of
from cmcr_worker.errors import Reason, WorkerError


class HuggingFaceTextEncoder(DescribedEncoder):
    """Embeds texts: tokens, the network's last layer, pooling, dense layers, normalised rows."""

    def __init__(
        self,
        description: EncoderDescription,
        network: nn.Module,
        dense: nn.Module,
        tokenizer: Any,
        *,
        poolings: tuple[str, ...],
        prefix: str,
        max_tokens: int,
        layout: SentenceLayout,
        device: torch.device,
    ) -> None:
        super().__init__(description, "the provider huggingface-text", {"text": as_it_is})
        self.max_tokens = max_tokens
        self._network = network
        self._dense = dense
        self._tokenizer = tokenizer
        self._poolings = poolings
        self._prefix = prefix
        self._layout = layout
        self._device = device
        if tokenizer.pad_token is None:
            # Decoders often come without one; what stands under the mask is not read.
            tokenizer.pad_token = tokenizer.eos_token
        # Some tokenizers give numbers, such as token_type_ids, that their network does not take.
        self._taken = {"input_ids", "attention_mask", *inspect.signature(network.forward).parameters}

    @property
    def module(self) -> nn.Module:
        """The network and its dense layers; frozen, and to be left so."""
        return nn.ModuleDict({"network": self._network, "dense": self._dense}).eval()

    def embed(self, modality: str, inputs: Sequence[Prepared]) -> Tensor:
        """Embeddings, (n, dimension) float32 on the CPU, rows L2-normalised. Raises as the protocol says."""
        self.preparation(modality)
        if not inputs:
            return torch.empty(0, self.dimension)
        tokens = self.tokens(texts_of(inputs))
        with forward_pass(self._device):
            moved = {name: tensor.to(self._device) for name, tensor in tokens.items()}
            states = self._network(**moved).last_hidden_state
            mask = moved["attention_mask"]
            return unit_rows(self._dense(pooled(states.float(), mask, self._poolings)))

    def tokens(self, texts: list[str]) -> dict[str, Tensor]:
        """What the network takes of these texts, each (n, tokens of the longest), on the CPU.

        Raises:
            WorkerError: DATA_CORRUPT for a text of which the tokenizer makes no token.
        """
        batch = self._tokenizer(
            [self._whole(text) for text in texts],
            padding=True,
            truncation=True,
            max_length=self.max_tokens,
            return_attention_mask=True,
            return_tensors="pt",
        )
        lengths = batch["attention_mask"].sum(dim=1)
        if not bool((lengths > 0).all()):
            row = int(lengths.argmin())
            raise WorkerError(
                Reason.DATA_CORRUPT,
                f"the tokenizer makes no token of the text at row {row} of the batch: {texts[row]!r:.80}",
                subject=f"items[{row}]",
                remedy="Remove the empty text, or give a prefix.",
            )
        return {name: tensor for name, tensor in batch.items() if name in self._taken}

    def _whole(self, text: str) -> str:
        whole = self._prefix + text
        if self._layout.strip:
            whole = whole.strip()
        return whole.lower() if self._layout.lower_case else whole
