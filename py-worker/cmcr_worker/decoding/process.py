"""A decoder process: takes items from its worker and hands back what the encoder's preparation made of them.

It imports no torch, so that it starts in a fraction of a second and many of them fit into memory. Bytes that
strangers made are decoded here and nowhere else: what crashes, stalls or eats memory takes this process
with it, and the worker starts another one.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import socket
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import Any

from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.failing import first_line
from cmcr_worker.decoding.frames import Assembler, send_all
from cmcr_worker.decoding.messages import Answer, Close, Decode, Open, Ready, failed
from cmcr_worker.decoding.regions import cut
from cmcr_worker.decoding.registry import Decoder, decoder
from cmcr_worker.errors import Reason, WorkerError

ORPHAN_SECONDS = 10.0
"""After the time that an item may take; until then the worker, if it lives, has ended this process."""


@dataclass(frozen=True, slots=True)
class _Session:
    limits: Limits
    decode: Decoder
    prepare: Any


class _Sessions:
    """The sessions that are open, and what handles their items."""

    def __init__(self) -> None:
        self._open: dict[int, _Session | Answer] = {}

    def open(self, request: Open) -> None:
        """Loads the preparation; where that fails, every item of the session is told so."""
        try:
            prepare = pickle.loads(request.preparation)
            self._open[request.session] = _Session(request.limits, decoder(request.modality), prepare)
        except WorkerError as error:
            self._open[request.session] = failed(error, fatal=True)
        except Exception as error:
            what = f"{type(error).__name__}: {first_line(error)}"
            cause = WorkerError(
                Reason.INTERNAL,
                f"a decoder process cannot load the encoder's preparation of {request.modality} ({what})",
                subject="preparation",
                remedy="It has to be importable where the worker runs.",
            )
            self._open[request.session] = failed(cause, fatal=True, trace=traceback.format_exc())

    def close(self, session: int) -> None:
        """Forgets it."""
        self._open.pop(session, None)

    def answer(self, request: Decode) -> Answer:
        """Decodes and prepares an item; never raises."""
        session = self._open.get(request.session)
        if session is None:
            return failed(WorkerError(Reason.INTERNAL, "the session is closed"))
        if isinstance(session, Answer):
            return session
        signal.setitimer(signal.ITIMER_REAL, session.limits.work_seconds + ORPHAN_SECONDS)
        try:
            media = session.decode(request.source, session.limits, request.part)
            if request.regions is not None:
                return Answer(value=cut(media, request.regions, session.prepare))
            return Answer(value=session.prepare(media))
        except WorkerError as error:
            return failed(_named(error, request.source))
        except MemoryError:
            return failed(request.source.corrupt("needs more memory than a decoder may use"))
        except Exception as error:
            cause = WorkerError(
                Reason.INTERNAL,
                f"a bug in the worker: {request.source.name}: {type(error).__name__}: {first_line(error)}",
                subject=request.source.name,
                remedy="Please report it with the traceback in the log.",
            )
            return failed(cause, trace=traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _named(error: WorkerError, source: Encoded) -> WorkerError:
    """The error with the item's name in its message: a preparation knows none."""
    if source.name in error.message:
        return error
    return WorkerError(
        error.reason, f"{source.name}: {error.message}", subject=source.name, remedy=error.remedy
    )


def main(arguments: list[str]) -> None:
    """Serves the socket whose descriptor comes first, with the memory in bytes that comes second."""
    channel = socket.socket(fileno=int(arguments[0]))
    limit_memory(int(arguments[1]))
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    closed: set[int] = set()
    threading.Thread(target=_listen, args=(channel, requests, closed), daemon=True).start()
    send_all(channel, Ready())
    # From here on what libraries print about damaged files would only hide the worker's own lines.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    sessions = _Sessions()
    while True:
        request = requests.get()
        if isinstance(request, Open):
            sessions.open(request)
        elif isinstance(request, Close):
            sessions.close(request.session)
            closed.discard(request.session)
        elif request.session in closed:
            send_all(channel, Answer())
        else:
            _reply(channel, request, sessions.answer(request))


def _reply(channel: socket.socket, request: Decode, answer: Answer) -> None:
    try:
        send_all(channel, answer)
    except MemoryError:
        send_all(channel, failed(request.source.corrupt("needs more memory than a decoder may use")))


def _listen(channel: socket.socket, requests: queue.SimpleQueue[Any], closed: set[int]) -> None:
    """Takes requests in at all times, so that the worker never waits to send one, and sees it end."""
    assembler = Assembler(channel)
    with contextlib.suppress(EOFError):
        while True:
            request = assembler.receive()
            if isinstance(request, Close):
                closed.add(request.session)
            requests.put(request)
    # The worker is gone, however it ended: this process and the programs that it has started go too.
    os.killpg(0, signal.SIGKILL)


def limit_memory(size: int) -> None:
    """Limits what this process may allocate, where the system can: more fails, and takes no other down."""
    try:
        import resource
    except ImportError:
        return
    # On Linux this counts private mappings too, and not, as RLIMIT_AS does, what is only reserved.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    # A crash is expected of some files, and its memory image of no use.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(sys.argv[1:])
