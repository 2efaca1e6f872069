"""A provider's options, read one by one, so that none is misspelt in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from cmcr_worker.errors import Reason, WorkerError, unknown_name

COMPUTE_DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Element types of the forward pass by their names in an experiment file."""


class Options:
    """Options as the request has them; `finish` refuses those that nobody asked for."""

    def __init__(self, provider: str, given: Mapping[str, object]) -> None:
        self._provider = provider
        self._given = dict(given)
        self._known: list[str] = []

    def _take(self, name: str) -> object | None:
        self._known.append(name)
        return self._given.pop(name, None)

    def text(self, name: str, default: str, *, empty: bool = False) -> str:
        """A string, which may be empty where `empty` says so. Raises CONFIG_INVALID for anything else."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, str) or not (value or empty):
            raise self._wrong(name, "a text", value)
        return value

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """One of `allowed`. Raises CONFIG_INVALID for anything else."""
        value = self._take(name)
        if value is None:
            return default
        if value not in allowed:
            raise self._wrong(name, f"one of {', '.join(allowed)}", value)
        return str(value)

    def whole(self, name: str, default: int, *, least: int = 0) -> int:
        """A whole number of at least `least`. Raises CONFIG_INVALID for anything else."""
        value = self._take(name)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._wrong(name, f"a whole number of at least {least}", value)
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """A number of that range. Raises CONFIG_INVALID for anything else."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise self._wrong(name, f"a number from {least:g} to {most:g}", value)
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """True or false. Raises CONFIG_INVALID for anything else."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false", value)
        return value

    def dtype(self) -> torch.dtype:
        """The option `dtype`: element type of the forward pass, float32 unless given."""
        return COMPUTE_DTYPES[self.choice("dtype", "float32", tuple(COMPUTE_DTYPES))]

    def finish(self) -> None:
        """Raises UNKNOWN_NAME for an option that was given and not asked for."""
        for name in sorted(self._given):
            raise unknown_name(f"option of the provider {self._provider}", name, self._known)

    def _wrong(self, name: str, expected: str, found: object) -> WorkerError:
        return WorkerError(
            Reason.CONFIG_INVALID,
            f"the option {name} of the provider {self._provider}: expected {expected}, found {found!r}",
            subject=f"encoder.options.{name}",
            remedy=f"Give {expected}, or leave the option out.",
        )


def dtype_name(dtype: torch.dtype) -> str:
    """The name of an element type, such as `bfloat16`."""
    return str(dtype).removeprefix("torch.")
