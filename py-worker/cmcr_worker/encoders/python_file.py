"""A user's own Python file: loaded, and what its code raises turned into an error with their lines.

Loading runs the file. That is what it is there for, and only a request that names it leads here.
Nothing here needs torch: decoder processes load the file too.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from cmcr_worker.errors import Reason, WorkerError, unknown_name

_QUOTED_FRAMES = 3
_lock = threading.RLock()


def source_sha256(path: Path) -> str:
    """SHA-256 of the file.

    Raises:
        WorkerError: CHECKPOINT_MISSING where there is no such file, CONFIG_INVALID for another kind.
    """
    return hashlib.sha256(_source(path)).hexdigest()


def load_module(path: Path, sha256: str) -> ModuleType:
    """The file as a module; run once in a process for as long as its content is the same.

    Raises:
        WorkerError: CONFIG_INVALID for what the file itself raises, or where its checksum is another.
    """
    name = f"cmcr_users_encoder_{hashlib.sha256(f'{path}:{sha256}'.encode()).hexdigest()[:24]}"
    with _lock:
        known = sys.modules.get(name)
        if known is not None:
            return known
        source = _source(path)
        if hashlib.sha256(source).hexdigest() != sha256:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"{path} was changed while it was in use",
                subject=str(path),
                remedy="Start again.",
            )
        module = ModuleType(name)
        module.__file__ = str(path)
        # Dataclasses and pickle look a class's module up by its name.
        sys.modules[name] = module
        try:
            with users_code(path, "loading it"):
                # What was hashed is what is run: a cached .pyc may be that of an earlier content.
                exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
        except BaseException:
            del sys.modules[name]
            raise
        return module


def _source(path: Path) -> bytes:
    if not path.is_file():
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"there is no file {path}",
            subject=str(path),
            remedy="Give the Python file that has your encoder.",
        )
    if path.suffix != ".py":
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{path} is no Python file: its name does not end in .py",
            subject=str(path),
        )
    return path.read_bytes()


def target_of(module: ModuleType, path: Path, name: str) -> Any:
    """The class or function of that name in the file.

    Raises:
        WorkerError: UNKNOWN_NAME with the classes and functions that the file defines.
    """
    defined = {
        key: value
        for key, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", None) == module.__name__
        and not key.startswith("_")
    }
    if name not in defined:
        raise unknown_name(f"class or function in {path.name}", name, defined)
    return defined[name]


@contextmanager
def users_code(path: Path, what: str, reason: Reason = Reason.CONFIG_INVALID) -> Iterator[None]:
    """Turns what the file's code raises into a WorkerError that quotes the file's own lines.

    A WorkerError and torch's OutOfMemoryError go through as they are.
    """
    try:
        yield
    except WorkerError:
        raise
    except (Exception, SystemExit) as error:
        if any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
            raise
        described = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise WorkerError(
            reason,
            f"{path.name}: {what} failed: {described}{_place(path, error)}",
            subject=str(path),
            remedy=f"Mend {path}.",
        ) from error


def _place(path: Path, error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f" (line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    quoted = [f"line {frame.lineno}, in {frame.name}: {frame.line}" for frame in frames[-_QUOTED_FRAMES:]]
    return f" ({'; '.join(quoted)})" if quoted else ""
