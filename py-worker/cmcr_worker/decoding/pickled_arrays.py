"""Pickles of plain values and NumPy arrays, read without unpickling.

A pickle is a program for a stack machine that may call any function by name. The machine here knows the
instructions that texts, numbers, lists, dictionaries and arrays need, and four names of NumPy, in whose
place it builds arrays itself; NumPy's own functions are not called either, since they allocate whatever
size they are told. Everything else is refused by name before anything has been run.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_INSTRUCTIONS = 1_000_000
"""Longest program that is read; a sample of a cloud with its features has about a thousand."""


class RefusedPickle(ValueError):
    """The pickle asks for something that no array needs, or is damaged."""


@dataclass(slots=True)
class _Named:
    """A name that a pickle may look up, before it is called."""

    name: str


@dataclass(slots=True)
class _Kind:
    """An element type: its code, such as `f4`, and its byte order."""

    code: str
    order: str = "<"

    def numeric(self) -> np.dtype[Any]:
        if not re.fullmatch(r"b1|[iu][1248]|f[248]", self.code):
            raise RefusedPickle(f"holds an array of {self.code!r}, which is no number")
        return np.dtype(self.code).newbyteorder(">" if self.order == ">" else "<")


@dataclass(slots=True)
class _Array:
    """An array whose values have yet to come."""

    values: Any = None


_MULTIARRAY = re.compile(r"numpy\.(_core|core)\.multiarray (_reconstruct|scalar)")
_OTHERS = {"numpy ndarray": "ndarray", "numpy dtype": "dtype", "_codecs encode": "encode"}
_CONSTANTS: Mapping[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_VALUES = frozenset(
    [
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    ]
)
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS, _GETS = frozenset({"BINPUT", "LONG_BINPUT"}), frozenset({"BINGET", "LONG_BINGET"})


def read_pickle(program: bytes) -> object:
    """What the pickle holds: texts, bytes, numbers, lists, tuples, dictionaries, arrays of numbers, and for
    an array of objects its flat list, or its one object where it has no dimensions.

    Raises:
        RefusedPickle: where it asks for anything else, or is damaged; the message completes
            a sentence that begins with the file's name.
    """
    machine = _Machine()
    try:
        for count, (code, argument, _) in enumerate(pickletools.genops(program)):
            if count >= MAX_INSTRUCTIONS:
                raise RefusedPickle(f"has more than {MAX_INSTRUCTIONS} instructions")
            if code.name == "STOP":
                return _finished(machine.stack.pop())
            machine.step(code.name, argument)
    except RefusedPickle:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, MemoryError) as error:
        raise RefusedPickle(f"is a damaged pickle ({str(error)[:120] or type(error).__name__})") from error
    raise RefusedPickle("is a damaged pickle: it does not end")


class _Machine:
    """The stack machine; an instruction that lacks what it takes raises IndexError or TypeError."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, code: str, argument: Any) -> None:
        """Carries one instruction out."""
        stack = self.stack
        if code in _VALUES:
            stack.append(argument)
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code]())
        elif code in _PUTS:
            self.memo[argument] = stack[-1]
        elif code == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif code in _GETS:
            stack.append(self.memo[argument])
        elif code == "MARK":
            self.marks.append(len(stack))
        elif code in _TUPLES:
            self._tuple(len(stack) - _TUPLES[code])
        elif code == "TUPLE":
            self._tuple(self.marks.pop())
        elif code in ("APPEND", "APPENDS"):
            self._append(self._since(code == "APPENDS", 1))
        elif code in ("SETITEM", "SETITEMS"):
            self._set(self._since(code == "SETITEMS", 2))
        elif code == "GLOBAL":
            stack.append(_named(str(argument)))
        elif code == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(_named(f"{module} {name}"))
        elif code == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_called(function, arguments))
        elif code == "BUILD":
            state = stack.pop()
            _built(stack[-1], state)
        elif code not in ("PROTO", "FRAME"):
            raise RefusedPickle(f"uses the pickle instruction {code}, which no array needs")

    def _since(self, mark: bool, count: int) -> list[Any]:
        start = self.marks.pop() if mark else len(self.stack) - count
        if start < 0:
            raise IndexError("the stack is empty")
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _tuple(self, start: int) -> None:
        if start < 0:
            raise IndexError("the stack is empty")
        self.stack[start:] = [tuple(self.stack[start:])]

    def _append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise TypeError("appends to what is no list")
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise TypeError("sets an item of what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int):
                raise TypeError("has a key that is no text")
            self.stack[-1][key] = value


def _named(name: str) -> _Named:
    found = _MULTIARRAY.fullmatch(name)
    known = found.group(2) if found else _OTHERS.get(name)
    if known is None:
        raise RefusedPickle(f"asks for {name.replace(' ', '.', 1)}, which no array needs; it was not run")
    return _Named(known)


def _called(function: object, arguments: Any) -> object:
    if not isinstance(function, _Named) or not isinstance(arguments, tuple):
        raise TypeError("calls what is no function")
    if function.name == "_reconstruct":
        return _Array()
    if function.name == "dtype" and isinstance(arguments[0], str):
        return _Kind(arguments[0])
    if function.name == "scalar" and isinstance(arguments[0], _Kind) and isinstance(arguments[1], bytes):
        return _values(arguments[0], (), arguments[1])[()]
    if function.name == "encode" and isinstance(arguments[0], str) and arguments[1:] == ("latin1",):
        # How protocol 2 writes bytes.
        return arguments[0].encode("latin1")
    raise TypeError(f"calls {function.name} with what it does not take")


def _built(target: object, state: Any) -> None:
    if isinstance(target, _Kind) and isinstance(state, tuple):
        if len(state) > 1 and isinstance(state[1], str):
            target.order = state[1]
    elif isinstance(target, _Array) and isinstance(state, tuple):
        _, shape, kind, column_major, data = state
        if not isinstance(kind, _Kind):
            raise TypeError("gives an array no element type")
        target.values = _values(kind, shape, data, column_major=bool(column_major))
    else:
        raise TypeError("gives a state to what has none")


def _values(kind: _Kind, shape: tuple[int, ...], data: Any, *, column_major: bool = False) -> Any:
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
    if not isinstance(data, bytes) or len(data) != count * dtype.itemsize or len(shape) > 8:
        raise ValueError(f"has too many or too few bytes for an array of {shape}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if column_major else "C")


def _finished(value: object) -> object:
    """The value with its arrays in place of what stood for them; each list and dictionary once."""
    seen: set[int] = set()
    root = [value]
    todo: list[Any] = [root]
    while todo:
        holder = todo.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        for key, item in holder.items() if isinstance(holder, dict) else enumerate(holder):
            inner = item.values if isinstance(item, _Array) else item
            if inner is not item:
                holder[key] = inner
            if isinstance(inner, list | dict):
                todo.append(inner)
            elif isinstance(inner, _Array | _Kind | _Named | tuple):
                raise RefusedPickle("holds something that is neither text, number, list nor array")
    return root[0]
