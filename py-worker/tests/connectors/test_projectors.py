from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from small_training import DIMS, OUTPUT_DIM, data, spec, train, unit_rows
from torch import Tensor

from cmcr_worker.connectors.checkpoint import SideHead, from_bytes, to_bytes
from cmcr_worker.connectors.heads import HeadSpec, LayerSpec, initial_head
from cmcr_worker.connectors.plan import TrainSideSpec
from cmcr_worker.connectors.projectors import Projectors
from cmcr_worker.connectors.training import ProjectorTrainer
from cmcr_worker.errors import Reason, WorkerError


@pytest.fixture(scope="module")
def trained() -> bytes:
    return train(5)[0].state()


def metadata_of(content: bytes) -> dict[str, str]:
    length = int.from_bytes(content[:8], "little")
    found: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return found


def changed(content: bytes, tensors: dict[str, Tensor | None], **metadata: object) -> bytes:
    """The file with some tensors replaced (None: removed) and some of its architecture changed."""
    state = {**load(content), **tensors}
    described = {**json.loads(metadata_of(content)["cmcr"]), **metadata}
    return bytes(
        save(
            {k: v for k, v in state.items() if v is not None}, {"cmcr": json.dumps(described, sort_keys=True)}
        )
    )


def test_file_holds_the_architecture_and_the_authors_names(trained: bytes) -> None:
    described = json.loads(metadata_of(trained)["cmcr"])
    assert described["format"] == "cmcr-projectors"
    assert described["formatVersion"] == 1
    assert described["batchNorm"] == "together"
    assert described["outputDim"] == OUTPUT_DIM
    assert [side["space"] for side in described["sides"]] == ["left", "right"]
    assert [(side["inputDim"], side["outputDim"]) for side in described["sides"]] == [
        (d, OUTPUT_DIM) for d in DIMS
    ]
    keys = set(load(trained))
    assert len(keys) == 28
    assert "left.net1.0.weight" in keys
    assert "right.net2.1.num_batches_tracked" in keys


def test_bytes_are_reproducible(trained: bytes) -> None:
    assert to_bytes(from_bytes(trained), "together") == trained
    assert hashlib.sha256(train(5)[0].state()).digest() == hashlib.sha256(trained).digest()


def test_embeds_as_the_heads_do_in_evaluation_mode(trained: bytes) -> None:
    projectors = Projectors.from_bytes(trained)
    assert projectors.sides == {"left": DIMS[0], "right": DIMS[1]}
    assert projectors.output_dim == OUTPUT_DIM
    x = torch.from_numpy(unit_rows(23, DIMS[1], 9))
    expected = F.normalize(from_bytes(trained)[1].head(x), dim=1)
    torch.testing.assert_close(projectors.embed("right", x), expected)
    # In evaluation mode a row does not depend on its neighbours.
    torch.testing.assert_close(projectors.embed("right", x, block=5), expected)
    torch.testing.assert_close(projectors.embed("right", x[3:4]), expected[3:4])
    torch.testing.assert_close(projectors.embed("right", x.half()), expected, rtol=0, atol=5e-3)
    torch.testing.assert_close(projectors.embed("right", 7 * x), expected)


def test_embedding_leaves_the_weights_frozen(trained: bytes) -> None:
    heads = from_bytes(trained)
    projectors = Projectors(heads)
    out = projectors.embed("left", torch.from_numpy(unit_rows(40, DIMS[0], 9)))
    assert not out.requires_grad
    for side in heads:
        assert not any(module.training for module in side.head.modules())
        assert not any(p.requires_grad or p.grad is not None for p in side.head.parameters())
    assert to_bytes(heads, "together") == trained


def test_explicit_layers_survive() -> None:
    layers = (
        LayerSpec(kind="linear", outputs=9),
        LayerSpec(kind="gelu"),
        LayerSpec(kind="linear", outputs=4),
    )
    described = HeadSpec(preset="layers", input_dim=5, output_dim=4, layers=layers)
    sides = [
        SideHead(space=space, spec=described, head=initial_head(described, "default", 0))
        for space in ("a", "a.b")
    ]
    back = from_bytes(to_bytes(sides, "apart"))
    assert [side.spec for side in back] == [described, described]
    x = torch.randn(3, 5)
    torch.testing.assert_close(back[1].head(x), sides[1].head(x))


def test_a_trainer_takes_layers() -> None:
    layers = (LayerSpec(kind="linear", outputs=OUTPUT_DIM),)
    sides = tuple(
        TrainSideSpec(
            space=space, head=HeadSpec(preset="layers", input_dim=dim, output_dim=OUTPUT_DIM, layers=layers)
        )
        for space, dim in zip(("left", "right"), DIMS, strict=True)
    )
    trainer = ProjectorTrainer(replace(spec(), sides=(sides[0], sides[1])), data(), "cpu")
    assert set(load(trainer.state())) == {
        f"{space}.layers.0.{name}" for space in ("left", "right") for name in ("weight", "bias")
    }


def test_refuses_unknown_spaces_and_widths(trained: bytes) -> None:
    projectors = Projectors.from_bytes(trained)
    with pytest.raises(WorkerError, match="no space named 'lefd'") as caught:
        projectors.embed("lefd", torch.ones(2, DIMS[0]))
    assert caught.value.reason is Reason.UNKNOWN_NAME
    assert caught.value.known_names[0] == "left"
    with pytest.raises(WorkerError, match="embeddings of left: found 10 columns, expected 12") as caught:
        projectors.embed("left", torch.ones(2, DIMS[1]))
    assert caught.value.reason is Reason.SHAPE_MISMATCH


@pytest.mark.parametrize(
    ("tensors", "key"),
    [
        ({"left.net1.0.weight": None}, "left.net1.0.weight"),
        ({"right.net2.1.running_var": None}, "right.net2.1.running_var"),
        ({"left.net3.weight": torch.ones(2)}, "left.net3.weight"),
        ({"left.net1.0.bias": torch.ones(3)}, "left.net1.0.bias"),
        ({"left.net1.0.bias": torch.ones(2 * DIMS[0]).half()}, "left.net1.0.bias"),
    ],
)
def test_a_wrong_key_names_itself(trained: bytes, tensors: dict[str, Tensor | None], key: str) -> None:
    with pytest.raises(WorkerError, match=key) as caught:
        Projectors.from_bytes(changed(trained, tensors))
    assert caught.value.reason is Reason.DATA_CORRUPT
    assert caught.value.subject == key


def test_refuses_other_files(trained: bytes) -> None:
    plain = bytes(save({"a": torch.ones(2)}))
    for content in (b"", b"not a file", trained[:-4], plain, changed(trained, {}, sides=[{}])):
        with pytest.raises(WorkerError) as caught:
            Projectors.from_bytes(content)
        assert caught.value.reason is Reason.DATA_CORRUPT
    with pytest.raises(WorkerError, match="format version 2") as caught:
        Projectors.from_bytes(changed(trained, {}, formatVersion=2))
    assert caught.value.reason is Reason.PROTOCOL_MISMATCH


@pytest.mark.cuda
def test_cuda_embeds_as_the_cpu_does(trained: bytes) -> None:
    x = torch.from_numpy(unit_rows(50, DIMS[0], 9))
    found = Projectors.from_bytes(trained, "cuda").embed("left", x, block=16)
    assert found.device.type == "cpu"
    torch.testing.assert_close(found, Projectors.from_bytes(trained).embed("left", x), rtol=0, atol=1e-5)
