"""A step's batch: rows gathered from the overlap and the pseudo items, completed with noise.

B rows of each half; d1, d2 the dimensions of the two spaces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from cmcr_worker.connectors.plan import SideTensors, StepPlan
from cmcr_worker.connectors.seeds import stream_seed
from cmcr_worker.tensors.matrix import Matrix, as_tensor


class BatchMaker:
    """Makes batches in buffers of its own; a batch is valid until the next is made."""

    def __init__(self, sides: Sequence[SideTensors], device: torch.device) -> None:
        self._device = device
        self._overlap = [_on_device(side.overlap, device) for side in sides]
        self._pseudo = [None if side.pseudo is None else _on_device(side.pseudo, device) for side in sides]
        self._generator = Generator(device)
        self._rows = torch.empty(0, device=device)
        self._noise = torch.empty(0, device=device)

    def make(self, plan: StepPlan) -> list[Tensor]:
        """For each side the halves that the plan uses, stacked: overlap first, then pseudo; rows normalised.

        Semantic completion: zero-mean Gaussian noise of `noise_variance` per element, then
        normalised again. The noise of all sides is one draw of a generator seeded with `noise_seed`.
        """
        index = torch.from_numpy(plan.rows.astype("<i8")).to(self._device, non_blocking=True)
        count = index.shape[0]
        halves = int(plan.uses_overlap) + int(plan.uses_pseudo)
        widths = [matrix.shape[1] for matrix in self._overlap]
        size = halves * count * sum(widths)
        if self._rows.numel() < size:
            self._rows = torch.empty(size, device=self._device)
            self._noise = torch.empty(size, device=self._device)
        batch: list[Tensor] = []
        start = 0
        for side, width in enumerate(widths):
            x = self._rows[start : start + halves * count * width].view(halves * count, width)
            start += x.numel()
            used = [self._overlap[side]] if plan.uses_overlap else []
            pseudo = self._pseudo[side]
            if plan.uses_pseudo:
                assert pseudo is not None, "the plan was checked"
                used.append(pseudo)
            for half, matrix in enumerate(used):
                torch.index_select(matrix, 0, index, out=x[half * count : (half + 1) * count])
            batch.append(x)
        if plan.noise_variance > 0:
            self._generator.manual_seed(stream_seed(plan.noise_seed))
            noise = self._noise[:size].normal_(generator=self._generator)
            self._rows[:size].add_(noise, alpha=math.sqrt(plan.noise_variance))
            for x in batch:
                x.div_(torch.linalg.vector_norm(x, dim=1, keepdim=True))
        return batch


def _on_device(matrix: Matrix, device: torch.device) -> Tensor:
    return as_tensor(matrix).to(device, torch.float32)
