"""Whether a sound file is all there, where libsndfile does not tell: it silently reads what is left."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from cmcr_worker.decoding.mp3_length import audio_start, lacks_length, with_length

# Programs that write to a pipe cannot go back to fill in the size, and leave one near 2^31 or 2^32.
_STREAMED = 0x7FFF_0000
_LAST_PAGE_BYTES = 1 << 17  # A page of Ogg has at most 65,307 bytes.
_FIRST_BYTES = 1024


def missing_bytes(file: BinaryIO, size: int) -> int:
    """How many bytes a WAV, AIFF, AU or Ogg file of `size` bytes lacks by its own account; 0 where it is
    whole, of another format, or does not say. Leaves the stream at its start.

    Sources: the RIFF and AIFF chunk layouts, Sun's AU header, RFC 3533 for Ogg's pages.
    """
    file.seek(0)
    head = file.read(12)
    missing = 0
    if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
        missing = _chunk_end(file, b"data", "<I" if head[:4] == b"RIFF" else ">I") - size
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        missing = _chunk_end(file, b"SSND", ">I") - size
    elif head[:4] == b".snd" and len(head) == 12:
        offset, length = struct.unpack(">II", head[4:])
        missing = offset + length - size if length < _STREAMED else 0
    elif head[:4] == b"OggS":
        missing = _last_page_end(file, size) - size
    file.seek(0)
    return max(0, missing)


def with_known_length(file: BinaryIO) -> BinaryIO:
    """The stream, or, of an MP3 that does not tell its length, its content with a tag that does; at its
    start."""
    file.seek(0)
    start = audio_start(file.read(10))
    file.seek(start)
    bare = lacks_length(file.read(_FIRST_BYTES))
    file.seek(0)
    return io.BytesIO(with_length(file.read())) if bare else file


def _chunk_end(file: BinaryIO, wanted: bytes, size_format: str) -> int:
    """Where the chunk of that name should end; 0 where there is none, or none of a known size."""
    at = 12
    while True:
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            return 0
        (length,) = struct.unpack(size_format, header[4:])
        if header[:4] == wanted:
            return at + 8 + length if length < _STREAMED else 0
        at += 8 + length + length % 2


def _last_page_end(file: BinaryIO, size: int) -> int:
    """Where the last page that begins should end."""
    start = max(0, size - _LAST_PAGE_BYTES)
    file.seek(start)
    tail = file.read(_LAST_PAGE_BYTES)
    at = tail.rfind(b"OggS")
    if at < 0:
        return 0
    page = tail[at:]
    # After 26 bytes of header: the number of segments, then the length of each.
    if len(page) < 27 or len(page) < 27 + page[26]:
        return start + at + 28
    return start + at + 27 + page[26] + sum(page[27 : 27 + page[26]])
