"""TensorService over the wire, against numpy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file
from served import FLOAT16, FLOAT32, LIMIT, MEMORY, Failure, Served, failure_of, normalized, uint32, unit_rows

from cmcr.v1 import tensor_pb2
from cmcr_worker.errors import Reason


def upload(*messages: tensor_pb2.UploadRequest) -> Iterator[tensor_pb2.UploadRequest]:
    return iter(messages)


def header(dtype: int, *shape: int) -> tensor_pb2.UploadRequest:
    return tensor_pb2.UploadRequest(header=tensor_pb2.UploadHeader(dtype=dtype, shape=shape))


def chunk(data: bytes) -> tensor_pb2.UploadRequest:
    return tensor_pb2.UploadRequest(chunk=data)


def upload_failure(served: Served, *messages: tensor_pb2.UploadRequest) -> Failure:
    return failure_of(lambda: [served.tensors.Upload(upload(*messages), timeout=LIMIT)])


def saved(folder: Path, name: str, array: npt.NDArray[Any]) -> Path:
    np.save(folder / name, array)
    return folder / name


class TestOpen:
    def open(self, served: Served, path: object) -> tensor_pb2.TensorInfo:
        return served.tensors.Open(tensor_pb2.OpenRequest(path=str(path)), timeout=LIMIT).tensor

    def failure(self, served: Served, path: object) -> Failure:
        return failure_of(lambda: [self.open(served, path)])

    @pytest.mark.parametrize(("dtype", "number"), [("<f4", FLOAT32), ("<f2", FLOAT16)])
    def test_values(self, served: Served, dtype: str, number: int) -> None:
        matrix = unit_rows(1, 5, 3).astype(dtype)
        info = self.open(served, saved(served.root, "m.npy", matrix))
        assert (info.dtype, list(info.shape)) == (number, [5, 3])
        np.testing.assert_array_equal(served.values(info.handle), matrix.astype(np.float32))

    def test_a_link_inside_the_roots(self, served: Served) -> None:
        saved(served.root, "m.npy", unit_rows(1, 2, 3))
        (served.root / "link.npy").symlink_to("m.npy")
        assert list(self.open(served, served.root / "link.npy").shape) == [2, 3]

    @pytest.mark.parametrize(
        "place",
        [
            "outside.npy",
            "root/../outside.npy",
            "root/link.npy",
            "root/folder/outside.npy",
            "root",
            "rooted.npy",
            "root/circle.npy",
            "not/there.npy",
        ],
    )
    def test_a_path_outside_the_roots(self, served: Served, tmp_path: Path, place: str) -> None:
        saved(tmp_path, "outside.npy", unit_rows(1, 2, 3))
        saved(tmp_path, "rooted.npy", unit_rows(1, 2, 3))
        (served.root / "link.npy").symlink_to(tmp_path / "outside.npy")
        (served.root / "folder").symlink_to(tmp_path, target_is_directory=True)
        (served.root / "circle.npy").symlink_to(served.root / "circle.npy")
        got = self.failure(served, tmp_path / place)
        assert (got.code, got.reason) == (grpc.StatusCode.PERMISSION_DENIED, Reason.PATH_FORBIDDEN)
        assert got.detail is not None
        assert got.detail.subject == "path"
        assert "--root" in got.detail.remedy

    @pytest.mark.parametrize("path", ["", "m.npy", "./m.npy", "/m\0.npy", "~/m.npy"])
    def test_what_is_no_absolute_path(
        self, served: Served, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        saved(served.root, "m.npy", unit_rows(1, 2, 3))
        monkeypatch.chdir(served.root)
        assert self.failure(served, path).reason is Reason.PATH_FORBIDDEN

    def test_files_that_are_wrong(self, served: Served) -> None:
        root = served.root
        (root / "empty.npy").write_bytes(b"")
        saved(root, "pickled.npy", np.array([{"a": 1}], dtype=object))
        whole = saved(root, "cut.npy", unit_rows(1, 4, 3)).read_bytes()
        (root / "cut.npy").write_bytes(whole[:-1])
        saved(root, "vector.npy", np.zeros(4, "<f4"))
        saved(root, "double.npy", np.zeros((4, 3), "<f8"))
        reasons = {
            "missing.npy": Reason.DATA_MISSING,
            "empty.npy": Reason.DATA_CORRUPT,
            "pickled.npy": Reason.DATA_CORRUPT,
            "cut.npy": Reason.DATA_CORRUPT,
            "vector.npy": Reason.SHAPE_MISMATCH,
            "double.npy": Reason.DTYPE_MISMATCH,
        }
        assert {name: self.failure(served, root / name).reason for name in reasons} == reasons

    def test_a_very_long_path_still_gives_its_reason(self, served: Served) -> None:
        """The message, the subject and the remedy must fit into the headers of an answer."""
        got = self.failure(served, served.root / "/".join(["ü" * 100] * 30))
        assert got.reason is Reason.DATA_MISSING


class TestUpload:
    @pytest.mark.parametrize(("dtype", "number"), [("<f4", FLOAT32), ("<f2", FLOAT16)])
    def test_round_trip_in_uneven_chunks(self, served: Served, dtype: str, number: int) -> None:
        matrix = unit_rows(2, 7, 5).astype(dtype)
        data = matrix.tobytes()
        pieces = [data[:1], b"", data[1:10], data[10:]]
        answer = served.tensors.Upload(upload(header(number, 7, 5), *map(chunk, pieces)), timeout=LIMIT)
        assert (answer.tensor.dtype, list(answer.tensor.shape)) == (number, [7, 5])
        np.testing.assert_array_equal(served.values(answer.tensor.handle), matrix.astype(np.float32))

    def test_a_matrix_of_several_chunks_comes_back(self, served: Served) -> None:
        matrix = unit_rows(3, 700, 1000)
        handle = served.hold(matrix)
        messages = list(served.tensors.Download(tensor_pb2.DownloadRequest(handle=handle), timeout=LIMIT))
        assert [message.WhichOneof("part") for message in messages] == ["header", "chunk", "chunk", "chunk"]
        assert max(len(message.chunk) for message in messages) <= 1 << 20
        np.testing.assert_array_equal(served.values(handle), matrix)

    @pytest.mark.parametrize("count", [0, 23, 25, 1000])
    def test_other_than_the_announced_bytes(self, served: Served, count: int) -> None:
        got = upload_failure(served, header(FLOAT32, 2, 3), chunk(b"\0" * count))
        assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.SHAPE_MISMATCH)
        assert "24 bytes" in got.message

    @pytest.mark.parametrize("shape", [(), (6,), (1, 2, 3), (0, 3), (3, 0), (0, 2**63), (1,) * 70, (0, 0)])
    def test_shapes_that_are_no_matrix(self, served: Served, shape: tuple[int, ...]) -> None:
        got = upload_failure(served, header(FLOAT32, *shape), chunk(b"\0" * 24))
        assert got.reason is Reason.SHAPE_MISMATCH

    def test_a_shape_beyond_all_memory_reserves_nothing(self, served: Served) -> None:
        got = upload_failure(served, header(FLOAT32, 2**63, 2**63), chunk(b"\0" * 24))
        assert got.reason is Reason.SHAPE_MISMATCH

    @pytest.mark.parametrize("dtype", [0, 3, 4, 5, 99])
    def test_element_types_that_are_no_embeddings(self, served: Served, dtype: int) -> None:
        sizes = {3: 4, 4: 8, 5: 4}
        got = upload_failure(served, header(dtype, 2, 3), chunk(b"\0" * 6 * sizes.get(dtype, 4)))
        assert got.reason is Reason.DTYPE_MISMATCH

    @pytest.mark.parametrize(
        "messages",
        [
            [],
            [tensor_pb2.UploadRequest()],
            [chunk(b"\0" * 24)],
            [header(FLOAT32, 2, 3), header(FLOAT32, 2, 3), chunk(b"\0" * 24)],
            [header(FLOAT32, 2, 3), tensor_pb2.UploadRequest(), chunk(b"\0" * 24)],
        ],
        ids=["nothing", "empty", "no header", "two headers", "empty between"],
    )
    def test_messages_out_of_order(self, served: Served, messages: list[Any]) -> None:
        got = upload_failure(served, *messages)
        assert (got.reason, got.detail and got.detail.subject) == (Reason.CONFIG_INVALID, "part")

    def test_download_of_an_unknown_handle(self, served: Served) -> None:
        request = tensor_pb2.DownloadRequest(handle="matrix-00000000-1")
        got = failure_of(lambda: served.tensors.Download(request, timeout=LIMIT))
        assert (got.code, got.reason) == (grpc.StatusCode.FAILED_PRECONDITION, Reason.STALE_HANDLE)
        assert got.detail is not None
        assert got.detail.subject == "handle"


class TestImport:
    def run(self, served: Served, destination: tensor_pb2.Destination = MEMORY, **source: Any) -> list[Any]:
        request = tensor_pb2.ImportRequest(destination=destination, **source)
        return list(served.tensors.Import(request, timeout=LIMIT))

    def failure(self, served: Served, **fields: Any) -> Failure:
        return failure_of(lambda: self.run(served, **fields))

    @pytest.mark.parametrize("dtype", ["<f4", "<f2"])
    def test_rows_are_normalised(self, served: Served, dtype: str) -> None:
        matrix = (5 * np.random.default_rng(1).standard_normal((9, 4))).astype(dtype)
        *progress, last = self.run(served, path=str(saved(served.root, "m.npy", matrix)))
        assert all(not message.HasField("tensor") for message in progress)
        assert (last.rows_done, last.rows_total, list(last.tensor.shape)) == (9, 9, [9, 4])
        np.testing.assert_allclose(served.values(last.tensor.handle), normalized(matrix), atol=1e-6)

    def test_into_a_file(self, served: Served) -> None:
        matrix = 3 * unit_rows(1, 6, 4)
        last = self.run(served, served.at("out.npy"), handle=served.hold(matrix))[-1]
        written = np.load(served.root / "out.npy", allow_pickle=False)
        assert written.dtype == np.dtype("<f4")
        np.testing.assert_allclose(written, normalized(matrix), atol=1e-6)
        np.testing.assert_array_equal(served.values(last.tensor.handle), written)
        assert os.listdir(served.root) == ["out.npy"]

    def test_from_safetensors(self, served: Served) -> None:
        matrix, other = unit_rows(1, 4, 3), unit_rows(2, 5, 3)
        path = served.root / "m.safetensors"
        save_file({"a": matrix, "b": other}, path)
        last = self.run(served, path=str(path), key="b")[-1]
        np.testing.assert_allclose(served.values(last.tensor.handle), other, atol=1e-6)
        assert self.failure(served, path=str(path)).reason is Reason.CONFIG_INVALID
        unknown = self.failure(served, path=str(path), key="c")
        assert unknown.reason is Reason.UNKNOWN_NAME
        assert unknown.detail is not None
        assert list(unknown.detail.known_names) == ["a", "b"]

    @pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinite"), (0.0, "all zeros")])
    def test_values_without_direction_leave_no_file(self, served: Served, value: float, what: str) -> None:
        matrix = unit_rows(1, 6, 4)
        matrix[4] = value
        got = self.failure(served, handle=served.hold(matrix), destination=served.at("out.npy"))
        assert (got.code, got.reason) == (grpc.StatusCode.DATA_LOSS, Reason.DATA_CORRUPT)
        assert "row 4" in got.message
        assert what in got.message
        assert os.listdir(served.root) == []

    def test_requests_that_lack_a_part(self, served: Served) -> None:
        handle = served.hold(unit_rows(1, 2, 3))
        nowhere = self.failure(served, handle=handle, destination=tensor_pb2.Destination())
        assert (nowhere.reason, nowhere.detail and nowhere.detail.subject) == (
            Reason.CONFIG_INVALID,
            "destination",
        )
        assert self.failure(served).reason is Reason.PATH_FORBIDDEN

    @pytest.mark.parametrize("place", ["../out.npy", ".", "link/out.npy"])
    def test_a_destination_outside_the_roots(self, served: Served, tmp_path: Path, place: str) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (served.root / "link").symlink_to(elsewhere, target_is_directory=True)
        before = sorted(os.listdir(tmp_path))
        got = self.failure(served, handle=served.hold(unit_rows(1, 2, 3)), destination=served.at(place))
        assert (got.reason, got.detail and got.detail.subject) == (Reason.PATH_FORBIDDEN, "destination.path")
        assert sorted(os.listdir(tmp_path)) == before
        assert os.listdir(elsewhere) == []

    def test_a_destination_in_no_folder(self, served: Served) -> None:
        got = self.failure(
            served, handle=served.hold(unit_rows(1, 2, 3)), destination=served.at("no/out.npy")
        )
        assert (got.code, got.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.STORAGE_FAILED)


class TestAverage:
    def run(self, served: Served, source: str, group_of_row: bytes, groups: int) -> str:
        request = tensor_pb2.AverageRequest(
            source=source, group_of_row=group_of_row, groups=groups, destination=MEMORY
        )
        return served.tensors.Average(request, timeout=LIMIT).tensor.handle

    def test_against_numpy(self, served: Served) -> None:
        matrix = unit_rows(4, 7, 5)
        group = np.array([2, 0, 1, 0, 2, 2, 1])
        averaged = served.values(self.run(served, served.hold(matrix), uint32(group), 3))
        expected = normalized(
            np.stack([matrix[group == g].astype(np.float64).mean(axis=0) for g in range(3)])
        )
        np.testing.assert_allclose(averaged, expected, atol=1e-6)

    @pytest.mark.parametrize(
        ("group_of_row", "groups", "reason"),
        [
            (uint32([0, 1]), 2, Reason.SHAPE_MISMATCH),
            (uint32([0, 1, 0, 1]), 2, Reason.SHAPE_MISMATCH),
            (uint32([0, 1, 2]), 2, Reason.CONFIG_INVALID),
            (uint32([0, 0, 2]), 3, Reason.CONFIG_INVALID),
            (uint32([0, 0, 0]), 0, Reason.CONFIG_INVALID),
            (uint32([0, 0, 0]), 2**32 - 1, Reason.CONFIG_INVALID),
            (uint32([0, 0, 0])[:-1], 1, Reason.SHAPE_MISMATCH),
            (b"", 1, Reason.SHAPE_MISMATCH),
        ],
    )
    def test_groups_that_do_not_fit(
        self, served: Served, group_of_row: bytes, groups: int, reason: Reason
    ) -> None:
        source = served.hold(unit_rows(4, 3, 5))
        assert failure_of(lambda: [self.run(served, source, group_of_row, groups)]).reason is reason

    def test_an_unknown_handle(self, served: Served) -> None:
        assert failure_of(lambda: [self.run(served, "", uint32([0]), 1)]).reason is Reason.STALE_HANDLE


def test_release(served: Served) -> None:
    first, second = served.hold(unit_rows(1, 2, 3)), served.hold(unit_rows(2, 2, 3))
    for _ in range(2):
        served.tensors.Release(tensor_pb2.ReleaseRequest(handles=[first, "unknown"]), timeout=LIMIT)
    request = tensor_pb2.DownloadRequest(handle=first)
    assert failure_of(lambda: served.tensors.Download(request)).reason is Reason.STALE_HANDLE
    assert served.values(second).shape == (2, 3)
