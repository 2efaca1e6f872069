"""Stand-ins for the classes that training scripts leave in their checkpoints beside the weights.

A checkpoint names them; what is called in their place is defined here, does nothing but keep the values,
and can be turned into plain values by `plain_value`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

_MAX_DEPTH = 20
_MAX_VALUES = 100_000


class PickledNamespace:
    """In place of `argparse.Namespace` and the like: whatever attributes it was given."""

    def __setstate__(self, state: object) -> None:
        if isinstance(state, Mapping):
            self.__dict__.update({str(key): value for key, value in state.items()})


class PickledType:
    """In place of `numpy.dtype`: its code, such as `f8`."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code = code if isinstance(code, str) else ""

    def __setstate__(self, state: object) -> None:
        """A built-in type's state says its byte order and nothing else that is needed here."""


class PickledArray:
    """In place of an array of NumPy, such as a random state: its values are not kept."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Drops the values."""


def pickled_scalar(kind: object, data: object = b"") -> object:
    """In place of the function that makes NumPy's scalars: the number itself, or None for other things."""
    if not isinstance(kind, PickledType) or not isinstance(data, bytes):
        return None
    if not re.fullmatch(r"b1|[iu][1248]|f[248]", kind.code):
        return None
    number = np.dtype(kind.code)
    return np.frombuffer(data, number)[0].item() if len(data) == number.itemsize else None


def pickled_path(*parts: object) -> str:
    """In place of a path: its parts, joined by slashes."""
    return "/".join(str(part) for part in parts).replace("//", "/")


STAND_INS: tuple[tuple[Callable[..., object], str], ...] = (
    (PickledNamespace, "argparse.Namespace"),
    (PickledNamespace, "types.SimpleNamespace"),
    (PickledType, "numpy.dtype"),
    *(
        (stand_in, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for stand_in, name in ((pickled_scalar, "scalar"), (PickledArray, "_reconstruct"))
    ),
    (PickledArray, "numpy.ndarray"),
    *(
        (pickled_path, f"{module}.{kind}Path")
        for module in ("pathlib", "pathlib._local")
        for kind in ("Posix", "Windows", "PurePosix", "PureWindows")
    ),
)
"""What is called, and the name in a pickle in whose place it is."""


def plain_value(value: object) -> object:
    """The value in dictionaries, lists, texts and numbers; what is none of these becomes None.

    Levels below the 20th are cut off, and what comes after 100,000 values: a short pickle can hold the
    same list in itself many times over.
    """
    return _plain(value, 0, [_MAX_VALUES])


def _plain(value: object, depth: int, left: list[int]) -> object:
    left[0] -= 1
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if depth >= _MAX_DEPTH or left[0] <= 0:
        return None
    if isinstance(value, PickledNamespace):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1, left) for key, item in value.items() if left[0] > 0}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1, left) for item in value if left[0] > 0]
    return None
