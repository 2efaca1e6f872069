"""From heads to the authors' files: the same names, order, types and values as theirs."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from cmcr_worker.connectors.authors.layouts import LAYOUTS, Layout, Part, names
from cmcr_worker.connectors.checkpoint import SideHead
from cmcr_worker.errors import Reason, WorkerError, unknown_name
from cmcr_worker.registry import lookup


def files_of(
    layout_name: str, spaces: Sequence[str], sides: Sequence[SideHead]
) -> list[OrderedDict[str, Tensor]]:
    """The tensors of each of the layout's files, in the authors' order; `spaces` are base and joined side.

    Raises UNKNOWN_NAME (layout, space), CONFIG_INVALID for heads that are not the layout's.
    """
    layout = lookup(LAYOUTS, "layout", layout_name)
    found = {side.space: side for side in sides}
    if len(spaces) != 2 or spaces[0] == spaces[1]:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"found {len(spaces)} spaces; expected two different ones",
            subject="spaces",
        )
    placed: dict[str, SideHead] = {}
    members = 1
    for part, space in zip(layout.parts, spaces, strict=True):
        if space not in found:
            raise unknown_name("space", space, found)
        side = found[space]
        if side.spec.preset != part.head:
            raise _other_head(layout, part, side)
        if part.first:
            placed[part.prefix] = side
        if part.ensemble:
            members = side.spec.members
    return [_file(layout, placed, member) for member in range(members)]


def torch_bytes(state: OrderedDict[str, Tensor]) -> bytes:
    """The bytes that `torch.save` gives, which `torch.load(weights_only=True)` reads."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _file(layout: Layout, placed: dict[str, SideHead], member: int) -> OrderedDict[str, Tensor]:
    state: OrderedDict[str, Tensor] = OrderedDict()
    for part in layout.weighted:
        own = placed[part.prefix].head.state_dict()
        for theirs, ours in names(part, own, member):
            # A copy, so that no tensor brings another one's storage into the file.
            state[theirs] = own[ours].detach().cpu().clone()
    return state


def _other_head(layout: Layout, part: Part, side: SideHead) -> WorkerError:
    return WorkerError(
        Reason.CONFIG_INVALID,
        f"the head of {side.space} is {side.spec.preset}; the layout of {layout.title} has {part.head} there",
        subject="layout",
        remedy="Export it as safetensors, whose names follow the run's own heads.",
    )
