from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.retrieval import ranks as module
from cmcr_worker.retrieval.duplicates import Duplicates
from cmcr_worker.retrieval.ranks import rank_relevant, score_blocks, top_k
from cmcr_worker.tensors.progress import Cancelled


def naive_ranks(scores: np.ndarray, relevant: list[int]) -> list[int]:
    """Sorts one query's gallery: by score, and among equals the irrelevant first."""
    order = sorted(range(len(scores)), key=lambda j: (-scores[j], j in relevant))
    return sorted(order.index(j) + 1 for j in relevant)


def ranks_of(queries: np.ndarray, gallery: np.ndarray, relevant: list[list[int]]) -> list[list[int]]:
    offsets = np.concatenate([[0], np.cumsum([len(items) for items in relevant])])
    columns = np.array([j for items in relevant for j in items], dtype=np.uint32)
    blocks = list(rank_relevant(queries, gallery, offsets, columns, device="cpu"))
    assert [block.first for block in blocks] == [0, *[block.last for block in blocks[:-1]]]
    assert blocks[-1].last == len(queries)
    flat = np.concatenate([block.ranks for block in blocks])
    assert flat.dtype == np.uint32
    return [flat[a:b].tolist() for a, b in itertools.pairwise(offsets)]


def test_three_queries_by_hand() -> None:
    # Scores are the gallery's own values times 1.
    queries = np.ones((3, 1), np.float32)
    gallery = np.array([[0.9], [0.5], [0.5], [0.1]], np.float32)
    # One relevant item, tied with an irrelevant one: it counts as last. Two relevant: 1 and 4. None.
    assert ranks_of(queries, gallery, [[1], [3, 0], []]) == [[3], [1, 4], []]


def test_all_scores_equal() -> None:
    assert ranks_of(np.ones((1, 2), np.float32), np.ones((5, 2), np.float32), [[0, 3]]) == [[4, 5]]


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    count = draw(st.integers(1, 6))
    size = draw(st.integers(1, 12))
    values = st.integers(-2, 2)
    queries = draw(st.lists(st.lists(values, min_size=2, max_size=2), min_size=count, max_size=count))
    gallery = draw(st.lists(st.lists(values, min_size=2, max_size=2), min_size=size, max_size=size))
    relevant = draw(st.lists(st.lists(st.integers(0, size - 1), unique=True), min_size=count, max_size=count))
    return np.array(queries, np.float32), np.array(gallery, np.float32), relevant


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from([1, 5, 1 << 22]), st.sampled_from([0, 4]))
def test_against_a_sort_of_every_query(
    case: tuple[np.ndarray, np.ndarray, list[list[int]]], block: int, compare: int
) -> None:
    queries, gallery, relevant = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module._BLOCK_SCORES, "cpu", block)
        patch.setattr(module, "_COMPARE_UP_TO", compare)
        found = ranks_of(queries, gallery, relevant)
    scores = queries @ gallery.T
    assert found == [naive_ranks(scores[i], items) for i, items in enumerate(relevant)]


@pytest.mark.parametrize("relevant_items", [1, 3, 40])
def test_random_matrices(relevant_items: int) -> None:
    random = np.random.default_rng(0)
    queries = random.standard_normal((37, 16)).astype(np.float32)
    gallery = random.standard_normal((211, 16)).astype(np.float32)
    relevant = [random.permutation(211)[:relevant_items].tolist() for _ in range(37)]
    scores = np.concatenate(list(score_blocks(queries, gallery, device="cpu")))
    np.testing.assert_allclose(scores, queries @ gallery.T, rtol=1e-4, atol=1e-5)
    expected = [naive_ranks(scores[i], items) for i, items in enumerate(relevant)]
    assert ranks_of(queries, gallery, relevant) == expected


