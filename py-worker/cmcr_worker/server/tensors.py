"""TensorService: matrices under handles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import torch

from cmcr.v1 import tensor_pb2, tensor_pb2_grpc
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.flow import Call, Progress, Report, with_progress
from cmcr_worker.server.sink import Sink, hold, put
from cmcr_worker.server.state import WorkerState
from cmcr_worker.server.status import streaming, unary
from cmcr_worker.server.wire import CHUNK_BYTES, element_type, row_numbers
from cmcr_worker.tensors.importing import import_rows
from cmcr_worker.tensors.matrix import Matrix, as_tensor, float_blocks, normalize_rows, require_matrix
from cmcr_worker.tensors.npy import open_npy
from cmcr_worker.tensors.safetensors_file import open_safetensors


class TensorService(tensor_pb2_grpc.TensorServiceServicer):
    """Opens, takes, gives, imports and forgets matrices."""

    def __init__(self, state: WorkerState) -> None:
        self._state = state

    @unary
    def Open(self, request: tensor_pb2.OpenRequest, context: grpc.ServicerContext) -> tensor_pb2.OpenResponse:
        """Maps a .npy file."""
        matrix = open_npy(self._state.path(request.path, field="path"))
        require_matrix(matrix, request.path)
        return tensor_pb2.OpenResponse(tensor=hold(self._state, matrix))

    @unary
    def Upload(
        self, request: Iterator[tensor_pb2.UploadRequest], context: grpc.ServicerContext
    ) -> tensor_pb2.UploadResponse:
        """Takes a matrix in chunks; more or fewer bytes than its header says are refused."""
        first = next(request, None)
        if first is None or first.WhichOneof("part") != "header":
            raise WorkerError(Reason.CONFIG_INVALID, "an upload begins with its header", subject="part")
        dtype = element_type(first.header.dtype, field="header.dtype")
        shape = tuple(int(size) for size in first.header.shape)
        if len(shape) != 2 or 0 in shape:
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"the upload has shape {shape}; expected (n, d) with at least one row and one column",
                subject="header.shape",
            )
        expected = math.prod(shape) * dtype.itemsize
        # Grows with what arrives, so that a header alone reserves nothing.
        data = bytearray()
        for message in request:
            if message.WhichOneof("part") != "chunk":
                raise WorkerError(
                    Reason.CONFIG_INVALID, "after the header only chunks may come", subject="part"
                )
            data += message.chunk
            if len(data) > expected:
                break
        if len(data) != expected:
            found = "more" if len(data) > expected else len(data)
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"shape {shape} of {dtype} needs {expected} bytes, and {found} came",
                subject="header.shape",
            )
        matrix = np.frombuffer(data, dtype=dtype).reshape(shape)
        require_matrix(matrix, "the upload")
        return tensor_pb2.UploadResponse(tensor=hold(self._state, matrix))

    @streaming
    def Download(
        self, request: tensor_pb2.DownloadRequest, context: grpc.ServicerContext
    ) -> Iterator[tensor_pb2.DownloadResponse]:
        """Gives a matrix as float32 in chunks."""
        matrix = as_tensor(self._state.tensors.get(request.handle, field="handle"))
        yield tensor_pb2.DownloadResponse(
            header=tensor_pb2.TensorInfo(
                handle=request.handle, dtype=tensor_pb2.ELEMENT_TYPE_FLOAT32, shape=list(matrix.shape)
            )
        )
        rows = max(1, CHUNK_BYTES // (4 * matrix.shape[1]))
        for _, block in float_blocks(matrix, matrix.device, rows):
            yield tensor_pb2.DownloadResponse(chunk=block.contiguous().cpu().numpy().tobytes())

    @streaming
    def Import(
        self, request: tensor_pb2.ImportRequest, context: grpc.ServicerContext
    ) -> Iterator[tensor_pb2.ImportResponse]:
        """Checks a user's matrix and writes it normalised."""
        source, subject = self._source(request)
        tensor = require_matrix(source, subject)
        rows, columns = tensor.shape
        call = Call(context, self._state.stopping)

        def work(report: Report) -> tensor_pb2.TensorInfo:
            with Sink(self._state, request.destination, (rows, columns)) as sink:
                import_rows(source, sink, report, call.cancelled, subject=subject)
                return sink.finish()

        for event in with_progress(call, work):
            if isinstance(event, Progress):
                yield tensor_pb2.ImportResponse(rows_done=event.done, rows_total=event.total)
            else:
                yield tensor_pb2.ImportResponse(rows_done=rows, rows_total=rows, tensor=event.value)

    @unary
    def Average(
        self, request: tensor_pb2.AverageRequest, context: grpc.ServicerContext
    ) -> tensor_pb2.AverageResponse:
        """Mean row of each group, normalised."""
        source = require_matrix(self._state.tensors.get(request.source, field="source"), "source")
        if not 0 < request.groups <= source.shape[0]:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"{request.groups} groups cannot be made of {source.shape[0]} rows, each with at least one",
                subject="groups",
            )
        groups = row_numbers(request.group_of_row, request.groups, field="group_of_row")
        if len(groups) != source.shape[0]:
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"{len(groups)} rows have a group, and the matrix has {source.shape[0]} rows",
                subject="group_of_row",
            )
        sizes = np.bincount(groups, minlength=request.groups)
        if int(sizes.min()) == 0:
            raise WorkerError(
                Reason.CONFIG_INVALID, f"group {int(np.argmin(sizes))} has no rows", subject="group_of_row"
            )
        sums = torch.zeros(request.groups, source.shape[1], dtype=torch.float64)
        sums.index_add_(0, torch.from_numpy(groups.astype(np.int64)), source.double())
        # The sum has the mean's direction.
        return tensor_pb2.AverageResponse(tensor=put(self._state, request.destination, normalize_rows(sums)))

    @unary
    def Release(
        self, request: tensor_pb2.ReleaseRequest, context: grpc.ServicerContext
    ) -> tensor_pb2.ReleaseResponse:
        """Forgets matrices."""
        self._state.tensors.release(request.handles)
        return tensor_pb2.ReleaseResponse()

    def _source(self, request: tensor_pb2.ImportRequest) -> tuple[Matrix, str]:
        if request.WhichOneof("source") == "handle":
            return self._state.tensors.get(request.handle, field="handle"), "the upload"
        path: Path = self._state.path(request.path, field="path")
        if path.suffix == ".safetensors":
            return open_safetensors(path, request.key), str(path)
        return open_npy(path), str(path)
