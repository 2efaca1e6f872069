"""Embeddings of patches from open_clip's own VisionTransformer."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

from torch import Tensor, nn

from cmcr_worker.encoders.image_preparation import ImagePreparation
from cmcr_worker.encoders.open_clip_source import OpenClipSource
from cmcr_worker.encoders.patches import grid_of, values_for_attention
from cmcr_worker.encoders.protocol import PatchGrid, PatchSource

_CUSTOM = (
    "block_type",
    "qk_norm",
    "scaled_cosine_attn",
    "scale_heads",
    "scale_attn_inner",
    "scale_attn",
    "scale_fc",
)


def patch_grid(source: OpenClipSource, images: ImagePreparation) -> PatchGrid | str:
    """The patches that have embeddings, or why there are none: a tower of another kind, by its name."""
    vision = source.config.get("vision_cfg")
    if not isinstance(vision, dict):
        return "its configuration has no vision_cfg"
    if vision.get("timm_model_name"):
        return f"its image tower is timm's {vision['timm_model_name']}, not open_clip's VisionTransformer"
    if not isinstance(vision.get("layers", 12), int):
        return "its image tower is a ModifiedResNet, not a VisionTransformer"
    if vision.get("attentional_pool"):
        return "its VisionTransformer pools by attention, not by a class token"
    if vision.get("pool_type", "tok") != "tok":
        return f"its VisionTransformer pools by {vision['pool_type']}, not by a class token"
    custom = [name for name in _CUSTOM if vision.get(name)]
    if custom:
        return f"its VisionTransformer has blocks of its own ({', '.join(custom)})"
    patch = vision.get("patch_size", 16)
    try:
        height, width = (patch, patch) if isinstance(patch, int) else (int(patch[0]), int(patch[1]))
    except (TypeError, ValueError, IndexError):
        return f"its patch_size is {patch!r}"
    return grid_of(images, (height, width))


def patch_tokens(visual: Any, pixels: Tensor, source: PatchSource) -> Tensor:
    """Projected tokens of the patches, (n, patches, dimension), not normalised.

    What the library returns with `output_tokens` lies before its projection, and, where a tower normalises
    after pooling, before that as well; both are done here as the library does them to the class token.
    """
    last = visual.transformer.resblocks[-1]
    before = visual.output_tokens
    with ExitStack() as undone:
        undone.callback(setattr, visual, "output_tokens", before)
        visual.output_tokens = True
        if source == "values":
            undone.enter_context(values_for_attention(last, partial(_values, last)))
        tokens: Tensor = visual(pixels)[1]
    if visual.final_ln_after_pool:
        tokens = visual.ln_post(tokens)
    return tokens if visual.proj is None else tokens @ visual.proj


def _values(block: Any, hidden: Tensor) -> Tensor:
    """The output of a ResidualAttentionBlock in which each token attends to itself alone."""
    attention = block.attn
    width = attention.embed_dim
    bias = None if attention.in_proj_bias is None else attention.in_proj_bias[2 * width :]
    # Query, key and value weights lie one below the other.
    values = nn.functional.linear(block.ln_1(hidden), attention.in_proj_weight[2 * width :], bias)
    hidden = hidden + block.ls_1(attention.out_proj(values))
    result: Tensor = hidden + block.ls_2(block.mlp(block.ln_2(hidden)))
    return result
