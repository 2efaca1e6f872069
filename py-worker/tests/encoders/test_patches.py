"""Embeddings of patches, against the libraries' own hidden states and against the formulas in numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoder_checks import CPU, TOLERANCE, refused, state_sha256
from tiny_huggingface import edit_json, photos, write_clip, write_siglip
from tiny_open_clip import ARCHITECTURES, OpenClipLibrary, write_open_clip
from transformers import CLIPModel

from cmcr_worker.decoding.regions import Squashed, squash
from cmcr_worker.encoders.huggingface_clip import HuggingFaceClipProvider
from cmcr_worker.encoders.image_preparation import ImagePreparation
from cmcr_worker.encoders.open_clip_provider import OpenClipProvider
from cmcr_worker.encoders.protocol import PatchEncoder, PatchGrid, encode
from cmcr_worker.errors import Reason

SIDE, PATCH = 32, 8
GRID = PatchGrid(4, 4, "1")
Array = np.ndarray


def normalized(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, CLIPModel]:
    folder = write_clip(tmp_path_factory.mktemp("models") / "clip")
    return HuggingFaceClipProvider().load("", folder, {}, CPU), CLIPModel.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder = write_open_clip(tmp_path_factory.mktemp("models") / "vit")
    return OpenClipProvider().load("", folder, {}, CPU), OpenClipLibrary(folder).model


def prepared(encoder: Any, images: list[Array]) -> list[Any]:
    prepare = Squashed(encoder.preparation("image"))
    return [prepare(image) for image in images]


def pixels(inputs: list[Any]) -> torch.Tensor:
    """As the libraries' processors scale prepared images."""
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    scaled = (np.stack(inputs).astype(np.float64) / 255 - mean) / std
    return torch.from_numpy(scaled.astype(np.float32)).permute(0, 3, 1, 2)


def test_descriptions_name_the_grid(clip: tuple[Any, Any], vit: tuple[Any, Any]) -> None:
    for encoder, _ in (clip, vit):
        assert isinstance(encoder, PatchEncoder)
        assert (encoder.patch_grid, encoder.patches_missing) == (GRID, "")


@torch.no_grad()
def test_tokens_are_transformers_hidden_states(clip: tuple[Any, CLIPModel]) -> None:
    encoder, model = clip
    inputs = prepared(encoder, photos(5))
    hidden = model.vision_model(pixel_values=pixels(inputs), output_hidden_states=True)
    tokens = hidden.last_hidden_state[:, 1:]
    expected = model.visual_projection(model.vision_model.post_layernorm(tokens))
    found = encoder.embed_patches(inputs, "tokens")
    assert (found.shape, found.dtype) == ((5, 16, 24), torch.float32)
    np.testing.assert_allclose(found, normalized(expected.numpy()), atol=1e-5)


@torch.no_grad()
def test_tokens_are_open_clips_output_tokens(vit: tuple[Any, Any]) -> None:
    encoder, model = vit
    inputs = prepared(encoder, photos(5))
    model.visual.output_tokens = True
    try:
        _, tokens = model.visual(pixels(inputs))
    finally:
        model.visual.output_tokens = False
    found = encoder.embed_patches(inputs, "tokens")
    assert found.shape == (5, 16, 24)
    np.testing.assert_allclose(found, normalized((tokens @ model.visual.proj).numpy()), atol=1e-5)


def layer_norm(x: Array, weight: torch.Tensor, bias: torch.Tensor) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return scaled * weight.double().numpy() + bias.double().numpy()


def linear(x: Array, weight: torch.Tensor, bias: torch.Tensor) -> Array:
    return x @ weight.double().numpy().T + bias.double().numpy()


def quick_gelu(x: Array) -> Array:
    return x / (1 + np.exp(-1.702 * x))


@torch.no_grad()
def test_values_by_the_formula_for_transformers(clip: tuple[Any, CLIPModel]) -> None:
    encoder, model = clip
    inputs = prepared(encoder, photos(4))
    state = {name.removeprefix("vision_model."): tensor for name, tensor in model.state_dict().items()}
    hidden = model.vision_model(pixel_values=pixels(inputs), output_hidden_states=True)
    x = hidden.hidden_states[-2].double().numpy()

    def both(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    last = "encoder.layers.1"
    values = linear(layer_norm(x, *both(f"{last}.layer_norm1")), *both(f"{last}.self_attn.v_proj"))
    x = x + linear(values, *both(f"{last}.self_attn.out_proj"))
    inner = linear(layer_norm(x, *both(f"{last}.layer_norm2")), *both(f"{last}.mlp.fc1"))
    x = x + linear(quick_gelu(inner), *both(f"{last}.mlp.fc2"))
    x = layer_norm(x, *both("post_layernorm"))[:, 1:]
    expected = normalized(x @ model.visual_projection.weight.double().numpy().T)
    found = encoder.embed_patches(inputs, "values").numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - encoder.embed_patches(inputs, "tokens").numpy()).max() > 0.05


