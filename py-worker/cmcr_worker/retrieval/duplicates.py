"""Equal rows of a gallery, so that they score equally.

A matrix product rounds the columns at its edges in another order than those in the middle: two
equal rows would differ in the last bit, and a tie would be broken by where they stand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cmcr_worker.tensors.matrix import rows_per_block

_HASH_SEED = 20231


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Which rows are copies, and of which earlier row; both (c,), int64."""

    copies: Tensor
    originals: Tensor

    @classmethod
    def of(cls, matrix: Tensor) -> Duplicates:
        """Finds the rows of `matrix`, (n, d), that equal an earlier one bit by bit."""
        hashes = _row_hashes(matrix)
        _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
        originals = first[group]
        copies = np.flatnonzero(originals != np.arange(len(hashes)))
        # Two different rows of one hash are all but impossible; they would only not be seen as equal.
        same = [bool(torch.equal(matrix[int(i)], matrix[int(originals[i])])) for i in copies]
        copies = copies[np.array(same, dtype=bool)]
        return cls(torch.from_numpy(copies), torch.from_numpy(originals[copies].astype(np.int64)))

    def equalize(self, scores: Tensor) -> None:
        """Gives every copy's column in `scores`, (q, n), the values of its original."""
        if len(self.copies) > 0:
            originals = self.originals.to(scores.device)
            scores.index_copy_(1, self.copies.to(scores.device), scores.index_select(1, originals))


def _row_hashes(matrix: Tensor) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """A 64-bit hash of each row's bits: a random linear form modulo 2^64."""
    columns = matrix.shape[1]
    word = np.dtype(f"<u{matrix.element_size()}")
    factors = np.random.default_rng(_HASH_SEED).integers(2**63, size=columns, dtype=np.uint64) * 2 + 1
    hashes = np.empty(matrix.shape[0], dtype=np.uint64)
    step = rows_per_block(2 * columns)
    for start in range(0, matrix.shape[0], step):
        bits = matrix[start : start + step].cpu().contiguous().numpy().view(word)
        hashes[start : start + step] = bits.astype(np.uint64) @ factors
    return hashes
