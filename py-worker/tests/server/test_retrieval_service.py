"""RetrievalService over the wire, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from served import LIMIT, Failure, Served, failure_of, uint32, unit_rows

from cmcr.v1 import retrieval_pb2, tensor_pb2
from cmcr_worker.errors import Reason
from cmcr_worker.server import retrieval

QUERIES = unit_rows(1, 7, 6)
GALLERY = unit_rows(2, 11, 6)
SCORES = QUERIES.astype(np.float64) @ GALLERY.astype(np.float64).T
RELEVANT = [[3], [], [0, 5, 10], [1, 2], [7], list(range(11)), [4, 9]]
OFFSETS = np.cumsum([0, *map(len, RELEVANT)])
COLUMNS = [column for columns in RELEVANT for column in columns]


def handles(served: Served) -> dict[str, str]:
    return {"queries": served.hold(QUERIES), "gallery": served.hold(GALLERY)}


def array(tensor: tensor_pb2.Tensor, dtype: str) -> np.ndarray:
    return np.frombuffer(tensor.data, dtype=dtype).reshape(tuple(tensor.shape))


class TestRank:
    def rank(self, served: Served, **changes: Any) -> list[Any]:
        fields = {"offsets": uint32(OFFSETS), "columns": uint32(COLUMNS), **handles(served), **changes}
        return list(served.retrieval.Rank(retrieval_pb2.RankRequest(**fields), timeout=LIMIT))

    def failure(self, served: Served, **changes: Any) -> Failure:
        return failure_of(lambda: self.rank(served, **changes))

    def test_against_sorting(self, served: Served) -> None:
        answers = self.rank(served)
        ranks = np.frombuffer(b"".join(answer.ranks for answer in answers), "<u4")
        expected: list[int] = []
        for row, relevant in zip(SCORES, RELEVANT, strict=True):
            order = np.argsort(-row)
            expected += [rank for rank, column in enumerate(order, start=1) if column in relevant]
        assert ranks.tolist() == expected
        assert answers[-1].queries_done == 7

    def test_no_relevant_item_at_all(self, served: Served) -> None:
        answers = self.rank(served, offsets=uint32([0] * 8), columns=b"")
        assert b"".join(answer.ranks for answer in answers) == b""

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"offsets": b""}, Reason.SHAPE_MISMATCH),
            ({"offsets": uint32(OFFSETS)[:-1]}, Reason.SHAPE_MISMATCH),
            ({"offsets": uint32(OFFSETS[:-1])}, Reason.SHAPE_MISMATCH),
            ({"offsets": uint32(OFFSETS[::-1])}, Reason.SHAPE_MISMATCH),
            ({"offsets": uint32(OFFSETS + 1)}, Reason.SHAPE_MISMATCH),
            ({"columns": uint32(COLUMNS[:-1])}, Reason.SHAPE_MISMATCH),
            ({"columns": uint32(COLUMNS)[:-3]}, Reason.SHAPE_MISMATCH),
            ({"columns": uint32([*COLUMNS[:-1], 11])}, Reason.CONFIG_INVALID),
            ({"columns": uint32([*COLUMNS[:-1], 2**32 - 1])}, Reason.CONFIG_INVALID),
            ({"queries": "unknown"}, Reason.STALE_HANDLE),
            ({"gallery": ""}, Reason.STALE_HANDLE),
        ],
    )
    def test_mistakes(self, served: Served, changes: dict[str, Any], reason: Reason) -> None:
        assert self.failure(served, **changes).reason is reason

    def test_another_dimension(self, served: Served) -> None:
        got = self.failure(served, queries=served.hold(unit_rows(1, 7, 5)))
        assert got.reason is Reason.SHAPE_MISMATCH


class TestScoreGroups:
    GROUPS = ((3, 0, 11), (0, 4, 4), (6, 2, 5), (3, 10, 11))

    def scores(self, served: Served, **changes: Any) -> list[Any]:
        rows, starts, ends = (uint32(each) for each in zip(*self.GROUPS, strict=True))
        fields = {"query_rows": rows, "starts": starts, "ends": ends, **handles(served), **changes}
        return list(served.retrieval.ScoreGroups(retrieval_pb2.ScoreGroupsRequest(**fields), timeout=LIMIT))

    def test_against_the_score_matrix(self, served: Served) -> None:
        answers = self.scores(served)
        found = np.frombuffer(b"".join(answer.scores for answer in answers), "<f4")
        expected = np.concatenate([SCORES[row, start:end] for row, start, end in self.GROUPS])
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert answers[-1].groups_done == len(self.GROUPS)

    def test_no_groups(self, served: Served) -> None:
        assert self.scores(served, query_rows=b"", starts=b"", ends=b"") == []

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"query_rows": uint32([0, 0, 0, 7])}, Reason.CONFIG_INVALID),
            ({"ends": uint32([11, 4, 5, 12])}, Reason.CONFIG_INVALID),
            ({"starts": uint32([0, 5, 2, 10])}, Reason.CONFIG_INVALID),
            ({"starts": uint32([0, 4, 2])}, Reason.SHAPE_MISMATCH),
            ({"ends": uint32([11, 4, 5, 11])[:-1]}, Reason.SHAPE_MISMATCH),
            ({"gallery": "unknown"}, Reason.STALE_HANDLE),
        ],
    )
    def test_mistakes(self, served: Served, changes: dict[str, Any], reason: Reason) -> None:
        assert failure_of(lambda: self.scores(served, **changes)).reason is reason


class TestTopK:
    def top(self, served: Served, **fields: Any) -> tuple[np.ndarray, np.ndarray]:
        request = retrieval_pb2.TopKRequest(**{**handles(served), **fields})
        answer = served.retrieval.TopK(request, timeout=LIMIT)
        assert answer.indices.dtype == tensor_pb2.ELEMENT_TYPE_UINT32
        assert answer.scores.dtype == tensor_pb2.ELEMENT_TYPE_FLOAT32
        return array(answer.indices, "<u4"), array(answer.scores, "<f4")

    @pytest.mark.parametrize(("k", "kept"), [(1, 1), (4, 4), (11, 11), (50, 11)])
    def test_against_sorting(self, served: Served, k: int, kept: int) -> None:
        indices, scores = self.top(served, k=k)
        expected = np.argsort(-SCORES, axis=1)[:, :kept]
        np.testing.assert_array_equal(indices, expected)
        np.testing.assert_allclose(scores, np.take_along_axis(SCORES, expected, 1), atol=1e-6)

    def test_some_rows(self, served: Served) -> None:
        indices, _ = self.top(served, k=2, rows=[5, 0, 5])
        np.testing.assert_array_equal(indices, np.argsort(-SCORES, axis=1)[[5, 0, 5], :2])

    @pytest.mark.parametrize(("fields", "subject"), [({"k": 0}, "k"), ({"k": 1, "rows": [0, 7]}, "rows")])
    def test_mistakes(self, served: Served, fields: dict[str, Any], subject: str) -> None:
        got = failure_of(lambda: self.top(served, **fields))
        assert (got.reason, got.detail and got.detail.subject) == (Reason.CONFIG_INVALID, subject)

    def test_an_answer_too_large_for_a_message(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retrieval, "ANSWER_BYTES", 7 * 8 * 3)
        assert self.top(served, k=3)[0].shape == (7, 3)
        got = failure_of(lambda: self.top(served, k=4))
        assert (got.reason, got.detail and got.detail.subject) == (Reason.CONFIG_INVALID, "k")


class TestScore:
    def blocks(self, served: Served, **changes: str) -> list[np.ndarray]:
        request = retrieval_pb2.ScoreRequest(**{**handles(served), **changes})
        return [array(answer.scores, "<f4") for answer in served.retrieval.Score(request, timeout=LIMIT)]

    def test_against_numpy(self, served: Served) -> None:
        np.testing.assert_allclose(np.concatenate(self.blocks(served)), SCORES, atol=1e-6)

    def test_blocks_fit_into_messages(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retrieval, "ANSWER_BYTES", 2 * 4 * 11 + 1)
        blocks = self.blocks(served)
        assert [len(block) for block in blocks] == [2, 2, 2, 1]
        np.testing.assert_allclose(np.concatenate(blocks), SCORES, atol=1e-6)

    def test_more_scores_than_one_message_may_have(self, served: Served) -> None:
        queries, gallery = unit_rows(1, 40, 2), unit_rows(2, 500_000, 2)
        request = {"queries": served.hold(queries), "gallery": served.hold(gallery)}
        blocks = self.blocks(served, **request)
        assert sum(len(block) for block in blocks) == 40
        np.testing.assert_allclose(blocks[0][0], gallery @ queries[0], atol=1e-6)

    def test_unknown_handles(self, served: Served) -> None:
        got = failure_of(lambda: self.blocks(served, gallery="nothing"))
        assert (got.reason, got.detail and got.detail.subject) == (Reason.STALE_HANDLE, "gallery")
