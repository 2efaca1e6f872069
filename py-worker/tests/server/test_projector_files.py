"""ImportProjectors and ExportProjectors over the wire."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import torch
from served import LIMIT, Served, failure_of
from torch import Tensor

from cmcr.v1 import connector_pb2
from cmcr_worker.connectors.checkpoint import from_bytes
from cmcr_worker.connectors.heads import HeadSpec, initial_head
from cmcr_worker.errors import Reason
from cmcr_worker.server import projector_files

WIDTHS = {"Head_A.": 7, "Head_B.": 5}


def authors_state() -> OrderedDict[str, Tensor]:
    """Two heads of the 3D kind: CLIP's, then ULIP's."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    for seed, (prefix, width) in enumerate(WIDTHS.items()):
        head = initial_head(HeadSpec(preset="three-d", input_dim=width, output_dim=6), "default", seed)
        state.update({f"{prefix}{name}": value for name, value in head.state_dict().items()})
    return state


def saved(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def import_messages(
    layout: str, spaces: list[str], *files: tuple[str, bytes], chunk: int = 1000
) -> Iterator[connector_pb2.ImportProjectorsRequest]:
    yield connector_pb2.ImportProjectorsRequest(start=connector_pb2.ImportStart(layout=layout, spaces=spaces))
    for name, data in files:
        yield connector_pb2.ImportProjectorsRequest(file=name)
        for at in range(0, len(data), chunk):
            yield connector_pb2.ImportProjectorsRequest(chunk=data[at : at + chunk])


def export_messages(
    layout: str, spaces: list[str], data: bytes
) -> Iterator[connector_pb2.ExportProjectorsRequest]:
    yield connector_pb2.ExportProjectorsRequest(start=connector_pb2.ExportStart(layout=layout, spaces=spaces))
    for at in range(0, len(data), 1000):
        yield connector_pb2.ExportProjectorsRequest(chunk=data[at : at + 1000])


def imported(served: Served, data: bytes) -> tuple[connector_pb2.ImportFinished, bytes]:
    messages = import_messages("three-d", ["clip", "ulip"], ("ulip_clip.pt", data))
    first, *rest = served.connectors.ImportProjectors(messages, timeout=LIMIT)
    return first.finished, b"".join(message.chunk for message in rest)


def test_in_and_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector_files, "CHUNK_BYTES", 500)
    state = authors_state()
    finished, data = imported(served, saved(state))
    assert (finished.tensors, finished.bytes) == (14, len(data))
    assert finished.sha256 == hashlib.sha256(data).hexdigest()
    found = [(side.space, side.source, side.head.preset, side.head.input_dim) for side in finished.sides]
    assert found == [("clip", "Head_A.", "three-d", 7), ("ulip", "Head_B.", "three-d", 5)]
    assert [side.space for side in from_bytes(data)] == ["clip", "ulip"]

    first, *rest = served.connectors.ExportProjectors(
        export_messages("three-d", ["clip", "ulip"], data), timeout=LIMIT
    )
    content = b"".join(message.chunk for message in rest)
    assert (first.file.tensors, first.file.bytes) == (14, len(content))
    assert [(side.space, side.source) for side in first.file.sides] == [
        ("clip", "Head_A."),
        ("ulip", "Head_B."),
    ]
    assert first.file.sha256 == hashlib.sha256(content).hexdigest()
    again = torch.load(io.BytesIO(content), weights_only=True)
    assert list(again) == list(state)
    for name, value in state.items():
        assert (again[name].dtype, again[name].numpy().tobytes()) == (value.dtype, value.numpy().tobytes())


def test_nothing_stays_on_the_disk(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    imported(served, saved(authors_state()))
    failure_of(
        lambda: served.connectors.ImportProjectors(import_messages("three-d", ["a", "b"], ("x", b"x")))
    )
    assert set(tmp_path.iterdir()) == before


def test_mistakes_name_the_file_as_it_was_called(served: Served) -> None:
    good = saved(authors_state())
    cases = [
        (("three-d", ["a", "b"], ("mine.pt", good[:-2000])), Reason.DATA_CORRUPT, "mine.pt"),
        (("audio-visual", ["a", "b"], ("mine.pt", good)), Reason.CONFIG_INVALID, "mine.pt has the layout of"),
        (("audiovisual", ["a", "b"], ("mine.pt", good)), Reason.UNKNOWN_NAME, "audiovisual"),
        (("three-d", ["a"], ("mine.pt", good)), Reason.CONFIG_INVALID, "1 spaces"),
        (("three-d", ["a", "b"]), Reason.CONFIG_INVALID, "found 0 files"),
        (("three-d", ["a", "b"], ("../../../etc/x", good[:100])), Reason.DATA_CORRUPT, "etc/x"),
    ]
    for arguments, reason, words in cases:
        got = failure_of(
            lambda arguments=arguments: served.connectors.ImportProjectors(
                import_messages(*arguments), timeout=LIMIT
            )
        )
        assert (got.reason, words in got.message) == (reason, True), got.message
        assert tempfile.gettempdir() not in got.message


def test_a_call_out_of_order(served: Served) -> None:
    chunk = connector_pb2.ImportProjectorsRequest(chunk=b"x")
    start = connector_pb2.ImportProjectorsRequest(start=connector_pb2.ImportStart(layout="three-d"))
    for messages in ([], [chunk], [start, chunk], [start, start]):
        got = failure_of(
            lambda messages=messages: served.connectors.ImportProjectors(iter(messages), timeout=LIMIT)
        )
        assert got.reason is Reason.CONFIG_INVALID
    got = failure_of(lambda: served.connectors.ExportProjectors(iter(()), timeout=LIMIT))
    assert got.reason is Reason.CONFIG_INVALID


def test_too_large(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector_files, "PROJECTORS_LIMIT", 2000)
    got = failure_of(lambda: imported(served, bytes(3000)))
    assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.CONFIG_INVALID)
    assert "more than 2000 bytes" in got.message
    got = failure_of(
        lambda: served.connectors.ExportProjectors(export_messages("three-d", ["a", "b"], bytes(3000)))
    )
    assert "more than 2000 bytes" in got.message
