"""A model's folder, read strictly: what is missing, damaged or foreign is named, and no code is run."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_checks import CPU, refused
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tiny_huggingface import CLIPModel, edit_json, photos, write_clip, write_siglip

from cmcr_worker.encoders.huggingface_clip import HuggingFaceClipProvider
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.errors import Reason

CLIP = HuggingFaceClipProvider()
KEY = "visual_projection.weight"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture
def clip(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "clip")


def load(folder: Path) -> Any:
    return CLIP.load("", folder, {}, CPU)


def change_weights(folder: Path, *, remove: str = "", **changes: torch.Tensor) -> None:
    tensors = {**load_file(folder / "model.safetensors"), **changes}
    tensors.pop(remove, None)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


class TestWeights:
    def test_a_missing_weight_is_named(self, clip: Path) -> None:
        change_weights(clip, remove=KEY)
        refused(Reason.SHAPE_MISMATCH, lambda: load(clip), "missing", KEY)

    def test_a_weight_too_many_is_named(self, clip: Path) -> None:
        change_weights(clip, extra=torch.zeros(3))
        refused(Reason.SHAPE_MISMATCH, lambda: load(clip), "not the network's: extra")

    def test_a_weight_of_another_shape_is_named_with_both(self, clip: Path) -> None:
        change_weights(clip, **{KEY: torch.zeros(24, 31)})
        refused(Reason.SHAPE_MISMATCH, lambda: load(clip), KEY, "(24, 31)", "(24, 32)")

    def test_many_are_counted(self, clip: Path) -> None:
        save_file({KEY: torch.zeros(24, 32)}, clip / "model.safetensors", metadata={"format": "pt"})
        refused(Reason.SHAPE_MISMATCH, lambda: load(clip), "missing", "more")

    def test_a_configuration_of_another_size_is_refused(self, clip: Path) -> None:
        edit_json(clip / "config.json", projection_dim=16)
        refused(Reason.SHAPE_MISMATCH, lambda: load(clip), KEY, "(24, 32)", "(16, 32)")

    def test_a_damaged_file_is_named(self, clip: Path) -> None:
        path = clip / "model.safetensors"
        os.truncate(path, path.stat().st_size // 2)
        refused(Reason.DATA_CORRUPT, lambda: load(clip), "model.safetensors")
        path.write_bytes(b"no weights")
        refused(Reason.DATA_CORRUPT, lambda: load(clip), "model.safetensors")

    def test_shards(self, tmp_path: Path, original: Path) -> None:
        folder = write_clip(tmp_path / "sharded", max_shard_size="40KB")
        shards = sorted(folder.glob("model-*.safetensors"))
        assert len(shards) > 1
        torch.testing.assert_close(
            encode(load(folder), "image", photos(3)),
            encode(load(original), "image", photos(3)),
            atol=0,
            rtol=0,
        )
        before = CLIP.describe("", folder, {}).weights_sha256
        save_file({"a": torch.zeros(1)}, shards[0])
        assert CLIP.describe("", folder, {}).weights_sha256 != before
        shards[0].unlink()
        refused(Reason.CHECKPOINT_MISSING, lambda: CLIP.describe("", folder, {}), shards[0].name)

    def test_an_index_that_leads_out_of_the_folder(self, clip: Path) -> None:
        (clip / "model.safetensors").rename(clip / "a.safetensors")
        for shard in ("../a.safetensors", "/etc/hostname"):
            index = {"metadata": {}, "weight_map": {KEY: shard}}
            (clip / "model.safetensors.index.json").write_text(json.dumps(index))
            refused(Reason.DATA_CORRUPT, lambda: load(clip), "outside its folder")
        (clip / "model.safetensors.index.json").write_text("{}")
        refused(Reason.DATA_CORRUPT, lambda: load(clip), "names no shards")


class Malicious:
    """Pickled, it asks for a folder to be made."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class TestPickledWeights:
    @pytest.fixture
    def pickled(self, clip: Path) -> Path:
        torch.save(load_file(clip / "model.safetensors"), clip / "pytorch_model.bin")
        (clip / "model.safetensors").unlink()
        return clip

    def test_they_are_read_where_there_are_no_others(self, pickled: Path, original: Path) -> None:
        found = encode(load(pickled), "image", photos(3))
        torch.testing.assert_close(found, encode(load(original), "image", photos(3)), atol=0, rtol=0)

    def test_safetensors_are_preferred(self, pickled: Path, original: Path) -> None:
        shutil.copy(original / "model.safetensors", pickled)
        before = CLIP.describe("", original, {}).weights_sha256
        (pickled / "pytorch_model.bin").write_bytes(b"not read")
        assert CLIP.describe("", pickled, {}).weights_sha256 == before
        assert load(pickled).weights_sha256 == before

    def test_no_code_is_run(self, pickled: Path, tmp_path: Path) -> None:
        made = tmp_path / "made"
        torch.save({"weight": Malicious(made)}, pickled / "pytorch_model.bin")
        refused(Reason.DATA_CORRUPT, lambda: load(pickled), "pytorch_model.bin", "safetensors")
        (pickled / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Malicious(made)}))
        refused(Reason.DATA_CORRUPT, lambda: load(pickled), "pytorch_model.bin")
        assert not made.exists()


