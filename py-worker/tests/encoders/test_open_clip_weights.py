"""An open_clip model's weights and configuration, read strictly and without running what they contain."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_checks import CPU, refused
from safetensors.torch import load_file, save_file
from tiny_huggingface import edit_json
from tiny_open_clip import ARCHITECTURES, OpenClipLibrary, weights_of, write_open_clip

from cmcr_worker.encoders.open_clip_provider import OpenClipProvider
from cmcr_worker.errors import Reason

OPEN_CLIP = OpenClipProvider()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_open_clip(tmp_path_factory.mktemp("models") / "vit")


@pytest.fixture
def vit(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "vit")


def load(folder: Path) -> Any:
    return OPEN_CLIP.load("", folder, {}, CPU)


class Malicious:
    """Pickled, it asks for a folder to be made."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class TestWeights:
    def change(self, folder: Path, remove: str = "", **changes: torch.Tensor) -> None:
        tensors = {**load_file(weights_of(folder)), **changes}
        tensors.pop(remove, None)
        save_file(tensors, weights_of(folder))

    def test_a_missing_weight_is_named(self, vit: Path) -> None:
        self.change(vit, remove="visual.proj")
        refused(Reason.SHAPE_MISMATCH, lambda: load(vit), "missing: visual.proj")

    def test_a_weight_too_many_is_named(self, vit: Path) -> None:
        self.change(vit, extra=torch.zeros(2))
        refused(Reason.SHAPE_MISMATCH, lambda: load(vit), "not the network's: extra")

    def test_a_weight_of_another_shape_is_named(self, vit: Path) -> None:
        self.change(vit, **{"visual.proj": torch.zeros(32, 25)})
        refused(Reason.SHAPE_MISMATCH, lambda: load(vit), "visual.proj (32, 25) for (32, 24)")

    def test_positions_of_another_image_size_are_not_resized_in_silence(self, vit: Path) -> None:
        content = json.loads((vit / "open_clip_config.json").read_text())
        content["model_cfg"]["vision_cfg"]["image_size"] = 40
        edit_json(vit / "open_clip_config.json", **content)
        # open_clip itself interpolates them.
        assert OpenClipLibrary(vit).model is not None
        refused(
            Reason.SHAPE_MISMATCH, lambda: load(vit), "visual.positional_embedding", "(17, 32)", "(26, 32)"
        )

    def test_pickled_weights_run_no_code(self, vit: Path, tmp_path: Path) -> None:
        weights_of(vit).unlink()
        made = tmp_path / "made"
        path = vit / "open_clip_pytorch_model.bin"
        torch.save({"state_dict": {"visual.proj": Malicious(made)}}, path)
        refused(Reason.DATA_CORRUPT, lambda: load(vit), path.name)
        assert not made.exists()

    def test_a_torchscript_archive_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "ViT-B-32.pt"
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
        refused(
            Reason.DATA_CORRUPT, lambda: OPEN_CLIP.load("ViT-B-32-quickgelu", path, {}, CPU), "TorchScript"
        )

    def test_files_that_are_missing_or_damaged(self, vit: Path) -> None:
        os.truncate(weights_of(vit), 1000)
        refused(Reason.DATA_CORRUPT, lambda: load(vit), weights_of(vit).name)
        weights_of(vit).unlink()
        refused(Reason.CHECKPOINT_MISSING, lambda: load(vit), weights_of(vit).name)
        (vit / "open_clip_config.json").write_text("{}")
        refused(Reason.DATA_CORRUPT, lambda: load(vit), "model_cfg")

    @pytest.mark.parametrize(
        ("preprocess", "part"),
        [({"resize_mode": "crop"}, "crop"), ({"mode": "L"}, "mode L"), ({"std": [0.0, 1, 1]}, "positive")],
    )
    def test_preprocessing_that_cannot_be_followed(self, vit: Path, preprocess: Any, part: str) -> None:
        edit_json(vit / "open_clip_config.json", preprocess_cfg=preprocess)
        refused(Reason.CONFIG_INVALID, lambda: OPEN_CLIP.describe("", vit, {}), part)

    @pytest.mark.parametrize(
        "config", [{}, {"embed_dim": 3}, {"embed_dim": 3, "text_cfg": {}, "vision_cfg": []}]
    )
    def test_configurations_that_are_none(self, vit: Path, config: Any) -> None:
        edit_json(vit / "open_clip_config.json", model_cfg=config)
        with pytest.raises(ValueError, match=r"configuration|cannot be followed"):
            OPEN_CLIP.describe("", vit, {})
        config = {**ARCHITECTURES["vit"], "surprise": 1}
        edit_json(vit / "open_clip_config.json", model_cfg=config)
        refused(Reason.CONFIG_INVALID, lambda: load(vit), "cannot build", "surprise")