@torch.no_grad()
def test_values_by_the_formula_for_open_clip(vit: tuple[Any, Any]) -> None:
    encoder, model = vit
    inputs = prepared(encoder, photos(4))
    visual = model.visual
    x = visual.transformer.resblocks[0](visual._embeds(pixels(inputs))).double().numpy()
    last = visual.transformer.resblocks[1]
    width = x.shape[-1]
    weight, bias = last.attn.in_proj_weight[-width:], last.attn.in_proj_bias[-width:]
    values = linear(layer_norm(x, last.ln_1.weight, last.ln_1.bias), weight, bias)
    x = x + linear(values, last.attn.out_proj.weight, last.attn.out_proj.bias)
    inner = linear(layer_norm(x, last.ln_2.weight, last.ln_2.bias), last.mlp[0].weight, last.mlp[0].bias)
    x = x + linear(quick_gelu(inner), last.mlp[2].weight, last.mlp[2].bias)
    x = layer_norm(x, visual.ln_post.weight, visual.ln_post.bias)[:, 1:]
    expected = normalized(x @ visual.proj.double().numpy())
    found = encoder.embed_patches(inputs, "values").numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - encoder.embed_patches(inputs, "tokens").numpy()).max() > 0.05


@pytest.mark.parametrize("name", ["clip", "vit"])
@pytest.mark.parametrize("source", ["tokens", "values"])
def test_patches_leave_the_encoder_as_it_was(name: str, source: Any, request: Any) -> None:
    """Whole images are embedded as before, weights are untouched, rows do not depend on the batch."""
    encoder, _ = request.getfixturevalue(name)
    images = photos(6)
    inputs = prepared(encoder, images)
    weights, before = state_sha256(encoder.module), encode(encoder, "image", images)
    found = encoder.embed_patches(inputs, source)
    assert not found.requires_grad
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(6, 16), atol=1e-5, rtol=0)
    single = torch.cat([encoder.embed_patches([item], source) for item in inputs])
    assert (found - single).abs().max().item() <= 1e-5
    torch.testing.assert_close(encode(encoder, "image", images), before, atol=0, rtol=0)
    assert state_sha256(encoder.module) == weights
    assert encoder.embed_patches([], source).shape == (0, 16, 24)


