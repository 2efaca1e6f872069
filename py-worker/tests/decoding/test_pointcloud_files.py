import dataclasses
import io
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from damaged_clouds import damaged_clouds, npy, npy_header, npz, obj, off, ply, sample, text, whole_clouds

from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.decoding.openshape import sample_features
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.decoding.pointcloud_files import decode_pointcloud
from cmcr_worker.errors import Reason, WorkerError

LIMITS = Limits()
DRAW = np.random.default_rng(0)
POINTS = DRAW.random((200, 3)).astype(np.float32)
COLOURS = DRAW.random((200, 3)).astype(np.float32)


def decode(content: bytes, ending: str, limits: Limits = LIMITS) -> PointCloud:
    return decode_pointcloud(Encoded(f"cloud{ending}", data=content), limits)


def refusal(content: bytes, ending: str, limits: Limits = LIMITS) -> str:
    with pytest.raises(WorkerError) as raised:
        decode(content, ending, limits)
    assert raised.value.reason is Reason.DATA_CORRUPT
    return raised.value.message


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f4", ">f8", "<i4"])
def test_npy_of_coordinates_comes_as_it_is(kind: str) -> None:
    values = (POINTS * 1000).astype(kind)
    cloud = decode(npy(values), ".npy")
    assert cloud.xyz.dtype == np.float32
    assert cloud.rgb is None
    assert np.array_equal(cloud.xyz, values.astype(np.float32))
    assert np.array_equal(decode(npy(np.asfortranarray(values)), ".npy").xyz, cloud.xyz)
    assert np.array_equal(decode(npy(values[None]), ".npy").xyz, cloud.xyz)


@pytest.mark.parametrize("write", [npy, text, lambda values: npz(arr_0=values)])
def test_sixth_column_is_a_colour_only_where_none_is_negative(write: Callable[[Any], bytes]) -> None:
    ending = {b"\x93N": ".npy", b"PK": ".npz"}.get(write(POINTS)[:2], ".txt")
    unit = decode(write(np.hstack([POINTS, COLOURS])), ending)
    assert unit.rgb is not None
    np.testing.assert_allclose(unit.rgb, COLOURS, atol=1e-7)
    bytes_ = np.round(COLOURS * 255)
    coloured = decode(write(np.hstack([POINTS, bytes_])), ending)
    assert coloured.rgb is not None
    np.testing.assert_allclose(coloured.rgb, bytes_ / 255, atol=1e-7)
    # ModelNet40's columns 4 to 6: normals of length 1, which are no colours.
    normals = COLOURS - 0.5
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    assert decode(write(np.hstack([POINTS, normals])), ending).rgb is None


def test_eight_bit_colours_are_never_taken_for_unit_ones() -> None:
    dark = np.ones((200, 3), np.uint8)
    cloud = decode(npz(xyz=POINTS, rgb=dark), ".npz")
    assert cloud.rgb is not None
    np.testing.assert_allclose(cloud.rgb, 1 / 255)


@pytest.mark.parametrize(("xyz", "rgb"), [("xyz", "rgb"), ("points", "colors"), ("pc", "color")])
def test_npz_by_names(xyz: str, rgb: str) -> None:
    cloud = decode(npz(**{xyz: POINTS, rgb: COLOURS, "label": np.array(3)}), ".npz")
    assert np.array_equal(cloud.xyz, POINTS)
    assert np.array_equal(cloud.rgb, COLOURS)
    assert np.array_equal(decode(npz(whatever=POINTS), ".npz").xyz, POINTS)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_openshape_sample_comes_raw_and_as_float32(protocol: int) -> None:
    half = (POINTS - 0.3).astype(np.float16)
    content = {
        "dataset": "Objaverse",
        "group": "000-021",
        "text": ["a chair"],
        "text_feat": [{"original": np.ones((1, 1280), np.float32), "prompt_avg": np.zeros((1, 1280))}],
        "blip_caption_feat": {"original": np.full((1, 1280), 2, np.float32), "prompt_avg": None},
        "image_feat": np.ones((12, 1280), np.float32),
        "thumbnail_feat": np.ones(1280, np.float32),
        "score": np.float64(0.5),
        "xyz": half,
        "rgb": COLOURS.astype(np.float16),
    }
    cloud = decode(sample(content, protocol), ".npy")
    assert cloud.xyz.dtype == np.float32
    # Neither centred nor scaled: its mean is not zero.
    assert np.array_equal(cloud.xyz, half.astype(np.float32))
    assert np.array_equal(cloud.rgb, COLOURS.astype(np.float16).astype(np.float32))
    source = Encoded("s.npy", data=sample(content, protocol))
    for field, shape in (("image_feat", (12, 1280)), ("thumbnail_feat", (1, 1280)), ("text_feat", (1, 1280))):
        found = sample_features(source, field, LIMITS)
        assert found.shape == shape
        assert (found == 1).all()
    assert (sample_features(source, "blip_caption_feat", LIMITS) == 2).all()
    with pytest.raises(WorkerError, match="without msft_caption_feat"):
        sample_features(source, "msft_caption_feat", LIMITS)


