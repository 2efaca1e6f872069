"""open_clip's models, against open_clip used directly."""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_checks import (
    CPU,
    TOLERANCE,
    assert_description_is_what_is_loaded,
    assert_frozen,
    assert_matches_library,
    assert_same_directions,
    refused,
)
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tiny_huggingface import edit_json, photos, sentences
from tiny_open_clip import ARCHITECTURES, OpenClipLibrary, open_clip, weights_of, write_open_clip

from cmcr_worker.encoders.open_clip_provider import MAX_CHARACTERS, OpenClipProvider, shortened
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.encoders.registry import provider
from cmcr_worker.errors import Reason

OPEN_CLIP = OpenClipProvider()
COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {kind: write_open_clip(root / kind, kind) for kind in ARCHITECTURES}


@pytest.fixture
def vit(folders: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(folders["vit"], tmp_path / "vit")


def load(folder: Path, **options: object) -> Any:
    return OPEN_CLIP.load("", folder, options, CPU)


def test_it_is_registered() -> None:
    assert isinstance(provider("open-clip"), OpenClipProvider)


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_images_as_open_clip_has_them(folders: dict[str, Path], kind: str) -> None:
    assert_matches_library(load(folders[kind]), "image", photos(70), OpenClipLibrary(folders[kind]).images)


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_texts_as_open_clip_has_them(folders: dict[str, Path], kind: str) -> None:
    assert_matches_library(load(folders[kind]), "text", sentences(70), OpenClipLibrary(folders[kind]).texts)


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_description_and_frozen_weights(folders: dict[str, Path], kind: str) -> None:
    encoder = load(folders[kind])
    assert_description_is_what_is_loaded(OPEN_CLIP.describe("", folders[kind], {}), encoder)
    assert encoder.dimension == ARCHITECTURES[kind]["embed_dim"]
    assert_frozen(encoder, "image", photos(3))
    assert_frozen(encoder, "text", sentences(3))


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
@pytest.mark.parametrize("dtype", sorted(TOLERANCE))
def test_sixteen_bits(folders: dict[str, Path], kind: str, dtype: str) -> None:
    exact, rough = load(folders[kind]), load(folders[kind], dtype=dtype)
    assert rough.compute_dtype == dtype
    for modality, items in (("image", photos(9)), ("text", sentences(9))):
        found, expected = encode(rough, modality, items), encode(exact, modality, items)
        assert_same_directions(found, expected, TOLERANCE[dtype])
        assert (found - expected).abs().max() > 1e-6


@pytest.mark.cuda
@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
@pytest.mark.parametrize("dtype", ["float32", *sorted(TOLERANCE)])
def test_parity_on_a_gpu(folders: dict[str, Path], kind: str, dtype: str) -> None:
    exact = load(folders[kind])
    there = OPEN_CLIP.load("", folders[kind], {"dtype": dtype}, torch.device("cuda"))
    for modality, items in (("image", photos(64)), ("text", sentences(64))):
        expected = encode(exact, modality, items)
        assert_same_directions(encode(there, modality, items), expected, TOLERANCE.get(dtype, 0.99999))


@pytest.mark.parametrize(
    "preprocess",
    [
        {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear"},
        {"resize_mode": "squash"},
        {"resize_mode": "longest", "fill_color": 128},
        {"mean": 0.4, "std": 0.2, "interpolation": "random"},
        {"size": 99, "resize_mode": "squash"},
    ],
)
def test_preprocessing_of_the_model(tmp_path: Path, preprocess: dict[str, Any]) -> None:
    folder = write_open_clip(tmp_path / "vit", **preprocess)
    expected = OpenClipLibrary(folder).images(photos(9))
    assert_same_directions(encode(load(folder), "image", photos(9)), expected)


def test_images_that_are_not_square(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {
        **ARCHITECTURES["vit"],
        "vision_cfg": {**ARCHITECTURES["vit"]["vision_cfg"], "image_size": [32, 48]},
    }
    monkeypatch.setitem(ARCHITECTURES, "wide", wide)
    folder = write_open_clip(tmp_path / "wide", "wide", interpolation="bilinear")
    expected = OpenClipLibrary(folder).images(photos(9))
    assert_same_directions(encode(load(folder), "image", photos(9)), expected)


@pytest.mark.parametrize(
    "architecture", ["ViT-B-32", "RN50", "ViT-B-16-SigLIP", "ViT-B-32-quickgelu", "coca_ViT-B-32"]
)
def test_description_has_the_size_of_the_library_without_building(architecture: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    description = OPEN_CLIP.describe(architecture, path, {})
    config = open_clip.get_model_config(architecture)
    image: Any = description.preprocessing["image"]
    assert description.dimension == config["embed_dim"]
    assert image["target"] == (config["vision_cfg"]["image_size"],) * 2


def test_long_texts_keep_their_end(folders: dict[str, Path]) -> None:
    encoder = load(folders["vit"])
    tokens = encoder.tokens([" ".join(["dog"] * 200), "dog"])
    assert tokens.shape == (2, 77)
    assert tokens[0, -1] == 49407
    assert tokens[1].argmax() == 2


def test_a_word_of_a_million_letters_takes_no_longer_than_others(folders: dict[str, Path]) -> None:
    encoder = load(folders["vit"])
    word = "abcdefghijklmnopqrstuvwxyz" * 40_000
    started = time.monotonic()
    encode(encoder, "text", [word])
    # The library's tokenizer alone would take hours.
    assert time.monotonic() - started < 60
    usual = " ".join(sentences(200))
    assert len(usual) > 4 * MAX_CHARACTERS
    assert torch.equal(encoder.tokens([usual]), open_clip.get_tokenizer("ViT-B-32")([usual]))
    assert shortened("a  b") == "a  b"


class TestActivation:
    def test_gelu_in_place_of_quick_gelu_changes_embeddings(self, vit: Path) -> None:
        right, wrong = load(vit), load(vit, activation="gelu")
        cosine = torch.nn.functional.cosine_similarity(
            encode(right, "image", photos(5)), encode(wrong, "image", photos(5))
        )
        assert cosine.max().item() < 0.99999
        assert right.revision != wrong.revision

    def test_the_tag_openai_has_quick_gelu_under_the_plain_name(self, hub: Path) -> None:
        # open_clip itself only warns here, and computes with GELU.
        assert not open_clip.get_model_config("ViT-B-32").get("quick_gelu", False)
        put_into_cache(hub, "timm/vit_base_patch32_clip_224.openai")
        put_into_cache(hub, "laion/CLIP-ViT-B-32-laion2B-s34B-b79K")
        plain = OPEN_CLIP.describe("ViT-B-32", None, {"pretrained": "openai"})
        assert plain.revision.endswith("+quick_gelu")
        assert (
            plain.revision
            == OPEN_CLIP.describe("ViT-B/32-quickgelu", None, {"pretrained": "openai"}).revision
        )
        laion = OPEN_CLIP.describe("ViT-B-32", None, {"pretrained": "laion2b_s34b_b79k"})
        assert laion.revision.endswith("+gelu")
        forced = OPEN_CLIP.describe("ViT-B-32", None, {"pretrained": "openai", "activation": "gelu"})
        assert forced.revision.endswith("+gelu")

    def test_a_file_of_openai_without_quick_gelu_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "vit_base_patch32_clip_224.openai.safetensors"
        save_file({"a": torch.zeros(1)}, path)
        refused(
            Reason.CONFIG_INVALID,
            lambda: OPEN_CLIP.describe("ViT-B-32", path, {}),
            "OpenAI",
            "ViT-B-32-quickgelu",
        )
        assert OPEN_CLIP.describe("ViT-B-32-quickgelu", path, {}).revision.endswith("+quick_gelu")
        assert OPEN_CLIP.describe("ViT-B-32", path, {"activation": "gelu"}).revision.endswith("+gelu")

    def test_the_network_has_the_activation(self, vit: Path) -> None:
        names = {type(part).__name__ for part in load(vit).module.modules()}
        assert "QuickGELU" in names
        assert "GELU" not in names
        names = {type(part).__name__ for part in load(vit, activation="gelu").module.modules()}
        assert "QuickGELU" not in names


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_into_cache(hub: Path, name: str, folder: Path | None = None) -> None:
    repository = hub / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    if folder is not None:
        shutil.copytree(folder, snapshot)
    else:
        snapshot.mkdir(parents=True)
        save_file({"a": torch.zeros(1)}, weights_of(snapshot))


class TestSources:
    def test_a_repository_of_the_hub(self, hub: Path, vit: Path) -> None:
        put_into_cache(hub, "someone/tiny", vit)
        encoder = OPEN_CLIP.load("hf-hub:someone/tiny", None, {}, CPU)
        assert COMMIT in encoder.revision
        expected = encode(load(vit), "text", sentences(5))
        torch.testing.assert_close(encode(encoder, "text", sentences(5)), expected, atol=0, rtol=0)

    def test_a_repository_that_is_not_to_be_had(self, hub: Path) -> None:
        refused(
            Reason.CHECKPOINT_MISSING, lambda: OPEN_CLIP.describe("hf-hub:a/b", None, {}), "a/b", "checkpoint"
        )
        refused(
            Reason.CHECKPOINT_MISSING,
            lambda: OPEN_CLIP.describe("ViT-B-32", None, {"pretrained": "openai"}),
            "openai",
        )

    def test_a_tag_is_loaded_strictly_with_its_architecture(self, hub: Path) -> None:
        put_into_cache(hub, "timm/vit_base_patch32_clip_224.openai")
        # The architecture is built in full, and the one weight of the file is none of its own.
        refused(
            Reason.SHAPE_MISMATCH,
            lambda: OPEN_CLIP.load("ViT-B-32", None, {"pretrained": "openai"}, CPU),
            "missing: ln_final.bias",
            "not the network's: a",
        )

    def test_a_training_checkpoint_for_an_architecture_of_ones_own(
        self, vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = tmp_path / "tiny-vit.json"
        config.write_text(json.dumps(ARCHITECTURES["vit"]))
        open_clip.add_model_config(config)
        path = tmp_path / "epoch_1.pt"
        state = {f"module.{name}": tensor for name, tensor in load_file(weights_of(vit)).items()}
        torch.save({"epoch": 1, "name": "a", "state_dict": state, "optimizer": {}}, path)
        encoder = OPEN_CLIP.load("tiny-vit", path, {}, CPU)
        expected = encode(load(vit), "image", photos(3))
        torch.testing.assert_close(encode(encoder, "image", photos(3)), expected, atol=0, rtol=0)

    @pytest.mark.parametrize(
        ("model", "checkpoint", "options", "reason", "part"),
        [
            ("", None, {}, Reason.CHECKPOINT_MISSING, "no model"),
            ("ViT-B-32", None, {}, Reason.CHECKPOINT_MISSING, "laion2b_s34b_b79k"),
            ("ViT-B-33", None, {"pretrained": "openai"}, Reason.UNKNOWN_NAME, "ViT-B-32"),
            ("ViT-B-32", None, {"pretrained": "open"}, Reason.UNKNOWN_NAME, "openai"),
            ("ViT-H-14-quickgelu", None, {"pretrained": "laion2b_s32b_b79k"}, Reason.UNKNOWN_NAME, "dfn5b"),
            ("ViT-B-32", "none.pt", {}, Reason.CHECKPOINT_MISSING, "none.pt"),
            ("", ".", {}, Reason.CHECKPOINT_MISSING, "has no open_clip_config.json"),
            ("ViT-B-32", "none.pt", {"pretrained": "openai"}, Reason.CONFIG_INVALID, "two sources"),
            ("hf-hub:a/b", "none.pt", {}, Reason.CONFIG_INVALID, "weights of its own"),
            ("local-dir:/etc", None, {}, Reason.CONFIG_INVALID, "checkpoint"),
            ("ViT-B-32", None, {"pretraind": "openai"}, Reason.UNKNOWN_NAME, "pretrained"),
            ("ViT-B-32", None, {"dtype": "int8"}, Reason.CONFIG_INVALID, "bfloat16"),
        ],
    )
    def test_mistakes(
        self, tmp_path: Path, model: str, checkpoint: str | None, options: Any, reason: Reason, part: str
    ) -> None:
        path = None if checkpoint is None else tmp_path / checkpoint
        refused(reason, lambda: OPEN_CLIP.describe(model, path, options), part)

    def test_nothing_is_left_of_the_libraries_reports(
        self, vit: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        handlers = list(logging.getLogger().handlers)
        load(vit)
        assert caplog.records == []
        assert logging.getLogger().handlers == handlers

    def test_building_moves_no_random_numbers(self, vit: Path) -> None:
        torch.manual_seed(3)
        expected = torch.rand(4)
        torch.manual_seed(3)
        load(vit)
        assert torch.equal(torch.rand(4), expected)


class TestTokenizers:
    def test_one_of_the_hub_that_is_not_to_be_had(
        self, folders: dict[str, Path], tmp_path: Path, hub: Path
    ) -> None:
        folder = shutil.copytree(folders["siglip"], tmp_path / "siglip")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
        refused(Reason.CHECKPOINT_MISSING, lambda: load(folder), "someone/tokenizer", "folder")

    def test_one_that_shortens_at_random_is_refused(self, vit: Path) -> None:
        config = {**ARCHITECTURES["vit"]}
        config["text_cfg"] = {**config["text_cfg"], "tokenizer_kwargs": {"reduction_mask": "random"}}
        edit_json(vit / "open_clip_config.json", model_cfg=config)
        refused(Reason.CONFIG_INVALID, lambda: load(vit), "random")

    def test_other_modalities_and_items(self, folders: dict[str, Path]) -> None:
        encoder = load(folders["vit"])
        refused(Reason.UNKNOWN_NAME, lambda: encoder.embed("audio", []), "audio")
        refused(Reason.CONFIG_INVALID, lambda: encode(encoder, "text", [photos(1)[0]]), "row 0")
        refused(Reason.CONFIG_INVALID, lambda: encode(encoder, "image", ["a"]), "RGB image")
        for modality in ("image", "text"):
            assert encode(encoder, modality, []).shape == (0, 24)
