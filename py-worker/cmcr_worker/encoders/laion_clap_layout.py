"""What the original CLAP in a checkpoint is, by the names and shapes of its weights.

The original asks its user for `amodel` and `enable_fusion` and fails at a wrong answer. Both can be read off
the weights. Facts: `clap_module/{model,htsat,feature_fusion}.py` of LAION-AI/CLAP.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from cmcr_worker.errors import Reason, WorkerError

SIZES: Mapping[int, str] = {96: "HTSAT-tiny", 128: "HTSAT-base", 256: "HTSAT-large"}
"""The original's names of audio towers by the width of their patches."""

_SPECTROGRAM = 256
_TEXT_HEAD = 64

AUDIO = "audio_branch."
TEXT = "text_branch."


@dataclass(frozen=True, slots=True)
class StageLayout:
    """One stage of the audio tower: how many blocks of how many heads."""

    depth: int
    heads: int


@dataclass(frozen=True, slots=True)
class ClapLayout:
    """Sizes of both towers; `width` is that of the audio tower's patches."""

    fusion: bool
    width: int
    patch: int
    window: int
    bands: int
    mlp_ratio: float
    fft: int
    aff_reduction: int
    stages: tuple[StageLayout, ...]
    vocabulary: int
    text_width: int
    text_layers: int
    text_inner: int
    positions: int
    token_types: int
    dimension: int

    @property
    def name(self) -> str:
        """The original's name of it, such as `HTSAT-tiny with fusion`."""
        size = SIZES.get(self.width, f"HTSAT of width {self.width}")
        return f"{size} with{'' if self.fusion else 'out'} fusion"

    @property
    def most_frames(self) -> int:
        """The longest spectrogram that it takes."""
        return _SPECTROGRAM * (_SPECTROGRAM // self.bands)

    def resolution(self, stage: int) -> int:
        """Patches along either side of a stage's square."""
        return _SPECTROGRAM // self.patch >> stage

    def config(self) -> dict[str, Any]:
        """The arguments of transformers' ClapConfig.

        Its defaults are not RoBERTa's: LayerNorm's epsilon is 1e-5 there, and 1e-12 in ClapTextConfig.
        """
        return {
            "projection_dim": self.dimension,
            "projection_hidden_act": "relu",
            "audio_config": {
                "spec_size": _SPECTROGRAM,
                "window_size": self.window,
                "num_mel_bins": self.bands,
                "patch_size": self.patch,
                "patch_stride": [self.patch, self.patch],
                "patch_embeds_hidden_size": self.width,
                "hidden_size": self.width << len(self.stages) - 1,
                "depths": [stage.depth for stage in self.stages],
                "num_attention_heads": [stage.heads for stage in self.stages],
                "num_hidden_layers": len(self.stages),
                "mlp_ratio": self.mlp_ratio,
                "enable_fusion": self.fusion,
                "fusion_type": "aff_2d" if self.fusion else None,
                "aff_block_r": self.aff_reduction,
                "layer_norm_eps": 1e-5,
            },
            "text_config": {
                "vocab_size": self.vocabulary,
                "hidden_size": self.text_width,
                "num_hidden_layers": self.text_layers,
                "num_attention_heads": self.text_width // _TEXT_HEAD,
                "intermediate_size": self.text_inner,
                "max_position_embeddings": self.positions,
                "type_vocab_size": self.token_types,
                "hidden_act": "gelu",
                "layer_norm_eps": 1e-5,
                "pad_token_id": 1,
                "bos_token_id": 0,
                "eos_token_id": 2,
            },
        }


def clap_layout(state: Mapping[str, Tensor], origin: str) -> ClapLayout:
    """The layout of an original checkpoint's weights; tensors may be on the meta device.

    Raises:
        WorkerError: SHAPE_MISMATCH where a weight that tells it is missing or has an impossible shape, as
            in a checkpoint of another audio or text tower.
    """
    shapes = _Shapes(state, origin)
    width, _, patch, _ = shapes.of(f"{AUDIO}patch_embed.proj.weight", 4)
    stages: list[StageLayout] = []
    while depth := shapes.count(rf"{re.escape(AUDIO)}layers\.{len(stages)}\.blocks\.(\d+)\."):
        first = f"{AUDIO}layers.{len(stages)}.blocks.0."
        heads = shapes.of(f"{first}attn.relative_position_bias_table", 2)[1]
        stages.append(StageLayout(depth, heads))
    first = f"{AUDIO}layers.0.blocks.0."
    offsets, _ = shapes.of(f"{first}attn.relative_position_bias_table", 2)
    vocabulary, text_width = shapes.of(f"{TEXT}embeddings.word_embeddings.weight", 2)
    fusion = f"{AUDIO}patch_embed.mel_conv2d.weight" in state
    narrowed = f"{AUDIO}patch_embed.fusion_model.local_att.0.weight"
    layout = ClapLayout(
        fusion=fusion,
        width=width,
        patch=patch,
        window=(math.isqrt(offsets) + 1) // 2,
        bands=shapes.of(f"{AUDIO}bn0.weight", 1)[0],
        mlp_ratio=shapes.of(f"{first}mlp.fc1.weight", 2)[0] / width,
        fft=shapes.of(f"{AUDIO}spectrogram_extractor.stft.conv_real.weight", 3)[2],
        aff_reduction=width // max(1, shapes.of(narrowed, 4)[0]) if fusion else 4,
        stages=tuple(stages),
        vocabulary=vocabulary,
        text_width=text_width,
        text_layers=shapes.count(rf"{re.escape(TEXT)}encoder\.layer\.(\d+)\."),
        text_inner=shapes.of(f"{TEXT}encoder.layer.0.intermediate.dense.weight", 2)[0],
        positions=shapes.of(f"{TEXT}embeddings.position_embeddings.weight", 2)[0],
        token_types=shapes.of(f"{TEXT}embeddings.token_type_embeddings.weight", 2)[0],
        dimension=shapes.of("audio_projection.0.weight", 2)[0],
    )
    _check(layout, origin)
    return layout


def _check(layout: ClapLayout, origin: str) -> None:
    possible = {
        "the width of its text tower is no multiple of 64": layout.text_width % _TEXT_HEAD == 0,
        "its patches do not divide a spectrogram of 256": 0 < layout.patch <= _SPECTROGRAM
        and _SPECTROGRAM % layout.patch == 0,
        "its mel bands do not divide 256": 0 < layout.bands <= _SPECTROGRAM
        and _SPECTROGRAM % layout.bands == 0,
        "it has more stages than its patches can be merged": layout.resolution(len(layout.stages) - 1) >= 1,
        "its windows are empty": layout.window >= 1,
    }
    for complaint, fine in possible.items():
        if not fine:
            raise WorkerError(
                Reason.SHAPE_MISMATCH, f"{origin} is no CLAP: {complaint}", subject=origin, remedy=_REMEDY
            )


_REMEDY = "Give a checkpoint of LAION's CLAP with an HTSAT audio tower and a RoBERTa text tower."


class _Shapes:
    def __init__(self, state: Mapping[str, Tensor], origin: str) -> None:
        self._state = state
        self._origin = origin

    def of(self, name: str, dimensions: int) -> tuple[int, ...]:
        tensor = self._state.get(name)
        if tensor is None:
            raise self._wrong(f"it has no {name}")
        if tensor.dim() != dimensions or 0 in tensor.shape:
            raise self._wrong(f"{name} has shape {tuple(tensor.shape)}")
        return tuple(tensor.shape)

    def count(self, pattern: str) -> int:
        """One more than the largest number that stands in the pattern's place; 0 where none does."""
        found = [re.match(pattern, name) for name in self._state]
        return max((int(match[1]) + 1 for match in found if match), default=0)

    def _wrong(self, what: str) -> WorkerError:
        return WorkerError(
            Reason.SHAPE_MISMATCH,
            f"{self._origin} is no CLAP of HTSAT and RoBERTa: {what}",
            subject=self._origin,
            remedy=_REMEDY,
        )
