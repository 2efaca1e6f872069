"""Trained projectors as a connector: embeds either space into the joint one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cmcr_worker.connectors.checkpoint import SideHead, from_bytes
from cmcr_worker.errors import unknown_name
from cmcr_worker.tensors.matrix import normalize_rows, require_matrix

_BLOCK_ROWS = 4096


class Projectors:
    """Both heads in evaluation mode: batch norm uses its running statistics."""

    def __init__(self, heads: Sequence[SideHead], device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        self._heads = {side.space: side for side in heads}
        for side in heads:
            side.head.eval().requires_grad_(False).to(self._device)
        self.output_dim: int = heads[0].spec.output_dim

    @classmethod
    def from_bytes(cls, data: bytes, device: torch.device | str = "cpu") -> Projectors:
        """From the bytes of a projectors.safetensors; raises what `checkpoint.from_bytes` raises."""
        return cls(from_bytes(data), device)

    @property
    def sides(self) -> dict[str, int]:
        """Each space that can be embedded, and its dimension."""
        return {space: side.spec.input_dim for space, side in self._heads.items()}

    @torch.inference_mode()
    def embed(self, space: str, x: Tensor, block: int = _BLOCK_ROWS) -> Tensor:
        """Rows of that space, (n, d), in the joint space, (n, k), L2-normalised, on the device of `x`.

        Takes `block` rows at a time. Raises UNKNOWN_NAME or SHAPE_MISMATCH.
        """
        side = self._heads.get(space)
        if side is None:
            raise unknown_name("space", space, self._heads)
        rows = require_matrix(x, f"the embeddings of {space}", columns=side.spec.input_dim)
        out = torch.empty(rows.shape[0], self.output_dim, device=rows.device)
        for start in range(0, rows.shape[0], block):
            part = normalize_rows(rows[start : start + block].to(self._device, torch.float32))
            out[start : start + block] = normalize_rows(side.head(part))
        return out
