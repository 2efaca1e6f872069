"""A pool of decoder processes, driven by one thread.

A session belongs to one call: its items are decoded in any order, and its owner takes them in theirs. What is
decoded and not yet taken is bounded in bytes, so that a slow device holds the decoders back; how many items
wait, the owner bounds by what it submits.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import pickle
import selectors
import threading
import time
from typing import Any

from cmcr_worker.decoding.child import Child
from cmcr_worker.decoding.encoded import Limits
from cmcr_worker.decoding.failing import first_line
from cmcr_worker.decoding.messages import failed
from cmcr_worker.decoding.session import Session, Task
from cmcr_worker.errors import Reason, WorkerError

MEMORY_BYTES = 4 << 30
"""What one decoder process may allocate: the largest image by the limits takes about 2 GiB on its way."""

WINDOW = 3
"""Items that one process is given at once: it never waits for the worker, whose threads may be busy."""

LOG = logging.getLogger("cmcr_worker")


class DecoderPool:
    """Up to `size` processes, started when there is work for them; lives until `close`."""

    def __init__(self, size: int, memory_bytes: int = MEMORY_BYTES) -> None:
        self.size = size
        self._memory_bytes = memory_bytes
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._sessions: list[Session] = []
        self._forgotten: list[Session] = []
        self._wanted = 0
        self._children: list[Child] = []
        self._closing = False
        self._thread: threading.Thread | None = None
        self._signal, self._signalled = -1, False

    def session(self, modality: str, preparation: Any, limits: Limits, expected: int) -> Session:
        """Begins a session of about `expected` items, whose processes are started at once.

        Raises:
            WorkerError: CONFIG_INVALID where the preparation cannot be pickled.
        """
        try:
            pickled = pickle.dumps(preparation, protocol=5)
        except Exception as error:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"the encoder's preparation of {modality} cannot be handed to a decoder process ({error})",
                subject="preparation",
                remedy="Make it an object of a class that a module defines, not a closure.",
            ) from error
        session = Session(self, next(self._numbers), modality, limits, pickled)
        with self._lock:
            if self._closing:
                raise WorkerError(Reason.INTERNAL, "the worker is ending")
            self._sessions.append(session)
            self._wanted = max(self._wanted, min(self.size, expected))
            if self._thread is None:
                reading, self._signal = os.pipe()
                os.set_blocking(self._signal, False)
                self._thread = threading.Thread(
                    target=self._run, args=(reading,), name="decoders", daemon=True
                )
                self._thread.start()
        self.wake()
        return session

    def pids(self) -> list[int]:
        """Numbers of the processes that run."""
        return [child.pid for child in list(self._children)]

    def close(self) -> None:
        """Ends every process; to be called once, when no session is used any more."""
        with self._lock:
            self._closing = True
            thread = self._thread
        if thread is not None:
            self.wake()
            thread.join()

    def enqueue(self, task: Task) -> None:
        """Called by a session."""
        with self._lock:
            task.session.waiting.append(task)
        self.wake()

    def close_session(self, session: Session) -> None:
        """Called by a session."""
        with self._lock:
            session.closed = True
            session.waiting.clear()
            self._sessions.remove(session)
            self._forgotten.append(session)
        self.wake()

    def wake(self) -> None:
        """Makes the thread look again."""
        if not self._signalled:
            self._signalled = True
            with contextlib.suppress(BlockingIOError, OSError):
                os.write(self._signal, b"!")

    def _run(self, reading: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(reading, selectors.EVENT_READ)
            while not self._closing:
                try:
                    self._turn(selector, reading)
                except Exception as error:
                    # Such as a system that starts no more processes. Nobody may wait for ever.
                    LOG.exception("the decoder processes cannot go on")
                    self._give_up(selector, error)
            self._end_all(selector)
        # From here on nobody writes to a descriptor that may be another one's soon.
        self._signalled = True
        os.close(reading)
        os.close(self._signal)

    def _turn(self, selector: selectors.BaseSelector, reading: int) -> None:
        self._assign(selector)
        for key, _ in selector.select(self._patience()):
            if key.data is None:
                # First, so that whatever is said from now on wakes it again.
                os.read(reading, 64)
                self._signalled = False
            elif key.data in self._children:
                self._serve(key.data, selector)
        self._expire(selector)

    def _give_up(self, selector: selectors.BaseSelector, error: Exception) -> None:
        """Fails every item that waits or is in work."""
        tasks = [task for child in self._children for task in child.tasks]
        self._end_all(selector)
        with self._lock:
            self._wanted = 0
            for session in self._sessions:
                session.in_work += len(session.waiting)
                tasks += session.waiting
                session.waiting.clear()
        cause = WorkerError(
            Reason.INTERNAL,
            f"the decoder processes cannot go on ({first_line(error)})",
            remedy="The worker's log says more.",
        )
        for task in tasks:
            task.session.settle(task, failed(cause, fatal=True))

    def _end_all(self, selector: selectors.BaseSelector) -> None:
        for child in self._children:
            selector.unregister(child.channel)
            child.bury(dying=False)
        self._children.clear()

    def _assign(self, selector: selectors.BaseSelector) -> None:
        """Gives items to processes as long as there are both."""
        with self._lock:
            forgotten, self._forgotten = self._forgotten, []
        for session in forgotten:
            for known in self._children:
                known.forget(session)
        while len(self._children) < self._wanted:
            self._start(selector)
        while True:
            child: Child | None = self._roomiest()
            if (child is None or child.tasks) and len(self._children) < self.size and self._any_waiting():
                child = self._start(selector)
            if child is None or len(child.tasks) >= WINDOW:
                break
            task = self._next()
            if task is None:
                break
            child.give(task)
        for known in self._children:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if known.has_unsent else 0)
            if selector.get_key(known.channel).events != events:
                selector.modify(known.channel, events, known)

    def _roomiest(self) -> Child | None:
        return min(self._children, key=lambda child: len(child.tasks), default=None)

    def _any_waiting(self) -> bool:
        with self._lock:
            return any(session.waiting and session.has_room() for session in self._sessions)

    def _next(self) -> Task | None:
        """The next item of the sessions in turn."""
        with self._lock:
            for place, session in enumerate(self._sessions):
                if session.waiting and session.has_room():
                    self._sessions.append(self._sessions.pop(place))
                    session.in_work += 1
                    return session.waiting.popleft()
        return None

    def _start(self, selector: selectors.BaseSelector) -> Child:
        child = Child(self._memory_bytes)
        self._children.append(child)
        selector.register(child.channel, selectors.EVENT_READ, child)
        return child

    def _patience(self) -> float | None:
        busy = [child.deadline for child in self._children if child.tasks or not child.ready]
        return max(0.0, min(busy) - time.monotonic()) if busy else None

    def _serve(self, child: Child, selector: selectors.BaseSelector) -> None:
        child.send()
        try:
            while (answered := child.receive()) is not None:
                task, answer = answered
                if answer.trace:
                    LOG.error("%s", answer.trace)
                task.session.settle(task, answer)
        except EOFError:
            self._bury(child, selector)
        except Exception as error:
            # What it sent cannot be understood: it is not to be trusted any more.
            LOG.exception("a decoder process answered what cannot be read")
            self._bury(child, selector, f"gave an answer that cannot be read ({type(error).__name__})")

    def _expire(self, selector: selectors.BaseSelector) -> None:
        now = time.monotonic()
        for child in list(self._children):
            if (child.tasks or not child.ready) and now >= child.deadline:
                seconds = child.tasks[0].session.limits.work_seconds if child.tasks else 0.0
                self._bury(child, selector, f"took longer than {seconds:g} s to decode")

    def _bury(self, child: Child, selector: selectors.BaseSelector, cause: str = "") -> None:
        """Ends a process: its first item failed, the others go to the next one."""
        selector.unregister(child.channel)
        self._children.remove(child)
        self._wanted = min(self._wanted, len(self._children))
        how = child.bury(dying=not cause)
        if not child.tasks:
            return
        if not child.ready:
            error = WorkerError(
                Reason.INTERNAL,
                f"a decoder process cannot start ({how})",
                remedy="The worker's log has its last lines. Run: cmcr doctor",
            )
            for task in child.tasks:
                task.session.settle(task, failed(error, fatal=True))
            return
        first, *others = child.tasks
        killed = " (the system does so when memory runs out)" if how == "SIGKILL" else ""
        what = cause or f"ended the process that decoded it: {how}{killed}"
        first.session.settle(first, failed(first.source.corrupt(what)))
        with self._lock:
            for task in reversed(others):
                task.session.in_work -= 1
                if not task.session.closed:
                    task.session.waiting.appendleft(task)
