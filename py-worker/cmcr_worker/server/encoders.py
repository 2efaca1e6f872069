"""EncoderService: from items to embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc

from cmcr.v1 import encoder_pb2, encoder_pb2_grpc
from cmcr_worker.decoding import regions
from cmcr_worker.decoding.unpack import Unpacked, unpack_clouds
from cmcr_worker.encoders.protocol import EncoderDescription, EncoderProvider, PatchGrid
from cmcr_worker.encoders.registry import provider
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.generators.registry import generator
from cmcr_worker.server.encoder_cache import LoadedEncoder
from cmcr_worker.server.encoding import run_encode
from cmcr_worker.server.flow import Call, Progress, Report, with_progress
from cmcr_worker.server.state import WorkerState
from cmcr_worker.server.status import streaming, unary
from cmcr_worker.server.wire import MODALITY_NUMBERS, modality_name

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
            preprocessing_json=json.dumps(_preprocessing(found), sort_keys=True, separators=(",", ":")),
            patch_grid=_wire_grid(found.patch_grid),
            patches_missing="" if found.patch_grid else found.patches_missing,
        )

    @streaming
    def Encode(
        self, request: Iterator[encoder_pb2.EncodeRequest], context: grpc.ServicerContext
    ) -> Iterator[encoder_pb2.EncodeResponse]:
        """Embeds the stream's items; see `encoding`."""
        first = next(request, None)
        if first is None or first.WhichOneof("part") != "start":
            raise WorkerError(Reason.CONFIG_INVALID, "encoding begins with its start message", subject="part")
        start = first.start
        modality = modality_name(start.modality)
        spec = start.encoder
        source, checkpoint, options = self._resolve(spec)
        call = Call(context, self._state.stopping)

        def load() -> LoadedEncoder:
            return self._state.encoders.get(
                spec.provider, source, spec.model, checkpoint, options, call.check
            )

        yield from run_encode(self._state, call, start, modality, request, load)

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
        boxes = found.boxes(source.split, source.seed, indices) or []
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
            boxes=[_wire_boxes(of_item) for of_item in boxes],
        )

    @streaming
    def UnpackClouds(
        self, request: encoder_pb2.UnpackCloudsRequest, context: grpc.ServicerContext
    ) -> Iterator[encoder_pb2.UnpackCloudsResponse]:
        """Writes each cloud of a file as a .npy file of its own."""
        path = self._state.path(request.path, field="path")
        folder = self._state.path(request.folder, field="folder")

        def work(report: Report) -> Unpacked:
            return unpack_clouds(path, folder, report)

        for event in with_progress(Call(context, self._state.stopping), work):
            if isinstance(event, Progress):
                yield encoder_pb2.UnpackCloudsResponse(done=event.done, total=event.total)
                continue
            unpacked = event.value
            yield encoder_pb2.UnpackCloudsResponse(
                done=unpacked.count,
                total=unpacked.count,
                labels=unpacked.labels or (),
                layout=unpacked.layout,
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
        for name, value in options.items():
            # A tokenizer's or another model's place: what a request reads lies below the roots.
            if isinstance(value, str) and Path(value).is_absolute():
                options[name] = str(self._state.path(value, field=f"encoder.options.{name}"))
        return provider(spec.provider), checkpoint, options


def _preprocessing(found: EncoderDescription) -> dict[str, object]:
    """An encoder's own, and besides it what embeddings of regions and of patches depend on."""
    settings = dict(found.preprocessing)
    if "image" in found.modalities:
        settings["regions"] = {"revision": regions.REVISION}
    if found.patch_grid is not None:
        settings["patches"] = {"revision": found.patch_grid.revision}
    return settings


def _wire_grid(grid: PatchGrid | None) -> encoder_pb2.PatchGrid | None:
    return None if grid is None else encoder_pb2.PatchGrid(rows=grid.rows, columns=grid.columns)


def _wire_boxes(boxes: Sequence[regions.Box]) -> encoder_pb2.Regions:
    return encoder_pb2.Regions(
        regions=[
            encoder_pb2.Region(left=left, top=top, right=right, bottom=bottom)
            for left, top, right, bottom in boxes
        ]
    )
