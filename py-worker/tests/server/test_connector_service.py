"""ConnectorService over the wire, but for training: attention, gathering, maps, embedding."""

from __future__ import annotations

import os
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from served import (
    LIMIT,
    MEMORY,
    Served,
    block,
    failure_of,
    normalized,
    start_message,
    train_start,
    train_step,
    uint32,
    unit_rows,
)

from cmcr.v1 import connector_pb2
from cmcr_worker.connectors.projectors import Projectors
from cmcr_worker.connectors.registry import CONNECTORS
from cmcr_worker.errors import Reason


class TestAttend:
    def attend(self, served: Served, **changes: Any) -> list[Any]:
        fields: dict[str, Any] = {"temperature": 0.1, "destination": MEMORY, **changes}
        return list(served.connectors.Attend(connector_pb2.AttendRequest(**fields), timeout=LIMIT))

    def test_against_numpy(self, served: Served) -> None:
        queries, memory = unit_rows(1, 9, 5), unit_rows(2, 30, 5)
        *progress, last = self.attend(served, queries=served.hold(queries), memory=served.hold(memory))
        weights = np.exp(queries.astype(np.float64) @ memory.T / 0.1)
        expected = normalized(weights @ memory.astype(np.float64))
        np.testing.assert_allclose(served.values(last.tensor.handle), expected, atol=1e-5)
        assert (last.rows_done, last.rows_total) == (9, 9)
        assert all(not message.HasField("tensor") and message.rows_total == 9 for message in progress)

    def test_into_a_file(self, served: Served) -> None:
        handle = served.hold(unit_rows(1, 4, 5))
        last = self.attend(served, queries=handle, memory=handle, destination=served.at("v.npy"))[-1]
        np.testing.assert_array_equal(np.load(served.root / "v.npy"), served.values(last.tensor.handle))

    @pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), 5e-324])
    def test_a_temperature_that_cannot_be(self, served: Served, temperature: float) -> None:
        handle = served.hold(unit_rows(1, 4, 5))
        got = failure_of(
            lambda: self.attend(
                served, queries=handle, memory=handle, temperature=temperature, destination=served.at("v.npy")
            )
        )
        assert (got.reason, got.detail and got.detail.subject) == (Reason.CONFIG_INVALID, "temperature")
        assert os.listdir(served.root) == []

    def test_mistakes(self, served: Served) -> None:
        handle, wide = served.hold(unit_rows(1, 4, 5)), served.hold(unit_rows(1, 4, 6))
        poisoned = unit_rows(1, 4, 5)
        poisoned[2, 3] = np.nan
        cases: dict[Reason, dict[str, str]] = {
            Reason.STALE_HANDLE: {"queries": handle},
            Reason.SHAPE_MISMATCH: {"queries": wide, "memory": handle},
            Reason.NON_FINITE: {"queries": handle, "memory": served.hold(poisoned)},
        }
        for reason, fields in cases.items():
            assert failure_of(lambda fields=fields: self.attend(served, **fields)).reason is reason


class TestGather:
    def gather(self, served: Served, source: str, rows: bytes, destination: Any = MEMORY) -> str:
        request = connector_pb2.GatherRequest(source=source, rows=rows, destination=destination)
        return served.connectors.Gather(request, timeout=LIMIT).tensor.handle

    def test_rows_in_the_order_asked_for(self, served: Served) -> None:
        matrix = unit_rows(1, 6, 3)
        picked = self.gather(served, served.hold(matrix), uint32([5, 0, 0, 3]))
        np.testing.assert_array_equal(served.values(picked), matrix[[5, 0, 0, 3]])

    def test_more_rows_than_a_block(self, served: Served) -> None:
        matrix, rows = unit_rows(1, 6, 1), np.random.default_rng(1).integers(0, 6, 70_000)
        picked = self.gather(served, served.hold(matrix.astype("<f2")), uint32(rows))
        np.testing.assert_array_equal(served.values(picked), matrix.astype("<f2").astype("<f4")[rows])

    @pytest.mark.parametrize(
        ("rows", "reason"),
        [
            (uint32([0, 6]), Reason.CONFIG_INVALID),
            (uint32([2**32 - 1]), Reason.CONFIG_INVALID),
            (uint32([0, 1])[:-1], Reason.SHAPE_MISMATCH),
            (b"", Reason.SHAPE_MISMATCH),
        ],
    )
    def test_rows_that_are_not_there(self, served: Served, rows: bytes, reason: Reason) -> None:
        source = served.hold(unit_rows(1, 6, 3))
        got = failure_of(lambda: [self.gather(served, source, rows, served.at("out.npy"))])
        assert got.reason is reason
        assert os.listdir(served.root) == []

    def test_an_unknown_handle(self, served: Served) -> None:
        got = failure_of(lambda: [self.gather(served, "nothing", uint32([0]))])
        assert (got.reason, got.detail and got.detail.subject) == (Reason.STALE_HANDLE, "source")


