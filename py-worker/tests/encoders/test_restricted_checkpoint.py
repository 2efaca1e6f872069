import argparse
import io
import os
import pathlib
import pickle
import struct
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cmcr_worker.encoders.pickled_settings import STAND_INS
from cmcr_worker.encoders.restricted_checkpoint import read_checkpoint, read_layout
from cmcr_worker.errors import Reason, WorkerError


def weights(prefix: str = "") -> "OrderedDict[str, torch.Tensor]":
    draw = torch.Generator().manual_seed(0)
    return OrderedDict(
        [
            (f"{prefix}logit_scale", torch.tensor(2.5)),
            (f"{prefix}a.weight", torch.randn(5, 3, generator=draw)),
            (f"{prefix}a.steps", torch.tensor(7)),
            (f"{prefix}b.half", torch.randn(4, generator=draw).half()),
        ]
    )


def official(path: Path, *, zipped: bool = True) -> Path:
    """What ULIP's training script saves, with everything that may stand in it beside the weights."""
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([parameter], lr=0.1)
    parameter.sum().backward()
    optimizer.step()
    content = {
        "epoch": 250,
        "state_dict": weights("module."),
        "optimizer": optimizer.state_dict(),
        "scaler": {"scale": 65536.0},
        "best_acc1": np.float64(60.3),
        "args": argparse.Namespace(
            model="ULIP_PointBERT",
            lr=np.float32(0.5),
            output_dir=pathlib.PurePosixPath("outputs/run"),
            betas=(0.9, 0.98),
            random_state=np.arange(3),
            nested=argparse.Namespace(npoints=8192),
            gpu=None,
        ),
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def assert_same(found: dict[str, torch.Tensor], expected: "OrderedDict[str, torch.Tensor]") -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def refusal(path: Path) -> str:
    with pytest.raises(WorkerError) as raised:
        read_checkpoint(path)
    assert raised.value.reason is Reason.DATA_CORRUPT
    assert str(path) in raised.value.message
    assert raised.value.remedy
    with pytest.raises(WorkerError):
        read_layout(path)
    return raised.value.message


@pytest.mark.parametrize("zipped", [True, False])
def test_official_layout_loads_with_its_settings(tmp_path: Path, zipped: bool) -> None:
    path = official(tmp_path / "pointbert.pt", zipped=zipped)
    assert zipfile.is_zipfile(path) is zipped
    found = read_checkpoint(path)
    assert_same(found.state, weights())
    assert found.settings == {
        "model": "ULIP_PointBERT",
        "lr": 0.5,
        "output_dir": "outputs/run",
        "betas": [0.9, 0.98],
        "random_state": None,
        "nested": {"npoints": 8192},
        "gpu": None,
    }
    layout = read_layout(path)
    assert {name: (t.shape, t.dtype) for name, t in layout.state.items()} == {
        name: (t.shape, t.dtype) for name, t in weights().items()
    }
    assert all(tensor.device.type == "meta" for tensor in layout.state.values())
    assert layout.settings == found.settings


def test_what_is_read_no_longer_depends_on_the_file(tmp_path: Path) -> None:
    path = official(tmp_path / "pointbert.pt")
    found = read_checkpoint(path)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert_same(found.state, weights())


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "module", None])
def test_weights_are_found_where_scripts_put_them(tmp_path: Path, key: str | None) -> None:
    torch.save(weights() if key is None else {key: weights()}, tmp_path / "w.pt")
    assert_same(read_checkpoint(tmp_path / "w.pt").state, weights())


def test_prefix_is_taken_off_only_where_every_name_has_it(tmp_path: Path) -> None:
    mixed = weights("module.")
    mixed["loose"] = torch.zeros(1)
    torch.save({"state_dict": mixed}, tmp_path / "w.pt")
    assert_same(read_checkpoint(tmp_path / "w.pt").state, mixed)


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(dict(weights("module.")), path, metadata={"args": '{"model": "m"}', "note": "plain"})
    found = read_checkpoint(path)
    assert set(found.state) == set(weights())
    assert all(torch.equal(found.state[name], tensor) for name, tensor in weights().items())
    assert found.settings == {"args": {"model": "m"}, "note": "plain"}
    layout = read_layout(path).state
    assert {name: (t.shape, t.dtype) for name, t in layout.items()} == {
        name: (t.shape, t.dtype) for name, t in weights().items()
    }


