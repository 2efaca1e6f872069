"""Damaged files of every kind, the same for the same seed, and good ones among them.

Decoder processes import this module for its preparation, so that it imports no torch.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import soundfile
from PIL import Image

MODALITIES = ("image", "audio", "pointcloud")
Maker = Callable[[Random], bytes]


@dataclass(frozen=True)
class Made:
    """A file, or what is there in place of one. `number` is what a good one says; None: it is damaged."""

    name: str
    kind: str
    number: int | None


def fingerprint(media: Any) -> np.ndarray:
    """A preparation: (number, 1, 0) of a good file of any modality."""
    if isinstance(media, np.ndarray):
        number = int(media[0, 0, 1]) * 256 + int(media[0, 0, 2])
    elif hasattr(media, "samples"):
        number = round(float(media.samples.mean()) * 65536)
    else:
        number = round(float(media.xyz[:, 0].mean()))
    return np.array([number, 1, 0], np.float32)


def make(folder: Path, modality: str, damaged: int, good: int, seed: int) -> list[Made]:
    """Fills the folder with that many files of each kind in a shuffled order, which is returned."""
    random = Random(f"{modality} {seed}")
    kinds = {"image": IMAGES, "audio": SOUNDS, "pointcloud": CLOUDS}[modality]
    names = list(kinds) + list(ODDITIES)
    plan: list[tuple[str, int | None]] = [(names[at % len(names)], None) for at in range(damaged)]
    plan += [("good", number) for number in range(good)]
    random.shuffle(plan)
    made = []
    for place, (kind, number) in enumerate(plan):
        ending = kind.partition(" ")[0] if kind in kinds else ENDINGS[modality]
        name = f"{place:04d} {random.choice(NAMES)}.{ENDINGS[modality] if number is not None else ending}"
        path = folder / name
        if number is not None:
            path.write_bytes(good_file(modality, number))
        elif kind in kinds:
            path.write_bytes(kinds[kind](random))
        else:
            ODDITIES[kind](path)
        made.append(Made(name, kind, number))
    return made


NAMES = ("plain", "ü☃", "-i", "two  spaces", "line\nbreak", "%s{}", "'\"`$(x)", "a,b:c;d", "日本", "x" * 180)
ENDINGS = {"image": "png", "audio": "wav", "pointcloud": "npy"}


def good_file(modality: str, number: int) -> bytes:
    """A small file that says its number."""
    buffer = io.BytesIO()
    if modality == "image":
        Image.new("RGB", (16, 16), (7, number >> 8, number & 255)).save(buffer, "PNG")
    elif modality == "audio":
        soundfile.write(buffer, np.full(400, number / 65536, np.float32), 8000, "FLOAT", format="WAV")
    else:
        np.save(buffer, np.full((50, 3), number, np.float32))
    return buffer.getvalue()


def in_place_of_a_file() -> Iterator[tuple[str, Callable[[Path], object]]]:
    """What may lie at a path besides a file."""
    yield "a folder", lambda path: path.mkdir()
    yield "a pipe without a writer", lambda path: os.mkfifo(path)
    yield "a link to an endless device", lambda path: path.symlink_to("/dev/zero")
    yield "a link to nothing", lambda path: path.symlink_to("nowhere")
    yield "a link to itself", lambda path: path.symlink_to(path.name)
    yield "nothing", lambda path: None
    yield "an empty file", lambda path: path.touch()
    yield "zeros", lambda path: path.write_bytes(bytes(5000))
    yield "a web page", lambda path: path.write_bytes(b"<!DOCTYPE html><html><h1>404</h1></html>\n")
    yield "an archive", lambda path: path.write_bytes(_zip({"a": b"b"}))
    yield "noise", lambda path: path.write_bytes(Random(path.name).randbytes(3000))
    yield "a program", lambda path: path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(400))
    yield "a device", lambda path: path.symlink_to("/dev/null")


def _cut(content: Callable[[], bytes]) -> Maker:
    return lambda random: content()[: max(20, int(len(content()) * random.uniform(0.1, 0.95)))]


# Images


@cache
def _picture(kind: str, side: int = 96) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(5).integers(0, 256, (side, side, 3), np.uint8)
    options: dict[str, Any] = {"progressive": True} if kind == "JPEG" and side > 96 else {}
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes], bits: int = 8, colour: int = 2) -> bytes:
    """A PNG of these chunks after a header that may lie."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)),
        *chunks,
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def _declares(kind: str) -> Maker:
    def declared(random: Random) -> bytes:
        width, height = random.randint(12_000, 16_000), random.randint(12_000, 16_000)
        if kind == "png":
            return png(width, height, (b"IDAT", zlib.compress(bytes(100))))
        if kind == "gif":
            frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02D\x01\x00;"
            return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame
        if kind == "bmp":
            changed = bytearray(_picture("BMP"))
            changed[18:26] = struct.pack("<ii", width, height)
            return bytes(changed)
        if kind == "webp":
            sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
            return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + sizes
        changed = bytearray(_picture("JPEG"))
        start = changed.index(b"\xff\xc0") + 5
        changed[start : start + 4] = struct.pack(">HH", height, width)
        return bytes(changed)

    return declared


