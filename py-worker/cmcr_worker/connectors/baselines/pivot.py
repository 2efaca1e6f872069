"""Pivots: an item goes to the overlap items near it, and from there into the other space.

N is the number of overlap items, T_s and T_t their embeddings in the source and the target.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cmcr_worker.connectors.attention import attend
from cmcr_worker.connectors.baselines.linear import AffineConnector, AffineMap
from cmcr_worker.connectors.baselines.moments import column_mean
from cmcr_worker.connectors.baselines.protocol import Connector, FitData, need_matrix, need_number
from cmcr_worker.errors import unknown_name
from cmcr_worker.retrieval.ranks import top_k
from cmcr_worker.tensors.matrix import normalize_rows, require_matrix


class _OneSidedPivot:
    """Maps the source into the target's space; the target stays as it is."""

    def __init__(self, data: FitData) -> None:
        self._data = data
        width = data.target_overlap.shape[1]
        self._target = AffineConnector({data.target_space: AffineMap(input_dim=width)}, data.device)
        self.output_dim: int = width

    def embed(self, space: str, x: Tensor) -> Tensor:
        """Rows of `space` in the target's space, (n, k), L2-normalised; UNKNOWN_NAME, SHAPE_MISMATCH."""
        if space == self._data.target_space:
            return self._target.embed(space, x)
        if space != self._data.source_space:
            raise unknown_name("space", space, [self._data.source_space, self._data.target_space])
        rows = require_matrix(x, f"the embeddings of {space}", columns=self._data.source_overlap.shape[1])
        return self._map(rows)

    def _map(self, rows: Tensor) -> Tensor:
        raise NotImplementedError


class _Pivot(_OneSidedPivot):
    def _map(self, rows: Tensor) -> Tensor:
        nearest, _ = top_k(rows, self._data.source_overlap, 1, device=self._data.device)
        index = torch.from_numpy(nearest[:, 0].astype("<i8")).to(self._data.target_overlap.device)
        return normalize_rows(self._data.target_overlap[index].to(rows.device, torch.float32))


class _SoftPivot(_OneSidedPivot):
    def __init__(self, data: FitData) -> None:
        super().__init__(data)
        self._temperature = need_number(data, "temperature", "pivot-soft")

    def _map(self, rows: Tensor) -> Tensor:
        out = torch.empty(rows.shape[0], self.output_dim)
        attend(
            rows,
            self._data.source_overlap,
            self._temperature,
            out,
            values=self._data.target_overlap,
            device=self._data.device,
        )
        return out.to(rows.device)


class _TwoSidedPivot:
    """Both spaces are expressed over the overlap, as mixtures of [T_s T_t], and centred there."""

    def __init__(self, data: FitData) -> None:
        self._temperature = need_number(data, "temperature", "pivot-two-sided")
        self._device = data.device
        self._overlap = {data.source_space: data.source_overlap, data.target_space: data.target_overlap}
        self._values = torch.cat([data.source_overlap.float(), data.target_overlap.float()], dim=1)
        self.output_dim: int = self._values.shape[1]
        memories = {
            data.source_space: need_matrix(data, "source_memory", "pivot-two-sided"),
            data.target_space: need_matrix(data, "target_memory", "pivot-two-sided"),
        }
        cpu = torch.device("cpu")
        self._centers = {
            space: column_mean(self._express(space, memory), cpu).float()
            for space, memory in memories.items()
        }

    def embed(self, space: str, x: Tensor) -> Tensor:
        """Rows of `space` over the overlap, (n, k), L2-normalised; UNKNOWN_NAME, SHAPE_MISMATCH."""
        if space not in self._overlap:
            raise unknown_name("space", space, self._overlap)
        expressed = self._express(space, x)
        return normalize_rows(expressed.sub_(self._centers[space])).to(x.device)

    def _express(self, space: str, x: Tensor) -> Tensor:
        out = torch.empty(x.shape[0], self.output_dim)
        overlap = self._overlap[space]
        attend(x, overlap, self._temperature, out, values=self._values, device=self._device)
        return out


def fit_pivot(data: FitData) -> Connector:
    """The source's item becomes the target embedding of its nearest overlap item."""
    return _Pivot(data)


def fit_pivot_soft(data: FitData) -> Connector:
    """x becomes softmax(x T_s^T / temperature) T_t; needs `temperature`."""
    return _SoftPivot(data)


def fit_pivot_two_sided(data: FitData) -> Connector:
    """x becomes n(softmax(x T^T / temperature) [T_s T_t]), T being T_s or T_t, centred.

    Centred on the mean of its space's memory, expressed alike, never on the items to be compared.
    Needs `temperature` and both memories.
    """
    return _TwoSidedPivot(data)
