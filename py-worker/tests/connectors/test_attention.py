from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cmcr_worker.connectors import tiles
from cmcr_worker.connectors.attention import TileSizes, attend
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.npy import open_npy, write_npy
from cmcr_worker.tensors.progress import Cancelled

BENCH = Path(__file__).resolve().parents[2] / "bench"
SMALL = TileSizes(queries=24, inner=10, memory=16)


def unit_rows(rows: int, columns: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)), dim=1)


def naive(queries: Tensor, memory: Tensor, temperature: float, values: Tensor | None = None) -> Tensor:
    """The whole softmax at once, in float64."""
    values = memory if values is None else values
    weights = torch.softmax(queries.double() @ memory.double().t() / temperature, dim=1)
    return F.normalize(weights @ values.double(), dim=1)


def attended(queries: Tensor, memory: Tensor, temperature: float, **options: object) -> Tensor:
    values = options.get("values", memory)
    assert isinstance(values, Tensor)
    out = torch.empty(queries.shape[0], values.shape[1])
    attend(queries, memory, temperature, out, device=options.pop("device", "cpu"), **options)  # type: ignore[arg-type]
    return out


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert float((found - expected).abs().max()) <= 1e-5
    torch.testing.assert_close(found.norm(dim=1), torch.ones(len(found)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.01, 0.05, 1.0])
@pytest.mark.parametrize("sizes", [None, SMALL], ids=["whole", "uneven"])
def test_random_memory(temperature: float, sizes: TileSizes | None) -> None:
    queries, memory = unit_rows(53, 32), unit_rows(203, 32, seed=1)
    assert_close(attended(queries, memory, temperature, sizes=sizes), naive(queries, memory, temperature))


@pytest.mark.parametrize("threads", [1, 2])
def test_default_tiles_with_uneven_last_ones(threads: int) -> None:
    queries, memory = unit_rows(1050, 24), unit_rows(2100, 24, seed=1)
    torch.set_num_threads(threads)
    try:
        found = attended(queries, memory, 0.01)
    finally:
        torch.set_num_threads(1)
    assert_close(found, naive(queries, memory, 0.01))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 70),
    st.integers(1, 9),
    st.sampled_from([0.01, 0.1, 10.0]),
    st.integers(0, 10_000),
    st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20)),
)
def test_any_shape_and_tiles(
    rows: int, items: int, columns: int, temperature: float, seed: int, sizes: tuple[int, int, int]
) -> None:
    queries = unit_rows(rows, columns, seed)
    # All items on one side, so that no mixture of them is near zero.
    memory = F.normalize(unit_rows(items, columns, seed + 1).abs() + 0.1, dim=1)
    cut = TileSizes(queries=sizes[0], inner=sizes[1], memory=sizes[2])
    assert_close(attended(queries, memory, temperature, sizes=cut), naive(queries, memory, temperature))


def test_near_duplicates() -> None:
    base = unit_rows(1, 64)
    memory = F.normalize(base + 1e-4 * unit_rows(300, 64, seed=1), dim=1)
    queries = F.normalize(base + 0.5 * unit_rows(20, 64, seed=2), dim=1)
    assert_close(attended(queries, memory, 0.01, sizes=SMALL), naive(queries, memory, 0.01))


def test_all_cosines_negative() -> None:
    memory = F.normalize(unit_rows(1, 16) + 0.3 * unit_rows(100, 16, seed=1), dim=1)
    queries = -memory[:30]
    assert float((queries @ memory.t()).max()) < 0
    assert_close(attended(queries, memory, 0.01, sizes=SMALL), naive(queries, memory, 0.01))


@pytest.mark.parametrize("order", [1, -1], ids=["rising", "falling"])
def test_maximum_that_changes_with_every_tile(order: int) -> None:
    angles = torch.linspace(0.1, 3.0, 160)
    angles = angles.flip(0) if order == 1 else angles
    memory = torch.stack([angles.cos(), angles.sin()], dim=1)
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert_close(attended(queries, memory, 0.01, sizes=SMALL), naive(queries, memory, 0.01))


def test_float16_memory_is_what_its_numbers_say() -> None:
    queries, memory = unit_rows(30, 32), unit_rows(100, 32, seed=1).half()
    assert_close(attended(queries, memory, 0.01, sizes=SMALL), naive(queries, memory.float(), 0.01))
    assert_close(
        attended(queries.half(), memory, 0.01, sizes=SMALL),
        naive(queries.half().float(), memory.float(), 0.01),
    )


def test_low_temperature_picks_the_nearest() -> None:
    queries, memory = unit_rows(40, 8), unit_rows(500, 8, seed=1)
    nearest = memory[(queries @ memory.t()).argmax(dim=1)]
    torch.testing.assert_close(attended(queries, memory, 1e-6), nearest, rtol=0, atol=1e-5)


