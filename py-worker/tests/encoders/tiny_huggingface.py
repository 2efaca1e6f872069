"""Tiny models of the true format: folders as `save_pretrained` writes them, weights at random."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from cmcr_worker.encoders.torchvision_import import import_torchvision

import_torchvision()

from transformers import (  # noqa: E402
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil  # noqa: E402
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil  # noqa: E402

WORDS = ["a", "an", "the", "of", "photo", "dog", "cat", "train", "toilet", "barbecue"]
WORDS += ["loud", "quiet", "red", "green", "blue", "and", "in", "on", "at", "under"]

SENTENCES = [
    "a photo of a dog",
    "A RED train, under the bridge!",
    "",
    "the toilet",
    "un chat noir au café",
    "犬と猫 🐕",
    "a cat and a dog and a train in the quiet green",
]


def sentences(count: int) -> list[str]:
    """Texts of different lengths; some are longer than any context, and some are the same words reordered."""
    rng = np.random.default_rng(count)
    made = [" ".join(rng.choice(WORDS, rng.integers(1, 120))) for _ in range(count)]
    return [*SENTENCES, *made][:count]


def photos(count: int) -> list[npt.NDArray[np.uint8]]:
    """Images of different sizes with some structure: steps, gradients and noise."""
    rng = np.random.default_rng(7)
    made = []
    for number in range(count):
        height, width = (int(size) for size in rng.integers(20, 90, 2))
        slope = np.linspace(0, 255, width)[None, :, None] * rng.random(3)
        image = slope + 60 * rng.random((height, width, 3))
        image[: height // 2, : width // 3] += 80.0 * rng.random(3)
        made.append(np.clip(image, 0, 255).astype(np.uint8) if number else np.zeros((40, 33, 3), np.uint8))
    return made


def clip_tokenizer() -> CLIPTokenizer:
    """OpenAI's vocabulary, out of open_clip's package."""
    content = (files("open_clip") / "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(content).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in printable]
    letters += [chr(256 + number) for number in range(256 - len(printable))]
    symbols = [*letters, *(f"{letter}</w>" for letter in letters)]
    symbols += [merge.replace(" ", "") for merge in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={symbol: number for number, symbol in enumerate(symbols)},
        merges=[tuple(merge.split()) for merge in merges],
        model_max_length=77,
    )


def word_tokenizer(*, end: str | None = None, start: str | None = None, **settings: Any) -> Any:
    """Words to numbers, every text between `start` and `end` where these are given."""
    special = ["<pad>", "</s>", "<unk>", "<s>"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    single = [name for name in (start, "$A", end) if name is not None]
    used = [(name, vocabulary[name]) for name in (start, end) if name is not None]
    tokenizer.post_processor = processors.TemplateProcessing(single=" ".join(single), special_tokens=used)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", **settings
    )


def spread(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough that activations are not all in their linear part."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                width = parameter.shape[-1] if parameter.ndim == 2 else parameter[0].numel()
                scale = 0.4 if "embedding" in name else 1.4 / width**0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)


def write_clip(folder: Path, *, activation: str = "quick_gelu", seed: int = 1, **settings: Any) -> Path:
    """A CLIP model of 24 dimensions for images of 32 x 32, with OpenAI's vocabulary."""
    common = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = CLIPConfig(
        text_config={
            **common,
            "hidden_act": activation,
            "vocab_size": 49408,
            "bos_token_id": 49406,
            "eos_token_id": settings.get("eos_token_id", 49407),
        },
        vision_config={**common, "hidden_act": activation, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    torch.manual_seed(seed)
    model = CLIPModel(config)
    spread(model, seed)
    model.save_pretrained(folder, max_shard_size=settings.get("max_shard_size", "5GB"))
    clip_tokenizer().save_pretrained(folder)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPImageProcessorPil(**{**size, **settings.get("images", {})}).save_pretrained(folder)
    return folder


def write_siglip(folder: Path, *, seed: int = 2, vocabulary: int = 24) -> Path:
    """A SigLIP model of 32 dimensions for images of 32 x 48, texts padded to 64."""
    common = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(seed)
    model = SiglipModel(
        SiglipConfig(
            text_config={
                **common,
                "vocab_size": vocabulary,
                "max_position_embeddings": 64,
                "projection_size": 32,
            },
            vision_config={**common, "image_size": 32, "patch_size": 8},
        )
    )
    spread(model, seed)
    model.save_pretrained(folder)
    word_tokenizer(end="</s>", model_input_names=["input_ids"], model_max_length=64).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def write_siglip_of_sentencepiece(folder: Path) -> Path:
    """The same with the tokenizer that the first SigLIP was published with: spiece.model."""
    import sentencepiece
    from transformers import SiglipTokenizer

    write_siglip(folder, vocabulary=48)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with (folder / "spiece.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(WORDS * 20),
            model_writer=file,
            vocab_size=48,
            hard_vocab_limit=False,
            pad_id=-1,
            bos_id=-1,
            eos_id=1,
            unk_id=0,
            minloglevel=2,
        )
    tokenizer = SiglipTokenizer(str(folder / "spiece.model"), model_input_names=["input_ids"])
    tokenizer.save_pretrained(folder)
    return folder


def write_bert(folder: Path, *, seed: int = 3, dimension: int = 32) -> Path:
    """A BERT for sentences, with its tokenizer: what AutoModel reads."""
    config = BertConfig(
        vocab_size=24,
        hidden_size=dimension,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=40,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    model = BertModel(config)
    spread(model, seed)
    model.save_pretrained(folder)
    word_tokenizer(start="<s>", end="</s>", model_max_length=40).save_pretrained(folder)
    return folder


def edit_json(path: Path, **changes: Any) -> None:
    """Changes fields of a JSON file; a field that becomes None is removed."""
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
