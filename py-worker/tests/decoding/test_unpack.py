"""Files of many clouds, unpacked: each layout that is handed on, and what is refused."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.pointcloud_files import decode_pointcloud
from cmcr_worker.decoding.unpack import Unpacked, unpack_clouds
from cmcr_worker.errors import Reason, WorkerError

Array = npt.NDArray[Any]
DRAW = np.random.default_rng(0)
# 6 columns: coordinates and normals. The second is so small that it does not stay in its file.
POINTS: list[Array] = [DRAW.standard_normal((count, 6)).astype(np.float32) for count in (900, 10, 300)]
LABELS = [np.array([label]).astype(np.int32) for label in (23, 0, 7)]


def unpacked(path: Path, folder: Path) -> tuple[Unpacked, list[Array]]:
    found = unpack_clouds(path, folder, lambda _done, _total: None)
    names = sorted(os.listdir(folder))
    assert names == [f"{number:06d}.npy" for number in range(found.count)]
    return found, [np.load(folder / name, allow_pickle=False) for name in names]


def refusal(path: Path, folder: Path) -> WorkerError:
    with pytest.raises(WorkerError) as raised:
        unpack_clouds(path, folder, lambda _done, _total: None)
    assert not folder.exists(), "nothing may be left behind"
    return raised.value


def pickled(tmp_path: Path, value: object, protocol: int) -> Path:
    path = tmp_path / "many.dat"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_modelnet_cache_of_any_protocol(tmp_path: Path, protocol: int) -> None:
    path = pickled(tmp_path, [POINTS, LABELS], protocol)
    found, clouds = unpacked(path, tmp_path / "new" / "out")
    assert found == Unpacked(3, [23, 0, 7], "modelnet40 cache")
    for cloud, points in zip(clouds, POINTS, strict=True):
        assert cloud.dtype == np.float32
        # Normals stay beside the points, and the points are neither centred nor scaled.
        assert np.array_equal(cloud, points)


def test_numbers_may_be_of_any_order_and_kind(tmp_path: Path) -> None:
    column_major = np.asfortranarray(POINTS[0])
    big = POINTS[2].astype(">f8")
    twice = POINTS[2]
    clouds = [column_major, big, twice, twice, POINTS[0][::2, :3]]
    found, read = unpacked(pickled(tmp_path, [clouds, np.arange(5)], 4), tmp_path / "out")
    assert found.labels == [0, 1, 2, 3, 4]
    for cloud, expected in zip(read, clouds, strict=True):
        assert np.array_equal(cloud, expected.astype(np.float32))
    many = [[POINTS[1]] * 3000, np.arange(3000)]
    assert unpacked(pickled(tmp_path, many, 3), tmp_path / "more")[0].labels == list(range(3000))


@pytest.mark.parametrize("half", [True, False])
def test_array_of_samples(tmp_path: Path, half: bool) -> None:
    kind = np.float16 if half else np.float32
    samples = np.empty(2, dtype=object)
    # The coloured 10k set has xyz alone; OpenShape's has colours, of 0 to 255, and more.
    samples[0] = {"xyz": POINTS[0][:, :3].astype(kind), "id": "a", "category": "night_stand"}
    samples[1] = {"xyz": POINTS[2][:, :3].astype(kind), "rgb": np.full((300, 3), 102, np.uint8)}
    path = tmp_path / "test_pc.npy"
    np.save(path, samples, allow_pickle=True)
    found, clouds = unpacked(path, tmp_path / "out")
    assert found == Unpacked(2, None, "samples")
    assert np.array_equal(clouds[0], POINTS[0][:, :3].astype(kind).astype(np.float32))
    assert clouds[1].shape == (300, 6)
    decoded = decode_pointcloud(Encoded("c.npy", path=tmp_path / "out" / "000001.npy"), Limits())
    assert decoded.rgb is not None
    np.testing.assert_allclose(decoded.rgb, 0.4)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_plain_array(tmp_path: Path, version: tuple[int, int]) -> None:
    array = DRAW.random((4, 50, 3)).astype(np.float16)
    path = tmp_path / "clouds.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    found, clouds = unpacked(path, tmp_path / "out")
    assert found == Unpacked(4, None, "array")
    assert np.array_equal(np.stack(clouds), array.astype(np.float32))
    with path.open("ab") as file:
        file.write(b"x")
    assert "its header declares" in refusal(path, tmp_path / "out2").message


def test_array_of_arrays_and_a_single_sample(tmp_path: Path) -> None:
    arrays = np.empty(3, dtype=object)
    arrays[:] = POINTS
    np.save(tmp_path / "arrays.npy", arrays, allow_pickle=True)
    assert unpacked(tmp_path / "arrays.npy", tmp_path / "a")[0] == Unpacked(3, None, "clouds")
    np.save(tmp_path / "one.npy", np.array({"xyz": POINTS[0][:, :3]}), allow_pickle=True)
    assert unpacked(tmp_path / "one.npy", tmp_path / "b")[0] == Unpacked(1, None, "samples")


class _Call:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch pwned",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_refused_by_name_and_never_run(
    tmp_path: Path, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in ([POINTS, [_Call()]], _Call()):
        error = refusal(pickled(tmp_path, value, protocol), tmp_path / "out")
        assert error.reason is Reason.DATA_CORRUPT
        assert "no array needs" in error.message or "neither" in error.message
    assert not (tmp_path / "pwned").exists()
    if protocol:
        assert "posix.system" in error.message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([POINTS, LABELS[:2]], "3 clouds and 2 labels"),
        ([[POINTS[0], POINTS[0][:, :2]], LABELS[:2]], r"cloud, number 1, of the shape \(900, 2\)"),
        ([[POINTS[0], np.zeros((0, 3))], LABELS[:2]], "0 points in cloud 1"),
        ([POINTS, [np.array([-1])] * 3], "the label -1 for cloud 0"),
        ([POINTS, [np.array([0.5])] * 3], "the label 0.5 for cloud 0"),
        ([[np.zeros((5, 3), bool)] * 2, LABELS[:2]], "no numbers in cloud 0"),
        ([{"rgb": POINTS[0]}], "no array xyz in sample 0"),
        ([{"xyz": POINTS[0][:, :3], "rgb": POINTS[0][:5, :3]}], r"\(900, 3\) and \(5, 3\)"),
        ([{"xyz": POINTS[0][:, :3], "rgb": "red"}], "rgb that is no array in sample 0"),
        ([], "holds 0 clouds"),
        ("a text", "pickled str"),
        ([["x"], LABELS[:1]], "no list of clouds before them"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, value: object, message: str) -> None:
    path = pickled(tmp_path, value, 4)
    error = refusal(path, tmp_path / "out")
    assert error.reason is Reason.DATA_CORRUPT
    assert error.message.startswith(str(path))
    with pytest.raises(WorkerError, match=message):
        raise error


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path, protocol: int) -> None:
    whole = pickled(tmp_path, [POINTS, LABELS], protocol).read_bytes()
    path = tmp_path / "cut.dat"
    for length in [0, 1, 5, *range(10, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        error = refusal(path, tmp_path / "out")
        assert error.reason is Reason.DATA_CORRUPT
        assert str(path) in error.message


def test_damage_anywhere_is_refused_or_read(tmp_path: Path) -> None:
    whole = pickled(tmp_path, [[POINTS[1]] * 2, LABELS[:2]], 4).read_bytes()
    path = tmp_path / "damaged.dat"
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        reason = None
        try:
            unpack_clouds(path, tmp_path / str(at), lambda _done, _total: None)
        except WorkerError as error:
            reason = error.reason
        assert reason in (None, Reason.DATA_CORRUPT)


def test_a_file_that_is_missing_or_none(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.dat", tmp_path / "out").reason is Reason.DATA_MISSING
    assert refusal(tmp_path, tmp_path / "out").reason is Reason.DATA_CORRUPT
    (tmp_path / "x.dat").write_bytes(b"PK\x03\x04 and so on")
    assert "neither a .npy file nor a pickle" in refusal(tmp_path / "x.dat", tmp_path / "out").message


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    path = pickled(tmp_path, [POINTS, LABELS], 4)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(WorkerError, match="is not empty") as raised:
        unpack_clouds(path, folder, lambda _done, _total: None)
    assert raised.value.reason is Reason.CONFIG_INVALID
    assert os.listdir(folder) == ["mine.txt"]


def test_it_can_be_ended_and_leaves_nothing(tmp_path: Path) -> None:
    seen = []

    def report(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack_clouds(pickled(tmp_path, [POINTS, LABELS], 4), tmp_path / "out", report)
    assert seen == [(0, 3), (1, 3), (2, 3)]
    assert not (tmp_path / "out").exists()


def test_memory_holds_one_cloud_at_a_time(tmp_path: Path) -> None:
    clouds = [np.full((8192, 6), number, np.float32) for number in range(60)]
    path = pickled(tmp_path, [clouds, [np.array([0], np.int32)] * 60], 4)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        unpack_clouds(path, tmp_path / "out", lambda _done, _total: None)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < size / 8


def test_normals_are_no_colours(tmp_path: Path) -> None:
    # All of a flat thing's normals may point one way, and none of their numbers is negative then.
    flat = np.concatenate([DRAW.random((40, 3)), np.tile([0.0, 0.6, 0.8], (40, 1))], axis=1)
    flat[3, 3:] = 0
    np.savetxt(tmp_path / "curtain_0001.txt", flat, delimiter=",", fmt="%.6f")
    cloud = decode_pointcloud(Encoded("c.txt", path=tmp_path / "curtain_0001.txt"), Limits())
    assert cloud.rgb is None
    np.testing.assert_allclose(cloud.xyz, flat[:, :3], atol=1e-6)
    coloured = np.concatenate([flat[:, :3], np.full((40, 3), 0.4)], axis=1).astype(np.float32)
    np.save(tmp_path / "coloured.npy", coloured)
    decoded = decode_pointcloud(Encoded("c.npy", path=tmp_path / "coloured.npy"), Limits())
    assert decoded.rgb is not None
