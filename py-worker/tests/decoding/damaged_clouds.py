"""Damaged files of every format that is read as a point cloud, made from a seed."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np


class _Call:
    """Calls a function when it is unpickled freely."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


def damaged_clouds(folder: Path, seed: int) -> list[tuple[Path, str]]:
    """Writes at least 150 files that no decoder of point clouds can read; each with what is wrong with it."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    written = []
    for number, (ending, content, cause) in enumerate(_all(draw)):
        path = folder / f"damaged-{number:03d}{ending}"
        path.write_bytes(content)
        written.append((path, cause))
    return written


def whole_clouds(seed: int) -> dict[str, bytes]:
    """An intact file of each format, by its ending; what the damaged ones are made from."""
    draw = np.random.default_rng(seed)
    points = draw.random((300, 3)).astype(np.float32)
    faces = draw.permuted(np.tile(np.arange(300), (200, 1)), axis=1)[:, :3].astype(np.int32)
    return {
        ".npy": npy(points),
        ".npz": npz(xyz=points, rgb=points),
        ".ply": ply(points, faces, "binary_little_endian"),
        ".ascii.ply": ply(points, faces, "ascii"),
        ".off": off(points, faces),
        ".obj": obj(points, faces),
        ".txt": text(points),
        ".sample.npy": sample({"xyz": points.astype(np.float16), "rgb": points, "id": "a"}),
    }


def npy(values: Any) -> bytes:
    written = io.BytesIO()
    np.save(written, values, allow_pickle=False)
    return written.getvalue()


def npz(**arrays: Any) -> bytes:
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)
    return written.getvalue()


def sample(content: object, protocol: int = 3) -> bytes:
    """The .npy file of one pickled object, as numpy.save writes it."""
    holder = np.empty((), object)
    holder[()] = content
    return npy_header("|O", ()) + pickle.dumps(holder, protocol=protocol)


def npy_header(descr: str, shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (117 - len(text)) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def ply(points: Any, faces: Any, layout: str, properties: str = "uchar int") -> bytes:
    order = ">" if layout == "binary_big_endian" else "<"
    header = (
        f"ply\nformat {layout} 1.0\nelement vertex {len(points)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list {properties} vertex_indices\nend_header\n"
    ).encode()
    if layout == "ascii":
        lines = [*(" ".join(map(repr, row)) for row in points.tolist()), *_face_lines(faces)]
        return header + ("\n".join(lines) + "\n").encode()
    body = points.astype(f"{order}f4").tobytes()
    for face in faces:
        body += struct.pack(f"{order}B{len(face)}i", len(face), *map(int, face))
    return header + body


def off(points: Any, faces: Any, first: str = "OFF\n") -> bytes:
    rows = [" ".join(map(repr, row)) for row in points.tolist()]
    return (first + "\n".join([f"{len(points)} {len(faces)} 0", *rows, *_face_lines(faces)]) + "\n").encode()


def obj(points: Any, faces: Any) -> bytes:
    rows = [f"v {' '.join(map(repr, row))}" for row in points.tolist()]
    sides = [f"f {' '.join(str(int(at) + 1) for at in face)}" for face in faces]
    return ("\n".join([*rows, *sides]) + "\n").encode()


def text(points: Any, delimiter: str = ",") -> bytes:
    return ("\n".join(delimiter.join(map(repr, row)) for row in points.tolist()) + "\n").encode()


def _face_lines(faces: Any) -> list[str]:
    return [f"{len(face)} {' '.join(str(int(at)) for at in face)}" for face in faces]


_Case = tuple[str, bytes, str]


def _all(draw: np.random.Generator) -> Iterator[_Case]:
    for ending, content in whole_clouds(int(draw.integers(1 << 30))).items():
        plain = Path("a" + ending).suffix
        yield plain, b"", "empty"
        yield plain, draw.bytes(2000), "noise"
        yield plain, b"\xff\xd8\xff\xe0" + draw.bytes(500), "an image under this name"
        yield plain, bytes(4096), "nothing but zero bytes"
        for at in draw.uniform(0.02, 0.98, size=6):
            yield plain, _cut(ending, content, float(at)), "truncated"
    yield from _arrays(draw)
    yield from _pickles()
    yield from _archives(draw)
    yield from _meshes(draw)
    yield from _texts(draw)


def _cut(ending: str, content: bytes, at: float) -> bytes:
    if ending in (".txt", ".obj"):
        # A text without a count is whole wherever it ends, but for its last line.
        kept = content[: int(len(content) * at)]
        return kept[: kept.rindex(b"\n") + 1 if b"\n" in kept else 0] + (
            b"v 0.5 " if ending == ".obj" else b"0.5,"
        )
    return content[: max(9, int(len(content) * at))]


def _arrays(draw: np.random.Generator) -> Iterator[_Case]:
    points = draw.random((100, 3))
    for bad in (np.nan, np.inf, -np.inf, 1e300):
        spoilt = points.copy()
        spoilt[int(draw.integers(100)), int(draw.integers(3))] = bad
        yield ".npy", npy(spoilt), f"a coordinate of {bad}"
        yield ".npz", npz(points=spoilt), f"a coordinate of {bad}"
        yield ".txt", text(spoilt), f"a coordinate of {bad}"
    for shape in ((0, 3), (3,), (100, 4), (100, 2), (2, 100, 3), (3, 100), ()):
        yield ".npy", npy(np.zeros(shape)), f"the shape {shape}"
    for shape in ((1 << 40, 3), (1 << 30, 3), (-5, 3), (100, 1 << 40)):
        yield ".npy", npy_header("<f4", shape) + bytes(64), f"declares {shape}"
    for kind in ("<c8", "<U4", "<M8[s]", "|S8", "|b1"):
        yield ".npy", npy_header(kind, (2, 3)) + bytes(400), f"element type {kind}"
    yield ".npy", npy_header("<f4", (100, 3)) + bytes(5000), "bytes after its array"
    yield ".npy", b"\x93NUMPY\x09\x00" + bytes(200), "a version that is not known"
    yield ".npy", b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118, "a header of brackets"
    yield ".npy", npy(np.full((100, 6), 300.0)), "colours beyond 255"
    yield ".npy", npy(np.where(np.arange(6) > 2, np.nan, np.ones((100, 6)))), "colours that are no numbers"


def _pickles() -> Iterator[_Case]:
    points = np.zeros((10, 3), np.float16)
    for function, arguments in (
        (os.system, ("touch pwned",)),
        (eval, ("open('pwned', 'w')",)),
        (exec, ("open('pwned', 'w')",)),
        (getattr, (points, "tofile")),
        (np.load, ("other.npy",)),
        (bytearray, (1 << 40,)),
        (os.kill, (os.getpid(), 0)),
    ):
        for protocol in (2, 3, 4):
            yield (
                ".npy",
                sample({"xyz": points, "id": _Call(function, *arguments)}, protocol),
                f"a pickle that calls {function.__name__} (protocol {protocol})",
            )
    huge = _Call(points.__reduce__()[0], np.ndarray, (1 << 40,), b"b")
    yield ".npy", sample({"xyz": huge}), "a pickle that allocates a huge array"
    for content in ({"rgb": points}, {"xyz": "text"}, {"xyz": [1, 2]}, [points], 5, {"xyz": points[:, :2]}):
        yield ".npy", sample(content), f"a sample that is {type(content).__name__} without coordinates"
    yield ".npy", sample({"xyz": points, "rgb": points[:5]}), "fewer colours than points"
    yield ".npy", sample({"xyz": points * np.nan}), "a sample of NaN"
    yield ".npy", npy_header("|O", (3,)) + pickle.dumps(np.array([None] * 3)), "several objects"
    yield ".npy", npy_header("|O", ()) + b"\x80\x04" + b"]" * 100_000, "a pickle without end"
    yield ".npy", npy_header("|O", ()) + b"\x80\x04\x8e" + b"\xff" * 7 + b"\x00abc", "a huge text in a pickle"


def _archives(draw: np.random.Generator) -> Iterator[_Case]:
    points = draw.random((100, 3))
    yield ".npz", npz(vertices=points, other=points), "no array of coordinates"
    yield ".npz", npz(xyz=points, rgb=points[:50]), "fewer colours than points"
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xyz.npy", "w") as member:
        member.write(npy_header("<f4", (1 << 24, 3)))
        for _ in range(192):
            member.write(bytes(1 << 20))
    yield ".npz", bomb.getvalue(), "a bomb: 200 MB of zeros"
    content = bytearray(npz(xyz=points))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFF00)
    yield ".npz", bytes(content), "a huge declared size"
    damaged = bytearray(npz(xyz=points))
    damaged[200:220] = draw.bytes(20)
    yield ".npz", bytes(damaged), "a wrong checksum"
    pickled = io.BytesIO()
    np.savez(pickled, xyz=np.array([{"a": 1}], object))
    yield ".npz", pickled.getvalue(), "pickled objects"
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    yield ".npz", other.getvalue(), "another kind of archive"


def _meshes(draw: np.random.Generator) -> Iterator[_Case]:
    points = draw.random((30, 3))
    faces = np.arange(30).reshape(10, 3)
    writers: dict[str, list[Callable[[Any, Any], bytes]]] = {
        ".ply": [
            lambda p, f, k=k: ply(p, f, k) for k in ("ascii", "binary_little_endian", "binary_big_endian")
        ],
        ".off": [off],
        ".obj": [obj],
    }
    for ending, formats in writers.items():
        for write in formats:
            yield ending, write(points, faces + 5), "a face whose vertex is not there"
            yield ending, write(points, np.zeros_like(faces)), "faces without area"
            yield ending, write(points * np.nan, faces), "vertices of NaN"
            yield ending, write(points[:0], faces[:0]), "no vertices"
            yield ending, write(points, faces).replace(b"30", b"90", 1)[:400], "more declared than there is"
    for count in ("999999999999", "20000000", "-5", "many", "1" * 50):
        yield ".off", f"OFF\n{count} 10 0\n0 0 0\n".encode(), f"{count[:12]} vertices declared"
        yield (
            ".off",
            f"OFF\n3 {count} 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n".encode(),
            f"{count[:12]} faces declared",
        )
        for element in ("vertex", "face"):
            declared = ply(points, faces, "binary_little_endian").replace(
                f"element {element} {30 if element == 'vertex' else 10}".encode(),
                f"element {element} {count}".encode(),
            )
            yield ".ply", declared, f"{count[:12]} of {element} declared"
    yield ".ply", b"ply\nformat ascii 1.0\n" + b"comment x\n" * 5000, "a header without end"
    yield ".ply", b"ply\nformat ascii 2.0\nend_header\n", "a version that is not known"
    yield ".ply", ply(points, faces, "ascii").replace(b"float x", b"float a"), "vertices without x"
    yield ".ply", ply(points, faces, "ascii").replace(b"float y", b"float x"), "two properties of one name"
    yield ".ply", ply(points, faces, "ascii").replace(b"float x", b"quad x"), "a type that is not known"
    long = ply(points, faces[:1], "binary_little_endian", "uint int")
    yield ".ply", long, "a face with millions of corners"
    yield ".off", b"OFF BINARY\n" + bytes(200), "a binary .off file"
    yield ".obj", b"v 1 2\n", "a vertex with two coordinates"
    yield ".obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 x\n", "a face of letters"
    yield ".obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "a vertex number of 0"
    yield ".obj", b"mtllib scene.mtl\nusemtl gold\n", "a material and nothing else"


def _texts(draw: np.random.Generator) -> Iterator[_Case]:
    yield ".txt", b"1," * 200_000, "a line without end"
    yield ".csv", b"x,y,z\n", "a heading and nothing else"
    yield ".csv", b"name,class\nchair,1\ntable,2\n", "a table of something else"
    yield ".xyz", b"1 2\n3 4\n", "two numbers on a line"
    yield ".xyz", b"1 2 3\n4 5\n", "a line that is too short"
    yield ".xyz", b"1 2 3\nfour five six\n", "a line of words"
    yield ".pts", b"1000000\n", "a count and nothing else"
    yield ".txt", text(draw.random((50, 3)))[:-3] + b"\xe9\n", "bytes that are no text"
    yield ".txt", b"<html><body>404 Not Found</body></html>\n" * 3, "an error page"
    yield ".stl", b"solid x\nendsolid x\n", "a format that is not read"
    yield "", b"1 2 3\n", "a name without ending"
