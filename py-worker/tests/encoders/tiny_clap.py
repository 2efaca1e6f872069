"""Tiny CLAPs of the true formats: a folder of transformers, and a checkpoint of LAION's training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hashed_values import noise, trained
from tokenizers.pre_tokenizers import ByteLevel

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.encoders.clap_filters import mel_filters
from cmcr_worker.encoders.laion_clap_constants import shift_mask
from cmcr_worker.encoders.torchvision_import import import_torchvision

import_torchvision()

from transformers import (  # noqa: E402
    AutoTokenizer,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapProcessor,
)

VOCABULARY = 265
TEXTS = [
    "a dog barks",
    "",
    "the sound of rain on a tin roof",
    "  Zwölf Boxkämpfer jagen Eva über den Deich 🐕 ",
    "a very long text about rain and dogs " * 20,
]


def write_tokenizer(folder: Path) -> Path:
    """A tokenizer of RoBERTa's kind and special tokens, of bytes and a few merges."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = ["Ġ d", "o g", "Ġd og", "a i"]
    symbols = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet())]
    symbols += [merge.replace(" ", "") for merge in merges] + ["<mask>"]
    assert len(symbols) == VOCABULARY
    (folder / "vocab.json").write_text(json.dumps({symbol: number for number, symbol in enumerate(symbols)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    return folder


def write_clap(folder: Path, *, fusion: bool, nested: bool = False, **extractor: Any) -> Path:
    """A CLAP of 24 dimensions as `save_pretrained` writes it; `nested` as ClapProcessor does since 5.0."""
    config = ClapConfig(
        projection_dim=24,
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 48,
            "max_position_embeddings": 90,
        },
        audio_config={
            "patch_size": 8,
            "patch_stride": [8, 8],
            "patch_embeds_hidden_size": 8,
            "hidden_size": 32,
            "depths": [2, 1, 1],
            "num_attention_heads": [1, 2, 2],
            "num_hidden_layers": 3,
            "enable_fusion": fusion,
            "fusion_type": "aff_2d" if fusion else None,
        },
    )
    model = ClapModel(config)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(trained(name, tensor.shape)))
    model.save_pretrained(folder)
    settings = {"frequency_min": 50, "truncation": "fusion" if fusion else "rand_trunc", **extractor}
    tokenizer = AutoTokenizer.from_pretrained(write_tokenizer(folder / "source"))
    if nested:
        ClapProcessor(ClapFeatureExtractor(**settings), tokenizer).save_pretrained(folder)
    else:
        ClapFeatureExtractor(**settings).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Original:
    """Sizes of an original CLAP; the defaults are those of the checkpoint with golden embeddings."""

    fusion: bool
    width: int = 8
    depths: tuple[int, ...] = (2, 2, 1, 1)
    heads: tuple[int, ...] = (1, 2, 2, 4)
    classes: int = 5
    joint: int = 16
    vocabulary: int = VOCABULARY
    text_layers: int = 1
    text_inner: int = 32
    positions: int = 90

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names, with DistributedDataParallel's prefix, and shapes of all that such a checkpoint holds."""
        return {f"module.{name}": shape for name, shape in self._shapes()}

    def layout_sha256(self) -> str:
        """SHA-256 over the sorted names and shapes, to be held against the original library's own."""
        lines = sorted(f"{name} {shape}" for name, shape in self.shapes().items())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def state(self) -> dict[str, torch.Tensor]:
        """Weights that follow from their names, constants as the original computes them."""
        made: dict[str, torch.Tensor] = {}
        for name, shape in self.shapes().items():
            constant = self._constant(name.removeprefix("module."))
            made[name] = torch.from_numpy(trained(name, shape)) if constant is None else constant
            assert tuple(made[name].shape) == shape, name
        return made

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from (("logit_scale_a", ()), ("logit_scale_t", ()))
        for name, shape in self._audio():
            yield f"audio_branch.{name}", shape
        for name, shape in self._text():
            yield f"text_branch.{name}", shape
        for tower, inputs in (("audio", self.width << len(self.depths) - 1), ("text", 768)):
            yield from _linear(f"{tower}_transform.sequential.0", self.joint, self.joint)
            yield from _linear(f"{tower}_transform.sequential.3", self.joint, self.joint)
            yield from _linear(f"{tower}_projection.0", self.joint, inputs)
            yield from _linear(f"{tower}_projection.2", self.joint, self.joint)

    def _audio(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from (
            (f"spectrogram_extractor.stft.conv_{part}.weight", (513, 1, 1024)) for part in ("real", "imag")
        )
        yield "logmel_extractor.melW", (513, 64)
        yield from _batch_norm("bn0", 64)
        yield from _linear("patch_embed.proj", self.width, 1, 4, 4)
        yield from _norm("patch_embed.norm", self.width)
        if self.fusion:
            yield from _linear("patch_embed.mel_conv2d", self.width, 1, 4, 12)
            narrow = self.width // 4
            for part, first in (("local_att", 0), ("global_att", 1)):
                start = f"patch_embed.fusion_model.{part}."
                yield from _linear(f"{start}{first}", narrow, self.width, 1, 1)
                yield from _batch_norm(f"{start}{first + 1}", narrow)
                yield from _linear(f"{start}{first + 3}", self.width, narrow, 1, 1)
                yield from _batch_norm(f"{start}{first + 4}", self.width)
        for stage, (depth, heads) in enumerate(zip(self.depths, self.heads, strict=True)):
            width, side = self.width << stage, 64 >> stage
            for block in range(depth):
                start = f"layers.{stage}.blocks.{block}."
                if block % 2 == 1 and side > 8:
                    yield f"{start}attn_mask", (side * side // 64, 64, 64)
                yield from _norm(f"{start}norm1", width)
                yield f"{start}attn.relative_position_bias_table", (225, heads)
                yield f"{start}attn.relative_position_index", (64, 64)
                yield from _linear(f"{start}attn.qkv", 3 * width, width)
                yield from _linear(f"{start}attn.proj", width, width)
                yield from _norm(f"{start}norm2", width)
                yield from _linear(f"{start}mlp.fc1", 4 * width, width)
                yield from _linear(f"{start}mlp.fc2", width, 4 * width)
            if stage < len(self.depths) - 1:
                yield f"layers.{stage}.downsample.reduction.weight", (2 * width, 4 * width)
                yield from _norm(f"layers.{stage}.downsample.norm", 4 * width)
        features = self.width << len(self.depths) - 1
        yield from _norm("norm", features)
        yield from _linear("tscam_conv", self.classes, features, 2, 3)
        yield from _linear("head", self.classes, self.classes)

    def _text(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield "embeddings.word_embeddings.weight", (self.vocabulary, 768)
        yield "embeddings.position_ids", (1, self.positions)
        yield "embeddings.token_type_embeddings.weight", (1, 768)
        yield "embeddings.position_embeddings.weight", (self.positions, 768)
        yield from _norm("embeddings.LayerNorm", 768)
        for layer in range(self.text_layers):
            start = f"encoder.layer.{layer}."
            for part in ("query", "key", "value"):
                yield from _linear(f"{start}attention.self.{part}", 768, 768)
            yield from _linear(f"{start}attention.output.dense", 768, 768)
            yield from _norm(f"{start}attention.output.LayerNorm", 768)
            yield from _linear(f"{start}intermediate.dense", self.text_inner, 768)
            yield from _linear(f"{start}output.dense", 768, self.text_inner)
            yield from _norm(f"{start}output.LayerNorm", 768)
        yield from _linear("pooler.dense", 768, 768)

    def _constant(self, name: str) -> torch.Tensor | None:
        if name.endswith("num_batches_tracked"):
            return torch.tensor(0)
        if name.endswith("position_ids"):
            return torch.arange(self.positions)[None]
        if name.endswith("melW"):
            return torch.from_numpy(
                mel_filters("slaney", 64, 1024, 48_000, 50.0, 14_000.0).astype(np.float32)
            )
        if name.endswith("attn_mask"):
            return shift_mask(64 >> int(name.split(".")[2]), 8)
        if name.endswith("relative_position_index"):
            place = torch.stack(torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")).flatten(1)
            away = place[:, :, None] - place[:, None, :] + 7
            return away[0] * 15 + away[1]
        if "stft" in name:
            root = np.exp(-2j * np.pi / 1024) ** np.outer(np.arange(1024), np.arange(513))
            window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
            kernel = (window[:, None] * root).T[:, None]
            return torch.from_numpy((kernel.real if "real" in name else kernel.imag).astype(np.float32))
        return None


def write_original(path: Path, original: Original, **changes: torch.Tensor | None) -> Path:
    """A checkpoint as LAION's training saves it; a change to None takes a weight away."""
    state: dict[str, torch.Tensor] = original.state()
    for name, value in changes.items():
        state.pop(f"module.{name}", None)
        if value is not None:
            state[f"module.{name}"] = value
    torch.save({"epoch": 45, "name": "tiny", "state_dict": state, "best": np.float64(0.5)}, path)
    return path


def clips(count: int, *, longest: int = 480_000) -> list[AudioClip]:
    """Sounds of different lengths, none longer than 10 s at 48 kHz: loud ones that clip, and silence."""
    lengths: Sequence[int] = [longest, longest - 1, 1, 37, 12_345, 240_000, 240_001, longest // 3]
    made = [noise(f"clip {number}", lengths[number % len(lengths)]) for number in range(count)]
    if count > 5:
        made[5] = AudioClip(made[5].samples * np.float32(1.6), 48_000)
    return made


def tokens_of(folder: Path, texts: Sequence[str]) -> Mapping[str, torch.Tensor]:
    """Tokens as the original has them: every text filled to 77."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    filled: Mapping[str, torch.Tensor] = tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    return filled


def _linear(name: str, outputs: int, *inputs: int) -> list[tuple[str, tuple[int, ...]]]:
    return [(f"{name}.weight", (outputs, *inputs)), (f"{name}.bias", (outputs,))]


def _norm(name: str, width: int) -> list[tuple[str, tuple[int, ...]]]:
    return [(f"{name}.weight", (width,)), (f"{name}.bias", (width,))]


def _batch_norm(name: str, width: int) -> list[tuple[str, tuple[int, ...]]]:
    statistics = [(f"{name}.{part}", (width,)) for part in ("running_mean", "running_var")]
    return [*_norm(name, width), *statistics, (f"{name}.num_batches_tracked", ())]