class TestFolder:
    def test_no_such_folder(self, tmp_path: Path) -> None:
        refused(Reason.CHECKPOINT_MISSING, lambda: load(tmp_path / "none"), "none", "save_pretrained")

    def test_a_file_in_place_of_a_folder(self, clip: Path) -> None:
        refused(Reason.CHECKPOINT_MISSING, lambda: load(clip / "config.json"), "no folder")

    def test_neither_model_nor_checkpoint(self) -> None:
        refused(
            Reason.CHECKPOINT_MISSING, lambda: CLIP.describe("", None, {}), "neither a model nor a checkpoint"
        )

    @pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
    def test_a_file_is_missing(self, clip: Path, name: str) -> None:
        (clip / name).unlink()
        refused(Reason.CHECKPOINT_MISSING, lambda: CLIP.describe("", clip, {}), name)

    def test_weights_are_missing(self, clip: Path) -> None:
        (clip / "model.safetensors").unlink()
        refused(
            Reason.CHECKPOINT_MISSING, lambda: CLIP.describe("", clip, {}), "no weights", "model.safetensors"
        )

    def test_the_tokenizer_is_missing(self, clip: Path) -> None:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (clip / name).unlink()
        refused(Reason.CHECKPOINT_MISSING, lambda: load(clip), "tokenizer")

    def test_the_tokenizer_is_damaged(self, clip: Path) -> None:
        (clip / "tokenizer.json").write_text("{}")
        refused(Reason.DATA_CORRUPT, lambda: load(clip), "tokenizer")

    @pytest.mark.parametrize("content", ["", "{", "[]"])
    def test_the_configuration_is_damaged(self, clip: Path, content: str) -> None:
        (clip / "config.json").write_text(content)
        refused(Reason.DATA_CORRUPT, lambda: CLIP.describe("", clip, {}), "config.json")

    def test_a_tokenizer_of_another_model_is_refused(self, clip: Path, tmp_path: Path) -> None:
        siglip = write_siglip(tmp_path / "siglip")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(siglip / name, clip)
        # It ends texts with a token for which the network does not look: all would pool at the first.
        refused(Reason.CONFIG_INVALID, lambda: load(clip), "49407", "tokenizer")

    @pytest.mark.parametrize(
        ("model_type", "parts"),
        [
            ("siglip2", ("NaFlex", "fixed resolution")),
            ("bert", ("bert", "clip, siglip")),
            ("nonsense", ("nonsense",)),
        ],
    )
    def test_models_that_are_not_supported(self, clip: Path, model_type: str, parts: tuple[str, ...]) -> None:
        edit_json(clip / "config.json", model_type=model_type)
        refused(Reason.CONFIG_INVALID, lambda: CLIP.describe("", clip, {}), *parts)

    def test_code_that_comes_with_a_model_is_not_run(self, clip: Path) -> None:
        edit_json(clip / "config.json", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
        (clip / "evil.py").write_text("raise SystemExit('run')")
        assert load(clip).dimension == 24

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"dtype": "float64"}, Reason.CONFIG_INVALID),
            ({"activation": "relu"}, Reason.CONFIG_INVALID),
            ({"revision": 3}, Reason.CONFIG_INVALID),
            ({"dtyp": "float32"}, Reason.UNKNOWN_NAME),
        ],
    )
    def test_options(self, clip: Path, options: dict[str, object], reason: Reason) -> None:
        refused(reason, lambda: CLIP.describe("", clip, options))


class TestHub:
    @pytest.fixture(autouse=True)
    def offline(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def put_into_cache(self, folder: Path, root: Path) -> Path:
        repository = root / "hub" / "models--someone--tiny-clip"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(COMMIT)
        return shutil.copytree(folder, repository / "snapshots" / COMMIT)

    def test_a_model_in_the_cache_is_used_and_its_commit_is_its_revision(
        self, original: Path, tmp_path: Path
    ) -> None:
        self.put_into_cache(original, tmp_path)
        encoder = CLIP.load("someone/tiny-clip", None, {}, CPU)
        assert COMMIT in encoder.revision
        assert COMMIT in CLIP.describe("someone/tiny-clip", None, {"revision": COMMIT}).revision
        torch.testing.assert_close(
            encode(encoder, "image", photos(2)), encode(load(original), "image", photos(2)), atol=0, rtol=0
        )

    def test_pickled_weights_of_a_repository_without_others(self, clip: Path, tmp_path: Path) -> None:
        torch.save(load_file(clip / "model.safetensors"), clip / "pytorch_model.bin")
        (clip / "model.safetensors").unlink()
        self.put_into_cache(clip, tmp_path)
        assert CLIP.load("someone/tiny-clip", None, {}, CPU).dimension == 24

    def test_a_model_that_is_not_in_the_cache(self) -> None:
        refused(
            Reason.CHECKPOINT_MISSING,
            lambda: CLIP.describe("someone/other", None, {"revision": "v2"}),
            "someone/other",
            "v2",
            "checkpoint",
        )


def test_transformers_itself_would_fill_a_missing_weight_at_random(clip: Path) -> None:
    """Why the strictness: this is what happens without it."""
    change_weights(clip, remove=KEY)
    first, second = (CLIPModel.from_pretrained(clip) for _ in range(2))
    assert not torch.equal(first.visual_projection.weight, second.visual_projection.weight)
