"""EncoderService: from items to embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt

from cmcr.v1 import encoder_pb2, encoder_pb2_grpc
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.media import Media
from cmcr_worker.decoding.registry import decoder
from cmcr_worker.encoders.protocol import Encoder, EncoderProvider, encode
from cmcr_worker.encoders.registry import provider
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.generators.registry import generator
from cmcr_worker.server.flow import Call, read_ahead
from cmcr_worker.server.sink import Sink
from cmcr_worker.server.state import WorkerState
from cmcr_worker.server.status import streaming, unary
from cmcr_worker.server.wire import MODALITY_NUMBERS, modality_name

BATCHES_AHEAD = 2
"""Batches decoded while the device works on one; more would only take memory."""

DESCRIBED_AT_MOST = 1_000_000


class EncoderService(encoder_pb2_grpc.EncoderServiceServicer):
    """Describes encoders and generators, and embeds items."""

    def __init__(self, state: WorkerState) -> None:
        self._state = state

    @unary
    def DescribeEncoder(
        self, request: encoder_pb2.DescribeEncoderRequest, context: grpc.ServicerContext
    ) -> encoder_pb2.DescribeEncoderResponse:
        """All that an encoder's embeddings depend on."""
        spec = request.encoder
        source, checkpoint, options = self._resolve(spec)
        found = source.describe(spec.model, checkpoint, options)
        return encoder_pb2.DescribeEncoderResponse(
            dimension=found.dimension,
            modalities=sorted(MODALITY_NUMBERS[name] for name in found.modalities),
            weights_sha256=found.weights_sha256,
            revision=found.revision,
            compute_dtype=found.compute_dtype,
            preprocessing_json=json.dumps(found.preprocessing, sort_keys=True, separators=(",", ":")),
        )

    @streaming
    def Encode(
        self, request: Iterator[encoder_pb2.EncodeRequest], context: grpc.ServicerContext
    ) -> Iterator[encoder_pb2.EncodeResponse]:
        """Decodes on a reader thread, embeds on this one, writes rows as they come."""
        first = next(request, None)
        if first is None or first.WhichOneof("part") != "start":
            raise WorkerError(Reason.CONFIG_INVALID, "encoding begins with its start message", subject="part")
        start = first.start
        modality = modality_name(start.modality)
        source, checkpoint, options = self._resolve(start.encoder)
        encoder = source.load(start.encoder.model, checkpoint, options, self._state.device)
        call = Call(context, self._state.stopping)

        def prepare(message: encoder_pb2.EncodeRequest) -> list[Media]:
            if message.WhichOneof("part") != "batch":
                raise WorkerError(
                    Reason.CONFIG_INVALID, "after the start message only batches may come", subject="part"
                )
            return self._items(message.batch, modality, start.total)

        done = 0
        with Sink(self._state, start.destination, (start.total, encoder.dimension)) as sink:
            for items in read_ahead(call, request, BATCHES_AHEAD, prepare):
                if done + len(items) > start.total:
                    raise _wrong_total(start.total, done + len(items))
                sink.rows(done, _encode(encoder, modality, items))
                done += len(items)
                yield encoder_pb2.EncodeResponse(rows_done=done)
            if done != start.total:
                raise _wrong_total(start.total, done)
            yield encoder_pb2.EncodeResponse(rows_done=done, tensor=sink.finish())

    @unary
    def DescribeGenerated(
        self, request: encoder_pb2.DescribeGeneratedRequest, context: grpc.ServicerContext
    ) -> encoder_pb2.DescribeGeneratedResponse:
        """Count, attributes and captions of a generator's items."""
        source = request.source
        found = generator(source.generator)
        found.check(source.split)
        available = found.splits[source.split]
        if request.count > (DESCRIBED_AT_MOST if available is None else available):
            most = DESCRIBED_AT_MOST if available is None else available
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"the split {source.split!r} has {most} items to describe, not {request.count}",
                subject="count",
            )
        indices = range(request.count)
        return encoder_pb2.DescribeGeneratedResponse(
            available=available or 0,
            attributes=[
                encoder_pb2.AttributeColumn(
                    name=column.name, values=column.values, labels=column.labels.tolist()
                )
                for column in found.attributes(source.split, source.seed, indices)
            ],
            captions=found.captions(source.split, source.seed, indices),
            revision=found.revision,
        )

    def _resolve(
        self, spec: encoder_pb2.EncoderSpec
    ) -> tuple[EncoderProvider, Path | None, dict[str, object]]:
        checkpoint = (
            self._state.path(spec.checkpoint, field="encoder.checkpoint") if spec.checkpoint else None
        )
        try:
            options = json.loads(spec.options_json or "{}")
        except ValueError as error:
            raise WorkerError(
                Reason.CONFIG_INVALID, f"not JSON: {error}", subject="encoder.options_json"
            ) from error
        if not isinstance(options, dict):
            raise WorkerError(Reason.CONFIG_INVALID, "expected a JSON object", subject="encoder.options_json")
        return provider(spec.provider), checkpoint, options

    def _items(self, batch: encoder_pb2.ItemBatch, modality: str, total: int) -> list[Media]:
        kind = batch.WhichOneof("items")
        if kind == "texts":
            if modality != "text":
                raise WorkerError(
                    Reason.CONFIG_INVALID, f"texts are not items of the modality {modality}", subject="texts"
                )
            return list(batch.texts.texts)
        if kind == "files":
            decode = decoder(modality)
            paths = [self._state.path(path, field="files.paths") for path in batch.files.paths]
            return [decode(Encoded(name=str(path), path=path), Limits(), None) for path in paths]
        if kind == "generated":
            items = batch.generated
            if items.count > total:
                # Before any of them is made: a client's slip must not keep a thread busy for ever.
                raise _wrong_total(total, items.count)
            source = items.source
            found = generator(source.generator)
            found.check(source.split)
            indices: Sequence[int] = range(items.start, items.start + items.count)
            return found.render(modality, source.split, source.seed, indices)
        raise WorkerError(Reason.CONFIG_INVALID, "a batch has no items", subject="items")


def _encode(encoder: Encoder, modality: str, items: Sequence[Media]) -> npt.NDArray[np.float32]:
    rows: npt.NDArray[np.float32] = encode(encoder, modality, items).numpy()
    return rows


def _wrong_total(expected: int, found: int) -> WorkerError:
    return WorkerError(
        Reason.SHAPE_MISMATCH, f"{expected} items were announced, and {found} came", subject="start.total"
    )
