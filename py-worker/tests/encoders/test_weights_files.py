import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cmcr_worker.encoders.builtin.provider import BuiltinProvider
from cmcr_worker.encoders.builtin.vocabulary import Vocabulary
from cmcr_worker.encoders.builtin.weights import SHIPPED, file_name, read_weights, write_weights
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.errors import Reason, WorkerError

MODEL = "scenes-image-text"
builtin = BuiltinProvider()


def test_written_weights_are_read_back_in_float16(tmp_path: Path) -> None:
    tensors = {"b": torch.tensor([0.1, 3.0]), "a": torch.tensor([[7]])}
    checksum = write_weights(tmp_path / "w", MODEL, tensors, Vocabulary(["red", "star"]), {"seed": "3"})
    weights = read_weights(tmp_path / "w")
    assert weights.sha256 == checksum
    assert weights.model == MODEL
    assert weights.vocabulary.words == ("red", "star")
    torch.testing.assert_close(weights.tensors["b"], tensors["b"].half().float(), atol=0, rtol=0)
    assert weights.tensors["a"].dtype == torch.int64
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_the_same_weights_give_the_same_file(tmp_path: Path) -> None:
    shipped = read_weights(SHIPPED / file_name(MODEL))
    checksums = {
        write_weights(tmp_path / "w", MODEL, shipped.tensors, shipped.vocabulary, {"seed": "0", "more": "x"})
        for _ in range(8)
    }
    assert len(checksums) == 1


def test_checkpoint_in_place_of_the_shipped_weights(tmp_path: Path) -> None:
    shipped = read_weights(SHIPPED / file_name(MODEL))
    tensors = {name: tensor * 1.5 for name, tensor in shipped.tensors.items()}
    checksum = write_weights(tmp_path / "w", MODEL, tensors, shipped.vocabulary, {})
    assert builtin.describe(MODEL, tmp_path / "w", {}).weights_sha256 == checksum
    own = encode(builtin.load(MODEL, tmp_path / "w", {}, torch.device("cpu")), "text", ["a red star"])
    assert not torch.equal(
        own, encode(builtin.load(MODEL, None, {}, torch.device("cpu")), "text", ["a red star"])
    )


def test_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="none-such") as raised:
        builtin.describe(MODEL, tmp_path / "none-such", {})
    assert raised.value.reason is Reason.CHECKPOINT_MISSING


def test_checkpoint_of_another_model() -> None:
    with pytest.raises(WorkerError, match="scenes-audio-text") as raised:
        builtin.describe(MODEL, SHIPPED / file_name("scenes-audio-text"), {})
    assert raised.value.reason is Reason.CONFIG_INVALID


def test_checkpoint_of_another_shape(tmp_path: Path) -> None:
    shipped = read_weights(SHIPPED / file_name(MODEL))
    fewer = dict(shipped.tensors)
    fewer["image.head.bias"] = fewer["image.head.bias"][:-1]
    write_weights(tmp_path / "w", MODEL, fewer, shipped.vocabulary, {})
    with pytest.raises(WorkerError, match=r"image\.head\.bias has shape \(63,\), but \(64,\)") as raised:
        builtin.describe(MODEL, tmp_path / "w", {})
    assert raised.value.reason is Reason.SHAPE_MISMATCH
    del fewer["image.head.bias"]
    write_weights(tmp_path / "w", MODEL, fewer, shipped.vocabulary, {})
    with pytest.raises(WorkerError, match=r"image\.head\.bias has shape none"):
        builtin.describe(MODEL, tmp_path / "w", {})


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "pickle", "foreign", "words"])
def test_damaged_checkpoint(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.safetensors"
    content = (SHIPPED / file_name(MODEL)).read_bytes()
    tensor = {"x": torch.zeros(1)}
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("these are no weights, but a longer piece of text")
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "pickle":
            torch.save(tensor, path)
        case "foreign":
            save_file(tensor, path)
        case "words":
            metadata = {
                "format": "cmcr-builtin-encoder-1",
                "model": MODEL,
                "vocabulary": json.dumps({"a": 1}),
            }
            save_file(tensor, path, metadata=metadata)
    with pytest.raises(WorkerError, match=r"bad\.safetensors") as raised:
        builtin.describe(MODEL, path, {})
    assert raised.value.reason is Reason.DATA_CORRUPT
    assert raised.value.subject == str(path)