@pytest.mark.parametrize("name", ["clip", "vit"])
def test_patches_are_row_major_from_the_top_left_and_cover_the_whole_frame(name: str, request: Any) -> None:
    """Of an image twice as wide as high, each cell in turn is another colour: by values, which no other patch
    of the last layer moves, the cell's own patch changes most. A crop around the middle would lose the cells
    at the sides, and a grid in columns would find them mirrored.
    """
    encoder, _ = request.getfixturevalue(name)
    height, width = 64, 128
    plain = np.full((height, width, 3), 128, np.uint8)
    images = [plain]
    for row in range(4):
        for column in range(4):
            image = plain.copy()
            across = slice(column * width // 4, (column + 1) * width // 4)
            image[row * height // 4 : (row + 1) * height // 4, across] = (255, 0, 40)
            images.append(image)
    found = encoder.embed_patches(prepared(encoder, images), "values").numpy()
    changed = np.abs(found[1:] - found[0]).sum(axis=-1)
    assert changed.argmax(axis=1).tolist() == list(range(16))


def test_the_squash_reaches_every_pixel_of_the_network() -> None:
    """The left half of a wide image is the left half of what the network sees."""
    image = np.zeros((20, 80, 3), np.uint8)
    image[:, :40] = 255
    seen = squash(image)
    assert seen.shape == (80, 80, 3)
    assert (seen[:, :40] == 255).all()
    assert (seen[:, 40:] == 0).all()


@pytest.mark.parametrize(
    ("preparation", "whole"),
    [
        (ImagePreparation("shortest", (32, 32), (32, 32)), True),
        (ImagePreparation("shortest", (40, 40), (32, 32)), False),
        (ImagePreparation("shortest", (24, 24), (32, 32)), False),
        (ImagePreparation("exact", (32, 48), None), True),
        (ImagePreparation("exact", (40, 40), (32, 32)), False),
        (ImagePreparation("cover", (32, 48), (32, 48), centering="torchvision"), False),
        (ImagePreparation("contain", (32, 32), (32, 32), centering="torchvision"), True),
        (ImagePreparation("contain", (32, 48), (32, 48), centering="torchvision"), False),
        (ImagePreparation("none", (32, 32), (32, 32)), False),
    ],
)
def test_what_keeps_squares_whole(preparation: ImagePreparation, whole: bool) -> None:
    """Held against a black square in a white frame: all of the frame is seen, and nothing beside it."""
    assert preparation.keeps_squares_whole is whole
    image = np.full((96, 96, 3), 255, np.uint8)
    image[8:-8, 8:-8] = 0
    seen = preparation(image)
    edges = [seen[1, 5:-5], seen[-2, 5:-5], seen[5:-5, 1], seen[5:-5, -2]]
    framed = all(edge.min() > 200 for edge in edges) and bool(seen[6:-6, 6:-6].mean() < 60)
    assert framed is whole


class TestNoPatches:
    """Where an encoder has no patches in its space, it says why, by the name of what it has instead."""

    def describe_open_clip(self, tmp_path: Path, kind: str, **vision: Any) -> Any:
        folder = write_open_clip(tmp_path / kind, kind)
        config = {**ARCHITECTURES[kind], "vision_cfg": {**ARCHITECTURES[kind]["vision_cfg"], **vision}}
        edit_json(folder / "open_clip_config.json", model_cfg=config)
        return OpenClipProvider().describe("", folder, {})

    @pytest.mark.parametrize(
        ("kind", "vision", "what"),
        [
            ("resnet", {}, "ModifiedResNet"),
            ("convnext", {}, "timm's test_convnext"),
            ("coca", {}, "pools by attention"),
            ("vit", {"pool_type": "avg"}, "pools by avg"),
            ("vit", {"qk_norm": True}, "qk_norm"),
            ("vit", {"patch_size": 7}, "7 x 7 pixels do not cover"),
        ],
    )
    def test_towers_of_open_clip(self, tmp_path: Path, kind: str, vision: Any, what: str) -> None:
        described = self.describe_open_clip(tmp_path, kind, **vision)
        assert described.patch_grid is None
        assert what in described.patches_missing

    def test_siglip(self, tmp_path: Path) -> None:
        described = HuggingFaceClipProvider().describe("", write_siglip(tmp_path / "siglip"), {})
        assert described.patch_grid is None
        assert "SigLIP" in described.patches_missing

    def test_preprocessing_that_crops_squares(self, tmp_path: Path) -> None:
        folder = write_clip(tmp_path / "clip", images={"size": {"shortest_edge": 40}})
        described = HuggingFaceClipProvider().describe("", folder, {})
        assert (described.patch_grid, described.patches_missing) == (
            None,
            "its preprocessing crops images that are squares already",
        )

    def test_a_grid_that_is_no_square(self, tmp_path: Path) -> None:
        described = self.describe_open_clip(tmp_path, "vit", patch_size=[4, 16])
        assert described.patch_grid == PatchGrid(8, 2, "1")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("source", ["tokens", "values"])
def test_in_16_bits_the_directions_stay(tmp_path: Path, dtype: str, source: Any) -> None:
    folders = (write_clip(tmp_path / "clip"), write_open_clip(tmp_path / "vit"))
    for provider, folder in zip((HuggingFaceClipProvider(), OpenClipProvider()), folders, strict=True):
        exact, coarse = (provider.load("", folder, options, CPU) for options in ({}, {"dtype": dtype}))
        inputs = prepared(exact, photos(3))
        found = coarse.embed_patches(inputs, source)
        assert found.dtype == torch.float32
        cosines = (found * exact.embed_patches(inputs, source)).sum(dim=-1)
        assert cosines.min().item() >= TOLERANCE[dtype]


def test_an_image_of_another_size_is_refused(clip: tuple[Any, Any], vit: tuple[Any, Any]) -> None:
    call: Callable[[], object]
    for encoder, _ in (clip, vit):

        def call(encoder: Any = encoder) -> object:
            return encoder.embed_patches([np.zeros((8, 8, 3), np.uint8)], "tokens")

        refused(Reason.CONFIG_INVALID, call, "expected a prepared image")


@torch.no_grad()
def test_a_tower_that_normalises_after_pooling(tmp_path: Path) -> None:
    """Its library returns tokens that are not normalised yet; its class token is, before the projection."""
    folder = write_open_clip(tmp_path / "vit")
    config = {
        **ARCHITECTURES["vit"],
        "vision_cfg": {**ARCHITECTURES["vit"]["vision_cfg"], "final_ln_after_pool": True},
    }
    edit_json(folder / "open_clip_config.json", model_cfg=config)
    late = OpenClipProvider().load("", folder, {}, CPU)
    early = OpenClipProvider().load("", write_open_clip(tmp_path / "early"), {}, CPU)
    inputs = prepared(late, photos(2))
    torch.testing.assert_close(late.embed_patches(inputs, "tokens"), early.embed_patches(inputs, "tokens"))
