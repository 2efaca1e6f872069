"""What a head looks like, apart from its weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerSpec:
    """One layer of an explicit stack: `linear`, `batchnorm`, `relu` or `gelu`."""

    kind: str
    # Of a linear layer; 0 for the others.
    outputs: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadSpec:
    """A head's architecture. `layers` belong to the preset "layers" alone, `members` to "freebind"."""

    preset: str
    input_dim: int
    output_dim: int
    layers: tuple[LayerSpec, ...] = ()
    members: int = 1
