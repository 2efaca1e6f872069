"""A connector of one affine map for each space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cmcr_worker.errors import unknown_name
from cmcr_worker.tensors.matrix import float_blocks, normalize_rows, require_matrix


@dataclass(frozen=True, kw_only=True, slots=True)
class AffineMap:
    """x to (x - center) @ matrix; `matrix` None is the identity, `center` None is zero."""

    input_dim: int
    # (input_dim, k).
    matrix: Tensor | None = None
    # (input_dim,).
    center: Tensor | None = None

    @property
    def output_dim(self) -> int:
        """k."""
        return self.input_dim if self.matrix is None else self.matrix.shape[1]


class AffineConnector:
    """Each space has its affine map into the joint space; rows are L2-normalised after it."""

    def __init__(self, maps: Mapping[str, AffineMap], device: torch.device) -> None:
        """Matrices and centres may be float64 on any device; they are kept as float32 on `device`."""
        self._device = device
        self._maps = {
            space: AffineMap(
                input_dim=given.input_dim,
                matrix=None if given.matrix is None else given.matrix.to(device, torch.float32),
                center=None if given.center is None else given.center.to(device, torch.float32),
            )
            for space, given in maps.items()
        }
        dims = {given.output_dim for given in maps.values()}
        assert len(dims) == 1, f"maps into spaces of {dims} dimensions"
        self.output_dim: int = dims.pop()

    @torch.inference_mode()
    def embed(self, space: str, x: Tensor) -> Tensor:
        """Rows of `space`, (n, d), as (n, k), L2-normalised, on the device of `x`.

        Raises UNKNOWN_NAME or SHAPE_MISMATCH.
        """
        known = self._maps.get(space)
        if known is None:
            raise unknown_name("space", space, self._maps)
        rows = require_matrix(x, f"the embeddings of {space}", columns=known.input_dim)
        out = torch.empty(rows.shape[0], self.output_dim, device=rows.device)
        for start, block in float_blocks(rows, self._device):
            y = block if known.center is None else block - known.center
            y = y if known.matrix is None else y @ known.matrix
            out[start : start + block.shape[0]] = normalize_rows(y)
        return out
