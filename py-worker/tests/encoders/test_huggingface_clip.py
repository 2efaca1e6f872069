"""CLIP and SigLIP in transformers' format, against transformers used directly."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
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
from tiny_huggingface import (
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipImageProcessorPil,
    SiglipModel,
    edit_json,
    photos,
    sentences,
    write_clip,
    write_siglip,
    write_siglip_of_sentencepiece,
)
from transformers import AutoTokenizer

from cmcr_worker.encoders.huggingface_clip import HuggingFaceClipProvider
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.encoders.registry import provider
from cmcr_worker.errors import Reason

CLIP = HuggingFaceClipProvider()
LIBRARY: dict[str, Any] = {
    "clip": (CLIPModel, CLIPImageProcessorPil, {"padding": True, "truncation": True}),
    "siglip": (SiglipModel, SiglipImageProcessorPil, {"padding": "max_length", "truncation": True}),
}


class Library:
    """transformers, as its own documentation uses it."""

    def __init__(self, kind: str, folder: Path, **loading: Any) -> None:
        model, processor, self._tokens = LIBRARY[kind]
        self.model = model.from_pretrained(folder, **loading).eval()
        self._processor = processor.from_pretrained(folder)
        self._tokenizer = AutoTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def images(self, items: Sequence[Any]) -> torch.Tensor:
        inputs = self._processor(list(items), input_data_format="channels_last", return_tensors="pt")
        return self.model.get_image_features(**inputs).pooler_output

    @torch.no_grad()
    def texts(self, items: Sequence[Any]) -> torch.Tensor:
        inputs = self._tokenizer(list(items), return_tensors="pt", **self._tokens)
        return self.model.get_text_features(**inputs).pooler_output


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {"clip": write_clip(root / "clip"), "siglip": write_siglip(root / "siglip")}


@pytest.fixture
def clip(folders: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(folders["clip"], tmp_path / "clip")


def load(folder: Path, **options: object) -> Any:
    return CLIP.load("", folder, options, CPU)


def test_it_is_registered() -> None:
    assert isinstance(provider("huggingface-clip"), HuggingFaceClipProvider)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_images_as_transformers_has_them(folders: dict[str, Path], kind: str) -> None:
    assert_matches_library(load(folders[kind]), "image", photos(70), Library(kind, folders[kind]).images)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_texts_as_transformers_has_them(folders: dict[str, Path], kind: str) -> None:
    assert_matches_library(load(folders[kind]), "text", sentences(70), Library(kind, folders[kind]).texts)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_features_are_normalised_here_and_not_by_transformers(folders: dict[str, Path], kind: str) -> None:
    raw = Library(kind, folders[kind]).images(photos(4))
    assert (raw.norm(dim=1) - 1).abs().min() > 0.05
    torch.testing.assert_close(
        encode(load(folders[kind]), "image", photos(4)),
        raw / raw.norm(dim=1, keepdim=True),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_description(folders: dict[str, Path], kind: str) -> None:
    description = CLIP.describe("", folders[kind], {"dtype": "bfloat16"})
    assert_description_is_what_is_loaded(description, load(folders[kind], dtype="bfloat16"))
    assert description.dimension == {"clip": 24, "siglip": 32}[kind]
    assert description.compute_dtype == "bfloat16"


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("modality", ["image", "text"])
def test_weights_are_frozen(folders: dict[str, Path], kind: str, modality: str) -> None:
    assert_frozen(load(folders[kind]), modality, photos(3) if modality == "image" else sentences(3))


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("dtype", sorted(TOLERANCE))
def test_sixteen_bits(folders: dict[str, Path], kind: str, dtype: str) -> None:
    exact, rough = load(folders[kind]), load(folders[kind], dtype=dtype)
    assert rough.compute_dtype == dtype
    for modality, items in (("image", photos(9)), ("text", sentences(9))):
        found, expected = encode(rough, modality, items), encode(exact, modality, items)
        assert_same_directions(found, expected, TOLERANCE[dtype])
        assert (found - expected).abs().max() > 1e-6


@pytest.mark.cuda
@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("dtype", ["float32", *sorted(TOLERANCE)])
def test_parity_on_a_gpu(folders: dict[str, Path], kind: str, dtype: str) -> None:
    exact = load(folders[kind])
    there = CLIP.load("", folders[kind], {"dtype": dtype}, torch.device("cuda"))
    for modality, items in (("image", photos(64)), ("text", sentences(64))):
        found = encode(there, modality, items)
        assert_same_directions(found, encode(exact, modality, items), TOLERANCE.get(dtype, 0.99999))
        if dtype == "float32":
            single = torch.cat([encode(there, modality, [item]) for item in items])
            assert (found - single).abs().max() <= 1e-5


def test_long_texts_keep_their_end(folders: dict[str, Path]) -> None:
    encoder = load(folders["clip"])
    words = " ".join(["dog"] * 200)
    tokens = encoder._tokens([words, "dog"])["input_ids"]
    assert tokens.shape == (2, 77)
    assert tokens[0, -1] == 49407
    # Cut without an end token, CLIP would pool at the highest token of the text, which is another place.
    without = CLIPModel.from_pretrained(folders["clip"]).eval()
    with torch.no_grad():
        cut = encoder._tokenizer(words, add_special_tokens=False, return_tensors="pt")["input_ids"][:, :76]
        start = torch.tensor([[49406]])
        wrong = without.get_text_features(input_ids=torch.cat([start, cut], dim=1)).pooler_output
    right = encode(encoder, "text", [words])
    assert torch.nn.functional.cosine_similarity(right, wrong).item() < 0.999
    assert_same_directions(right, Library("clip", folders["clip"]).texts([words]))


def test_older_configurations_pool_at_the_highest_token(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / "clip", eos_token_id=2)
    assert_matches_library(load(folder), "text", sentences(20), Library("clip", folder).texts)


def test_siglip_pads_to_its_context(folders: dict[str, Path]) -> None:
    encoder = load(folders["siglip"])
    assert encoder._tokens(["a dog", "a"])["input_ids"].shape == (2, 64)
    library = Library("siglip", folders["siglip"])
    library._tokens = {"padding": True}
    wrong = torch.nn.functional.normalize(library.texts(["a dog"]), dim=-1)
    assert (encode(encoder, "text", ["a dog"]) * wrong).sum().item() < 0.999


def test_siglip_with_a_tokenizer_of_sentencepiece(tmp_path: Path) -> None:
    folder = write_siglip_of_sentencepiece(tmp_path / "siglip")
    assert not (folder / "tokenizer.json").exists()
    encoder = load(folder)
    assert_matches_library(encoder, "text", sentences(20), Library("siglip", folder).texts)
    # It takes capitals and punctuation away by itself.
    torch.testing.assert_close(
        encode(encoder, "text", ["A Red, DOG!"]), encode(encoder, "text", ["a red dog"]), atol=0, rtol=0
    )


class TestActivation:
    def test_gelu_in_place_of_quick_gelu_changes_embeddings(self, clip: Path) -> None:
        right = encode(load(clip), "image", photos(5))
        wrong = encode(load(clip, activation="gelu"), "image", photos(5))
        assert torch.nn.functional.cosine_similarity(right, wrong).max().item() < 0.99999
        assert load(clip).revision != load(clip, activation="gelu").revision

    def test_the_configuration_is_honoured(self, tmp_path: Path) -> None:
        folder = write_clip(tmp_path / "gelu", activation="gelu")
        assert_matches_library(load(folder), "image", photos(8), Library("clip", folder).images)
        quick = encode(load(folder, activation="quick_gelu"), "image", photos(3))
        assert (
            torch.nn.functional.cosine_similarity(quick, encode(load(folder), "image", photos(3)))
            .max()
            .item()
            < 0.99999
        )

    def test_openai_weights_without_quick_gelu_are_refused(self, tmp_path: Path) -> None:
        folder = write_clip(tmp_path / "openai-clip-vit-base-patch32", activation="gelu")
        refused(Reason.CONFIG_INVALID, lambda: load(folder), "OpenAI", "quick_gelu", "activation")
        refused(Reason.CONFIG_INVALID, lambda: CLIP.describe("", folder, {}), "quick_gelu")
        assert load(folder, activation="quick_gelu").dimension == 24
        assert load(folder, activation="gelu").dimension == 24

    def test_openai_weights_are_known_by_what_the_configuration_says(self, tmp_path: Path) -> None:
        folder = write_clip(tmp_path / "mine", activation="gelu")
        edit_json(folder / "config.json", _name_or_path="openai/clip-vit-large-patch14")
        refused(Reason.CONFIG_INVALID, lambda: load(folder), "OpenAI")


class TestPreprocessing:
    @pytest.mark.parametrize(
        "images",
        [
            {"resample": 2, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]},
            {"size": {"shortest_edge": 37}},
            {"size": {"height": 32, "width": 32}, "do_center_crop": False},
            {"do_resize": False},
            {"do_rescale": False, "image_mean": [127.0] * 3, "image_std": [100.0] * 3},
            {"do_normalize": False},
            {"rescale_factor": 1 / 127.5},
        ],
    )
    def test_every_field_of_the_processor(self, tmp_path: Path, images: dict[str, Any]) -> None:
        folder = write_clip(tmp_path / "clip", images=images)
        library = Library("clip", folder)
        found = encode(load(folder), "image", photos(8))
        assert_same_directions(found, library.images(photos(8)))

    def test_files_of_earlier_versions(self, clip: Path) -> None:
        before = encode(load(clip), "image", photos(4))
        (clip / "preprocessor_config.json").write_text(
            '{"feature_extractor_type": "CLIPFeatureExtractor", "size": 32, "crop_size": 32, "resample": 3,'
            ' "image_mean": [0.48145466, 0.4578275, 0.40821073],'
            ' "image_std": [0.26862954, 0.26130258, 0.27577711]}'
        )
        torch.testing.assert_close(encode(load(clip), "image", photos(4)), before, atol=0, rtol=0)

    def test_the_file_of_a_whole_processor(self, clip: Path) -> None:
        before = CLIP.describe("", clip, {}).preprocessing
        content = (clip / "preprocessor_config.json").read_text()
        (clip / "preprocessor_config.json").unlink()
        (clip / "processor_config.json").write_text(f'{{"image_processor": {content}}}')
        assert CLIP.describe("", clip, {}).preprocessing == before

    @pytest.mark.parametrize(
        ("changes", "part"),
        [
            ({"image_processor_type": "Siglip2ImageProcessor"}, "Siglip2ImageProcessor"),
            ({"image_processor_type": "PixtralImageProcessor"}, "PixtralImageProcessor"),
            ({"size": {"longest_edge": 32}}, "longest_edge"),
            ({"size": {"shortest_edge": 32, "longest_edge": 64}}, "longest_edge"),
            ({"do_pad": True}, "do_pad"),
            ({"resample": 9}, "resample"),
            ({"image_mean": [1, 2]}, "red, green and blue"),
            ({"image_std": [0, 1, 1]}, "positive"),
            ({"do_center_crop": False}, "different sizes"),
            ({"crop_size": {"height": 40, "width": 40}}, "(40, 40)"),
        ],
    )
    def test_what_cannot_be_followed_is_refused(self, clip: Path, changes: dict[str, Any], part: str) -> None:
        edit_json(clip / "preprocessor_config.json", **changes)
        refused(Reason.CONFIG_INVALID, lambda: CLIP.describe("", clip, {}), part)


class TestIdentity:
    def test_weights_configuration_tokenizer_and_images_each_change_it(self, clip: Path) -> None:
        def identity() -> tuple[object, ...]:
            found = CLIP.describe("", clip, {})
            return (found.weights_sha256, found.revision, str(found.preprocessing))

        seen = [identity()]
        write_clip(clip, seed=9)
        seen.append(identity())
        edit_json(clip / "config.json", logit_scale_init_value=2.0)
        seen.append(identity())
        edit_json(clip / "tokenizer_config.json", extra="1")
        seen.append(identity())
        edit_json(clip / "preprocessor_config.json", resample=2)
        seen.append(identity())
        changed = [sum(a != b for a, b in zip(*pair, strict=True)) for pair in pairwise(seen)]
        assert changed == [1] * 4

    def test_other_modalities_and_items(self, clip: Path) -> None:
        encoder = load(clip)
        refused(Reason.UNKNOWN_NAME, lambda: encoder.preparation("audio"), "audio")
        refused(Reason.UNKNOWN_NAME, lambda: encoder.embed("audio", []), "audio")
        refused(Reason.CONFIG_INVALID, lambda: encode(encoder, "text", ["a", photos(1)[0]]), "row 1")
        refused(Reason.CONFIG_INVALID, lambda: encode(encoder, "image", ["a"]), "RGB image")
        refused(Reason.CONFIG_INVALID, lambda: encoder.embed("image", photos(1)), "row 0")
        for modality in ("image", "text"):
            assert encode(encoder, modality, []).shape == (0, 24)

    def test_an_encoder_embeds_an_image_of_any_shape(self, clip: Path) -> None:
        encoder = load(clip)
        for height, width in [(1, 1), (1, 4000), (4000, 1), (32, 32)]:
            image = np.full((height, width, 3), 90, np.uint8)
            assert torch.isfinite(encode(encoder, "image", [image])).all()
