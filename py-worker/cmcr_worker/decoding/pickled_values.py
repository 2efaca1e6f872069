"""What a pickle builds: arrays of numbers, from a few names of NumPy, none of which is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from cmcr_worker.decoding.stored_arrays import StoredBytes


class RefusedPickle(ValueError):
    """The pickle asks for something that no array needs, or is damaged."""


@dataclass(slots=True)
class Named:
    """A name that a pickle may look up, before it is called."""

    name: str


@dataclass(slots=True)
class Kind:
    """An element type: its code, such as `f4`, and its byte order."""

    code: str
    order: str = "<"

    def numeric(self) -> np.dtype[Any]:
        """The type of numbers. Raises RefusedPickle for any other."""
        if not re.fullmatch(r"b1|[iu][1248]|f[248]", self.code):
            raise RefusedPickle(f"holds an array of {self.code!r}, which is no number")
        return np.dtype(self.code).newbyteorder(">" if self.order == ">" else "<")


@dataclass(slots=True)
class Array:
    """An array whose values have yet to come."""

    values: Any = None


_MULTIARRAY = re.compile(r"numpy\.(_core|core)\.multiarray (_reconstruct|scalar)")
_OTHERS = {
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
    # How protocol 5 writes arrays.
    "numpy.core.numeric _frombuffer": "frombuffer",
    "numpy._core.numeric _frombuffer": "frombuffer",
}


def named(name: str) -> Named:
    """What a pickle means by `module name`. Raises RefusedPickle for all but the names that arrays need."""
    found = _MULTIARRAY.fullmatch(name)
    known = found.group(2) if found else _OTHERS.get(name)
    if known is None:
        raise RefusedPickle(f"asks for {name.replace(' ', '.', 1)}, which no array needs; it was not run")
    return Named(known)


def called(function: object, arguments: Any) -> object:
    """The result of a call. Raises TypeError where the function does not take these."""
    if not isinstance(function, Named) or not isinstance(arguments, tuple):
        raise TypeError("calls what is no function")
    if function.name == "_reconstruct":
        return Array()
    if function.name == "dtype" and isinstance(arguments[0], str):
        return Kind(arguments[0])
    if function.name == "scalar" and isinstance(arguments[0], Kind) and isinstance(arguments[1], bytes):
        return _values(arguments[0], (), arguments[1])[()]
    if function.name == "encode" and arguments[1:] == ("latin1",):
        # How protocol 2 writes bytes.
        if isinstance(arguments[0], str):
            return arguments[0].encode("latin1")
        if isinstance(arguments[0], StoredBytes):
            return arguments[0].as_latin1()
    if function.name == "frombuffer":
        data, kind, shape, order = arguments
        if isinstance(kind, Kind) and order in ("C", "F"):
            return Array(_values(kind, shape, data, column_major=order == "F"))
    raise TypeError(f"calls {function.name} with what it does not take")


def built(target: object, state: Any) -> None:
    """Gives an array its values, or an element type its byte order. Raises TypeError for anything else."""
    if isinstance(target, Kind) and isinstance(state, tuple):
        if len(state) > 1 and isinstance(state[1], str):
            target.order = state[1]
    elif isinstance(target, Array) and isinstance(state, tuple):
        _, shape, kind, column_major, data = state
        if not isinstance(kind, Kind):
            raise TypeError("gives an array no element type")
        target.values = _values(kind, shape, data, column_major=bool(column_major))
    else:
        raise TypeError("gives a state to what has none")


def _values(kind: Kind, shape: tuple[int, ...], data: Any, *, column_major: bool = False) -> Any:
    """The array, over the bytes that are there: a shape that asks for other than them is an error."""
    count = 1
    for side in shape:
        if not isinstance(side, int) or side < 0:
            raise ValueError(f"gives an array the shape {shape}")
        count *= side
    if isinstance(data, list):
        if len(data) != count:
            raise ValueError(f"has {len(data)} objects for {count}")
        return data if shape else data[0]
    dtype = kind.numeric()
    if isinstance(data, StoredBytes) and len(shape) <= 8:
        return data.array(dtype, shape, column_major=column_major)
    if not isinstance(data, bytes | bytearray) or len(data) != count * dtype.itemsize or len(shape) > 8:
        raise ValueError(f"has too many or too few bytes for an array of {shape}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if column_major else "C")