@cache
def _bomb() -> bytes:
    """A true PNG of 400 million pixels in 49 kB."""
    rows = zlib.compressobj(9)
    body = b"".join(rows.compress(bytes(2501 * 200)) for _ in range(100)) + rows.flush()
    return png(20_000, 20_000, (b"IDAT", body), bits=1, colour=0)


@cache
def _text_bomb() -> bytes:
    return png(4, 4, (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9)))


IMAGES: dict[str, Maker] = {
    **{
        f"{ending} cut off": _cut(lambda kind=kind: _picture(kind))
        for ending, kind in (  # type: ignore[misc]
            ("jpg", "JPEG"),
            ("png", "PNG"),
            ("webp", "WEBP"),
            ("bmp", "BMP"),
            ("gif", "GIF"),
            ("tif", "TIFF"),
        )
    },
    "jpg progressive and cut off": _cut(lambda: _picture("JPEG", 120)),
    "jpg without its beginning": lambda random: _picture("JPEG")[random.randint(2, 200) :],
    "png with a wrong checksum": lambda random: _picture("PNG")[:29] + bytes(4) + _picture("PNG")[33:],
    "png without pixels": lambda random: png(16, 16),
    "png of no size": lambda random: png(0, 16, (b"IDAT", zlib.compress(b""))),
    "png of compressed text": lambda random: _text_bomb(),
    "png bomb": lambda random: _bomb(),
    **{
        f"{ending} that declares too much": _declares(ending)
        for ending in ("jpg", "png", "gif", "bmp", "webp")
    },
    "jpg that is a sound": lambda random: _sound("WAV"),
    "eps program": lambda random: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n",
    "svg drawing": lambda random: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
}


# Sounds


