"""Checkpoints of PyTorch and safetensors files, read without running anything that they contain.

A checkpoint is a pickle, and a pickle is a program. `torch.load(weights_only=True)` runs it with the few
functions that build tensors; to those this module adds stand-ins of its own for the harmless classes that
training scripts leave in their files (`argparse.Namespace`, paths, NumPy's scalars and arrays). The classes
themselves are never called. Anything else is refused by name.

A zip file's tensors are mapped, so that a checkpoint's optimizer costs no memory and a length that a record
does not have is caught by PyTorch's own bounds; what is returned is copied out of the map.
"""

from __future__ import annotations

import json
import pickle
import re
import threading
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from cmcr_worker.encoders.pickled_settings import STAND_INS, plain_value
from cmcr_worker.errors import Reason, WorkerError

MAX_PICKLE_BYTES = 64 << 20
"""Largest pickle within a checkpoint: structure and names without the tensors, some 150 bytes for each."""

STATE_KEYS = ("state_dict", "model_state_dict", "model", "module")
"""Where training scripts put the weights, in the order in which they are looked for."""

SETTINGS_KEYS = ("args", "hyper_parameters", "config")
"""Where training scripts put what they were called with."""

_PREFIX = "module."
_ZIP = b"PK\x03\x04"
# torch.serialization.safe_globals changes a list of the whole process.
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights by name, on the CPU, and the settings they were trained with, as plain values."""

    path: Path
    state: dict[str, Tensor]
    settings: Mapping[str, object] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """The weights of a file: PyTorch's zip format, its older one, or safetensors.

    A dictionary around the weights is taken off (`STATE_KEYS`), and so is the prefix `module.` that
    DistributedDataParallel writes, where every name has it.

    Raises:
        WorkerError: CHECKPOINT_MISSING where there is no such file; DATA_CORRUPT where it is damaged, of
            another format, declares more than it holds, or names a class or function that is not
            admitted, which is then named and has not been called.
    """
    return _read(path, copy=True)


def read_layout(path: Path) -> Checkpoint:
    """As `read_checkpoint`, with tensors on the meta device: names, shapes and element types alone.

    Cheap for zip and safetensors files, whose tensors are not read; the older format is read whole.
    """
    return _read(path, copy=False)


def _read(path: Path, *, copy: bool) -> Checkpoint:
    if not path.is_file():
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"there is no checkpoint {path}",
            subject=str(path),
            remedy="Check the path, or download the file again.",
        )
    size = path.stat().st_size
    if size == 0:
        raise _corrupt(path, "is empty")
    if path.suffix == ".safetensors":
        return _safetensors(path, copy)
    with path.open("rb") as file:
        mapped = file.read(4) == _ZIP
    if mapped:
        _check_zip(path, size)
    content = _load(path, mapped)
    state = _state(path, content)
    settings: dict[str, object] = {}
    if isinstance(content, Mapping):
        for key in SETTINGS_KEYS:
            if isinstance(found := plain_value(content.get(key)), dict):
                settings = found
                break
    return Checkpoint(path, _taken(path, _without_prefix(state), size, copy), settings)


def _check_zip(path: Path, size: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _corrupt(path, f"is a damaged zip file ({error})") from error
    names = [record.filename for record in records]
    if any(name.endswith("constants.pkl") for name in names):
        raise _corrupt(path, "is a TorchScript program, not a checkpoint of weights")
    if not any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        raise _corrupt(path, "is a zip file but no checkpoint: it has no data.pkl")
    for record in records:
        if record.compress_type != zipfile.ZIP_STORED:
            raise _corrupt(path, f"has a compressed record {record.filename}; PyTorch writes none")
        if record.filename.endswith(".pkl") and record.file_size > MAX_PICKLE_BYTES:
            raise _corrupt(path, f"declares {record.file_size} bytes for {record.filename}")
    if (declared := sum(record.file_size for record in records)) > size:
        raise _corrupt(path, f"declares {declared} bytes of records and has {size} bytes")


def _load(path: Path, mapped: bool) -> object:
    try:
        with _lock, warnings.catch_warnings(), torch.serialization.safe_globals(list(STAND_INS)):
            # Pickle protocols other than 2 are warned of, and read or refused by their instructions.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error)) from None
    except (MemoryError, RecursionError, torch.OutOfMemoryError) as error:
        raise _corrupt(path, f"declares more than can be held ({type(error).__name__})") from error
    except Exception as error:
        # A damaged pickle raises almost anything: KeyError, IndexError, UnicodeDecodeError, EOFError.
        # What it says of itself, such as "pop from empty list", helps nobody.
        raise _corrupt(path, "is no checkpoint of PyTorch, or a damaged one") from error


def _refused(path: Path, message: str) -> WorkerError:
    named = re.search(r"GLOBAL ([\w.<>]+)", message) or re.search(r"but got <class '([\w.]+)'>", message)
    if named is None:
        called = re.search(r"unrecognized function (.+)", message)
        what = f"calls {called.group(1)[:80]}" if called else "is no pickle of weights, or a damaged one"
        return _corrupt(path, f"{what}; nothing of it was run")
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"checkpoint {path} asks for {named.group(1)}, which weights do not need; nothing of it was run",
        subject=str(path),
        remedy="Do not load it with anything that unpickles freely. If you trust its author, have its "
        "weights alone saved as safetensors.",
    )


def _state(path: Path, content: object) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        for key in (*STATE_KEYS, None):
            inner = content if key is None else content.get(key)
            if isinstance(inner, Mapping) and any(isinstance(value, Tensor) for value in inner.values()):
                return _tensors(path, inner)
    raise _corrupt(path, f"holds no weights: neither tensors by name, nor any of {', '.join(STATE_KEYS)}")


def _tensors(path: Path, found: Mapping[object, object]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise _corrupt(path, f"has {type(value).__name__} under {name!r}, where a tensor is expected")
        if value.layout != torch.strided or value.is_quantized:
            raise _corrupt(path, f"has a sparse or quantised tensor {name}")
        state[name] = value.detach()
    return state


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    if not all(name.startswith(_PREFIX) for name in state):
        return state
    return {name.removeprefix(_PREFIX): value for name, value in state.items()}


def _taken(path: Path, state: dict[str, Tensor], size: int, copy: bool) -> dict[str, Tensor]:
    """Copies of the tensors, or empty ones; a tensor may repeat its storage, but not a file many times."""
    if not copy:
        return {name: torch.empty_like(value, device="meta") for name, value in state.items()}
    distinct = {id(value): value for value in state.values()}
    declared = sum(value.numel() * value.element_size() for value in distinct.values())
    if declared > 4 * size:
        raise _corrupt(path, f"declares tensors of {declared} bytes and has {size} bytes")
    copies = {key: value.clone(memory_format=torch.contiguous_format) for key, value in distinct.items()}
    return {name: copies[id(value)] for name, value in state.items()}


def _safetensors(path: Path, copy: bool) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            names = list(file.keys())
            take: Callable[[str], Tensor] = file.get_tensor if copy else _layout_of(file)
            state = {name: take(name) for name in names}
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        raise _corrupt(path, f"cannot be read as safetensors ({_first_line(error)})") from error
    if not state:
        raise _corrupt(path, "holds no tensors")
    return Checkpoint(path, _without_prefix(state), {key: _decoded(value) for key, value in metadata.items()})


def _layout_of(file: object) -> Callable[[str], Tensor]:
    def layout(name: str) -> Tensor:
        part = file.get_slice(name)  # type: ignore[attr-defined]
        shape = part.get_shape()
        if not shape:
            return torch.empty((), dtype=file.get_tensor(name).dtype, device="meta")  # type: ignore[attr-defined]
        return torch.empty(shape, dtype=part[:0].dtype, device="meta")

    return layout


def _decoded(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _corrupt(path: Path, what: str) -> WorkerError:
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"checkpoint {path} {what}",
        subject=str(path),
        remedy="Download it again and compare its checksum, or name another file.",
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