class TestFit:
    def request(self, served: Served, method: str, **changes: Any) -> connector_pb2.FitRequest:
        fields: dict[str, Any] = {
            "source_space": "hearing",
            "target_space": "sight",
            "source_overlap": served.hold(unit_rows(1, 30, 5)),
            "target_overlap": served.hold(unit_rows(2, 30, 6)),
            "source_pseudo": served.hold(unit_rows(3, 30, 5)),
            "target_pseudo": served.hold(unit_rows(4, 30, 6)),
            "source_memory": served.hold(unit_rows(5, 20, 5)),
            "target_memory": served.hold(unit_rows(6, 20, 6)),
            "temperature": 0.1,
            "regularization": 0.1,
            **changes,
        }
        return connector_pb2.FitRequest(method=method, **fields)

    def embed(self, served: Served, connector: str, space: str, x: str, center_on: str = "") -> np.ndarray:
        request = connector_pb2.EmbedRequest(
            connector=connector, space=space, input=x, center_on=center_on, destination=MEMORY
        )
        return served.values(served.connectors.Embed(request, timeout=LIMIT).tensor.handle)

    @pytest.mark.parametrize("method", sorted(CONNECTORS))
    def test_each_method_embeds_both_spaces(self, served: Served, method: str) -> None:
        fitted = served.connectors.Fit(self.request(served, method), timeout=LIMIT)
        for space, width in (("hearing", 5), ("sight", 6)):
            rows = self.embed(served, fitted.connector, space, served.hold(unit_rows(7, 8, width)))
            assert rows.shape == (8, fitted.output_dim)
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)

    def test_procrustes_against_numpy(self, served: Served) -> None:
        source, target = unit_rows(1, 30, 5).astype(np.float64), unit_rows(2, 30, 6).astype(np.float64)
        u, _, vt = np.linalg.svd(source.T @ target, full_matrices=False)
        x, memory = unit_rows(7, 8, 5), unit_rows(5, 20, 5)
        fitted = served.connectors.Fit(self.request(served, "procrustes"), timeout=LIMIT).connector
        rows = self.embed(served, fitted, "hearing", served.hold(x))
        np.testing.assert_allclose(rows, normalized(x @ u @ vt), atol=1e-5)
        centred = self.embed(served, fitted, "hearing", served.hold(x), served.hold(memory))
        mean = normalized(memory @ u @ vt).mean(axis=0)
        np.testing.assert_allclose(centred, normalized(normalized(x @ u @ vt) - mean), atol=1e-5)

    @pytest.mark.parametrize(
        ("method", "changes", "reason"),
        [
            ("procrutes", {}, Reason.UNKNOWN_NAME),
            ("", {}, Reason.UNKNOWN_NAME),
            ("procrustes", {"source_overlap": ""}, Reason.STALE_HANDLE),
            ("procrustes", {"target_memory": "gone"}, Reason.STALE_HANDLE),
            ("procrustes", {"target_space": "hearing"}, Reason.CONFIG_INVALID),
            ("pivot-soft", {"temperature": None}, Reason.CONFIG_INVALID),
            ("ridge", {"regularization": None}, Reason.CONFIG_INVALID),
            ("memory-ridge", {"source_pseudo": ""}, Reason.CONFIG_INVALID),
        ],
    )
    def test_mistakes(self, served: Served, method: str, changes: dict[str, Any], reason: Reason) -> None:
        request = self.request(served, method, **changes)
        before = len(served.state.connectors)
        assert failure_of(lambda: [served.connectors.Fit(request, timeout=LIMIT)]).reason is reason
        assert len(served.state.connectors) == before

    def test_rows_of_another_length(self, served: Served) -> None:
        request = self.request(served, "procrustes", target_overlap=served.hold(unit_rows(2, 29, 6)))
        got = failure_of(lambda: [served.connectors.Fit(request, timeout=LIMIT)])
        assert got.reason is Reason.SHAPE_MISMATCH

    def test_embedding_mistakes(self, served: Served) -> None:
        fitted = served.connectors.Fit(self.request(served, "procrustes"), timeout=LIMIT).connector
        hearing, sight = served.hold(unit_rows(7, 3, 5)), served.hold(unit_rows(7, 3, 6))
        cases = [
            (("nothing", "hearing", hearing), Reason.STALE_HANDLE),
            ((fitted, "touch", hearing), Reason.UNKNOWN_NAME),
            ((fitted, "hearing", sight), Reason.SHAPE_MISMATCH),
            ((fitted, "hearing", "nothing"), Reason.STALE_HANDLE),
            ((fitted, "hearing", hearing, sight), Reason.SHAPE_MISMATCH),
            ((fitted, "hearing", hearing, "nothing"), Reason.STALE_HANDLE),
        ]
        for arguments, reason in cases:
            got = failure_of(lambda arguments=arguments: [self.embed(served, *arguments)])
            assert got.reason is reason, arguments

    def test_release(self, served: Served) -> None:
        fitted = served.connectors.Fit(self.request(served, "procrustes"), timeout=LIMIT).connector
        request = connector_pb2.ReleaseConnectorRequest(connectors=[fitted, "unknown"])
        for _ in range(2):
            served.connectors.ReleaseConnector(request, timeout=LIMIT)
        got = failure_of(lambda: [self.embed(served, fitted, "hearing", served.hold(unit_rows(1, 2, 5)))])
        assert (got.reason, got.detail and got.detail.subject) == (Reason.STALE_HANDLE, "connector")


