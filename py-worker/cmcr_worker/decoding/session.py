"""One call's use of the decoder processes: what it hands in and what it takes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.decoding.frames import array_bytes
from cmcr_worker.decoding.messages import Answer
from cmcr_worker.decoding.regions import Box

if TYPE_CHECKING:
    from cmcr_worker.decoding.pool import DecoderPool

HELD_BYTES = 1 << 30
"""Decoded items of one session that nobody has taken yet may have as much."""

_SHARE_OF_THE_LAST = 0.1  # In the average of what items take.


class Task:
    """One item on its way; `answer` is set once it has been through a decoder."""

    __slots__ = ("answer", "extra_seconds", "held", "part", "regions", "session", "source")

    def __init__(
        self, session: Session, source: Encoded, part: Part | None, regions: tuple[Box, ...] | None
    ) -> None:
        self.session = session
        self.source = source
        self.part = part
        self.regions = regions
        self.answer: Answer | None = None
        self.held = 0
        self.extra_seconds = 0.0


class Session:
    """One call's use of the pool; a context manager that gives up what is not done."""

    def __init__(
        self, pool: DecoderPool, number: int, modality: str, limits: Limits, preparation: bytes
    ) -> None:
        self.number = number
        self.modality = modality
        self.limits = limits
        self.preparation = preparation
        self.closed = False
        self.waiting: deque[Task] = deque()
        self.in_work = 0
        self.held_bytes = 0
        self._usual_bytes = 0.0
        self._pool = pool
        self._answered = threading.Condition()

    def submit(self, source: Encoded, part: Part | None, regions: tuple[Box, ...] | None = None) -> Task:
        """Hands an item in, of which these regions are wanted or all; never waits."""
        task = Task(self, source, part, regions)
        self._pool.enqueue(task)
        return task

    def take(self, task: Task, check: Callable[[], None]) -> Answer:
        """What became of an item, waiting for it; `check` is called now and then, and may raise.

        The answer's memory counts as held until `release`.
        """
        with self._answered:
            while task.answer is None:
                check()
                self._answered.wait(0.2)
            return task.answer

    def release(self, task: Task) -> None:
        """Says that the item's arrays are not used any more."""
        task.answer = None
        with self._answered:
            self.held_bytes -= task.held
            task.held = 0
        self._pool.wake()

    def has_room(self) -> bool:
        """Whether another of its items may be decoded now, those in work taken to be as large as usual."""
        return self.held_bytes + self.in_work * self._usual_bytes < HELD_BYTES

    def settle(self, task: Task, answer: Answer) -> None:
        """Called by the pool: the item is done."""
        with self._answered:
            self.in_work -= 1
            task.answer = answer
            if not self.closed:
                task.held = array_bytes(answer.value)
                self.held_bytes += task.held
                self._usual_bytes += (task.held - self._usual_bytes) * _SHARE_OF_THE_LAST
            self._answered.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close_session(self)
