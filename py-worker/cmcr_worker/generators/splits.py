"""What is wrong with a request for items of a generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmcr_worker.errors import Reason, WorkerError, unknown_name


def check_split(generator: str, splits: Mapping[str, int | None], split: str) -> None:
    """Raises WorkerError UNKNOWN_NAME where the generator has no such split."""
    if split not in splits:
        raise unknown_name(f"split of the generator {generator}", split, splits)


def check_indices(
    generator: str, splits: Mapping[str, int | None], split: str, indices: Sequence[int]
) -> None:
    """Raises WorkerError UNKNOWN_NAME for the split, CONFIG_INVALID for an index that it does not have."""
    check_split(generator, splits, split)
    available = splits[split]
    for index in indices:
        if index < 0 or (available is not None and index >= available):
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"the split {split!r} of the generator {generator} has no item {index}",
                subject="generated.start",
                remedy=f"It has {available} items, counted from 0."
                if available is not None
                else "Items are counted from 0.",
            )