@pytest.mark.parametrize("delimiter", [",", " ", "\t", ";", ", "])
def test_text_with_any_separator(delimiter: str) -> None:
    body = text(POINTS, delimiter)
    for before in (
        b"",
        b"# a comment\n\n",
        b"x,y,z\n" if delimiter == "," else b"// made by hand\n",
        b"200\n",
    ):
        np.testing.assert_allclose(decode(before + body, ".csv").xyz, POINTS)
    np.testing.assert_allclose(decode(body.replace(b"\n", b"\r\n"), ".xyz").xyz, POINTS)


SPHERE = trimesh.creation.icosphere(3)
BOX = trimesh.creation.box((1.0, 2.0, 4.0))


def mesh_file(mesh: trimesh.Trimesh, kind: str) -> tuple[bytes, str]:
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    if kind == "off":
        return off(vertices, faces), ".off"
    if kind == "off without a line's end":
        return off(vertices, faces, first="OFF"), ".off"
    if kind == "obj":
        return obj(vertices, faces), ".obj"
    return ply(vertices, faces, kind), ".ply"


KINDS = ["off", "off without a line's end", "obj", "ascii", "binary_little_endian", "binary_big_endian"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mesh_is_sampled_on_its_surface_and_always_alike(kind: str) -> None:
    content, ending = mesh_file(SPHERE, kind)
    cloud = decode(content, ending)
    assert cloud.xyz.shape == (10_000, 3)
    # On the triangles: of a convex body, a point of the surface lies on one face and behind all others.
    corners = np.asarray(SPHERE.triangles)[:, 0]
    heights = cloud.xyz @ SPHERE.face_normals.T - (corners * SPHERE.face_normals).sum(axis=1)
    np.testing.assert_allclose(heights.max(axis=1), 0, atol=1e-5)
    assert len(np.unique(np.round(cloud.xyz, 5), axis=0)) > 9_990
    assert np.array_equal(decode(content, ending).xyz, cloud.xyz)
    few = decode_pointcloud(Encoded(f"m{ending}", data=content), LIMITS, surface_points=100)
    assert few.xyz.shape == (100, 3)


@pytest.mark.parametrize("kind", ["off", "ascii", "obj"])
def test_a_mesh_is_sampled_evenly_by_area(kind: str) -> None:
    points = decode(*mesh_file(BOX, kind)).xyz
    sides = np.stack([np.isclose(np.abs(points[:, axis]), half) for axis, half in enumerate((0.5, 1, 2))])
    # The sides are 8, 4 and 2 in area, twice each.
    np.testing.assert_allclose(sides.sum(axis=1) / len(points), np.array([8, 4, 2]) / 14, atol=2e-3)
    assert sides.any(axis=0).all()
    on_first = points[sides[0]]
    np.testing.assert_allclose(on_first.mean(axis=0)[1:], 0, atol=0.05)
    np.testing.assert_allclose(on_first.std(axis=0)[1:], np.array([2, 4]) / np.sqrt(12), rtol=0.03)


def test_the_header_of_modelnet_that_runs_into_its_counts() -> None:
    vertices, faces = np.asarray(BOX.vertices), np.asarray(BOX.faces)
    intact = decode(off(vertices, faces), ".off")
    faulty = off(vertices, faces, first="OFF")
    assert faulty.startswith(b"OFF8 12 0\n")
    assert np.array_equal(decode(faulty, ".off").xyz, intact.xyz)
    spaced = off(vertices, faces, first="OFF ")
    assert np.array_equal(decode(b"# made by hand\n\n" + spaced, ".off").xyz, intact.xyz)


def test_meshes_without_faces_are_clouds() -> None:
    none = np.empty((0, 3), int)
    for content, ending in (
        (off(POINTS, none), ".off"),
        (obj(POINTS, none), ".obj"),
        (ply(POINTS, none, "ascii"), ".ply"),
        (ply(POINTS, none, "binary_big_endian"), ".ply"),
    ):
        np.testing.assert_allclose(decode(content, ending).xyz, POINTS)


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
def test_files_that_another_program_wrote(encoding: str) -> None:
    mesh = SPHERE.copy()
    mesh.visual.vertex_colors = np.tile([[255, 0, 51, 255]], (len(mesh.vertices), 1)).astype(np.uint8)
    for ending in ("ply", "obj", "off"):
        options = {"encoding": encoding.split("_")[0]} if ending == "ply" else {}
        exported = mesh.export(file_type=ending, **options)
        cloud = decode(exported if isinstance(exported, bytes) else exported.encode(), f".{ending}")
        assert np.abs(np.linalg.norm(cloud.xyz, axis=1) - 1).max() < 0.02
        if ending != "off":
            assert cloud.rgb is not None
            np.testing.assert_allclose(cloud.rgb, np.tile([[1, 0, 0.2]], (10_000, 1)), atol=1e-5)
    points = trimesh.PointCloud(POINTS, colors=(COLOURS * 255).astype(np.uint8))
    cloud = decode(points.export(file_type="ply", encoding=encoding.split("_")[0]), ".ply")
    np.testing.assert_allclose(cloud.xyz, POINTS, atol=1e-6)
    np.testing.assert_allclose(cloud.rgb, (COLOURS * 255).astype(np.uint8) / np.float32(255), atol=1e-6)


@pytest.mark.parametrize("layout", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_polygons_of_mixed_sizes_and_further_elements(layout: str) -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0]], np.float32)
    order = ">" if layout == "binary_big_endian" else "<"
    faces = [[0, 1, 2, 3], [1, 4, 2]]
    header = (
        f"ply\nformat {layout} 1.0\ncomment two sides\nelement camera 2\nproperty list uchar short views\n"
        "property uchar kind\nelement face 2\nproperty uchar flag\nproperty list uchar uint vertex_indices\n"
        "property float weight\nelement vertex 5\nproperty double nx\nproperty float x\nproperty float y\n"
        "property float z\nproperty uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
    ).encode()
    body = b""
    if layout == "ascii":
        body += b"2 7 8 1\n0 1\n"
        body += b"".join(f"9 {len(f)} {' '.join(map(str, f))} 0.5\n".encode() for f in faces)
        body += b"".join(f"1 {x} {y} {z} 255 0 51\n".encode() for x, y, z in corners.tolist())
    else:
        body += struct.pack(f"{order}BhhBBB", 2, 7, 8, 1, 0, 1)
        for face in faces:
            body += struct.pack(f"{order}BB{len(face)}If", 9, len(face), *face, 0.5)
        for row in corners:
            body += struct.pack(f"{order}dfffBBB", 1.0, *row, 255, 0, 51)
    cloud = decode(header + body, ".ply")
    assert cloud.rgb is not None
    np.testing.assert_allclose(cloud.rgb, np.tile([[1, 0, 0.2]], (10_000, 1)), atol=1e-6)
    x, y, z = cloud.xyz.T
    assert (z == 0).all()
    # The square has two thirds of the area, the triangle beside it the rest.
    assert abs((x <= 1).mean() - 2 / 3) < 1e-3
    assert (x[x > 1] + y[x > 1] <= 2 + 1e-6).all()


