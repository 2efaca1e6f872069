"""The projectors' architectures: the authors' heads under their own parameter names, and any stack.

A head maps embeddings of one space, (b, input_dim), to the joint space, (b, output_dim). It does
not normalise; its caller does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from cmcr_worker.connectors.authors.heads import (
    AudioVisualHead,
    ExMcrHead,
    FreeBindHead,
    IdentityHead,
    ThreeDHead,
)
from cmcr_worker.connectors.head_spec import HeadSpec as HeadSpec
from cmcr_worker.connectors.head_spec import LayerSpec as LayerSpec
from cmcr_worker.errors import Reason, WorkerError, unknown_name


def _linear(spec: LayerSpec, width: int) -> nn.Module:
    if spec.outputs < 1:
        raise _invalid(f"a linear layer has {spec.outputs} outputs; expected at least 1", "head.layers")
    return nn.Linear(width, spec.outputs)


# Each maker gets the layer and the width that reaches it.
LAYERS: dict[str, Callable[[LayerSpec, int], nn.Module]] = {
    "linear": _linear,
    "batchnorm": lambda _, width: nn.BatchNorm1d(width),
    "relu": lambda _spec, _width: nn.ReLU(inplace=True),
    "gelu": lambda _spec, _width: nn.GELU(),
}


class LayersHead(nn.Module):
    """A stack of layers as the experiment lists them; parameters are named `layers.{i}.…`."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        if not spec.layers:
            raise _invalid("the preset `layers` has no layer; expected at least one", "head.layers")
        width = spec.input_dim
        modules: list[nn.Module] = []
        for layer in spec.layers:
            make = LAYERS.get(layer.kind)
            if make is None:
                raise unknown_name("layer", layer.kind, LAYERS)
            # An activation must not overwrite the head's own input.
            modules.append(nn.ReLU() if layer.kind == "relu" and not modules else make(layer, width))
            width = layer.outputs if layer.kind == "linear" else width
        if width != spec.output_dim:
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"the head's layers end with {width} outputs; the joint space has {spec.output_dim}",
                subject="head.layers",
                remedy="Let the last linear layer have as many outputs as the joint space has dimensions.",
            )
        self.layers = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        """(b, input_dim) to (b, output_dim)."""
        y: Tensor = self.layers(x)
        return y


# What can be trained here.
HEADS: dict[str, Callable[[HeadSpec], nn.Module]] = {
    "audio-visual": AudioVisualHead,
    "three-d": ThreeDHead,
    "layers": LayersHead,
}

# What comes trained, from published checkpoints alone.
PUBLISHED_HEADS: dict[str, Callable[[HeadSpec], nn.Module]] = {
    "identity": IdentityHead,
    "ex-mcr": ExMcrHead,
    "freebind": FreeBindHead,
}


def _keep(_weight: Tensor, _generator: Generator) -> None:
    """PyTorch's own initial values stay."""


def _eye(weight: Tensor, _generator: Generator) -> None:
    nn.init.eye_(weight)


def _xavier(weight: Tensor, generator: Generator) -> None:
    nn.init.xavier_uniform_(weight, generator=generator)


# What becomes of every parameter with more than one dimension; biases and batch norm stay PyTorch's.
INITIALIZATIONS: dict[str, Callable[[Tensor, Generator], None]] = {
    "default": _keep,
    "eye": _eye,
    "xavier": _xavier,
}


# PyTorch's layers draw from its global generator, of which there is one for all threads.
_global_generator = threading.Lock()


def build_head(spec: HeadSpec) -> nn.Module:
    """A head with PyTorch's own initial weights, in training mode, on the CPU.

    Draws from torch's global generator. Raises UNKNOWN_NAME (preset or layer), CONFIG_INVALID or
    SHAPE_MISMATCH (layers that do not fit the dimensions).
    """
    maker = HEADS.get(spec.preset) or PUBLISHED_HEADS.get(spec.preset)
    if maker is None:
        raise unknown_name("head", spec.preset, [*HEADS, *PUBLISHED_HEADS])
    if spec.input_dim < 1 or spec.output_dim < 1:
        raise _invalid(
            f"a head maps {spec.input_dim} to {spec.output_dim} dimensions; both must be above 0", "head"
        )
    return maker(spec)


def initial_head(spec: HeadSpec, initialization: str, seed: int) -> nn.Module:
    """A head whose weights depend on `seed` alone; torch's global generator is left as it was.

    `initialization` is a name of INITIALIZATIONS. Raises what `build_head` raises, and CONFIG_INVALID for a
    head that is not trained here.
    """
    initialize = INITIALIZATIONS.get(initialization)
    if initialize is None:
        raise unknown_name("initialization", initialization, INITIALIZATIONS)
    if spec.preset in PUBLISHED_HEADS:
        raise _invalid(f"the head {spec.preset} comes trained and is not trained here", "head.preset")
    with _global_generator, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        head = build_head(spec)
        with torch.no_grad():
            for parameter in head.parameters():
                if parameter.dim() > 1:
                    initialize(parameter, torch.default_generator)
    return head


def _invalid(message: str, subject: str) -> WorkerError:
    return WorkerError(Reason.CONFIG_INVALID, message, subject=subject)
