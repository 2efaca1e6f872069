"""A decoder process as its worker sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from cmcr_worker.decoding.frames import Assembler, parts_of
from cmcr_worker.decoding.messages import Answer, Close, Decode, Open, Ready

if TYPE_CHECKING:
    from cmcr_worker.decoding.session import Session, Task

START_SECONDS = 60.0
"""What a process may take to start, and what it may take to load a preparation, on a busy machine."""

ABANDONED_SECONDS = 1.0
"""What an item may still take once nobody waits for it."""

_DYING_SECONDS = 2.0
# For glibc; others ignore them. By default each large array is a mapping of its own, whose pages the system
# fills with zeros anew for every item: a third of the time that a photo takes.
_ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Child:
    """One process and the items that it has been given, which it answers in order."""

    def __init__(self, memory_bytes: int) -> None:
        self.channel, other = socket.socketpair()
        self.channel.setblocking(False)
        # What this process can import its decoders can, wherever they are started.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {**os.environ, **_ALLOCATION, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
        environment.update(dict.fromkeys(_THREADS, "1"))
        program = [sys.executable, "-m", "cmcr_worker.decoding.process"]
        with other:
            self._process = subprocess.Popen(
                [*program, str(other.fileno()), str(memory_bytes)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                env=environment,
                # A group of its own: what it has started ends with it, and a terminal's Ctrl-C is not for it.
                start_new_session=True,
            )
        self.ready = False
        self.tasks: deque[Task] = deque()
        self.deadline = time.monotonic() + START_SECONDS
        self._assembler = Assembler(self.channel)
        self._outbox: deque[memoryview] = deque()
        self._sessions: set[int] = set()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def has_unsent(self) -> bool:
        """Whether something waits until the socket takes more."""
        return bool(self._outbox)

    def give(self, task: Task) -> None:
        """Sends an item; its session goes before it, once."""
        session = task.session
        extra = 0.0
        if session.number not in self._sessions:
            self._sessions.add(session.number)
            extra = START_SECONDS
            self._put(Open(session.number, session.modality, session.limits, session.preparation))
        self._put(Decode(session.number, task.source, task.part, task.regions))
        self.tasks.append(task)
        if len(self.tasks) == 1:
            self._begin_head(extra + (0.0 if self.ready else START_SECONDS))
        else:
            task.extra_seconds = extra

    def forget(self, session: Session) -> None:
        """Says that nobody waits for that session's items any more."""
        if session.number in self._sessions:
            self._sessions.discard(session.number)
            self._put(Close(session.number))
            if self.tasks and self.tasks[0].session is session:
                self.deadline = min(self.deadline, time.monotonic() + ABANDONED_SECONDS)

    def send(self) -> None:
        """Sends what the socket takes."""
        while self._outbox:
            try:
                count = self.channel.send(self._outbox[0])
            except BlockingIOError:
                return
            except OSError:
                # It is gone, which reading will tell.
                self._outbox.clear()
                return
            self._outbox[0] = self._outbox[0][count:]
            if not self._outbox[0]:
                self._outbox.popleft()

    def receive(self) -> tuple[Task, Answer] | None:
        """The next item that is answered; None where there is none yet.

        Raises:
            EOFError: where the process is gone.
        """
        message = self._assembler.receive()
        if isinstance(message, Ready):
            self.ready = True
            if self.tasks:
                self._begin_head(START_SECONDS)
        if not isinstance(message, Answer):
            return None
        task = self.tasks.popleft()
        if self.tasks:
            self._begin_head(self.tasks[0].extra_seconds)
        return task, message

    def _begin_head(self, extra: float) -> None:
        task = self.tasks[0]
        seconds = ABANDONED_SECONDS if task.session.closed else task.session.limits.work_seconds
        self.deadline = time.monotonic() + seconds + extra

    def _put(self, message: object) -> None:
        self._outbox.extend(part for part in parts_of(message) if len(part) > 0)
        self.send()

    def bury(self, *, dying: bool) -> str:
        """Ends it and what it has started; says how it ended, such as `SIGSEGV`.

        `dying`: it has closed its socket, so that how it ends by itself is the cause to tell.
        """
        self.channel.close()
        if dying:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_DYING_SECONDS)
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_DYING_SECONDS)
        code = self._process.returncode
        if code is None or code >= 0:
            return f"exit code {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
