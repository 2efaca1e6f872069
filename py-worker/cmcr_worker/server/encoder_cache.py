"""Encoders that stay loaded, so that each shard and each collection does not load them again."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from cmcr_worker.encoders.protocol import Encoder, EncoderProvider

CAPACITY = 2
"""Encoders that stay: an experiment goes back and forth between two spaces."""

_Key = tuple[str, str, str, tuple[tuple[str, int, int], ...], str]


@dataclass(slots=True)
class LoadedEncoder:
    """An encoder on the device. `fitted` has, by modality, the largest batch that fits where one did not."""

    encoder: Encoder
    fitted: dict[str, int] = field(default_factory=dict)
    # Of the forward pass: calls that share the encoder take turns.
    lock: threading.Lock = field(default_factory=threading.Lock)


class EncoderCache:
    """The encoders that were used last; the one not used for longest goes when there are more."""

    def __init__(self, device: torch.device, capacity: int = CAPACITY) -> None:
        self._device = device
        self._capacity = capacity
        self._lock = threading.Lock()
        self._loaded: OrderedDict[_Key, LoadedEncoder] = OrderedDict()

    def get(
        self,
        name: str,
        provider: EncoderProvider,
        model: str,
        checkpoint: Path | None,
        options: Mapping[str, object],
        check: Callable[[], None],
    ) -> LoadedEncoder:
        """The encoder, loaded if it is not yet; `name` is its provider's. Raises as `EncoderProvider.load`.

        `check` is called while another call loads one, and may raise.
        """
        key = (name, model, str(checkpoint or ""), _files(checkpoint), json.dumps(options, sort_keys=True))
        with locked(self._lock, check):
            found = self._loaded.get(key)
            if found is None:
                # Before the new one comes: the device may not hold both.
                while len(self._loaded) >= self._capacity:
                    self._loaded.popitem(last=False)
                    self._free()
                found = LoadedEncoder(provider.load(model, checkpoint, options, self._device))
                self._loaded[key] = found
            self._loaded.move_to_end(key)
            return found

    def _free(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def locked(lock: threading.Lock, check: Callable[[], None]) -> Iterator[None]:
    """Holds the lock; `check` is called while waiting for it, and may raise."""
    while not lock.acquire(timeout=0.2):
        check()
    try:
        yield
    finally:
        lock.release()


def _files(checkpoint: Path | None) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of the checkpoint's files: others under the same name are another encoder."""
    if checkpoint is None:
        return ()
    paths = sorted(checkpoint.rglob("*")) if checkpoint.is_dir() else [checkpoint]
    found = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            # What is missing, loading will tell.
            continue
        found.append((str(path), status.st_size, status.st_mtime_ns))
    return tuple(found)
