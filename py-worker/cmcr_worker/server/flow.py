"""Threads around a call: work apart from the thread that talks to the client.

A call's own thread only writes; a reader thread takes in the client's messages,
and the work runs on a third. So the network never makes the device wait, and a
cancelled client is noticed while an operation is under way.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc

from cmcr_worker.tensors.progress import Cancelled

T = TypeVar("T")
PROGRESS_SECONDS = 0.1
"""Shortest time between two reports of progress."""

_END = object()

Report = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""


@dataclass(frozen=True)
class Progress:
    """`done` of `total` rows are ready."""

    done: int
    total: int


@dataclass(frozen=True)
class Done(Generic[T]):
    """The work's result."""

    value: T


class Failed:
    """What a thread raised, to be raised again where the call is."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class Call:
    """A call's liveness as the numerical code asks for it."""

    def __init__(self, context: grpc.ServicerContext, stopping: threading.Event) -> None:
        self._gone = threading.Event()
        self._stopping = stopping
        if not context.add_callback(self._gone.set):
            self._gone.set()

    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more."""
        return self._gone.is_set() or self._stopping.is_set()

    def check(self) -> None:
        """Raises Cancelled when nobody waits for the result any more."""
        if self.cancelled():
            raise Cancelled

    def put(self, channel: queue.Queue[Any], item: object) -> None:
        """Puts `item`, waiting for room but not for a client that has gone."""
        while True:
            self.check()
            try:
                return channel.put(item, timeout=0.2)
            except queue.Full:
                continue

    def take(self, channel: queue.Queue[Any]) -> Any:
        """Takes the next item, raising what a `Failed` carries."""
        while True:
            try:
                item = channel.get(timeout=0.2)
            except queue.Empty:
                self.check()
                continue
            if isinstance(item, Failed):
                raise item.error
            return item


def spawn(call: Call, channel: queue.Queue[Any], name: str, work: Callable[[], None]) -> None:
    """Runs `work` on a thread; what it raises arrives in `channel`."""

    def run() -> None:
        try:
            work()
        except Cancelled:
            pass
        except Exception as error:
            # The channel may be full and its reader slow; it may also be gone.
            with contextlib.suppress(Cancelled):
                call.put(channel, Failed(error))

    threading.Thread(target=run, name=name, daemon=True).start()


def read_ahead(
    call: Call, messages: Iterable[Any], depth: int, prepare: Callable[[Any], Any]
) -> Iterator[Any]:
    """Yields `prepare(message)` for each message, prepared up to `depth` ahead on a reader thread."""
    channel: queue.Queue[Any] = queue.Queue(maxsize=depth)

    def read() -> None:
        try:
            for message in messages:
                call.put(channel, prepare(message))
        except grpc.RpcError as error:
            # How grpc says that the client broke off in the middle of its messages.
            raise Cancelled from error
        call.put(channel, _END)

    spawn(call, channel, "reader", read)
    while (item := call.take(channel)) is not _END:
        yield item


class Room:
    """How many items may be on their way: batches go on being prepared until there are enough.

    `least` items may always be, and always two batches as large as the largest that has come, besides the
    one in work.
    """

    def __init__(self, least: int) -> None:
        self._most = least
        self._taken = 0
        self._freed = threading.Condition()

    def take(self, call: Call, count: int) -> None:
        """Waits until there is room for a batch of `count`, but not for a client that has gone."""
        with self._freed:
            self._most = max(self._most, 3 * count)
            while self._taken + count > self._most:
                call.check()
                self._freed.wait(0.2)
            self._taken += count

    def free(self, count: int) -> None:
        """Says that a batch of `count` is done."""
        with self._freed:
            self._taken -= count
            self._freed.notify_all()


def outputs(call: Call, depth: int, work: Callable[[Callable[[T], None]], None]) -> Iterator[T]:
    """Runs `work(put)` on a thread and yields what it puts, which waits while `depth` of them are unread."""
    channel: queue.Queue[Any] = queue.Queue(maxsize=depth)

    def run() -> None:
        work(lambda item: call.put(channel, item))
        call.put(channel, _END)

    spawn(call, channel, "work", run)
    while (item := call.take(channel)) is not _END:
        yield item


def with_progress(call: Call, work: Callable[[Report], T]) -> Iterator[Progress | Done[T]]:
    """Runs `work(report)` on a thread; yields its reports, seldom enough, and last its result."""
    channel: queue.Queue[Any] = queue.Queue()
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        call.check()
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS or done == total:
            last = now
            channel.put(Progress(done, total))

    spawn(call, channel, "work", lambda: channel.put(Done(work(report))))
    while True:
        item: Progress | Done[T] = call.take(channel)
        yield item
        if isinstance(item, Done):
            return
