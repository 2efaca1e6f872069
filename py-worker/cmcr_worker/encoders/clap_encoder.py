"""CLAP's two towers, frozen, on a device: transformers' ClapModel with inputs of our own preparation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.clap_preparation import MAX_TOKENS, ClapSound, prepare_text
from cmcr_worker.encoders.described import DescribedEncoder
from cmcr_worker.encoders.frozen import forward_pass, unit_rows
from cmcr_worker.encoders.protocol import EncoderDescription, Preparation
from cmcr_worker.encoders.text_batch import texts_of
from cmcr_worker.errors import Reason, WorkerError

_CHANNELS = 4


class ClapEncoder(DescribedEncoder):
    """A CLAP that embeds sounds and, where it has a tokenizer, texts.

    In place of a tokenizer it may be given the error that there is none, which is raised for texts, or None,
    for an encoder that embeds sounds alone.
    """

    def __init__(
        self,
        model: Any,
        sound: ClapSound,
        tokenizer: Any,
        described: EncoderDescription,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        preparations: dict[str, Preparation] = {"audio": sound}
        if tokenizer is not None:
            preparations["text"] = prepare_text
        super().__init__(described, "this CLAP", preparations)
        # Any: attributes of transformers' modules are not typed.
        self._model: Any = freeze_clap(model, device, dtype)
        self._tokenizer = tokenizer
        self._device = device
        self._fusion = bool(self._model.config.audio_config.enable_fusion)
        self._frames = (sound.mel.frames(sound.length), sound.mel.bands)
        positions = self._model.config.text_config
        self._most_tokens = min(MAX_TOKENS, positions.max_position_embeddings - positions.pad_token_id - 1)

    @property
    def module(self) -> nn.Module:
        """The network, for proofs that it is frozen."""
        module: nn.Module = self._model
        return module

    def preparation(self, modality: str) -> Preparation:
        """What is done to an item of that modality before `embed`.

        Raises:
            WorkerError: UNKNOWN_NAME for another modality; the reason why there is no tokenizer, for texts.
        """
        found = super().preparation(modality)
        if modality == "text" and isinstance(self._tokenizer, WorkerError):
            raise self._tokenizer
        return found

    def embed(self, modality: str, inputs: Sequence[Prepared]) -> Tensor:
        """Embeddings of prepared items, (n, dimension) float32 on the CPU, rows L2-normalised.

        Raises:
            WorkerError: UNKNOWN_NAME for a modality that it does not embed, CONFIG_INVALID for an item
                that its preparation did not make.
        """
        self.preparation(modality)
        if not inputs:
            return torch.empty(0, self.dimension)
        with forward_pass(self._device):
            features = self._audio(inputs) if modality == "audio" else self._text(inputs)
        return unit_rows(features)

    def _audio(self, inputs: Sequence[Prepared]) -> Tensor:
        spectrograms, longer = self._spectrograms(inputs)
        # A clip is `longer` by its own length alone. The feature extractor of transformers marks one of a
        # batch, drawn at random, where none is longer; the original does that in training only.
        marks = torch.tensor(longer, device=self._device)[:, None] if self._fusion else None
        pooled = self._model.audio_model(input_features=spectrograms, is_longer=marks).pooler_output
        features: Tensor = self._model.audio_projection(pooled)
        return features

    def _spectrograms(self, inputs: Sequence[Prepared]) -> tuple[Tensor, list[bool]]:
        """The batch on the device, (n, 1 or 4, frames, bands) float32, and which clips are longer.

        One that is not longer is copied once and repeated there. Where none is longer the network looks
        at the first of the four alone, and so they are not made at all.
        """
        rows: list[Any] = []
        places: list[list[int]] = []
        for position, item in enumerate(inputs):
            spectrogram = self._checked(position, item)
            stacked, first = spectrogram.ndim == 3, len(rows)
            rows.extend(spectrogram if stacked else [spectrogram])
            places.append([first + channel if stacked else first for channel in range(_CHANNELS)])
        longer = [place[-1] != place[0] for place in places]
        pinned = self._device.type == "cuda"
        host = torch.empty((len(rows), *self._frames), pin_memory=pinned)
        np.stack(rows, out=host.numpy())
        moved = host.to(self._device, non_blocking=pinned)
        if not any(longer):
            return moved[:, None], longer
        return moved[torch.tensor(places, device=self._device)], longer

    def _checked(self, position: int, item: Prepared) -> npt.NDArray[Any]:
        if isinstance(item, np.ndarray) and item.dtype == np.float32:
            if item.shape == self._frames or (self._fusion and item.shape == (_CHANNELS, *self._frames)):
                return item
            found = f"an array {item.shape}"
        else:
            found = type(item).__name__
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"item {position}: expected a spectrogram {self._frames} of float32, found {found}",
            subject=f"items[{position}]",
        )

    def _text(self, inputs: Sequence[Prepared]) -> Tensor:
        # The original fills every text to 77 tokens. Filled ones are masked and RoBERTa counts positions
        # without them, so that filling to the batch's longest gives the same rows for less work.
        tokens = self._tokenizer(
            texts_of(inputs), padding=True, truncation=True, max_length=self._most_tokens, return_tensors="pt"
        )
        pooled = self._model.text_model(
            input_ids=tokens["input_ids"].to(self._device),
            attention_mask=tokens["attention_mask"].to(self._device),
        ).pooler_output
        features: Tensor = self._model.text_projection(pooled)
        return features


def freeze_clap(model: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """The model in eval mode, without gradients, its weights in `dtype`, batch normalisation in float32.

    The first batch normalisation takes decibels, from -100 to 50, with running variances in the hundreds:
    bfloat16 has 8 bits for them. What leaves it is of order 1, and goes on in `dtype`.
    """
    model.requires_grad_(False).eval().to(device=device)
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.float()
            continue
        for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(dtype)
    patches: nn.Module = model.audio_model.audio_encoder.patch_embed
    patches.register_forward_pre_hook(lambda _, given: (given[0].to(dtype), *given[1:]))
    return model


def check_tokenizer(tokenizer: Any, text_config: Any, origin: str) -> None:
    """Raises CONFIG_INVALID where a tokenizer cannot be that of the text tower."""
    if len(tokenizer) > text_config.vocab_size:
        reason = f"knows {len(tokenizer)} tokens, the text tower {text_config.vocab_size}"
    elif tokenizer.pad_token_id != text_config.pad_token_id:
        reason = f"fills with token {tokenizer.pad_token_id}, the text tower with {text_config.pad_token_id}"
    else:
        return
    raise WorkerError(
        Reason.CONFIG_INVALID,
        f"the tokenizer {origin} is not that of the model: it {reason}",
        subject="encoder.options.tokenizer",
        remedy="Give the tokenizer that the model was trained with, for CLAP that of roberta-base.",
    )