class TestLoadProjectors:
    @pytest.fixture
    def data(self, served: Served) -> bytes:
        messages = [start_message(train_start(served)), block(*map(train_step, range(3)))]
        answers = served.connectors.Train(iter(messages), timeout=LIMIT)
        return b"".join(answer.chunk for answer in answers)

    def load(self, served: Served, *chunks: bytes) -> Any:
        messages = [connector_pb2.LoadProjectorsRequest(chunk=chunk) for chunk in chunks]
        return served.connectors.LoadProjectors(iter(messages), timeout=LIMIT)

    def test_trained_projectors_embed_as_they_did(self, served: Served, data: bytes) -> None:
        loaded = self.load(served, data[:100], b"", data[100:])
        assert [(side.space, side.input_dim) for side in loaded.sides] == [("sight", 6), ("hearing", 5)]
        assert loaded.output_dim == 4
        x = unit_rows(7, 8, 5)
        request = connector_pb2.EmbedRequest(
            connector=loaded.connector, space="hearing", input=served.hold(x), destination=MEMORY
        )
        rows = served.values(served.connectors.Embed(request, timeout=LIMIT).tensor.handle)
        expected = Projectors.from_bytes(data).embed("hearing", torch.from_numpy(x))
        np.testing.assert_array_equal(rows, expected.numpy())

    def test_what_is_no_projectors_file(self, served: Served, data: bytes) -> None:
        for broken in (b"", b"no projectors", data[:-1], data[:50], b"\xff" * 100):
            got = failure_of(lambda broken=broken: [self.load(served, broken)])
            assert (got.code, got.reason) == (grpc.StatusCode.DATA_LOSS, Reason.DATA_CORRUPT)
        assert failure_of(lambda: [self.load(served)]).reason is Reason.DATA_CORRUPT
        assert len(served.state.connectors) == 0
