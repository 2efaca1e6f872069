"""RetrievalService: ranks, best matches and scores."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import numpy as np
from torch import Tensor

from cmcr.v1 import retrieval_pb2, retrieval_pb2_grpc
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.retrieval.groups import score_groups
from cmcr_worker.retrieval.ranks import rank_relevant, score_blocks, top_k
from cmcr_worker.server.flow import Call
from cmcr_worker.server.state import WorkerState
from cmcr_worker.server.status import streaming, unary
from cmcr_worker.server.wire import to_wire, uint32
from cmcr_worker.tensors.matrix import require_matrix

ANSWER_BYTES = 16 * 1024 * 1024
"""Of the values in one message: a card's blocks are larger than a message may be."""


class RetrievalService(retrieval_pb2_grpc.RetrievalServiceServicer):
    """Compares rows of two matrices of one space."""

    def __init__(self, state: WorkerState) -> None:
        self._state = state

    @streaming
    def Rank(
        self, request: retrieval_pb2.RankRequest, context: grpc.ServicerContext
    ) -> Iterator[retrieval_pb2.RankResponse]:
        """Ranks of the relevant items, block of queries by block."""
        queries, gallery = self._matrices(request.queries, request.gallery)
        call = Call(context, self._state.stopping)
        blocks = rank_relevant(
            queries,
            gallery,
            uint32(request.offsets, field="offsets"),
            uint32(request.columns, field="columns"),
            device=self._state.device,
            cancelled=call.cancelled,
        )
        for block in blocks:
            yield retrieval_pb2.RankResponse(
                ranks=block.ranks.astype("<u4").tobytes(), queries_done=block.last
            )

    @unary
    def TopK(
        self, request: retrieval_pb2.TopKRequest, context: grpc.ServicerContext
    ) -> retrieval_pb2.TopKResponse:
        """The best gallery rows of each query."""
        queries, gallery = self._matrices(request.queries, request.gallery)
        if request.rows:
            rows = np.asarray(request.rows, dtype=np.int64)
            if int(rows.max()) >= queries.shape[0]:
                raise WorkerError(
                    Reason.CONFIG_INVALID, f"row {rows.max()} is not below {queries.shape[0]}", subject="rows"
                )
            queries = queries[rows]
        size = 8 * queries.shape[0] * min(request.k, gallery.shape[0])
        if size > ANSWER_BYTES:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"the answer would have {size} bytes; at most {ANSWER_BYTES} fit in one",
                subject="k",
                remedy="Ask for fewer rows at a time, or for a smaller k.",
            )
        call = Call(context, self._state.stopping)
        indices, scores = top_k(
            queries, gallery, request.k, device=self._state.device, cancelled=call.cancelled
        )
        return retrieval_pb2.TopKResponse(indices=to_wire(indices), scores=to_wire(scores))

    @streaming
    def Score(
        self, request: retrieval_pb2.ScoreRequest, context: grpc.ServicerContext
    ) -> Iterator[retrieval_pb2.ScoreResponse]:
        """The score matrix, block of rows by block."""
        queries, gallery = self._matrices(request.queries, request.gallery)
        call = Call(context, self._state.stopping)
        rows = max(1, ANSWER_BYTES // (4 * gallery.shape[0]))
        for block in score_blocks(queries, gallery, device=self._state.device, cancelled=call.cancelled):
            for start in range(0, len(block), rows):
                yield retrieval_pb2.ScoreResponse(scores=to_wire(block[start : start + rows]))

    @streaming
    def ScoreGroups(
        self, request: retrieval_pb2.ScoreGroupsRequest, context: grpc.ServicerContext
    ) -> Iterator[retrieval_pb2.ScoreGroupsResponse]:
        """The scores of chosen queries with a run of gallery rows each, block of pairs by block."""
        queries, gallery = self._matrices(request.queries, request.gallery)
        call = Call(context, self._state.stopping)
        blocks = score_groups(
            queries,
            gallery,
            uint32(request.query_rows, field="query_rows"),
            uint32(request.starts, field="starts"),
            uint32(request.ends, field="ends"),
            cancelled=call.cancelled,
        )
        for block in blocks:
            yield retrieval_pb2.ScoreGroupsResponse(
                scores=block.scores.astype("<f4").tobytes(), groups_done=block.groups_done
            )

    def _matrices(self, queries: str, gallery: str) -> tuple[Tensor, Tensor]:
        right = require_matrix(self._state.tensors.get(gallery, field="gallery"), "gallery")
        left = require_matrix(
            self._state.tensors.get(queries, field="queries"), "queries", columns=right.shape[1]
        )
        return left, right
