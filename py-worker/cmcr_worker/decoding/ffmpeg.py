"""Running ffmpeg and ffprobe on one item, with a limit on everything.

A film is a program for a demuxer: some formats name further files or addresses to read. So only the
protocol of the item itself is allowed, and only formats that hold their own bytes.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.errors import Reason, WorkerError

FORMATS = (
    "aac,ac3,amr,ape,asf,avi,flac,flv,ivf,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,mpegvideo,"
    "ogg,wav,wv"
)
"""Demuxers that may be used: none of them follows a reference to another file."""

_ERROR_BYTES = 4096


@contextmanager
def input_arguments(source: Encoded, limits: Limits) -> Iterator[tuple[str, ...]]:
    """Arguments that name the item as the input, as long as the context lasts; a copy of bytes that lie in
    memory goes into a temporary file, since most formats need seeking."""
    if source.data is None:
        assert source.path is not None
        if source.length is None:
            yield _input("file", f"file:{source.path}")
        else:
            end = source.offset + source.length
            yield _input("file,subfile", f"subfile,,start,{source.offset},end,{end},,:{source.path}")
        return
    with source.open(limits), tempfile.NamedTemporaryFile(prefix="cmcr-", suffix=source.ending) as copy:
        copy.write(source.data)
        copy.flush()
        yield _input("file", f"file:{Path(copy.name).resolve()}")


def _input(protocols: str, url: str) -> tuple[str, ...]:
    return ("-protocol_whitelist", protocols, "-format_whitelist", FORMATS, "-i", url)


def run(program: str, arguments: Sequence[str], source: Encoded, *, most_bytes: int, seconds: float) -> bytes:
    """What `program` (ffmpeg or ffprobe) writes to its standard output.

    Raises:
        WorkerError: DEVICE_UNAVAILABLE where it is not installed; DATA_CORRUPT where it fails, quoting its
            last line, takes longer than `seconds`, or writes more than `most_bytes`.
    """
    found = shutil.which(program)
    if found is None:
        raise WorkerError(
            Reason.DEVICE_UNAVAILABLE,
            f"{source.name} can only be read by {program}, which is not installed where the worker runs",
            subject=source.name,
            remedy="Install ffmpeg, or remove the item from the list.",
        )
    command = [found, "-hide_banner", "-loglevel", "error", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        try:
            output, errors = _outputs(child, source, program, most_bytes, time.monotonic() + seconds)
        finally:
            # Whatever happened: nothing that it still does is of use.
            child.kill()
    if child.returncode != 0:
        lines = errors.decode(errors="replace").strip().splitlines() or [f"exit code {child.returncode}"]
        # Its own name for the input says nothing to a user: it may be that of a copy.
        told = lines[-1].replace(arguments[arguments.index("-i") + 1], "").strip(": ")[:300]
        raise source.corrupt(f"cannot be decoded by {program} ({told})")
    return output


def _outputs(
    child: subprocess.Popen[bytes], source: Encoded, program: str, most_bytes: int, deadline: float
) -> tuple[bytes, bytes]:
    assert child.stdout is not None
    assert child.stderr is not None
    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, output)
        selector.register(child.stderr, selectors.EVENT_READ, errors)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise source.corrupt(f"took {program} longer than it may")
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, 1 << 20)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
            if len(output) > most_bytes:
                raise source.corrupt(f"holds more than is read: {program} gave over {most_bytes} bytes")
            del errors[:-_ERROR_BYTES]
    try:
        child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise source.corrupt(f"took {program} longer than it may") from error
    return bytes(output), bytes(errors)
