"""Pickles of plain values and NumPy arrays, read without unpickling.

A pickle is a program for a stack machine that may call any function by name. The machine here knows the
instructions that texts, numbers, lists, dictionaries and arrays need, and a few names of NumPy, in whose
place it builds arrays itself; NumPy's own functions are not called either, since they allocate whatever
size they are told. Everything else is refused by name before anything has been run.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cmcr_worker.decoding.pickled_values import Array, Kind, Named, RefusedPickle, built, called, named

MAX_INSTRUCTIONS = 1_000_000
"""Longest program that is read; a sample of a cloud with its features has about a thousand."""


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
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    ]
)
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS, _GETS = frozenset({"BINPUT", "LONG_BINPUT"}), frozenset({"BINGET", "LONG_BINGET"})
_PLAIN = ("PROTO", "FRAME", "STOP")

INSTRUCTIONS = frozenset(
    [
        *(*_VALUES, *_CONSTANTS, *_PUTS, *_GETS, *_TUPLES, *_PLAIN),
        *("MEMOIZE", "MARK", "TUPLE", "APPEND", "APPENDS", "SETITEM", "SETITEMS"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    ]
)
"""All that the machine knows."""


def read_pickle(program: bytes) -> object:
    """What the pickle holds: texts, bytes, numbers, lists, tuples, dictionaries, arrays of numbers, and for
    an array of objects its flat list, or its one object where it has no dimensions.

    Raises:
        RefusedPickle: where it asks for anything else, or is damaged; the message completes
            a sentence that begins with the file's name.
    """
    steps = ((code.name, argument) for code, argument, _ in pickletools.genops(program))
    return run_instructions(steps, MAX_INSTRUCTIONS)


def run_instructions(steps: Iterable[tuple[str, Any]], most: int) -> object:
    """What a program of at most `most` instructions holds, each its name and its argument.

    An argument of bytes may be a `StoredBytes`; the array that is made of it is then a `StoredArray`.
    Raises as `read_pickle`, which has the rest.
    """
    machine = _Machine()
    try:
        for count, (code, argument) in enumerate(steps):
            if count >= most:
                raise RefusedPickle(f"has more than {most} instructions")
            if code == "STOP":
                return _finished(machine.stack.pop())
            machine.step(code, argument)
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
            stack.append(named(str(argument)))
        elif code == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(named(f"{module} {name}"))
        elif code == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(called(function, arguments))
        elif code == "BUILD":
            state = stack.pop()
            built(stack[-1], state)
        elif code not in _PLAIN:
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
            inner = item.values if isinstance(item, Array) else item
            if inner is not item:
                holder[key] = inner
            if isinstance(inner, list | dict):
                todo.append(inner)
            elif isinstance(inner, Array | Kind | Named | tuple):
                raise RefusedPickle("holds something that is neither text, number, list nor array")
    return root[0]