@pytest.mark.parametrize("size", [7, 597, 1003])
def test_equal_rows_tie_wherever_they_stand(size: int) -> None:
    random = np.random.default_rng(1)
    gallery = np.repeat(random.standard_normal((1, 100)).astype(np.float32), size, axis=0)
    queries = random.standard_normal((3, 100)).astype(np.float32)
    assert ranks_of(queries, gallery, [[0], [size // 2], [size - 1]]) == [[size]] * 3


def test_finds_duplicates() -> None:
    matrix = torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [3.0, 3.0], [2.0, 1.0], [1.0, 2.0]])
    for dtype in (torch.float32, torch.float16):
        found = Duplicates.of(matrix.to(dtype))
        assert found.copies.tolist() == [2, 4, 5]
        assert found.originals.tolist() == [0, 1, 0]
    assert Duplicates.of(matrix[:2]).copies.tolist() == []


def test_top_k_is_a_sort() -> None:
    random = np.random.default_rng(2)
    queries = random.standard_normal((9, 8)).astype(np.float32)
    gallery = random.standard_normal((30, 8)).astype(np.float16)
    indices, scores = top_k(queries, gallery, 5, device="cpu")
    full = queries @ gallery.astype(np.float32).T
    assert indices.dtype == np.uint32
    np.testing.assert_array_equal(indices, np.argsort(-full, axis=1)[:, :5])
    np.testing.assert_allclose(scores, -np.sort(-full, axis=1)[:, :5], rtol=1e-5)


def test_k_larger_than_the_gallery() -> None:
    indices, scores = top_k(np.ones((2, 2), np.float32), np.eye(2, dtype=np.float32), 10, device="cpu")
    assert indices.shape == scores.shape == (2, 2)
    with pytest.raises(WorkerError, match="k is 0"):
        top_k(np.ones((2, 2), np.float32), np.eye(2, dtype=np.float32), 0, device="cpu")


def test_refuses_what_does_not_fit() -> None:
    ones = np.ones((2, 2), np.float32)
    with pytest.raises(WorkerError, match="columns, expected") as caught:
        list(score_blocks(np.ones((2, 3), np.float32), ones, device="cpu"))
    assert caught.value.reason is Reason.SHAPE_MISMATCH
    for offsets in ([0, 1], [0, 1, 3], [0, 2, 1], [1, 1, 2]):
        with pytest.raises(WorkerError, match="do not divide"):
            list(rank_relevant(ones, ones, np.array(offsets), np.array([0, 1]), device="cpu"))
    with pytest.raises(WorkerError, match="outside the gallery"):
        list(rank_relevant(ones, ones, np.array([0, 1, 2]), np.array([0, 2]), device="cpu"))


def test_reports_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._BLOCK_SCORES, "cpu", 4)
    seen: list[tuple[int, int]] = []
    ones = np.ones((5, 2), np.float32)
    list(score_blocks(ones, ones[:2], device="cpu", progress=lambda *now: seen.append(now)))
    assert seen == [(0, 5), (2, 5), (4, 5), (5, 5)]
    with pytest.raises(Cancelled):
        top_k(ones, ones, 1, device="cpu", cancelled=lambda: True)


@pytest.mark.cuda
@pytest.mark.parametrize("relevant_items", [2, 30])
def test_cuda_ranks_equal_the_cpu_s(relevant_items: int) -> None:
    random = np.random.default_rng(3)
    # Small integers: every dot product is exact on both.
    queries = random.integers(-3, 4, (50, 16)).astype(np.float32)
    gallery = random.integers(-3, 4, (500, 16)).astype(np.float32)
    offsets = np.arange(51) * relevant_items
    columns = np.concatenate([random.permutation(500)[:relevant_items] for _ in range(50)])
    both = [
        np.concatenate([b.ranks for b in rank_relevant(queries, gallery, offsets, columns, device=device)])
        for device in ("cpu", "cuda")
    ]
    np.testing.assert_array_equal(both[0], both[1])
    np.testing.assert_array_equal(
        top_k(queries, gallery, 3, device="cpu")[1], top_k(queries, gallery, 3, device="cuda")[1]
    )