def test_obj_numbers_from_the_end_slashes_and_colours() -> None:
    plain = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    fancy = b"o thing\nv 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nvn 0 0 1\nf -3//1 2/1/1 -1\n"
    cloud = decode(fancy, ".obj")
    assert np.array_equal(cloud.xyz, decode(plain, ".obj").xyz)
    assert cloud.rgb is not None
    # Blended linearly between the corners.
    np.testing.assert_allclose(cloud.rgb[:, 1], cloud.xyz[:, 0], atol=1e-6)
    np.testing.assert_allclose(cloud.rgb[:, 2], cloud.xyz[:, 1], atol=1e-6)


def test_the_format_is_told_by_the_bytes_first(tmp_path: Path) -> None:
    assert np.array_equal(decode(npy(POINTS), ".txt").xyz, POINTS)
    assert np.array_equal(decode(npz(xyz=POINTS), "").xyz, POINTS)
    path = tmp_path / "shard.tar"
    path.write_bytes(bytes(100) + npy(POINTS) + bytes(50))
    ranged = Encoded("shard.tar/cloud.npy", path, offset=100, length=len(npy(POINTS)))
    assert np.array_equal(decode_pointcloud(ranged, LIMITS).xyz, POINTS)


@pytest.mark.parametrize("ending", sorted(whole_clouds(0)))
def test_the_intact_twins_of_the_damaged_files_are_read(ending: str) -> None:
    assert len(decode(whole_clouds(0)[ending], Path("a" + ending).suffix).xyz) >= 300


