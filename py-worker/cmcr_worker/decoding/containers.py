"""Which files hold films: several streams of sound and pictures, which ffmpeg takes apart."""

from __future__ import annotations

from typing import BinaryIO

HEAD_BYTES = 4096

_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_MARKS = (
    b"\x1aE\xdf\xa3",  # Matroska and WebM (EBML)
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF: WMV, WMA
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG video
)
_ENDINGS = frozenset({".aac", ".ac3", ".amr", ".ape", ".mpeg", ".mpg", ".ogv", ".wv"})
"""Of formats without a clear mark."""


def is_film(file: BinaryIO, ending: str) -> bool:
    """Whether the stream, at its start, is in a format that only ffmpeg reads; leaves it at its start.

    The bytes tell, since endings lie; `ending` (such as `.mpg`) counts only for formats without a mark.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if head[4:8] in _FIRST_BOXES:
        return not (head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS)
    if head.startswith(_MARKS) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return True
    # Packets of a transport stream begin with 0x47, every 188 bytes, or every 192 after a time stamp.
    if any(head[at : at + step + 1 : step] == b"\x47\x47" for at, step in ((0, 188), (4, 192))):
        return True
    if head[:4] == b"OggS":
        return b"theora" in head
    return ending in _ENDINGS
