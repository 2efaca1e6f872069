"""ImportProjectors and ExportProjectors: between the authors' files and projectors.safetensors, as bytes."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TypeVar

from cmcr.v1 import connector_pb2
from cmcr_worker.connectors.authors.layouts import LAYOUTS
from cmcr_worker.connectors.authors.reading import heads_of, read_published
from cmcr_worker.connectors.authors.writing import files_of, torch_bytes
from cmcr_worker.connectors.checkpoint import SideHead, from_bytes, to_bytes
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.wire import CHUNK_BYTES

Message = TypeVar("Message", connector_pb2.ImportProjectorsRequest, connector_pb2.ExportProjectorsRequest)

PROJECTORS_LIMIT = 1 << 30
"""Bytes of the largest projectors that are taken."""

BATCH_NORM_UNKNOWN = "unknown"
"""Stands where a trained file says what was one batch to batch norm: of imported ones nobody tells."""


def import_projectors(
    messages: Iterator[connector_pb2.ImportProjectorsRequest],
) -> Iterator[connector_pb2.ImportProjectorsResponse]:
    """Answers one ImportProjectors call. Raises what `heads_of` and `read_published` raise."""
    start = _first(messages, "start").start
    with tempfile.TemporaryDirectory(prefix="cmcr-import-") as folder:
        files = [read_published(path, name) for path, name in _staged(messages, Path(folder))]
        sides = heads_of(start.layout, list(start.spaces), files)
        data = to_bytes(sides, BATCH_NORM_UNKNOWN)
    yield connector_pb2.ImportProjectorsResponse(
        finished=connector_pb2.ImportFinished(
            sides=_described(start.layout, sides),
            tensors=sum(len(file.state) for file in files),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
    )
    for chunk in _chunks(data):
        yield connector_pb2.ImportProjectorsResponse(chunk=chunk)


def export_projectors(
    messages: Iterator[connector_pb2.ExportProjectorsRequest],
) -> Iterator[connector_pb2.ExportProjectorsResponse]:
    """Answers one ExportProjectors call. Raises what `from_bytes` and `files_of` raise."""
    start = _first(messages, "start").start
    heads = {side.space: side for side in from_bytes(gathered(message.chunk for message in messages))}
    states = files_of(start.layout, list(start.spaces), list(heads.values()))
    sides = _described(start.layout, [heads[space] for space in start.spaces])
    for state in states:
        data = torch_bytes(state)
        yield connector_pb2.ExportProjectorsResponse(
            file=connector_pb2.ExportedFile(
                tensors=len(state),
                bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                sides=sides,
            )
        )
        for chunk in _chunks(data):
            yield connector_pb2.ExportProjectorsResponse(chunk=chunk)


def gathered(chunks: Iterable[bytes]) -> bytes:
    """The chunks as one. Raises CONFIG_INVALID where they are more than PROJECTORS_LIMIT."""
    data = bytearray()
    for chunk in chunks:
        data += chunk
        _limit(len(data))
    return bytes(data)


def _first(messages: Iterator[Message], part: str) -> Message:
    first = next(messages, None)
    if first is None or first.WhichOneof("part") != part:
        raise WorkerError(Reason.CONFIG_INVALID, f"the call begins with its {part} message", subject="part")
    return first


def _staged(
    messages: Iterable[connector_pb2.ImportProjectorsRequest], folder: Path
) -> list[tuple[Path, str]]:
    """The files as they came, below `folder`, each with its name."""
    staged: list[tuple[Path, str]] = []
    total = 0
    file: IO[bytes] | None = None
    with contextlib.ExitStack() as stack:
        for message in messages:
            part = message.WhichOneof("part")
            if part == "file":
                # The name is for messages; of it only the ending, which tells the format, makes a path.
                path = (
                    folder
                    / f"{len(staged)}{'.safetensors' if message.file.endswith('.safetensors') else '.pt'}"
                )
                file = stack.enter_context(path.open("wb"))
                staged.append((path, message.file))
            elif part == "chunk" and file is not None:
                total += len(message.chunk)
                _limit(total)
                file.write(message.chunk)
            else:
                raise WorkerError(
                    Reason.CONFIG_INVALID, "each file is its name and then its chunks", subject="part"
                )
    return staged


def _limit(size: int) -> None:
    if size > PROJECTORS_LIMIT:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"the projectors have more than {PROJECTORS_LIMIT} bytes",
            subject="chunk",
            remedy="Is this a checkpoint of projectors? They have a few megabytes.",
        )


def _chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def _described(layout: str, sides: Iterable[SideHead]) -> list[connector_pb2.PublishedSide]:
    """Base and joined side as the files have them."""
    return [
        connector_pb2.PublishedSide(
            space=side.space,
            head=connector_pb2.Head(
                preset=side.spec.preset,
                input_dim=side.spec.input_dim,
                output_dim=side.spec.output_dim,
                members=side.spec.members if part.ensemble else 0,
            ),
            source=part.prefix,
        )
        for side, part in zip(sides, LAYOUTS[layout].parts, strict=True)
    ]
