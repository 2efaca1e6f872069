"""The names and shapes of ULIP's parameters, written out, and what happens where a checkpoint has others."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from encoder_checks import refused
from torch import Tensor

from cmcr_worker.encoders.restricted_checkpoint import Checkpoint
from cmcr_worker.encoders.torchvision_import import import_torchvision
from cmcr_worker.encoders.ulip.checkpoint import contents, load_network
from cmcr_worker.encoders.ulip.network import UlipNetwork
from cmcr_worker.encoders.ulip.sizes import MODELS, UlipSizes
from cmcr_worker.errors import Reason

Shapes = dict[str, tuple[int, ...]]
FILE = Path("pointbert.pt")
OFFICIAL = UlipSizes(MODELS["ULIP_PointBERT"])


def batch_norm(name: str, width: int) -> Shapes:
    shapes: Shapes = {
        f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")
    }
    return {**shapes, f"{name}.num_batches_tracked": ()}


def layer(name: str, outputs: int, *inputs: int, bias: bool = True) -> Shapes:
    shapes: Shapes = {f"{name}.weight": (outputs, *inputs)}
    return {**shapes, f"{name}.bias": (outputs,)} if bias else shapes


def point_encoder(depth: int, channels: int, dimension: int) -> Shapes:
    root = "point_encoder"
    shapes: Shapes = {
        "logit_scale": (),
        "pc_projection": (768, dimension),
        f"{root}.cls_token": (1, 1, 384),
        f"{root}.cls_pos": (1, 1, 384),
        **layer(f"{root}.encoder.first_conv.0", 128, channels, 1),
        **batch_norm(f"{root}.encoder.first_conv.1", 128),
        **layer(f"{root}.encoder.first_conv.3", 256, 128, 1),
        **layer(f"{root}.encoder.second_conv.0", 512, 512, 1),
        **batch_norm(f"{root}.encoder.second_conv.1", 512),
        **layer(f"{root}.encoder.second_conv.3", 256, 512, 1),
        **layer(f"{root}.reduce_dim", 384, 256),
        **layer(f"{root}.pos_embed.0", 128, 3),
        **layer(f"{root}.pos_embed.2", 384, 128),
        **layer(f"{root}.norm", 384),
    }
    for number in range(depth):
        block = f"{root}.blocks.blocks.{number}"
        shapes |= layer(f"{block}.norm1", 384) | layer(f"{block}.norm2", 384)
        shapes |= layer(f"{block}.attn.qkv", 1152, 384, bias=False) | layer(f"{block}.attn.proj", 384, 384)
        shapes |= layer(f"{block}.mlp.fc1", 1536, 384) | layer(f"{block}.mlp.fc2", 384, 1536)
    return shapes


def text_tower() -> Shapes:
    shapes: Shapes = {
        "text_projection": (512, 512),
        "positional_embedding": (77, 512),
        "token_embedding.weight": (49408, 512),
        **layer("ln_final", 512),
    }
    for number in range(12):
        block = f"transformer.resblocks.{number}"
        shapes |= {f"{block}.attn.in_proj_weight": (1536, 512), f"{block}.attn.in_proj_bias": (1536,)}
        shapes |= layer(f"{block}.attn.out_proj", 512, 512)
        shapes |= layer(f"{block}.ln_1", 512) | layer(f"{block}.ln_2", 512)
        shapes |= layer(f"{block}.mlp.c_fc", 2048, 512) | layer(f"{block}.mlp.c_proj", 512, 2048)
    return shapes


def image_tower() -> Shapes:
    shapes: Shapes = {
        "image_projection": (768, 512),
        "visual.cls_token": (1, 1, 768),
        "visual.pos_embed": (1, 197, 768),
        **layer("visual.patch_embed.proj", 768, 3, 16, 16),
        **layer("visual.norm", 768),
    }
    for number in range(12):
        block = f"visual.blocks.{number}"
        shapes |= layer(f"{block}.norm1", 768) | layer(f"{block}.norm2", 768)
        shapes |= layer(f"{block}.attn.qkv", 2304, 768) | layer(f"{block}.attn.proj", 768, 768)
        shapes |= layer(f"{block}.mlp.fc1", 3072, 768) | layer(f"{block}.mlp.fc2", 768, 3072)
    return shapes


WITH_TOWERS = point_encoder(12, 3, 512) | text_tower() | image_tower()
COLOURED = point_encoder(18, 6, 1280)


def shapes_of(network: torch.nn.Module) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def empty(shapes: Shapes) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def test_key_trees_of_both_published_models() -> None:
    with torch.device("meta"):
        assert shapes_of(UlipNetwork(OFFICIAL)) == WITH_TOWERS
        coloured = UlipSizes(MODELS["ULIP2_PointBERT_Colored"], None, None)
        assert shapes_of(UlipNetwork(coloured)) == COLOURED
    assert len(WITH_TOWERS) == 462
    assert len(COLOURED) == 228


def test_image_tower_has_the_names_of_timm() -> None:
    import_torchvision()
    import timm

    with torch.device("meta"):
        reference = timm.create_model("vit_base_patch16_224", num_classes=0)
    ours = {name.removeprefix("visual."): shape for name, shape in image_tower().items() if "visual." in name}
    assert shapes_of(reference) == ours


@pytest.mark.parametrize(
    ("model", "shapes", "modalities"),
    [
        ("ULIP_PointBERT", WITH_TOWERS, {"text", "image"}),
        ("ULIP_PointBERT", point_encoder(12, 3, 512), set()),
        ("ULIP_PointBERT", point_encoder(12, 3, 512) | text_tower(), {"text"}),
        ("ULIP2_PointBERT_Colored", COLOURED, set()),
    ],
)
def test_the_model_is_told_by_the_shapes(model: str, shapes: Shapes, modalities: set[str]) -> None:
    for stated in ("", model):
        found = contents(Checkpoint(FILE, empty(shapes)), stated, OFFICIAL)
        assert found.sizes.points == MODELS[model]
        assert not found.open_clip
        towers = {"text": found.sizes.text, "image": found.sizes.image}
        assert {name for name, sizes in towers.items() if sizes is not None} == modalities
    other = next(name for name in MODELS if name != model)
    call = lambda: contents(Checkpoint(FILE, empty(shapes)), other, OFFICIAL)  # noqa: E731
    refused(Reason.CONFIG_INVALID, call, f"is not of {other}", f"It is of {model}")


def test_an_uncoloured_point_encoder_of_1280_dimensions_loads() -> None:
    found = contents(Checkpoint(FILE, empty(point_encoder(12, 3, 1280))), "", OFFICIAL)
    assert found.sizes.points == replace(MODELS["ULIP_PointBERT"], dimension=1280)


@pytest.mark.parametrize("name", sorted(WITH_TOWERS))
def test_every_missing_key_names_itself(name: str) -> None:
    # One block less is another model, so the last block's keys cannot stand for all.
    shapes = {key: shape for key, shape in WITH_TOWERS.items() if key != name}
    call = lambda: contents(Checkpoint(FILE, empty(shapes)), "", OFFICIAL)  # noqa: E731
    refused(Reason.SHAPE_MISMATCH, call, "pointbert.pt", f"missing: {name}")


@pytest.mark.parametrize(
    "name",
    [
        "point_encoder.cls_head_finetune.0.weight",
        "point_encoder.blocks.blocks.99.norm1.weight",
        "visual.head.weight",
        "transformer.resblocks.12.ln_1.weight",
        "point_encoder.blocks.blocks.0.attn.qkv.bias",
        "stray",
    ],
)
def test_every_further_key_names_itself(name: str) -> None:
    state = empty({**WITH_TOWERS, name: (1,)})
    refused(Reason.SHAPE_MISMATCH, lambda: contents(Checkpoint(FILE, state), "", OFFICIAL), name)


@pytest.mark.parametrize(
    "name",
    [
        "point_encoder.encoder.first_conv.0.weight",
        "point_encoder.encoder.second_conv.3.weight",
        "point_encoder.blocks.blocks.3.attn.qkv.weight",
        "pc_projection",
        "positional_embedding",
        "visual.pos_embed",
    ],
)
def test_every_wrong_shape_names_itself(name: str) -> None:
    shape = WITH_TOWERS[name]
    state = empty({**WITH_TOWERS, name: (*shape[:-1], shape[-1] + 1)})
    if name == "pc_projection":
        # Another width of the joint space is another model, whose towers then do not fit.
        name = "image_projection"
    if name == "point_encoder.encoder.first_conv.0.weight":
        state = empty({**WITH_TOWERS, name: (128, 4, 1)})
    call = lambda: contents(Checkpoint(FILE, state), "", OFFICIAL)  # noqa: E731
    refused(Reason.SHAPE_MISMATCH, call, name, "is needed")


def test_other_backbones_are_named() -> None:
    state = empty({"point_encoder.sa1.mlp_convs.0.weight": (64, 3, 1, 1), "pc_projection": (256, 512)})
    checkpoint = Checkpoint(FILE, state, {"model": "ULIP_PN_SSG"})
    refused(Reason.SHAPE_MISMATCH, lambda: contents(checkpoint, "", OFFICIAL), "ULIP_PN_SSG", "no PointBERT")
    call = lambda: contents(Checkpoint(FILE, empty(WITH_TOWERS)), "ULIP_PointBRT", OFFICIAL)  # noqa: E731
    refused(Reason.UNKNOWN_NAME, call, "ULIP_PointBERT")


def test_loading_draws_no_random_number() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    shapes = point_encoder(12, 3, 512)
    sizes = UlipSizes(MODELS["ULIP_PointBERT"], None, None)
    load_network({name: torch.zeros(shape) for name, shape in shapes.items()}, sizes)
    assert torch.equal(torch.get_rng_state(), before)
