"""Embeddings of an image's patches: which grid they make, and the last layer without its attention.

Two sources. `tokens`: the patches' tokens of the last layer, through the normalisation and projection that
the encoder itself gives its class token. `values`: the same with the last layer's attention taken out: each
token is given its own value, v_proj then out_proj, in place of the mean of all values by their attention;
the layer's residual and its MLP stay, as in the code that Zhou, Loy and Dai published with "Extract Free
Dense Labels from CLIP" (ECCV 2022, MaskCLIP). Their paper's figure shows the two projections alone; later
work that leaves the residual out as well (ClearCLIP) is something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from cmcr_worker.encoders.image_preparation import ImagePreparation
from cmcr_worker.encoders.protocol import PatchGrid

REVISION = "1"
"""Of this code and of the providers' `embed_patches`; changes whenever their results change."""


def grid_of(images: ImagePreparation, patch: tuple[int, int]) -> PatchGrid | str:
    """The grid of a network with patches of (height, width) pixels, or why there is none.

    There is one only where it covers the whole of an image that was squashed to a square, so that a patch's
    place in the grid is its place in the image.
    """
    height, width = images.size
    if not images.keeps_squares_whole:
        return "its preprocessing crops images that are squares already"
    if height % patch[0] or width % patch[1]:
        return f"its patches of {patch[0]} x {patch[1]} pixels do not cover its images of {height} x {width}"
    return PatchGrid(height // patch[0], width // patch[1], REVISION)


@contextmanager
def values_for_attention(layer: nn.Module, values: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Inside, what the layer gives is `values` of its input, in the form that its library gives it."""

    def replace(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any], output: Any) -> Any:
        hidden = given[0] if given else named["hidden_states"]
        replaced = values(hidden)
        # transformers 4 has tuples, whose first is the layer's output.
        return (replaced, *output[1:]) if isinstance(output, tuple) else replaced

    hook = layer.register_forward_hook(replace, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
