"""Tiny open_clip models: folders as open_clip writes them, weights at random."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_huggingface import spread, word_tokenizer

from cmcr_worker.encoders.torchvision_import import import_torchvision

import_torchvision()

import open_clip  # noqa: E402

_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2}
_VIT = {"image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "vit": {"embed_dim": 24, "quick_gelu": True, "vision_cfg": _VIT, "text_cfg": _TEXT},
    "resnet": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
        "text_cfg": _TEXT,
    },
    "convnext": {
        "embed_dim": 24,
        "vision_cfg": {
            "timm_model_name": "test_convnext",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 64,
        },
        "text_cfg": _TEXT,
    },
    "coca": {
        "embed_dim": 24,
        "multimodal_cfg": {"context_length": 76, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 1},
        "vision_cfg": {**_VIT, "attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
        "text_cfg": {**_TEXT, "context_length": 76, "embed_cls": True, "output_tokens": True},
        "custom_text": True,
    },
    "siglip": {
        "embed_dim": 32,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 160,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
        },
        "text_cfg": {
            "context_length": 64,
            "vocab_size": 24,
            "hf_tokenizer_name": "someone/tokenizer",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "width": 32,
            "heads": 4,
            "layers": 2,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
            "norm_kwargs": {"eps": 1e-6},
        },
    },
}


def write_open_clip(folder: Path, kind: str = "vit", *, seed: int = 4, **preprocess: Any) -> Path:
    """A folder with open_clip_config.json, weights and, where the model needs one, a tokenizer."""
    folder.mkdir(parents=True)
    config = ARCHITECTURES[kind]
    content = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    spread(model, seed)
    if kind in ("resnet", "convnext"):
        settle(model)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, weights_of(folder))
    if "hf_tokenizer_name" in config["text_cfg"]:
        word_tokenizer(end="</s>", model_max_length=64).save_pretrained(folder)
    return folder


def weights_of(folder: Path) -> Path:
    return folder / "open_clip_model.safetensors"


def settle(model: Any) -> None:
    """Gives normalisation layers the statistics of some images, as training would."""
    model.train()
    with torch.no_grad():
        for seed in range(20):
            generator = torch.Generator().manual_seed(seed)
            model.encode_image(torch.randn(16, 3, 64, 64, generator=generator))
    model.eval()


class OpenClipLibrary:
    """open_clip, as its own documentation uses it."""

    def __init__(self, folder: Path) -> None:
        name = f"local-dir:{folder}"
        self.model, self.transform = open_clip.create_model_from_pretrained(name)
        self.model.eval()
        self.tokenizer = open_clip.get_tokenizer(name)

    @torch.no_grad()
    def images(self, items: Sequence[Any]) -> torch.Tensor:
        return self.model.encode_image(torch.stack([self.transform(Image.fromarray(item)) for item in items]))

    @torch.no_grad()
    def texts(self, items: Sequence[Any]) -> torch.Tensor:
        return self.model.encode_text(self.tokenizer(list(items)))
