"""Items on their way to the encoder: prepared, in a decoder, or known to be unreadable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cmcr_worker.decoding.media import Media, Prepared
from cmcr_worker.decoding.regions import Box, Cut, cut
from cmcr_worker.decoding.session import Task
from cmcr_worker.encoders.protocol import Preparation
from cmcr_worker.errors import WorkerError

Check = Callable[[], None]


class Unreadable(Exception):
    """An item that has no row, for a cause of its own; the others may have one."""

    def __init__(self, error: WorkerError) -> None:
        super().__init__(error.message)
        self.error = error


class Item(Protocol):
    """One item of a batch."""

    @property
    def name(self) -> str:
        """What messages call it; empty where it has no name."""

    def take(self, check: Check) -> Prepared | Cut:
        """What the encoder takes of it, or of each of its regions, waited for; `check` is called meanwhile
        and may raise.

        Raises:
            Unreadable: where it cannot be decoded or prepared.
            WorkerError: where no item could be.
        """

    def release(self) -> None:
        """Says that it is not used any more."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An item that is prepared."""

    prepared: Prepared
    name: str = ""

    def take(self, check: Check) -> Prepared:
        """It."""
        return self.prepared

    def release(self) -> None:
        """Nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Uncut:
    """A generated image whose regions are prepared when they are taken: together they are larger than it."""

    image: Media
    regions: tuple[Box, ...]
    prepare: Preparation
    name: str = ""

    def take(self, check: Check) -> Cut:
        """Its regions."""
        check()
        try:
            return cut(self.image, self.regions, self.prepare)
        except WorkerError as error:
            raise Unreadable(error) from error

    def release(self) -> None:
        """Nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that is known to be unreadable."""

    error: WorkerError
    name: str = ""

    def take(self, check: Check) -> Prepared:
        """Raises the cause."""
        raise Unreadable(self.error)

    def release(self) -> None:
        """Nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Coming:
    """An item on its way through a decoder."""

    task: Task

    @property
    def name(self) -> str:
        """Of what is decoded."""
        return self.task.source.name

    def take(self, check: Check) -> Prepared | Cut:
        """What the decoder made of it."""
        answer = self.task.session.take(self.task, check)
        if answer.reason:
            if answer.fatal:
                raise answer.error()
            raise Unreadable(answer.error())
        prepared: Prepared | Cut = answer.value
        return prepared

    def release(self) -> None:
        """Makes room for another."""
        self.task.session.release(self.task)
