"""Handles for matrices, so that requests can name what the worker has in memory or mapped."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from typing import Generic, TypeVar

from torch import Tensor

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.matrix import Matrix, as_tensor

T = TypeVar("T")


class Holder(Generic[T]):
    """A thread-safe table from handle to object.

    Handles carry a random part, so that one from an earlier worker is never taken for one of this.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._origin = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._items: dict[str, T] = {}
        self._count = 0

    def put(self, item: T) -> str:
        """Keeps `item` and returns its new handle."""
        with self._lock:
            self._count += 1
            handle = f"{self._kind}-{self._origin}-{self._count}"
            self._items[handle] = item
            return handle

    def get(self, handle: str, *, field: str = "") -> T:
        """What the handle names. Raises STALE_HANDLE; `field` names the request's field in it."""
        with self._lock:
            item = self._items.get(handle)
        if item is None:
            raise WorkerError(
                Reason.STALE_HANDLE,
                f"this worker holds no {self._kind} under the handle {handle!r}",
                subject=field,
                remedy=f"Load the {self._kind} again: it was released, or the worker was restarted.",
            )
        return item

    def release(self, handles: Iterable[str]) -> None:
        """Forgets the handles. One that is gone already is no error, so that a call may be repeated."""
        with self._lock:
            for handle in handles:
                self._items.pop(handle, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._items)


class TensorHolder(Holder[Matrix]):
    """Handles for matrices: mapped files and tensors in memory."""

    def __init__(self) -> None:
        super().__init__("matrix")

    def tensor(self, handle: str, *, field: str = "") -> Tensor:
        """The matrix as a tensor over the same memory. Raises STALE_HANDLE."""
        return as_tensor(self.get(handle, field=field))
