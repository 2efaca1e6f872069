"""Makes torchvision importable beside a build of PyTorch that its operators were not compiled for.

open_clip and timm import torchvision for its transforms, which are plain Python. The package
index has one build of torchvision for Linux, with CUDA. Beside PyTorch's CPU build its library of
operators cannot be loaded; torchvision notes that and goes on, but then fails at decorators which
name two of them. Declaring those operators, without an implementation, is all that is missing.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from pathlib import Path

import torch

_OPERATORS = tuple(
    f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms")
)
_lock = threading.Lock()
_declared: list[torch.library.Library] = []


def import_torchvision() -> None:
    """Imports torchvision, with its operators or without them; to be called before anything that needs it."""
    with _lock:
        extension = _extension_loads()
        if not extension and not _declared:
            library = torch.library.Library("torchvision", "DEF")
            for schema in _OPERATORS:
                library.define(schema)
            # A library that is collected takes its declarations along.
            _declared.append(library)
        importlib.import_module("torchvision")


def _extension_loads() -> bool:
    """Whether torchvision's operators load here; loading them twice is no error."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return True
    for folder in spec.submodule_search_locations:
        for library in [*Path(folder).glob("_C*.so"), *Path(folder).glob("_C*.pyd")]:
            try:
                torch.ops.load_library(str(library))
            except (ImportError, OSError):
                return False
    return True
