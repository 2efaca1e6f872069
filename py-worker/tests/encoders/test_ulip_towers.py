"""ULIP's image and text towers against timm and open_clip with the same weights, and ULIP-2's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoder_checks import assert_matches_library, assert_same_directions, refused
from PIL import Image
from tiny_ulip import COLOURED, TINY, clouds, random_state, write_checkpoint
from torch import Tensor, nn

from cmcr_worker.encoders.protocol import encode
from cmcr_worker.encoders.torchvision_import import import_torchvision
from cmcr_worker.encoders.ulip.blocks import QuickGelu
from cmcr_worker.encoders.ulip.encoder import UlipEncoder
from cmcr_worker.encoders.ulip.provider import UlipProvider
from cmcr_worker.errors import Reason

import_torchvision()
import open_clip  # noqa: E402
import timm  # noqa: E402
from open_clip.tokenizer import SimpleTokenizer  # noqa: E402
from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: E402
from torchvision import transforms  # noqa: E402

CPU = torch.device("cpu")
TEXTS = [
    "a chair",
    "a point cloud model of a toilet.",
    "BBQ",
    "Ein Gr\u00fcner K\u00e4se &amp; Brot",
    "a",
    "two   spaces\nand a line",
    "a very small train on a very long bridge over a river, seen from far away",
]


def images(count: int) -> list[Any]:
    draw = np.random.default_rng(0)
    made = []
    for number in range(count):
        small = draw.integers(0, 256, (4 + number % 3, 5, 3), dtype=np.uint8)
        made.append(
            np.asarray(Image.fromarray(small).resize((50 + 11 * number, 70), Image.Resampling.BICUBIC))
        )
    return made


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[UlipEncoder, dict[str, Tensor]]:
    state = random_state(TINY)
    path = write_checkpoint(tmp_path_factory.mktemp("ulip") / "pointbert.pt", state)
    return UlipProvider(TINY).load("", path, {}, CPU), state


def text_library(state: dict[str, Tensor]) -> Any:
    """open_clip's own text tower with these weights and QuickGELU."""
    assert TINY.text is not None
    library = open_clip.CLIP(
        embed_dim=TINY.points.dimension,
        vision_cfg={"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        text_cfg={"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
        quick_gelu=True,
    )
    own = {name: tensor for name, tensor in state.items() if not name.startswith(("visual.", "point", "pc_"))}
    own.pop("image_projection")
    assert library.load_state_dict(own, strict=False).unexpected_keys == []
    return library.eval()


def test_text_tower_is_that_of_open_clip(loaded: tuple[UlipEncoder, dict[str, Tensor]]) -> None:
    encoder, state = loaded
    library = text_library(state)
    tokenizer = open_clip.SimpleTokenizer()

    def expected(texts: Any) -> Tensor:
        with torch.inference_mode():
            features: Tensor = library.encode_text(tokenizer(list(texts)))
            return features

    assert_matches_library(encoder, "text", TEXTS, expected)


def test_quick_gelu_is_not_gelu(loaded: tuple[UlipEncoder, dict[str, Tensor]]) -> None:
    encoder, state = loaded
    values = torch.linspace(-4, 4, 101)
    torch.testing.assert_close(QuickGelu()(values), values * torch.sigmoid(1.702 * values))
    library = text_library(state)
    for module in library.transformer.modules():
        if hasattr(module, "gelu"):
            module.gelu = nn.GELU()
    with torch.inference_mode():
        wrong = nn.functional.normalize(library.encode_text(open_clip.SimpleTokenizer()(TEXTS)), dim=1)
    cosines = (encode(encoder, "text", TEXTS) * wrong).sum(dim=1)
    # The bar of the comparison above.
    assert cosines.min() < 0.99999


def test_layer_norms_have_the_epsilons_of_their_libraries(
    loaded: tuple[UlipEncoder, dict[str, Tensor]],
) -> None:
    network = loaded[0].module[0]
    for name, module in network.named_modules():
        if isinstance(module, nn.LayerNorm):
            # timm's for its image tower, torch's default for all else.
            assert module.eps == (1e-6 if name.startswith("visual.") else 1e-5), name


def test_long_texts_lose_their_end_token(loaded: tuple[UlipEncoder, dict[str, Tensor]]) -> None:
    encoder, state = loaded
    words = "chair " * 75
    fits, over = words.strip(), (words + "lamp lamp").strip()
    encoding = SimpleTokenizer()
    assert len(encoding.encode(fits)) == 75
    tokens = encoder._tokenizer([fits, over, "a"])  # type: ignore[misc]
    assert tokens.shape == (3, 77)
    assert tokens[0, 76] == encoding.eot_token_id
    # Cut, and no end token put in place of the last word.
    assert tokens[1, 76] == encoding.encode("lamp")[0]
    assert (tokens[1] != encoding.eot_token_id).all()
    assert (tokens[2, 3:] == 0).all()
    # The largest number is then the start token's: the place of all such texts is the first.
    other = "a lamp beside a bed " * 20
    rows = encode(encoder, "text", [over, other, "chair", fits])
    torch.testing.assert_close(rows[0], rows[1], atol=1e-6, rtol=0)
    assert (rows[0] - rows[2]).abs().max() > 1e-2
    assert (rows[0] - rows[3]).abs().max() > 1e-2
    library = text_library(state)
    with torch.inference_mode():
        expected = library.encode_text(tokens)
    assert_same_directions(encode(encoder, "text", [fits, over, "a"]), expected)


def test_image_tower_is_that_of_timm(loaded: tuple[UlipEncoder, dict[str, Tensor]]) -> None:
    encoder, state = loaded
    library = timm.models.vision_transformer.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=64, depth=2, num_heads=2, num_classes=0
    )
    own = {name[7:]: tensor for name, tensor in state.items() if name.startswith("visual.")}
    library.load_state_dict(own, strict=True)
    library.eval()
    # The whole way from the file's pixels, as torchvision's transforms do it.
    transform = transforms.Compose(
        [
            transforms.Resize(32),
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )

    def expected(items: Any) -> Tensor:
        batch = torch.stack([transform(Image.fromarray(item)) for item in items])
        with torch.inference_mode():
            features: Tensor = library(batch) @ state["image_projection"]
            return features

    assert_matches_library(encoder, "image", images(9), expected)


def test_full_size_image_tower_is_that_of_timm() -> None:
    from cmcr_worker.encoders.ulip.network import VisionTransformer
    from cmcr_worker.encoders.ulip.sizes import ImageSizes

    torch.manual_seed(0)
    library = timm.create_model("vit_base_patch16_224", num_classes=0).eval()
    ours = VisionTransformer(ImageSizes())
    ours.load_state_dict(library.state_dict(), strict=True)
    batch = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(batch), library(batch), atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def tiny_open_clip(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model of open_clip that has everything but size, under the name `tiny-ulip`."""
    config = {
        "embed_dim": TINY.points.dimension,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
    }
    folder = tmp_path_factory.mktemp("config")
    for name, dimension in (("tiny-ulip", TINY.points.dimension), ("tiny-other", 16)):
        (folder / f"{name}.json").write_text(json.dumps({**config, "embed_dim": dimension}))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-ulip", load_weights=False)
    with torch.no_grad():
        # As it is initialised, all items have nearly the same embedding.
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
    return model.eval()


def library_of(model: Any) -> tuple[Any, Any]:
    preprocess = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)

    def image(items: Any) -> Tensor:
        with torch.inference_mode():
            features: Tensor = model.encode_image(
                torch.stack([preprocess(Image.fromarray(item)) for item in items])
            )
            return features

    def text(items: Any) -> Tensor:
        with torch.inference_mode():
            features: Tensor = model.encode_text(open_clip.get_tokenizer("tiny-ulip")(list(items)))
            return features

    return image, text


@pytest.mark.parametrize("where", ["within the checkpoint", "beside it", "beside it as safetensors"])
def test_towers_of_ulip_2_are_open_clips(tmp_path: Path, tiny_open_clip: Any, where: str) -> None:
    from safetensors.torch import save_file

    state = random_state(COLOURED)
    weights = dict(tiny_open_clip.state_dict())
    options: dict[str, object] = {"openClipModel": "tiny-ulip"}
    if where == "within the checkpoint":
        state |= {f"open_clip_model.{name}": tensor for name, tensor in weights.items()}
    elif where == "beside it":
        torch.save(weights, tmp_path / "open_clip.bin")
        options["openClipCheckpoint"] = str(tmp_path / "open_clip.bin")
    else:
        save_file(weights, tmp_path / "open_clip.safetensors")
        options["openClipCheckpoint"] = str(tmp_path / "open_clip.safetensors")
    path = write_checkpoint(tmp_path / "pointbert.pt", state, "ULIP2_PointBERT_Colored")
    provider = UlipProvider(TINY)
    description = provider.describe("", path, options)
    assert description.modalities == {"pointcloud", "image", "text"}
    encoder = provider.load("", path, options, CPU)
    image, text = library_of(tiny_open_clip)
    assert_matches_library(encoder, "text", [*TEXTS, "chair " * 100], text)
    assert_matches_library(encoder, "image", images(9), image)
    alone = UlipProvider(TINY).load(
        "", write_checkpoint(tmp_path / "alone.pt", random_state(COLOURED)), {}, CPU
    )
    assert alone.modalities == {"pointcloud"}
    items = clouds(2, coloured=True)
    assert torch.equal(encode(alone, "pointcloud", items), encode(encoder, "pointcloud", items))


def test_towers_that_do_not_fit_are_refused(tmp_path: Path, tiny_open_clip: Any) -> None:
    weights = dict(tiny_open_clip.state_dict())
    weights["visual.ln_post.bais"] = weights.pop("visual.ln_post.bias")
    torch.save(weights, tmp_path / "open_clip.bin")
    path = write_checkpoint(tmp_path / "pointbert.pt", random_state(COLOURED))
    provider = UlipProvider(TINY)
    options: dict[str, object] = {"openClipCheckpoint": str(tmp_path / "open_clip.bin")}
    refused(
        Reason.SHAPE_MISMATCH,
        lambda: provider.load("", path, {**options, "openClipModel": "tiny-ulip"}, CPU),
        "visual.ln_post.bias",
        "visual.ln_post.bais",
    )
    refused(
        Reason.CONFIG_INVALID,
        lambda: provider.describe("", path, {**options, "openClipModel": "tiny-other"}),
        "16 dimensions",
        "40",
    )
    refused(Reason.CONFIG_INVALID, lambda: provider.describe("", path, options), "ViT-bigG-14", "1280")
    refused(
        Reason.CONFIG_INVALID,
        lambda: provider.describe("", path, {**options, "openClipModel": "ViT-gibt-es-nicht"}),
        "ViT-gibt-es-nicht",
    )
    missing: dict[str, object] = {"openClipModel": "tiny-ulip", "openClipCheckpoint": str(tmp_path / "none")}
    refused(Reason.CHECKPOINT_MISSING, lambda: provider.describe("", path, missing), "none")
