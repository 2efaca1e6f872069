"""MP3 files that do not tell their length.

libsndfile estimates it from the first frame and stops there: of a file of variable bit rate it would read
a part and call it all. A file without a tag gets one, with its frames counted. Sources: ISO/IEC 11172-3
and 13818-3 for a frame's header, Xing's tag as LAME's documentation describes it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

TAGS = (b"Xing", b"Info", b"VBRI")
_TAG_ROOM = 256  # Bytes of the first frame in which a tag may begin.

# Kilobits a second by the header's four bits, for MPEG 1 and for MPEG 2 and 2.5, layer III.
_BIT_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BIT_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


@dataclass(frozen=True, slots=True)
class _Frame:
    """Of one frame's header: bytes of the whole frame, and where in it a tag begins."""

    size: int
    tag_at: int
    kind: tuple[int, int]  # MPEG version and sample rate: the same in all frames of a file.


def audio_start(head: bytes) -> int:
    """Where the frames begin: after the ID3v2 tag, whose length is four bytes of seven bits each."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + int("".join(f"{byte & 0x7F:07b}" for byte in head[6:10]), 2)


def lacks_length(first_frame: bytes) -> bool:
    """Whether these are the first bytes of an MP3's frames, without a tag that tells how many there are."""
    return _frame(first_frame, 0) is not None and not any(tag in first_frame[:_TAG_ROOM] for tag in TAGS)


def with_length(content: bytes) -> bytes:
    """The file with a tag that tells its length."""
    start = audio_start(content)
    first = _frame(content, start)
    assert first is not None
    count = _count(content, start, first.kind)
    # The lowest protection bit set: no checksum follows. A frame of silence, the tag in its body.
    header = bytes((content[start], content[start + 1] | 1)) + content[start + 2 : start + 4]
    frame = _frame(header, 0)
    assert frame is not None
    tag = header.ljust(frame.tag_at, b"\0") + b"Xing" + struct.pack(">II", 1, count)
    return tag.ljust(frame.size, b"\0") + content[start:]


def _count(content: bytes, start: int, kind: tuple[int, int]) -> int:
    at, count = start, 0
    while at >= 0:
        frame = _frame(content, at)
        if frame is None or frame.kind != kind:
            at = content.find(b"\xff", at + 1)
            continue
        count += 1
        at += frame.size
    return count


def _frame(content: bytes, at: int) -> _Frame | None:
    """The frame whose header lies there; None where there is none of layer III."""
    if len(content) < at + 4 or content[at] != 0xFF:
        return None
    second, third, fourth = content[at + 1], content[at + 2], content[at + 3]
    version, bit_rate, rate = (second >> 3) & 3, third >> 4, (third >> 2) & 3
    if second & 0xE6 != 0xE2 or version == 1 or bit_rate in (0, 15) or rate == 3:
        return None
    newest = version == 3
    bits = (_BIT_RATES_1 if newest else _BIT_RATES_2)[bit_rate] * 1000
    hertz = _SAMPLE_RATES[version][rate]
    mono = fourth >> 6 == 3
    side = (17 if mono else 32) if newest else (9 if mono else 17)
    size = (144 if newest else 72) * bits // hertz + ((third >> 1) & 1)
    return _Frame(size, 4 + side, (version, hertz))