def test_one_item_is_always_the_answer() -> None:
    memory = unit_rows(1, 8)
    torch.testing.assert_close(attended(unit_rows(5, 8, seed=2), memory, 0.01), memory.expand(5, 8))


def test_values_apart_from_keys() -> None:
    queries, keys, values = unit_rows(30, 16), unit_rows(90, 16, seed=1), unit_rows(90, 7, seed=2).half()
    found = attended(queries, keys, 0.05, values=values, sizes=SMALL)
    assert_close(found, naive(queries, keys, 0.05, values.float()))


def test_mapped_files_in_and_out(tmp_path: Path) -> None:
    queries, memory = unit_rows(30, 16), unit_rows(90, 16, seed=1)
    write_npy(tmp_path / "q.npy", queries.numpy())
    write_npy(tmp_path / "m.npy", memory.numpy())
    out = np.lib.format.open_memmap(tmp_path / "o.npy", "w+", dtype=np.float32, shape=(30, 16))
    attend(open_npy(tmp_path / "q.npy"), open_npy(tmp_path / "m.npy"), 0.01, out, device="cpu")
    assert_close(torch.from_numpy(np.array(out)), naive(queries, memory, 0.01))


def test_same_bits_again_and_inputs_untouched() -> None:
    queries, memory = unit_rows(100, 16), unit_rows(300, 16, seed=1)
    before = queries.clone(), memory.clone()
    assert torch.equal(attended(queries, memory, 0.01), attended(queries, memory, 0.01))
    assert torch.equal(queries, before[0])
    assert torch.equal(memory, before[1])


def test_reports_rising_progress_and_stops() -> None:
    queries, memory = unit_rows(50, 8), unit_rows(64, 8, seed=1)
    seen: list[tuple[int, int]] = []
    attended(queries, memory, 0.1, sizes=SMALL, progress=lambda *now: seen.append(now))
    assert seen == sorted(seen)
    assert seen[0] == (0, 50)
    assert seen[-1] == (50, 50)
    calls = 0

    def third_time() -> bool:
        nonlocal calls
        calls += 1
        return calls == 3

    with pytest.raises(Cancelled):
        attended(queries, memory, 0.1, sizes=SMALL, cancelled=third_time)
    assert calls == 3


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), 1e-320])
def test_refuses_temperatures(temperature: float) -> None:
    with pytest.raises(WorkerError, match="temperature") as caught:
        attended(unit_rows(2, 4), unit_rows(3, 4), temperature)
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_refuses_shapes_that_do_not_fit() -> None:
    queries, memory = unit_rows(2, 4), unit_rows(3, 4)
    for call in (
        lambda: attended(unit_rows(2, 5), memory, 0.1),
        lambda: attended(queries, memory, 0.1, values=unit_rows(4, 4)),
        lambda: attend(queries, memory, 0.1, torch.empty(3, 4), device="cpu"),
    ):
        with pytest.raises(WorkerError) as caught:
            call()
        assert caught.value.reason is Reason.SHAPE_MISMATCH


@pytest.mark.parametrize(
    "bad", [torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([[float("nan"), 0.0]])]
)
def test_names_a_query_without_an_answer(bad: Tensor) -> None:
    queries = torch.tensor([[0.0, 1.0]])
    with pytest.raises(WorkerError, match="query 0 has no pseudo item") as caught:
        attended(queries, bad, 0.1)
    assert caught.value.reason is Reason.NON_FINITE


def bench(name: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, BENCH / name, *arguments], check=True, capture_output=True, text=True, timeout=120
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize(("queries", "memory"), [("64", "150000"), ("9000", "2000")])
def test_extra_memory_does_not_grow_with_the_data(queries: str, memory: str) -> None:
    found = bench("attention_memory.py", "--queries", queries, "--memory", memory, "--dim", "512")
    # 150 000 x 512 is 293 MiB; the score matrix of the other case would be 69 MiB.
    assert found["extraMiB"] <= 64


def test_the_rate_benchmark_measures_and_agrees() -> None:
    found = bench("attention_vs_matmul.py", "--queries", "256", "--memory", "3000", "--dim", "64")
    assert found["maxDifference"] <= 1e-5
    assert found["ratio"] > 0


@pytest.mark.cuda
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_cuda(monkeypatch: pytest.MonkeyPatch, streamed: bool, dtype: torch.dtype) -> None:
    if streamed:
        monkeypatch.setattr(tiles, "_RESIDENT_SHARE", 0.0)
    queries, memory = unit_rows(700, 128), unit_rows(5000, 128, seed=1).to(dtype)
    sizes = TileSizes(queries=300, inner=128, memory=512)
    values = unit_rows(5000, 40, seed=2)
    assert_close(
        attended(queries, memory, 0.01, sizes=sizes, device="cuda"), naive(queries, memory.float(), 0.01)
    )
    assert_close(
        attended(queries, memory, 0.05, sizes=sizes, device="cuda", values=values),
        naive(queries, memory.float(), 0.05, values),
    )
