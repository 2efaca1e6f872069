"""Looking a name up in one of the worker's registries, each of which is an explicit table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from cmcr_worker.errors import unknown_name

T = TypeVar("T")


def lookup(table: Mapping[str, T], kind: str, name: str) -> T:
    """The entry of that name.

    Raises:
        WorkerError: UNKNOWN_NAME, with the known names, nearest first; `kind` says what is named.
    """
    found = table.get(name)
    if found is None:
        raise unknown_name(kind, name, table)
    return found
