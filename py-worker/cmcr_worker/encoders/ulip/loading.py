"""From a checkpoint's tensors to frozen networks on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cmcr_worker.encoders.frozen import freeze
from cmcr_worker.encoders.restricted_checkpoint import read_checkpoint
from cmcr_worker.encoders.ulip.checkpoint import load_network
from cmcr_worker.encoders.ulip.network import UlipNetwork
from cmcr_worker.encoders.ulip.open_clip_towers import OpenClipTowers, state_within
from cmcr_worker.encoders.ulip.sizes import UlipSizes
from cmcr_worker.encoders.ulip.text_tokens import UlipTokenizer


@dataclass(frozen=True, slots=True)
class Towers:
    """open_clip's model, frozen, and its tokenizer."""

    network: nn.Module
    tokenizer: Callable[[Sequence[str]], Tensor]


def frozen_network(
    state: Mapping[str, Tensor], sizes: UlipSizes, device: torch.device, dtype: torch.dtype
) -> UlipNetwork:
    """The point encoder and ULIP's own towers; batch norms stay in float32, whatever `dtype` is.

    A variance has no 16-bit form without loss, and the product of a batch norm is of the input's type.
    """
    network = load_network(state, sizes)
    kept = {
        name: {key: value.clone() for key, value in module.state_dict().items()}
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm1d)
    }
    freeze(network, device, dtype)
    for name, values in kept.items():
        network.get_submodule(name).float().load_state_dict(values)
    return network


def towers_of(
    path: Path,
    state: Mapping[str, Tensor],
    model: str,
    weights: Path | None,
    *,
    carried: bool,
    device: torch.device,
    dtype: torch.dtype,
) -> Towers | None:
    """open_clip's towers: of the file `weights`, else those that the checkpoint `path` carries, else None.

    Raises:
        WorkerError: as the readers do, and SHAPE_MISMATCH where they are not of `model`.
    """
    if weights is None and not carried:
        return None
    kind = OpenClipTowers(model)
    if weights is None:
        network = kind.build(path, state_within(state))
    else:
        network = kind.build(weights, read_checkpoint(weights).state)
    return Towers(freeze(network, device, dtype), kind.tokenizer())


def tokenizer_of(sizes: UlipSizes, towers: Towers | None) -> Callable[[Sequence[str]], Tensor] | None:
    """What makes a text's token numbers, or None where there is no text tower."""
    if towers is not None:
        return towers.tokenizer
    return None if sizes.text is None else UlipTokenizer(sizes.text.context)