def test_damaged_files_are_refused_quickly_and_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cases = damaged_clouds(tmp_path / "damaged", seed=0)
    assert len(cases) >= 150
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path, cause in cases:
        started = time.monotonic()
        with pytest.raises(WorkerError) as raised:
            decode_pointcloud(Encoded(path.name, path), LIMITS)
        assert raised.value.reason is Reason.DATA_CORRUPT, cause
        assert path.name in raised.value.message
        assert len(raised.value.message) < 400
        assert time.monotonic() - started < 5, cause
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024
    assert not (tmp_path / "pwned").exists()


def test_the_malicious_samples_are_real_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cases = damaged_clouds(tmp_path / "damaged", seed=0)
    for cause in ("system", "eval", "exec"):
        path = next(path for path, found in cases if f"calls {cause} " in found)
        np.load(path, allow_pickle=True)
        assert (tmp_path / "pwned").exists()
        (tmp_path / "pwned").unlink()


def test_a_pickled_array_of_pointers_is_refused() -> None:
    # NumPy would take the eight bytes for the address of an object.
    body = b"".join(
        [
            b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00O8K\x00K\x01\x87R",
            b"c_codecs\nencode\nX\x08\x00\x00\x00ABCDEFGHX\x06\x00\x00\x00latin1\x86R\x86R.",
        ]
    )
    assert "no number" in refusal(npy_header("|O", ()) + body, ".npy")


def test_limits_are_kept() -> None:
    few = dataclasses.replace(LIMITS, points=100)
    for ending, content in whole_clouds(0).items():
        assert "100" in refusal(content, Path("a" + ending).suffix, few)
    fan = np.arange(60)[None].repeat(5, axis=0)
    for layout in ("ascii", "binary_little_endian"):
        for faces in (fan, [*fan, fan[0, :9]]):
            assert "at most 200" in refusal(ply(POINTS[:90], faces, layout), ".ply", few)
    assert "at most 200" in refusal(off(POINTS[:90], fan), ".off", few)
    assert "at most 200" in refusal(obj(POINTS[:90], fan), ".obj", few)
    assert "at most 1000" in refusal(npy(POINTS), ".npy", dataclasses.replace(LIMITS, bytes=1000))
    million = b"v 0.25 0.5 0.75\n" * 20_000
    for ending, content in ((".obj", million), (".txt", million.replace(b"v ", b""))):
        assert "takes more than 0 s" in refusal(content, ending, dataclasses.replace(LIMITS, work_seconds=0))
    bomb = npz(xyz=np.zeros((3_000_000, 3), np.float32))
    assert len(bomb) < 100_000
    assert "declares" in refusal(bomb, ".npz", dataclasses.replace(LIMITS, bytes=1 << 20))


def test_parts_and_missing_files() -> None:
    with pytest.raises(WorkerError) as raised:
        decode_pointcloud(Encoded("c.npy", data=npy(POINTS)), LIMITS, Part(start_seconds=1.0))
    assert raised.value.reason is Reason.CONFIG_INVALID
    with pytest.raises(WorkerError) as raised:
        decode_pointcloud(Encoded("none.npy", Path("/nowhere/none.npy")), LIMITS)
    assert raised.value.reason is Reason.DATA_MISSING


def test_pickled_features_are_read_as_numpy_reads_them() -> None:
    content = {
        "a": np.arange(6).reshape(2, 3),
        "b": [np.float32(1.5), {"c": np.ones((2, 2), ">f4", order="F")}],
    }
    written = sample({"xyz": POINTS, **content}, 2)
    expected = np.load(io.BytesIO(written), allow_pickle=True).item()
    from cmcr_worker.decoding.pickled_arrays import read_pickle

    found = read_pickle(written[128:])
    assert isinstance(found, dict)
    assert np.array_equal(found["a"], expected["a"])
    assert found["b"][0] == 1.5
    assert np.array_equal(found["b"][1]["c"], expected["b"][1]["c"])
