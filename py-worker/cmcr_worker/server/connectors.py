"""ConnectorService: pseudo pairs, projectors and closed-form maps."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import numpy as np
import torch
from torch import Tensor

from cmcr.v1 import connector_pb2, connector_pb2_grpc, tensor_pb2
from cmcr_worker.connectors.attention import attend
from cmcr_worker.connectors.baselines.protocol import FitData
from cmcr_worker.connectors.centering import gap_center
from cmcr_worker.connectors.projectors import Projectors
from cmcr_worker.connectors.registry import fitter
from cmcr_worker.server.flow import Call, Progress, Report, with_progress
from cmcr_worker.server.projector_files import export_projectors, gathered, import_projectors
from cmcr_worker.server.sink import Sink, put
from cmcr_worker.server.state import WorkerState
from cmcr_worker.server.status import streaming, unary
from cmcr_worker.server.training import train
from cmcr_worker.server.wire import row_numbers
from cmcr_worker.tensors.matrix import require_matrix

GATHER_ROWS = 65_536


class ConnectorService(connector_pb2_grpc.ConnectorServiceServicer):
    """Attends, trains, fits and embeds."""

    def __init__(self, state: WorkerState) -> None:
        self._state = state

    @streaming
    def Attend(
        self, request: connector_pb2.AttendRequest, context: grpc.ServicerContext
    ) -> Iterator[connector_pb2.AttendResponse]:
        """Softmax attention of every query over the memory."""
        memory = self._tensor(request.memory, "memory")
        queries = self._tensor(request.queries, "queries", columns=memory.shape[1])
        rows, columns = queries.shape
        call = Call(context, self._state.stopping)

        def work(report: Report) -> tensor_pb2.TensorInfo:
            with Sink(self._state, request.destination, (rows, columns)) as sink:
                attend(
                    queries,
                    memory,
                    request.temperature,
                    sink,
                    device=self._state.device,
                    progress=report,
                    cancelled=call.cancelled,
                )
                return sink.finish()

        for event in with_progress(call, work):
            if isinstance(event, Progress):
                yield connector_pb2.AttendResponse(rows_done=event.done, rows_total=event.total)
            else:
                yield connector_pb2.AttendResponse(rows_done=rows, rows_total=rows, tensor=event.value)

    @unary
    def Gather(
        self, request: connector_pb2.GatherRequest, context: grpc.ServicerContext
    ) -> connector_pb2.GatherResponse:
        """Rows of a matrix by number."""
        source = self._tensor(request.source, "source")
        numbers = row_numbers(request.rows, source.shape[0], field="rows").astype(np.int64)
        with Sink(self._state, request.destination, (len(numbers), source.shape[1])) as sink:
            for start in range(0, len(numbers), GATHER_ROWS):
                picked = source[torch.from_numpy(numbers[start : start + GATHER_ROWS])]
                sink.rows(start, picked.float().cpu().numpy())
            return connector_pb2.GatherResponse(tensor=sink.finish())

    @streaming
    def Train(
        self, request: Iterator[connector_pb2.TrainRequest], context: grpc.ServicerContext
    ) -> Iterator[connector_pb2.TrainResponse]:
        """Trains projectors step by step as planned."""
        yield from train(self._state, Call(context, self._state.stopping), request)

    @unary
    def LoadProjectors(
        self, request: Iterator[connector_pb2.LoadProjectorsRequest], context: grpc.ServicerContext
    ) -> connector_pb2.LoadProjectorsResponse:
        """Takes the bytes of a projectors.safetensors."""
        data = gathered(message.chunk for message in request)
        projectors = Projectors.from_bytes(data, self._state.device)
        return connector_pb2.LoadProjectorsResponse(
            connector=self._state.connectors.put(projectors),
            sides=[
                connector_pb2.ConnectorSide(space=space, input_dim=dim)
                for space, dim in projectors.sides.items()
            ],
            output_dim=projectors.output_dim,
        )

    @unary
    def Fit(
        self, request: connector_pb2.FitRequest, context: grpc.ServicerContext
    ) -> connector_pb2.FitResponse:
        """Fits a map in closed form."""
        fit = fitter(request.method)

        def optional(handle: str, field: str) -> Tensor | None:
            return self._tensor(handle, field) if handle else None

        connector = fit(
            FitData(
                source_space=request.source_space,
                target_space=request.target_space,
                source_overlap=self._tensor(request.source_overlap, "source_overlap"),
                target_overlap=self._tensor(request.target_overlap, "target_overlap"),
                source_pseudo=optional(request.source_pseudo, "source_pseudo"),
                target_pseudo=optional(request.target_pseudo, "target_pseudo"),
                source_memory=optional(request.source_memory, "source_memory"),
                target_memory=optional(request.target_memory, "target_memory"),
                temperature=request.temperature if request.HasField("temperature") else None,
                regularization=request.regularization if request.HasField("regularization") else None,
                dimensions=request.dimensions,
                device=self._state.device,
            )
        )
        return connector_pb2.FitResponse(
            connector=self._state.connectors.put(connector), output_dim=connector.output_dim
        )

    @unary
    def Embed(
        self, request: connector_pb2.EmbedRequest, context: grpc.ServicerContext
    ) -> connector_pb2.EmbedResponse:
        """Rows of a space in the connector's joint space."""
        connector = self._state.connectors.get(request.connector, field="connector")
        rows = self._tensor(request.input, "input")
        if request.center_on:
            center = self._tensor(request.center_on, "center_on", columns=rows.shape[1])
            embedded = gap_center(connector, request.space, rows, center)
        else:
            embedded = connector.embed(request.space, rows)
        return connector_pb2.EmbedResponse(tensor=put(self._state, request.destination, embedded))

    @unary
    def ReleaseConnector(
        self, request: connector_pb2.ReleaseConnectorRequest, context: grpc.ServicerContext
    ) -> connector_pb2.ReleaseConnectorResponse:
        """Forgets connectors."""
        self._state.connectors.release(request.connectors)
        return connector_pb2.ReleaseConnectorResponse()

    @streaming
    def ImportProjectors(
        self, request: Iterator[connector_pb2.ImportProjectorsRequest], context: grpc.ServicerContext
    ) -> Iterator[connector_pb2.ImportProjectorsResponse]:
        """Reads projectors as other code saves them."""
        yield from import_projectors(request)

    @streaming
    def ExportProjectors(
        self, request: Iterator[connector_pb2.ExportProjectorsRequest], context: grpc.ServicerContext
    ) -> Iterator[connector_pb2.ExportProjectorsResponse]:
        """Writes projectors as other code reads them."""
        yield from export_projectors(request)

    def _tensor(self, handle: str, field: str, *, columns: int | None = None) -> Tensor:
        return require_matrix(self._state.tensors.get(handle, field=field), field, columns=columns)
