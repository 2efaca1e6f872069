"""Tiles of a matrix's rows as float32 on a device, from wherever the matrix lies."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

# A matrix stays on the card as a whole if it takes no more than this share of the free memory there.
_RESIDENT_SHARE = 0.5


class TileFeed:
    """Walks over a matrix, (m, d), in tiles of rows, as often as asked.

    CPU: views of the matrix, which may be a mapped file. CUDA: the whole matrix is moved there
    once if it fits; else its tiles pass through two pinned buffers, so that the copy of one runs
    beside the work on the one before. A tile is valid until the next is asked for.
    """

    def __init__(self, matrix: Tensor, tile_rows: int, device: torch.device) -> None:
        self._tile_rows = min(tile_rows, matrix.shape[0])
        self._device = device
        self._matrix = matrix
        self._staging: Tensor | None = None
        self._streamed = False
        if device.type == "cuda" and matrix.device != device:
            free, _ = torch.cuda.mem_get_info(device)
            self._streamed = matrix.numel() * matrix.element_size() > _RESIDENT_SHARE * free
            if not self._streamed:
                self._matrix = matrix.to(device)
        elif matrix.dtype != torch.float32:
            self._staging = torch.empty(self._tile_rows, matrix.shape[1], device=device)

    @property
    def count(self) -> int:
        """Tiles in one walk."""
        return -(-self._matrix.shape[0] // self._tile_rows)

    def __iter__(self) -> Iterator[Tensor]:
        if self._streamed:
            yield from self._stream()
            return
        for _, tile in self._tiles():
            if self._staging is not None:
                yield self._staging[: tile.shape[0]].copy_(tile)
            else:
                yield tile.float()

    def _tiles(self) -> Iterator[tuple[int, Tensor]]:
        for number in range(self.count):
            yield number, self._matrix[number * self._tile_rows : (number + 1) * self._tile_rows]

    def _stream(self) -> Iterator[Tensor]:
        shape, dtype = (self._tile_rows, self._matrix.shape[1]), self._matrix.dtype
        pinned = [torch.empty(shape, dtype=dtype, pin_memory=True) for _ in range(2)]
        landed = [torch.empty(shape, dtype=dtype, device=self._device) for _ in range(2)]
        copied = [torch.cuda.Event() for _ in range(2)]
        used = [torch.cuda.Event() for _ in range(2)]
        copying = torch.cuda.Stream(self._device)
        working = torch.cuda.current_stream(self._device)
        # The fresh buffers may be memory that earlier work on this stream still reads.
        copying.wait_stream(working)
        try:
            for number, tile in self._tiles():
                slot, rows = number % 2, tile.shape[0]
                copied[slot].synchronize()
                pinned[slot][:rows].copy_(tile)
                with torch.cuda.stream(copying):
                    copying.wait_event(used[slot])
                    landed[slot][:rows].copy_(pinned[slot][:rows], non_blocking=True)
                    copied[slot].record(copying)
                working.wait_event(copied[slot])
                yield landed[slot][:rows].float()
                used[slot].record(working)
        finally:
            # Also when the walk is given up: the buffers must not be freed under a copy.
            copying.synchronize()
            working.synchronize()
