from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors import matrix as matrix_module
from cmcr_worker.tensors.holder import TensorHolder
from cmcr_worker.tensors.importing import import_rows
from cmcr_worker.tensors.matrix import float_blocks, normalize_rows, require_matrix
from cmcr_worker.tensors.npy import NpyWriter, open_npy
from cmcr_worker.tensors.progress import Cancelled
from cmcr_worker.tensors.safetensors_file import open_safetensors
from cmcr_worker.tensors.writer import MemoryWriter, as_writer

RANDOM = np.random.default_rng(0)


def imported(source: np.ndarray | torch.Tensor) -> np.ndarray:
    writer = MemoryWriter.empty(*source.shape)
    import_rows(source, writer)
    return np.asarray(writer.target)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_normalizes_rows(dtype: type) -> None:
    source = (RANDOM.standard_normal((50, 6)) * 3).astype(dtype)
    expected = source.astype(np.float64)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(imported(source), expected, atol=1e-7)


def test_extreme_lengths_keep_their_direction() -> None:
    source = np.array([[3e38, 3e38], [1e-40, 0.0], [6e-8, 0.0]], np.float32)
    result = imported(source)
    np.testing.assert_allclose(result, [[0.5**0.5, 0.5**0.5], [1, 0], [1, 0]], rtol=1e-6)


def test_goes_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_module, "BLOCK_BYTES", 1)
    source = RANDOM.standard_normal((11, 4)).astype(np.float32)
    seen: list[tuple[int, int]] = []
    blocks = [start for start, _ in float_blocks(source, torch.device("cpu"), 3)]
    assert blocks == [0, 3, 6, 9]
    with NpyWriter(tmp_path / "m.npy", (11, 4)) as writer:
        import_rows(source, writer, lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 11)
    assert seen[-1] == (11, 11)
    np.testing.assert_array_equal(np.load(tmp_path / "m.npy"), imported(source))


@pytest.mark.parametrize(
    ("row", "column", "value", "words"),
    [
        (17, 3, np.nan, "row 17, column 3 is NaN"),
        (0, 0, np.inf, "row 0, column 0 is infinite"),
        (29, 1, -np.inf, "row 29, column 1 is infinite"),
    ],
)
def test_names_the_first_value_that_is_not_finite(row: int, column: int, value: float, words: str) -> None:
    source = np.ones((30, 4), np.float32)
    source[row, column] = value
    source[29, 3] = np.nan
    with pytest.raises(WorkerError, match=words) as caught:
        imported(source)
    assert caught.value.reason is Reason.DATA_CORRUPT
    assert f"row {row}" in caught.value.subject


def test_names_a_row_of_zeros_in_a_later_block(tmp_path: Path) -> None:
    source = np.ones((2_100_000, 2), np.float32)
    source[2_000_001] = 0
    with pytest.raises(WorkerError, match="emb: row 2000001 is all zeros"):
        import_rows(source, MemoryWriter.empty(*source.shape), subject="emb")


def test_stops_when_cancelled() -> None:
    with pytest.raises(Cancelled):
        import_rows(np.ones((3, 3), np.float32), MemoryWriter.empty(3, 3), cancelled=lambda: True)


def test_safetensors_by_key(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    one, two = RANDOM.standard_normal((4, 3)).astype(np.float32), np.ones((5, 2), np.float16)
    save_file({"one": one, "two": two, "count": np.zeros((2, 2), np.int64)}, path)
    np.testing.assert_array_equal(open_safetensors(path, "one"), one)
    np.testing.assert_array_equal(open_safetensors(path, "two"), two)
    np.testing.assert_allclose(np.linalg.norm(imported(open_safetensors(path, "two")), axis=1), 1, rtol=1e-6)
    with pytest.raises(WorkerError, match="'ohne'") as caught:
        open_safetensors(path, "ohne")
    assert caught.value.reason is Reason.UNKNOWN_NAME
    assert caught.value.known_names[0] == "one"
    with pytest.raises(WorkerError, match="holds 3 tensors") as caught:
        open_safetensors(path)
    assert caught.value.reason is Reason.CONFIG_INVALID
    with pytest.raises(WorkerError, match="I64") as caught:
        open_safetensors(path, "count")
    assert caught.value.reason is Reason.DTYPE_MISMATCH


def test_safetensors_with_one_matrix_needs_no_key(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"only": np.ones((2, 3), np.float32)}, path)
    assert open_safetensors(path).shape == (2, 3)
    save_file({"only": np.ones(3, np.float32)}, path)
    with pytest.raises(WorkerError) as caught:
        open_safetensors(path)
    assert caught.value.reason is Reason.SHAPE_MISMATCH
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(WorkerError) as caught:
        open_safetensors(path)
    assert caught.value.reason is Reason.DATA_CORRUPT
    with pytest.raises(WorkerError) as caught:
        open_safetensors(tmp_path / "no.safetensors")
    assert caught.value.reason is Reason.DATA_MISSING


def test_handles() -> None:
    holder = TensorHolder()
    first, second = holder.put(np.ones((2, 2), np.float32)), holder.put(torch.zeros(3, 3))
    assert first != second
    assert len(holder) == 2
    assert holder.tensor(first).shape == (2, 2)
    holder.release([first, "never there"])
    holder.release([first])
    assert len(holder) == 1
    with pytest.raises(WorkerError, match="holds no matrix") as caught:
        holder.get(first, field="queries")
    assert caught.value.reason is Reason.STALE_HANDLE
    assert caught.value.subject == "queries"
    with pytest.raises(WorkerError):
        TensorHolder().get(second)


def test_require_matrix_names_what_is_wrong() -> None:
    with pytest.raises(WorkerError, match="queries: found 3 columns, expected 4") as caught:
        require_matrix(torch.ones(2, 3), "queries", columns=4)
    assert caught.value.reason is Reason.SHAPE_MISMATCH
    with pytest.raises(WorkerError, match="holds float64"):
        require_matrix(np.ones((2, 3)), "queries")
    with pytest.raises(WorkerError, match="at least one row"):
        require_matrix(torch.ones(0, 3), "queries")


def test_normalize_rows_leaves_zero_rows() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(normalize_rows(x), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def test_any_target_becomes_a_writer(tmp_path: Path) -> None:
    half = torch.zeros(2, 2, dtype=torch.float16)
    as_writer(half).rows(1, np.ones((1, 2), np.float32))
    assert half.tolist() == [[0, 0], [1, 1]]
    writer = NpyWriter(tmp_path / "m.npy", (1, 1))
    assert as_writer(writer) is writer
    writer.rows(0, np.ones((1, 1), np.float32))
    writer.close()
    assert open_npy(tmp_path / "m.npy")[0, 0] == 1
