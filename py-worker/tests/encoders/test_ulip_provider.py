"""ULIP's provider: checkpoints as they are published, options, identity, freezing, devices."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoder_checks import (
    CPU,
    TOLERANCE,
    assert_description_is_what_is_loaded,
    assert_frozen,
    assert_same_directions,
    refused,
)
from safetensors.torch import save_file
from tiny_ulip import COLOURED, TINY, clouds, random_state, write_checkpoint

from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.encoders.registry import provider
from cmcr_worker.encoders.ulip.provider import UlipProvider
from cmcr_worker.encoders.ulip.sizes import MODELS, UlipSizes
from cmcr_worker.errors import Reason

PROVIDER = UlipProvider(TINY)
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
ITEMS: dict[str, list[Any]] = {
    "pointcloud": clouds(4),
    "text": ["a chair", "a lamp"],
    "image": [IMAGE, IMAGE[::-1]],
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "pointbert.pt", random_state(TINY))


def test_it_is_registered() -> None:
    assert isinstance(provider("ulip"), UlipProvider)


def test_prefix_namespace_and_format_change_nothing(tmp_path: Path, checkpoint: Path) -> None:
    expected = encode(PROVIDER.load("", checkpoint, {}, CPU), "pointcloud", ITEMS["pointcloud"])
    plain = write_checkpoint(tmp_path / "plain.pt", random_state(TINY), prefix="")
    torch.save(random_state(TINY), tmp_path / "bare.pt")
    save_file(random_state(TINY), tmp_path / "pointbert.safetensors")
    for path in (plain, tmp_path / "bare.pt", tmp_path / "pointbert.safetensors"):
        found = encode(PROVIDER.load("", path, {}, CPU), "pointcloud", ITEMS["pointcloud"])
        assert torch.equal(found, expected)


class Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    content = {"state_dict": random_state(TINY), "args": Payload(f"touch {tmp_path / 'proof'}")}
    path = tmp_path / "pointbert.pt"
    torch.save(content, path)
    for call in (lambda: PROVIDER.describe("", path, {}), lambda: PROVIDER.load("", path, {}, CPU)):
        refused(Reason.DATA_CORRUPT, call, "posix.system", str(path))
    assert not (tmp_path / "proof").exists()


def test_a_wrong_key_names_itself(tmp_path: Path) -> None:
    state = random_state(TINY)
    state["point_encoder.reduce_dim.wieght"] = state.pop("point_encoder.reduce_dim.weight")
    path = write_checkpoint(tmp_path / "pointbert.pt", state)
    for call in (lambda: PROVIDER.describe("", path, {}), lambda: PROVIDER.load("", path, {}, CPU)):
        refused(
            Reason.SHAPE_MISMATCH,
            call,
            "missing: point_encoder.reduce_dim.weight",
            "not part of the model: point_encoder.reduce_dim.wieght",
        )


def test_missing_checkpoints(tmp_path: Path) -> None:
    refused(Reason.CHECKPOINT_MISSING, lambda: PROVIDER.describe("", None, {}), "needs a checkpoint")
    refused(Reason.CHECKPOINT_MISSING, lambda: PROVIDER.describe("", tmp_path / "none.pt", {}), "none.pt")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_description_is_what_is_loaded(checkpoint: Path, dtype: str) -> None:
    options = {"dtype": dtype}
    description = PROVIDER.describe("", checkpoint, options)
    assert description.compute_dtype == dtype
    assert description.dimension == TINY.points.dimension
    assert_description_is_what_is_loaded(description, PROVIDER.load("", checkpoint, options, CPU))


def test_what_is_done_to_a_cloud_unless_told_otherwise(checkpoint: Path) -> None:
    assert PROVIDER.describe("", checkpoint, {}).preprocessing["pointcloud"] == {
        "channels": 3,
        "groups": 24,
        "neighbours": 8,
        "normalize": "none",
        "points": None,
        "sampling": "first",
        "seed": 0,
        "swap_yz": False,
        "missing_colour": 0.4,
    }


def test_description_reads_no_tensor(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a description needs no weights")

    monkeypatch.setattr("cmcr_worker.encoders.ulip.provider.read_checkpoint", forbidden)
    monkeypatch.setattr(torch.Tensor, "clone", forbidden)
    PROVIDER.describe("", checkpoint, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("normalize", "unit-sphere"),
        ("points", 40),
        ("sampling", "random"),
        ("sampling", "pointnet2"),
        ("samplingSeed", 1),
        ("swapYZ", True),
        ("missingColour", 0.5),
    ],
)
def test_every_option_is_part_of_the_identity(checkpoint: Path, name: str, value: object) -> None:
    plain = PROVIDER.describe("", checkpoint, {}).preprocessing["pointcloud"]
    assert PROVIDER.describe("", checkpoint, {name: value}).preprocessing["pointcloud"] != plain


@pytest.mark.parametrize(
    ("options", "reason", "says"),
    [
        ({"normalise": "none"}, Reason.UNKNOWN_NAME, "normalise"),
        ({"normalize": "sphere"}, Reason.CONFIG_INVALID, "unit-sphere"),
        ({"points": 10}, Reason.CONFIG_INVALID, "needs 24"),
        ({"points": -1}, Reason.CONFIG_INVALID, "points"),
        ({"sampling": "last"}, Reason.CONFIG_INVALID, "pointnet2"),
        ({"missingColour": 3}, Reason.CONFIG_INVALID, "from 0 to 1"),
        ({"dtype": "int8"}, Reason.CONFIG_INVALID, "bfloat16"),
    ],
)
def test_wrong_options(checkpoint: Path, options: dict[str, object], reason: Reason, says: str) -> None:
    refused(reason, lambda: PROVIDER.describe("", checkpoint, options), says)


@pytest.mark.parametrize("modality", sorted(ITEMS))
def test_it_is_frozen(checkpoint: Path, modality: str) -> None:
    encoder = PROVIDER.load("", checkpoint, {}, CPU)
    assert encoder.modalities == set(ITEMS)
    assert_frozen(encoder, modality, ITEMS[modality])
    assert encode(encoder, modality, []).shape == (0, TINY.points.dimension)


def test_items_of_another_modality(checkpoint: Path) -> None:
    encoder = PROVIDER.load("", checkpoint, {}, CPU)
    refused(Reason.UNKNOWN_NAME, lambda: encoder.preparation("audio"), "pointcloud")
    refused(Reason.CONFIG_INVALID, lambda: encoder.embed("pointcloud", ["a chair"]), "row 0")
    refused(Reason.CONFIG_INVALID, lambda: encoder.embed("text", [IMAGE]), "row 0")
    bare = write_checkpoint(checkpoint.with_name("bare.pt"), random_state(COLOURED))
    without = PROVIDER.load("", bare, {}, CPU)
    refused(Reason.UNKNOWN_NAME, lambda: encode(without, "text", ["a chair"]), "pointcloud")


def test_preparations_run_in_a_process_without_torch(checkpoint: Path, tmp_path: Path) -> None:
    cloud = clouds(1)[0]
    prepare = PROVIDER.load("", checkpoint, {}, CPU).preparation("pointcloud")
    (tmp_path / "task").write_bytes(pickle.dumps((prepare, cloud)))
    program = (
        "import pickle, sys\n"
        "prepare, cloud = pickle.load(open(sys.argv[1], 'rb'))\n"
        "made = prepare(cloud)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
        "pickle.dump(made, open(sys.argv[1] + '.out', 'wb'))\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "task")], check=True, cwd=root)
    found = pickle.loads((tmp_path / "task.out").read_bytes())
    assert all(np.array_equal(a, b) for a, b in zip(found, prepare(cloud), strict=True))


@pytest.mark.parametrize("sizes", [TINY, COLOURED])
@pytest.mark.parametrize("dtype", sorted(TOLERANCE))
def test_16_bits_are_close(tmp_path: Path, sizes: UlipSizes, dtype: str) -> None:
    path = write_checkpoint(tmp_path / "pointbert.pt", random_state(sizes))
    for modality in sorted(PROVIDER.describe("", path, {}).modalities):
        items = clouds(6, coloured=True) if modality == "pointcloud" else ITEMS[modality]
        exact = encode(PROVIDER.load("", path, {}, CPU), modality, items)
        half = encode(PROVIDER.load("", path, {"dtype": dtype}, CPU), modality, items)
        assert_same_directions(half, exact, least=TOLERANCE[dtype])


def full_size(folder: Path, model: str) -> Path:
    sizes = UlipSizes(MODELS[model], None, None)
    return write_checkpoint(folder / f"{model}.pt", random_state(sizes), model)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_full_size_point_encoder_embeds(tmp_path: Path, model: str) -> None:
    encoder = UlipProvider().load(model, full_size(tmp_path, model), {}, CPU)
    items = clouds(2, coloured=True, least=2000)
    found = encode(encoder, "pointcloud", items)
    assert found.shape == (2, MODELS[model].dimension)
    single = torch.cat([encode(encoder, "pointcloud", [item]) for item in items])
    torch.testing.assert_close(found, single, atol=1e-5, rtol=0)
    few = PointCloud(items[0].xyz[:511])
    refused(Reason.DATA_CORRUPT, lambda: encode(encoder, "pointcloud", [few]), "needs 512")


@pytest.mark.cuda
@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_gpu_gives_what_the_cpu_gives(tmp_path: Path, model: str) -> None:
    path = full_size(tmp_path, model)
    items = clouds(9, coloured=True, least=3000)
    device = torch.device("cuda")
    exact = encode(UlipProvider().load(model, path, {}, CPU), "pointcloud", items)
    on_gpu = UlipProvider().load(model, path, {}, device)
    single = torch.cat([encode(on_gpu, "pointcloud", [item]) for item in items])
    assert_same_directions(single, exact)
    for size in (2, 7):
        for at in range(0, len(items), size):
            batch = encode(on_gpu, "pointcloud", items[at : at + size])
            torch.testing.assert_close(batch, single[at : at + size], atol=1e-5, rtol=0)
    for dtype, least in TOLERANCE.items():
        half = UlipProvider().load(model, path, {"dtype": dtype}, device)
        assert_same_directions(encode(half, "pointcloud", items), exact, least=least)
