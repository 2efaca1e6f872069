"""From what a decoding library raises to the error that names the item."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cmcr_worker.decoding.encoded import Encoded
from cmcr_worker.errors import WorkerError


@contextmanager
def naming(source: Encoded, what: str) -> Iterator[None]:
    """Turns whatever is raised inside into DATA_CORRUPT with `what`, such as "cannot be decoded".

    The libraries raise many kinds of error on bytes that a stranger made: OSError and ValueError, but
    also SyntaxError, struct.error or IndexError.
    """
    try:
        yield
    except WorkerError:
        raise
    except MemoryError as error:
        raise source.corrupt("needs more memory to decode than there is") from error
    except Exception as error:
        raise source.corrupt(f"{what} ({first_line(error)})") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
