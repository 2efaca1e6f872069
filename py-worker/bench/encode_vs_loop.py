"""The plain side of the encoding benchmark: a CLIP model, photos, and the loop that one would write.

`make` writes both into a folder. `loop` loads the model with transformers and, for each line of its input,
embeds the photos once, in this process, with the library's own processor; it prints one JSON line for each.
The other side is the worker behind its bridge: `scripts/bench/encode.mjs`, which runs the two in turns.

    python bench/encode_vs_loop.py make FOLDER --limit device
    echo | python bench/encode_vs_loop.py loop FOLDER --batch 32
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "encoders"))

import numpy as np
import torch
from PIL import Image
from tiny_huggingface import CLIPImageProcessorPil, clip_tokenizer
from transformers import CLIPConfig, CLIPModel

LIMITS = {
    # A vision tower of some 25 million weights, and photos that are little larger than what it sees.
    "device": {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8, "side": (288, 256)},
    # A tower that costs next to nothing, and photos as a phone's camera makes them, at half its size.
    "decoding": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "side": (2016, 1512)},
}


def make(folder: Path, limit: str, images: int, quick: bool) -> None:
    settings = dict(LIMITS[limit])
    width, height = settings.pop("side")  # type: ignore[misc]
    if quick:
        settings = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
        width, height = width // 4, height // 4
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = CLIPConfig(
        text_config={**text, "vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407},
        vision_config={**settings, "num_attention_heads": 8, "image_size": 224, "patch_size": 32},
        projection_dim=128,
    )
    torch.manual_seed(0)
    model = folder / "model"
    CLIPModel(config).save_pretrained(model)
    clip_tokenizer().save_pretrained(model)
    CLIPImageProcessorPil().save_pretrained(model)
    photos = folder / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    for number in range(images):
        # Large forms and fine grain, about as many bytes a pixel as a photo has.
        forms = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8)).resize((width, height), 3)
        grain = random.normal(0, 6, (height, width, 1))
        pixels = np.clip(np.asarray(forms) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(photos / f"{number:05d}.jpg", quality=90)


class Loop:
    """Opens, prepares and embeds one batch after the other."""

    def __init__(self, folder: Path, batch: int) -> None:
        self.paths = sorted((folder / "photos").iterdir())
        self.batch = batch
        self.processor = CLIPImageProcessorPil.from_pretrained(folder / "model")
        self.model = CLIPModel.from_pretrained(folder / "model").eval()

    @torch.inference_mode()
    def run(self) -> torch.Tensor:
        rows = []
        for first in range(0, len(self.paths), self.batch):
            images = [Image.open(path).convert("RGB") for path in self.paths[first : first + self.batch]]
            features: Any = self.model.get_image_features(**self.processor(images, return_tensors="pt"))
            features = getattr(features, "pooler_output", features)
            rows.append(torch.nn.functional.normalize(features, dim=-1))
        return torch.cat(rows)


def difference(rows: torch.Tensor, folder: Path) -> float | None:
    """Largest difference from the shards that the other side has written; None where there are none."""
    shards = sorted(folder.glob("shard-*.npy"))
    if not shards:
        return None
    other = torch.from_numpy(np.concatenate([np.load(path) for path in shards]))
    return float((rows - other).abs().max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["make", "loop"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", choices=list(LIMITS), default="device")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.action == "make":
        make(options.folder, options.limit, options.images, options.quick)
        return 0
    loop = Loop(options.folder, options.batch)
    for _ in sys.stdin:
        began = time.perf_counter()
        rows = loop.run()
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "difference": difference(rows, options.folder)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
