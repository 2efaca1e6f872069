"""Images of one pixel whose colour says what becomes of whoever prepares them; imports no torch.

Decoder processes import this module too: it lies beside the tests' conftest, on their path.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from cmcr_worker.errors import Reason, WorkerError

PLAIN, SEGFAULT, ABORT, SLEEP, ALLOCATE, BUG, REFUSE, EXIT, STOP, PROGRAM, NONSENSE = range(11)


def image(number: int, action: int = PLAIN) -> bytes:
    """The file of item `number`, below 65536."""
    return b"P6\n1 1\n255\n" + bytes([action, number >> 8, number & 255])


def number_of(media: Any) -> int:
    """Of a decoded image."""
    return int(media[0, 0, 1]) * 256 + int(media[0, 0, 2])


class Unreadable:
    """Can be sent and cannot be received."""

    def __reduce__(self) -> Any:
        return (int, ("no number",))


@dataclass(frozen=True)
class Strange:
    """A preparation that makes (number, 1, 0) of a plain image, or an array of `size` numbers."""

    size: int = 3
    seconds: float = 0.0

    def __call__(self, media: Any) -> Any:
        action = int(media[0, 0, 0])
        if action == SEGFAULT:
            ctypes.string_at(0)
        elif action == ABORT:
            os.abort()
        elif action == SLEEP:
            time.sleep(600)
        elif action == ALLOCATE:
            np.ones(1 << 30, np.uint8)
        elif action == BUG:
            raise ZeroDivisionError("of a strange kind")
        elif action == REFUSE:
            raise WorkerError(Reason.DATA_CORRUPT, "has too few points")
        elif action == EXIT:
            os._exit(3)
        elif action == STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif action == PROGRAM:
            subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"], check=True)
        elif action == NONSENSE:
            return Unreadable()
        time.sleep(self.seconds)
        result = np.zeros(self.size, np.float32)
        result[:2] = number_of(media), 1
        return result


def loaded_modules(media: Any) -> str:
    """A preparation that tells what its process has imported."""
    return " ".join(sorted(sys.modules))


class Homeless:
    """A preparation that only this process can load."""

    def __reduce__(self) -> Any:
        import importlib

        return (importlib.import_module, ("no_such_module_anywhere",))

    def __call__(self, media: Any) -> Any:
        return media
