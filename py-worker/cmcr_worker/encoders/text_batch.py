"""Prepared items as the texts that they must be."""

from __future__ import annotations

from collections.abc import Sequence

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.errors import Reason, WorkerError


def texts_of(inputs: Sequence[Prepared]) -> list[str]:
    """The items, each of which is a text.

    Raises:
        WorkerError: CONFIG_INVALID for an item that is none.
    """
    texts: list[str] = []
    for row, item in enumerate(inputs):
        if not isinstance(item, str):
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"expected a text at row {row} of the batch, found {type(item).__name__}",
                subject=f"items[{row}]",
            )
        texts.append(item)
    return texts
