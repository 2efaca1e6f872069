"""The forward pass over batches that may be too large for the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.protocol import PatchEncoder, PatchSource
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.encoder_cache import LoadedEncoder, locked
from cmcr_worker.server.status import as_worker_error, is_out_of_memory

Rows = npt.NDArray[np.float32]


class FittingEncoder:
    """An encoder for one call: halves batches that do not fit, and remembers what did.

    `note` hears of it, once for each size; `check` is called between forward passes and may raise. With
    `patches`, from that source, each input has a row for each of its patches.
    """

    def __init__(
        self,
        loaded: LoadedEncoder,
        modality: str,
        device: torch.device,
        note: Callable[[str], None],
        check: Callable[[], None],
        *,
        patches: PatchSource | None = None,
    ) -> None:
        self._loaded = loaded
        self._modality = modality
        self._device = device
        self._note = note
        self._check = check
        self._patches = patches
        # Patches take other memory than whole images.
        self._fitted = modality if patches is None else f"patches of {modality}"
        self._noted: set[int] = set()

    def embed(
        self, inputs: Sequence[Prepared], refuse: Callable[[int, WorkerError], None]
    ) -> tuple[Rows, list[int]]:
        """The rows of these items, (kept, rows of each, dimension), and which of them they are.

        One that does not fit by itself, or of which a row is not finite or zero, is told to `refuse` and left
        out, if that does not raise.
        """
        blocks: list[Rows] = []
        kept: list[int] = []
        at = 0
        begun = min(len(inputs), self._loaded.fitted.get(self._fitted, len(inputs)))
        size, alone = begun, False
        while at < len(inputs):
            rows = self._try(inputs[at : at + size])
            if isinstance(rows, WorkerError):
                if size == 1:
                    refuse(at, rows)
                    # It is the item that is large, so that nothing is learned of the others.
                    at, size, alone = at + 1, begun, True
                else:
                    size = (size + 1) // 2
                continue
            for place, problem in _problems(rows):
                refuse(at + place, problem)
            good = _good(rows)
            blocks.append(rows[good])
            kept += (at + np.flatnonzero(good)).tolist()
            at += len(rows)
        if size < begun and not alone:
            self._loaded.fitted[self._fitted] = size
        if size < len(inputs) and not alone:
            self._say(len(inputs), size)
        return np.concatenate(blocks) if blocks else self._none(), kept

    def _none(self) -> Rows:
        return np.empty((0, 1, self._loaded.encoder.dimension), np.float32)

    def _try(self, inputs: Sequence[Prepared]) -> Rows | WorkerError:
        """The rows, or, where they do not fit, why; the device's memory is free again then."""
        self._check()
        problem: WorkerError
        try:
            with locked(self._loaded.lock, self._check):
                return self._rows(inputs)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            problem = WorkerError(
                Reason.OUT_OF_MEMORY,
                f"it does not fit the device even by itself: {as_worker_error(error).message}",
                remedy="Use a device with more memory, a smaller model, or dtype: bfloat16.",
            )
        # Only here are the tensors gone that the exception's frames held.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return problem

    def _rows(self, inputs: Sequence[Prepared]) -> Rows:
        encoder = self._loaded.encoder
        each, rows = 1, None
        if self._patches is None:
            rows = encoder.embed(self._modality, inputs)[:, None]
        else:
            assert isinstance(encoder, PatchEncoder)
            assert encoder.patch_grid is not None
            each = encoder.patch_grid.rows * encoder.patch_grid.columns
            rows = encoder.embed_patches(inputs, self._patches)
        expected = (len(inputs), each, encoder.dimension)
        assert tuple(rows.shape) == expected, f"the encoder gave {tuple(rows.shape)} and not {expected}"
        found: Rows = rows.numpy()
        return found

    def _say(self, asked: int, size: int) -> None:
        if size not in self._noted:
            self._noted.add(size)
            self._note(
                f"a batch of {asked} ({self._modality}) does not fit the device {self._device}: "
                f"halved to {size}. A batch size of {size} in the experiment saves the attempts."
            )


def _good(rows: Rows) -> npt.NDArray[np.bool_]:
    finite = np.isfinite(rows).all(axis=(1, 2))
    good: npt.NDArray[np.bool_] = np.logical_and(finite, (rows != 0).any(axis=2).all(axis=1), dtype=np.bool_)
    return good


def _problems(rows: Rows) -> list[tuple[int, WorkerError]]:
    found = []
    for place in np.flatnonzero(~_good(rows)).tolist():
        what = "zero, which has no direction" if np.isfinite(rows[place]).all() else "not finite"
        found.append(
            (
                place,
                WorkerError(
                    Reason.NON_FINITE,
                    f"its embedding is {what}",
                    remedy="Is it an ordinary item? If so, try dtype: float32.",
                ),
            )
        )
    return found
