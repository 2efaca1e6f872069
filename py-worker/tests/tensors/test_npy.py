from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.npy import NpyWriter, open_npy, read_header, write_npy


def save(path: Path, array: np.ndarray) -> Path:
    np.save(path, array, allow_pickle=True)
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_maps_what_numpy_wrote(tmp_path: Path, dtype: type) -> None:
    matrix = np.random.default_rng(0).standard_normal((7, 5)).astype(dtype)
    mapped = open_npy(save(tmp_path / "m.npy", matrix))
    np.testing.assert_array_equal(mapped, matrix)
    torch.testing.assert_close(torch.from_numpy(mapped), torch.from_numpy(matrix), rtol=0, atol=0)


def test_writing_to_a_mapping_never_reaches_the_file(tmp_path: Path) -> None:
    path = save(tmp_path / "m.npy", np.ones((2, 2), np.float32))
    open_npy(path)[0, 0] = 5.0
    assert np.load(path)[0, 0] == 1.0


def test_maps_a_file_larger_than_memory(tmp_path: Path) -> None:
    path = save(tmp_path / "m.npy", np.ones((1, 1024), np.float32))
    rows = 2 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4096
    # As numpy writes it, then a hole that takes no place on the disk.
    header = path.read_bytes()[:128].replace(b"(1, 1024)", f"({rows}, 1024)".encode())
    path.write_bytes(header[:127].rstrip(b"\n").ljust(127)[:127] + b"\n")
    os.truncate(path, 128 + rows * 4096)
    mapped = open_npy(path)
    assert mapped.shape == (rows, 1024)
    assert torch.from_numpy(mapped)[rows - 1].abs().sum() == 0


class Bomb:
    """Would create a file if it were ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.path),))


def test_never_unpickles(tmp_path: Path) -> None:
    trap = tmp_path / "unpickled"
    path = save(tmp_path / "m.npy", np.array([[Bomb(trap)]], dtype=object))
    with pytest.raises(WorkerError, match="holds pickled objects") as caught:
        open_npy(path)
    assert caught.value.reason is Reason.DATA_CORRUPT
    assert str(path) in caught.value.message
    assert not trap.exists()


@pytest.mark.parametrize(
    ("array", "reason", "words"),
    [
        (np.zeros(4, np.float32), Reason.SHAPE_MISMATCH, r"\(4,\); expected two dimensions"),
        (np.zeros((2, 2, 2), np.float32), Reason.SHAPE_MISMATCH, "expected two dimensions"),
        (np.zeros((0, 3), np.float32), Reason.SHAPE_MISMATCH, "at least one row"),
        (np.zeros((3, 4), np.float64), Reason.DTYPE_MISMATCH, "<f8"),
        (np.zeros((3, 4), np.int64), Reason.DTYPE_MISMATCH, "<i8"),
        (np.zeros((3, 4), ">f4"), Reason.DTYPE_MISMATCH, "little-endian"),
        (np.asfortranarray(np.zeros((3, 4), np.float32)), Reason.SHAPE_MISMATCH, "Fortran"),
        (np.zeros((2, 2), [("a", "<f4")]), Reason.DTYPE_MISMATCH, "expected little-endian float16"),
    ],
)
def test_refuses_other_matrices(tmp_path: Path, array: np.ndarray, reason: Reason, words: str) -> None:
    path = save(tmp_path / "m.npy", array)
    with pytest.raises(WorkerError, match=words) as caught:
        read_header(path)
    assert caught.value.reason is reason
    assert caught.value.subject == str(path)
    assert caught.value.remedy


@pytest.mark.parametrize("keep", [0, 3, 7, 40, 128, 135, -1])
def test_refuses_truncated_files_at_every_place(tmp_path: Path, keep: int) -> None:
    path = save(tmp_path / "m.npy", np.ones((3, 4), np.float32))
    data = path.read_bytes()
    path.write_bytes(data[:keep])
    with pytest.raises(WorkerError) as caught:
        open_npy(path)
    assert caught.value.reason is Reason.DATA_CORRUPT


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"PK" + data[2:],
        lambda data: data + b"x",
        lambda data: data[:6] + b"\x09\x00" + data[8:],
        lambda data: data[:10] + b"(" * (len(data) - 10),
        lambda data: data[:8] + struct.pack("<H", 60000) + data[10:],
    ],
    ids=["magic", "tail", "version", "header", "length"],
)
def test_refuses_damaged_files(tmp_path: Path, damage: object) -> None:
    path = save(tmp_path / "m.npy", np.ones((3, 4), np.float32))
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WorkerError) as caught:
        open_npy(path)
    assert caught.value.reason is Reason.DATA_CORRUPT


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"no\.npy") as caught:
        open_npy(tmp_path / "no.npy")
    assert caught.value.reason is Reason.DATA_MISSING


def test_writes_what_numpy_reads(tmp_path: Path) -> None:
    matrix = np.random.default_rng(1).standard_normal((10, 3)).astype(np.float32)
    with NpyWriter(tmp_path / "m.npy", (10, 3)) as writer:
        writer.rows(6, matrix[6:])
        writer.rows(0, matrix[:6].astype(np.float64))
        assert not (tmp_path / "m.npy").exists()
    np.testing.assert_array_equal(np.load(tmp_path / "m.npy"), matrix)
    np.testing.assert_array_equal(open_npy(tmp_path / "m.npy"), matrix)


def test_keeps_the_element_type(tmp_path: Path) -> None:
    write_npy(tmp_path / "m.npy", np.ones((2, 3), np.float16))
    assert np.load(tmp_path / "m.npy").dtype == np.float16


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with NpyWriter(tmp_path / "m.npy", (4, 2)) as writer:
            writer.rows(0, np.ones((2, 2), np.float32))
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_matrix_with_missing_rows_is_never_named(tmp_path: Path) -> None:
    writer = NpyWriter(tmp_path / "m.npy", (4, 2))
    writer.rows(0, np.ones((2, 2), np.float32))
    with pytest.raises(AssertionError, match="2 of 4 rows"):
        writer.close()
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_replaces_an_older_file_whole(tmp_path: Path) -> None:
    write_npy(tmp_path / "m.npy", np.zeros((9, 9), np.float32))
    write_npy(tmp_path / "m.npy", np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(np.load(tmp_path / "m.npy"), np.ones((2, 2)))


def test_says_that_the_disk_refuses(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="could not be written") as caught:
        NpyWriter(tmp_path / "no" / "m.npy", (1, 1))
    assert caught.value.reason is Reason.STORAGE_FAILED