class Payload:
    """Runs a command when it is unpickled freely."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.system, "posix.system"),
        # Pickle writes the older name of the module.
        (subprocess.check_call, "commands.check_call"),
        (eval, "eval"),
        (pathlib.Path.touch, "getattr"),
    ],
)
def test_malicious_pickle_is_named_and_not_run(
    tmp_path: Path, zipped: bool, function: Any, name: str
) -> None:
    proof = tmp_path / "proof"
    arguments: tuple[Any, ...] = (f"touch {proof}",)
    if function is subprocess.check_call:
        arguments = (["touch", str(proof)],)
    elif function is eval:
        arguments = (f"open({str(proof)!r}, 'w')",)
    elif function is pathlib.Path.touch:
        arguments = (proof,)
    content = {"state_dict": weights(), "args": Payload(function, *arguments)}
    path = tmp_path / "w.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert f"asks for {name}" in refusal(path)
    assert not proof.exists()
    # The payload is a real one: loaded freely, it runs.
    torch.load(path, weights_only=False)
    assert proof.exists()


def test_stand_ins_are_called_in_place_of_the_classes(tmp_path: Path) -> None:
    # numpy's own unpickling takes element types that hold pointers; the stand-in gives nothing for them.
    kind = Payload(np.dtype, "O", False, True)
    scalar = Payload(np.float64(1).__reduce__()[0], kind, bytes(8))
    torch.save({"state_dict": weights(), "args": {"kind": kind, "scalar": scalar}}, tmp_path / "w.pt")
    assert read_checkpoint(tmp_path / "w.pt").settings == {"kind": None, "scalar": None}
    assert not {name for _, name in STAND_INS} & {
        entry[1] for entry in torch.serialization.get_safe_globals() if isinstance(entry, tuple)
    }


def test_newer_pickle_instructions_are_refused(tmp_path: Path) -> None:
    content = {"state_dict": weights(), "args": Payload(os.system, f"touch {tmp_path / 'proof'}")}
    torch.save(content, tmp_path / "w.pt", pickle_protocol=4)
    assert "nothing of it was run" in refusal(tmp_path / "w.pt")
    assert not (tmp_path / "proof").exists()


def zip_with(path: Path, pickled: bytes, records: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
        for name, data in records.items():
            archive.writestr(f"archive/{name}", data)
    return path


def tensor_pickle(numel: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    """The pickle of {"a": tensor} over the storage 0, which is said to have `numel` floats."""
    written = io.BytesIO()

    class Storages(pickle.Pickler):
        def persistent_id(self, item: object) -> object:
            return ("storage", torch.FloatStorage, "0", "cpu", numel) if item == "STORAGE" else None

    tensor = Payload(torch._utils._rebuild_tensor_v2, "STORAGE", offset, size, stride, False, OrderedDict())
    Storages(written, protocol=2).dump({"a": tensor})
    return written.getvalue()


def test_handmade_archive_is_read(tmp_path: Path) -> None:
    data = struct.pack("<4f", 1, 2, 3, 4)
    path = zip_with(tmp_path / "w.pt", tensor_pickle(4, (2, 2), (2, 1)), {"data/0": data})
    assert read_checkpoint(path).state["a"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("numel", "size", "stride", "offset"),
    [
        pytest.param(1 << 20, (1 << 20,), (1,), 0, id="longer than its record"),
        pytest.param(1 << 50, (1 << 50,), (1,), 0, id="huge"),
        pytest.param(4, (1 << 40,), (0,), 0, id="one number repeated without end"),
        pytest.param(4, (4,), (1,), 1 << 30, id="offset beyond its record"),
        pytest.param(4, (4,), (1,), -64, id="offset before its record"),
        pytest.param(4, (-4,), (1,), 0, id="negative size"),
    ],
)
def test_declared_sizes_are_checked(
    tmp_path: Path, numel: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    path = zip_with(tmp_path / "w.pt", tensor_pickle(numel, size, stride, offset), {"data/0": bytes(16)})
    with pytest.raises(WorkerError) as raised:
        read_checkpoint(path)
    assert raised.value.reason is Reason.DATA_CORRUPT


def test_compressed_and_oversized_records_are_refused(tmp_path: Path) -> None:
    bomb = zip_with(
        tmp_path / "w.pt", tensor_pickle(4, (4,), (1,)), {"data/0": bytes(1 << 24)}, zipfile.ZIP_DEFLATED
    )
    assert bomb.stat().st_size < 1 << 20
    assert "compressed record" in refusal(bomb)


def test_legacy_file_that_declares_too_much(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save({"a": torch.zeros(70_000)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    declared = struct.pack("<i", 70_000)
    assert content.count(declared) >= 2
    path.write_bytes(content.replace(declared, struct.pack("<i", 2**31 - 1)))
    refusal(path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for zipped in (True, False):
        whole = official(tmp_path / "whole.pt", zipped=zipped).read_bytes()
        for trial in range(60):
            damaged = bytearray(whole)
            if trial % 2:
                del damaged[int(draw.integers(1, len(whole) - 1)) :]
            else:
                # Noise in the pickle, which is near the beginning of both formats.
                start = int(draw.integers(60, 900))
                damaged[start : start + 24] = draw.bytes(24)
            path = tmp_path / "damaged.pt"
            path.write_bytes(damaged)
            reason = None
            try:
                read_checkpoint(path)
            except WorkerError as error:
                reason = error.reason
            # A truncated file never loads; noise may meet padding, or a number.
            assert reason is Reason.DATA_CORRUPT or (reason is None and trial % 2 == 0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"not a checkpoint at all", "checkpoint"),
        (b"a dog barks\na cat\n", "is no checkpoint of PyTorch, or a damaged one"),
        (b"PK\x03\x04 and then nothing", "damaged zip"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(content)
    assert says in refusal(path)


def test_files_without_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    for content in ([1, 2], {"epoch": 1}, {"state_dict": {}}, torch.zeros(2)):
        torch.save(content, path)
        assert "holds no weights" in refusal(path)
    torch.save({"state_dict": {"a": torch.zeros(1), "b": 3}}, path)
    assert "has int under 'b'" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "no data.pkl" in refusal(path)
    with pytest.raises(WorkerError) as raised:
        read_checkpoint(tmp_path / "none.pt")
    assert raised.value.reason is Reason.CHECKPOINT_MISSING


def test_settings_that_hold_themselves_are_cut_off(tmp_path: Path) -> None:
    laughs: list[Any] = ["ha"]
    for _ in range(18):
        laughs = [laughs] * 10
    torch.save({"state_dict": weights(), "args": argparse.Namespace(laughs=laughs)}, tmp_path / "w.pt")
    assert "laughs" in read_checkpoint(tmp_path / "w.pt").settings
