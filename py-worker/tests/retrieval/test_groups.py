"""Scores of groups against a loop over every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.retrieval.groups import GroupScores, score_groups
from cmcr_worker.tensors.progress import Cancelled

QUERIES, GALLERY, DIMENSION = 5, 40, 7


def matrices(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    shapes = ((QUERIES, DIMENSION), (GALLERY, DIMENSION))
    queries, gallery = (draw.standard_normal(shape).astype(np.float32) for shape in shapes)
    return queries, gallery


def numbers(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.uint32)


def blocks_of(groups: list[tuple[int, int, int]], **settings: int) -> list[GroupScores]:
    queries, gallery = matrices()
    rows, starts, ends = (numbers([group[place] for group in groups]) for place in range(3))
    return list(score_groups(queries, gallery, rows, starts, ends, **settings))


def naive(groups: list[tuple[int, int, int]]) -> list[float]:
    queries, gallery = (matrix.astype(np.float64) for matrix in matrices())
    return [float(queries[row] @ gallery[item]) for row, start, end in groups for item in range(start, end)]


group = st.tuples(st.integers(0, QUERIES - 1), st.integers(0, GALLERY), st.integers(0, GALLERY)).map(
    lambda drawn: (drawn[0], min(drawn[1:]), max(drawn[1:]))
)


@settings(max_examples=150, deadline=None)
@given(st.lists(group, max_size=8), st.sampled_from([1, 3, 11, 100_000]))
def test_against_a_loop_whatever_the_block(groups: list[tuple[int, int, int]], pairs: int) -> None:
    """Empty, overlapping and repeated groups; blocks that end within a group."""
    blocks = blocks_of(groups, block_bytes=4 * DIMENSION * pairs)
    found = np.concatenate([block.scores for block in blocks]) if blocks else np.empty(0)
    np.testing.assert_allclose(found, naive(groups), rtol=0, atol=1e-6 * DIMENSION)
    assert all(0 < len(block.scores) <= pairs for block in blocks)
    # A group counts once its last pair is there.
    sizes = np.cumsum([end - start for _, start, end in groups])
    for done, block in zip(np.cumsum([len(block.scores) for block in blocks]), blocks, strict=True):
        assert block.groups_done == int((sizes <= done).sum())


def test_a_score_does_not_depend_on_its_block() -> None:
    groups = [(0, 0, 40), (3, 5, 20), (1, 7, 7), (4, 0, 40)]
    whole = np.concatenate([block.scores for block in blocks_of(groups)])
    pieces = np.concatenate([block.scores for block in blocks_of(groups, block_bytes=4 * DIMENSION * 6)])
    np.testing.assert_allclose(pieces, whole, rtol=0, atol=1e-6)


def test_half_precision_is_summed_in_float32() -> None:
    queries = np.ones((1, 4096), np.float16)
    gallery = np.full((1, 4096), 1.5, np.float16)
    (block,) = score_groups(queries, gallery, numbers([0]), numbers([0]), numbers([1]))
    assert block.scores.tolist() == [6144.0]


@pytest.mark.parametrize(
    ("groups", "field", "what"),
    [
        ([(0, 0, 1), (QUERIES, 0, 1)], "query_rows", "group 1 .*not below 5"),
        ([(0, 3, 2)], "starts", "ends before it starts"),
        ([(0, 0, GALLERY + 1)], "ends", "after the gallery's 40 rows"),
        ([(0, 2**32 - 1, 0)], "starts", "ends before it starts"),
    ],
)
def test_groups_that_cannot_be(groups: list[tuple[int, int, int]], field: str, what: str) -> None:
    with pytest.raises(WorkerError, match=what) as caught:
        blocks_of(groups)
    assert (caught.value.reason, caught.value.subject) == (Reason.CONFIG_INVALID, field)


def test_lists_of_different_lengths() -> None:
    queries, gallery = matrices()
    with pytest.raises(WorkerError, match="1 query rows, 2 starts and 1 ends") as caught:
        list(score_groups(queries, gallery, numbers([0]), numbers([0, 1]), numbers([1])))
    assert caught.value.reason is Reason.SHAPE_MISMATCH


def test_another_dimension() -> None:
    queries, gallery = matrices()
    with pytest.raises(WorkerError) as caught:
        list(score_groups(queries[:, :3], gallery, numbers([0]), numbers([0]), numbers([1])))
    assert caught.value.reason is Reason.SHAPE_MISMATCH


def test_ends_when_nobody_waits() -> None:
    queries, gallery = matrices()
    blocks = score_groups(
        queries, gallery, numbers([0]), numbers([0]), numbers([40]), block_bytes=1, cancelled=lambda: True
    )
    with pytest.raises(Cancelled):
        next(blocks)