@cache
def _sound(kind: str, seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    samples = np.random.default_rng(6).uniform(-0.5, 0.5, int(8000 * seconds)).astype(np.float32)
    soundfile.write(buffer, samples, 8000, format=kind)
    return buffer.getvalue()


def wav(
    *, rate: int = 8000, channels: int = 1, frames: int = 400, size: int | None = None, bits: int = 16
) -> bytes:
    """A WAV whose header may lie."""
    width = channels * bits // 8
    body = bytes(frames * width)
    length = len(body) if size is None else size
    return (
        struct.pack("<4sI4s4sI", b"RIFF", (length + 36) & 0xFFFFFFFF, b"WAVE", b"fmt ", 16)
        + struct.pack("<HHIIHH", 1, channels, rate, (rate * width) & 0xFFFFFFFF, width & 0xFFFF, bits)
        + struct.pack("<4sI", b"data", length)
        + body
    )


def _flac(frames: int) -> bytes:
    changed = bytearray(_sound("FLAC"))
    changed[21] = (changed[21] & 0xF0) | (frames >> 32)
    changed[22:26] = (frames & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(changed)


@cache
def _hours() -> bytes:
    """Six hours of silence in half a megabyte, in a stream that does not tell its length."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 8000, 1, format="FLAC") as file:
        for _ in range(6 * 60):
            file.write(np.zeros(8000 * 60, np.int16))
    changed = bytearray(buffer.getvalue())
    changed[21] &= 0xF0
    changed[22:26] = bytes(4)
    return bytes(changed)


def _not_finite(random: Random) -> bytes:
    buffer = io.BytesIO()
    samples = np.zeros(300, np.float32)
    samples[random.randrange(300)] = random.choice([np.nan, np.inf, -np.inf])
    soundfile.write(buffer, samples, 8000, "FLOAT", format="WAV")
    return buffer.getvalue()


SOUNDS: dict[str, Maker] = {
    **{
        f"{ending} cut off": _cut(lambda kind=kind: _sound(kind))
        for ending, kind in (  # type: ignore[misc]
            ("wav", "WAV"),
            ("flac", "FLAC"),
            ("ogg", "OGG"),
            ("mp3", "MP3"),
            ("aiff", "AIFF"),
            ("au", "AU"),
        )
    },
    "wav without samples": lambda random: wav(frames=0),
    "wav of endless length": lambda random: wav(size=random.randint(2**30, 2**31 - 2**17)),
    "flac of endless length": lambda random: _flac(random.randint(2**33, 2**36 - 1)),
    "flac of hours": lambda random: _hours(),
    "wav of one sample a second": lambda random: wav(rate=random.randint(1, 999)),
    "wav of too many samples a second": lambda random: wav(rate=random.choice([2**31 - 1, 2**32 - 1, 10**6])),
    "wav without channels": lambda random: wav(channels=0),
    "wav of odd bits": lambda random: wav(bits=random.choice([1, 7, 128])),
    "wav not finite": _not_finite,
    "mp3 that is an image": lambda random: _picture("PNG"),
    "wav header alone": lambda random: wav()[: random.randint(4, 43)],
    "ogg without its beginning": lambda random: _sound("OGG")[random.randint(30, 200) :],
    "flac without its beginning": lambda random: _sound("FLAC")[random.randint(4, 40) :],
    "m3u list": lambda random: b"#EXTM3U\nhttp://localhost/endless.mp3\n",
}


# Clouds


@cache
def _cloud(kind: str) -> bytes:
    buffer = io.BytesIO()
    points = np.random.default_rng(7).standard_normal((300, 3)).astype(np.float32)
    if kind == "npy":
        np.save(buffer, points)
    elif kind == "npz":
        np.savez(buffer, xyz=points)
    elif kind == "ply":
        buffer.write(ply(300) + points.astype("<f4").tobytes())
    else:
        buffer.write(b"OFF\n300 0 0\n" + b"".join(b"%f %f %f\n" % tuple(point) for point in points))
    return buffer.getvalue()


def ply(vertices: int) -> bytes:
    """The header of a binary PLY file."""
    fields = b"".join(b"property float %s\n" % axis for axis in (b"x", b"y", b"z"))
    return b"ply\nformat binary_little_endian 1.0\nelement vertex %d\n%send_header\n" % (vertices, fields)


def npy(descr: str, shape: tuple[int, ...], body: bytes = bytes(120)) -> bytes:
    """A .npy file whose header may lie."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@cache
def _npz_bomb() -> bytes:
    """2 GB of points by its header, 100 MB of them there, in 100 kB."""
    return _zip({"xyz.npy": npy("<f4", (170_000_000, 3), bytes(100_000_000))})


def _object(random: Random) -> bytes:
    """A pickled object that would make a file if it were loaded."""
    program = b"cos\nsystem\n(S'touch /tmp/cmcr-damaged-%d'\ntR." % random.randrange(10**6)
    return npy("|O", (), program)


def _not_finite_cloud(random: Random) -> bytes:
    buffer = io.BytesIO()
    points = np.zeros((40, 3), np.float32)
    points[random.randrange(40), random.randrange(3)] = np.nan
    np.save(buffer, points)
    return buffer.getvalue()


CLOUDS: dict[str, Maker] = {
    **{f"{kind} cut off": _cut(lambda kind=kind: _cloud(kind)) for kind in ("npy", "npz", "ply", "off")},  # type: ignore[misc]
    "npy that declares too much": lambda random: npy("<f4", (random.randint(10**8, 10**12), 3)),
    "npy of negative size": lambda random: npy("<f4", (-3, 3)),
    "npy of one column": lambda random: npy("<f4", (30, 1)),
    "npy of nothing": lambda random: npy("<f4", (0, 3), b""),
    "npy of text": lambda random: npy("<U4", (2, 3)),
    "npy of objects": _object,
    "npy not finite": _not_finite_cloud,
    "npz bomb": lambda random: _npz_bomb(),
    "npz of nothing": lambda random: _zip({}),
    "ply that declares too much": lambda random: ply(random.randint(10**8, 10**15)),
    "ply without a header": lambda random: b"ply\nformat ascii 1.0\n" + random.randbytes(50),
    "ply of no points": lambda random: ply(0),
    "off that declares too much": lambda random: b"OFF\n%d 4 0\n0 0 0\n" % random.randint(10**8, 10**15),
    "off of words": lambda random: b"OFF\none two three\n",
    "obj without points": lambda random: b"# made by nobody\ng nothing\n",
    "obj of faces alone": lambda random: b"v 0 0 0\nf 1 2 900\n",
    "npy that is an image": lambda random: _picture("JPEG"),
}

ODDITIES: dict[str, Callable[[Path], object]] = dict(in_place_of_a_file())
