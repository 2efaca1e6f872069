"""EncoderService over the wire, with an encoder whose embeddings can be told in advance."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from PIL import Image
from served import LIMIT, MEMORY, Failure, Served, failure_of

from cmcr.v1 import encoder_pb2, tensor_pb2
from cmcr_worker.encoders.protocol import EncoderDescription, Preparation, as_it_is
from cmcr_worker.encoders.registry import PROVIDERS
from cmcr_worker.errors import Reason, WorkerError, unknown_name
from cmcr_worker.generators.registry import GENERATORS
from cmcr_worker.server import encoders

TEXT = encoder_pb2.MODALITY_TEXT
IMAGE = encoder_pb2.MODALITY_IMAGE
SCENES = encoder_pb2.GeneratedSource(generator="scenes", split="test", seed=5)


class CountingProvider:
    """Embeds a text by its counts of a, b and c, an image by its mean colour."""

    dimension = 3
    modalities = frozenset({"text", "image"})
    weights_sha256 = "ab" * 32
    revision = "7"
    compute_dtype = "float32"

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        if model != "counts":
            raise unknown_name("model", model, ["counts"])
        if checkpoint is not None and not checkpoint.exists():
            raise WorkerError(
                Reason.CHECKPOINT_MISSING, f"{checkpoint} is not there", subject=str(checkpoint)
            )
        return EncoderDescription(3, self.modalities, self.weights_sha256, self.revision, self.compute_dtype)

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> CountingProvider:
        self.describe(model, checkpoint, options)
        return self

    def preparation(self, modality: str) -> Preparation:
        return as_it_is

    def embed(self, modality: str, inputs: Sequence[Any]) -> torch.Tensor:
        rows = [reference(item) for item in inputs]
        return torch.tensor(np.array(rows).reshape(-1, 3), dtype=torch.float32)


def reference(item: Any) -> np.ndarray:
    counts = [item.count(letter) for letter in "abc"] if isinstance(item, str) else item.mean(axis=(0, 1))
    row = np.asarray(counts, dtype=np.float64) + 1.0
    return row / np.linalg.norm(row)


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = CountingProvider()
    known = encoders.provider
    monkeypatch.setattr(encoders, "provider", lambda name: provider if name == "counting" else known(name))


def spec(**changes: str) -> encoder_pb2.EncoderSpec:
    return encoder_pb2.EncoderSpec(**{"provider": "counting", "model": "counts", **changes})


def start(total: int, modality: int = TEXT, **changes: Any) -> encoder_pb2.EncodeRequest:
    fields = {"encoder": spec(), "modality": modality, "total": total, "destination": MEMORY, **changes}
    return encoder_pb2.EncodeRequest(start=encoder_pb2.EncodeStart(**fields))


def texts(*items: str) -> encoder_pb2.EncodeRequest:
    batch = encoder_pb2.ItemBatch(texts=encoder_pb2.TextItems(texts=items))
    return encoder_pb2.EncodeRequest(batch=batch)


def files(*paths: object) -> encoder_pb2.EncodeRequest:
    items = encoder_pb2.FileItems(paths=[str(path) for path in paths])
    return encoder_pb2.EncodeRequest(batch=encoder_pb2.ItemBatch(files=items))


def generated(first: int, count: int, source: Any = SCENES) -> encoder_pb2.EncodeRequest:
    items = encoder_pb2.GeneratedItems(source=source, start=first, count=count)
    return encoder_pb2.EncodeRequest(batch=encoder_pb2.ItemBatch(generated=items))


def encode(served: Served, *messages: encoder_pb2.EncodeRequest) -> list[encoder_pb2.EncodeResponse]:
    return list(served.encoders.Encode(iter(messages), timeout=LIMIT))


def encode_failure(served: Served, *messages: encoder_pb2.EncodeRequest) -> Failure:
    return failure_of(lambda: encode(served, *messages))


def embeddings(items: Iterable[Any]) -> np.ndarray:
    return np.stack([reference(item) for item in items])


class TestDescribe:
    def describe(self, served: Served, encoder: encoder_pb2.EncoderSpec) -> Any:
        request = encoder_pb2.DescribeEncoderRequest(encoder=encoder)
        return served.encoders.DescribeEncoder(request, timeout=LIMIT)

    def test_what_the_provider_says(self, served: Served) -> None:
        answer = self.describe(served, spec())
        assert (answer.dimension, answer.weights_sha256, answer.revision) == (3, "ab" * 32, "7")
        assert (list(answer.modalities), answer.compute_dtype) == ([TEXT, IMAGE], "float32")

    def test_the_built_in_encoders(self, served: Served) -> None:
        answer = self.describe(served, spec(provider="builtin", model="scenes-audio-text"))
        assert (answer.dimension, list(answer.modalities)) == (48, [TEXT, encoder_pb2.MODALITY_AUDIO])

    @pytest.mark.parametrize(
        ("changes", "reason", "code"),
        [
            ({"provider": "countin"}, Reason.UNKNOWN_NAME, grpc.StatusCode.NOT_FOUND),
            ({"model": "count"}, Reason.UNKNOWN_NAME, grpc.StatusCode.NOT_FOUND),
            ({"provider": "", "model": ""}, Reason.UNKNOWN_NAME, grpc.StatusCode.NOT_FOUND),
            ({"options_json": "{"}, Reason.CONFIG_INVALID, grpc.StatusCode.INVALID_ARGUMENT),
            ({"options_json": "[]"}, Reason.CONFIG_INVALID, grpc.StatusCode.INVALID_ARGUMENT),
            ({"checkpoint": "/etc/hostname"}, Reason.PATH_FORBIDDEN, grpc.StatusCode.PERMISSION_DENIED),
            (
                {"options_json": '{"tokenizer": "/etc"}'},
                Reason.PATH_FORBIDDEN,
                grpc.StatusCode.PERMISSION_DENIED,
            ),
        ],
    )
    def test_mistakes(self, served: Served, changes: dict[str, str], reason: Reason, code: Any) -> None:
        got = failure_of(lambda: [self.describe(served, spec(**changes))])
        assert (got.reason, got.code) == (reason, code)

    def test_an_unknown_provider_lists_the_known(self, served: Served) -> None:
        got = failure_of(lambda: [self.describe(served, spec(provider="bultin"))])
        assert got.detail is not None
        assert got.detail.known_names[0] == "builtin"
        assert set(got.detail.known_names) == set(PROVIDERS)
        assert "builtin" in got.detail.remedy

    def test_a_checkpoint_that_is_missing(self, served: Served) -> None:
        path = str(served.root / "weights.safetensors")
        got = failure_of(lambda: [self.describe(served, spec(checkpoint=path))])
        assert (got.code, got.reason) == (grpc.StatusCode.NOT_FOUND, Reason.CHECKPOINT_MISSING)

    def test_an_empty_request(self, served: Served) -> None:
        request = encoder_pb2.DescribeEncoderRequest()
        got = failure_of(lambda: [served.encoders.DescribeEncoder(request, timeout=LIMIT)])
        assert got.reason is Reason.UNKNOWN_NAME


class TestEncode:
    def test_texts_in_the_order_of_their_arrival(self, served: Served) -> None:
        items = ["abc", "aab", "", "ccc", "b" * 9]
        messages = [start(5), texts(*items[:2]), texts(), texts(items[2]), texts(*items[3:])]
        answers = encode(served, *messages)
        assert [answer.rows_done for answer in answers] == [2, 2, 3, 5, 5]
        assert [answer.HasField("tensor") for answer in answers] == [False] * 4 + [True]
        values = served.values(answers[-1].tensor.handle)
        np.testing.assert_allclose(values, embeddings(items), atol=1e-6)

    def test_files_that_are_decoded(self, served: Served) -> None:
        rng = np.random.default_rng(1)
        images = [rng.integers(0, 255, (4, 5, 3), dtype=np.uint8) for _ in range(3)]
        paths = [served.root / f"{number}.png" for number in range(3)]
        for path, image in zip(paths, images, strict=True):
            Image.fromarray(image).save(path)
        answers = encode(served, start(3, IMAGE), files(*paths[:2]), files(paths[2]))
        values = served.values(answers[-1].tensor.handle)
        np.testing.assert_allclose(values, embeddings(images), atol=1e-6)

    def test_generated_items(self, served: Served) -> None:
        answers = encode(served, start(5), generated(10, 3), generated(0, 2))
        items = GENERATORS["scenes"].render("text", "test", 5, [10, 11, 12, 0, 1])
        values = served.values(answers[-1].tensor.handle)
        np.testing.assert_allclose(values, embeddings(items), atol=1e-6)

    def test_into_a_file(self, served: Served) -> None:
        answers = encode(served, start(2, destination=served.at("out.npy")), texts("a", "b"))
        written = np.load(served.root / "out.npy", allow_pickle=False)
        np.testing.assert_allclose(written, embeddings(["a", "b"]), atol=1e-6)
        np.testing.assert_array_equal(served.values(answers[-1].tensor.handle), written)

    @pytest.mark.parametrize(
        ("messages", "reason"),
        [
            ([], Reason.CONFIG_INVALID),
            ([encoder_pb2.EncodeRequest()], Reason.CONFIG_INVALID),
            ([texts("a")], Reason.CONFIG_INVALID),
            ([start(2), texts("a"), start(2)], Reason.CONFIG_INVALID),
            ([start(2), encoder_pb2.EncodeRequest()], Reason.CONFIG_INVALID),
            ([start(2), encoder_pb2.EncodeRequest(batch=encoder_pb2.ItemBatch())], Reason.CONFIG_INVALID),
            ([start(2), texts("a")], Reason.SHAPE_MISMATCH),
            ([start(2), texts("a", "b"), texts("c")], Reason.SHAPE_MISMATCH),
            ([start(0)], Reason.SHAPE_MISMATCH),
            ([start(2**64 - 1), texts("a")], Reason.SHAPE_MISMATCH),
            ([start(1, 0), texts("a")], Reason.CONFIG_INVALID),
            ([start(1, 99), texts("a")], Reason.CONFIG_INVALID),
            ([start(1, IMAGE), texts("a")], Reason.CONFIG_INVALID),
            ([start(1, encoder_pb2.MODALITY_VIDEO), files("a.mp4")], Reason.PATH_FORBIDDEN),
            ([start(1), files("a.txt")], Reason.PATH_FORBIDDEN),
            ([start(1, IMAGE), files("/etc/hostname")], Reason.PATH_FORBIDDEN),
            ([start(1, destination=tensor_pb2.Destination()), texts("a")], Reason.CONFIG_INVALID),
            ([start(9), generated(999, 2)], Reason.CONFIG_INVALID),
            ([start(9), generated(0, 2**60)], Reason.SHAPE_MISMATCH),
            ([start(1), generated(0, 1, encoder_pb2.GeneratedSource())], Reason.UNKNOWN_NAME),
            (
                [start(1), generated(0, 1, encoder_pb2.GeneratedSource(generator="scenes", split="dev"))],
                Reason.UNKNOWN_NAME,
            ),
        ],
    )
    def test_mistakes_leave_nothing_behind(self, served: Served, messages: list[Any], reason: Reason) -> None:
        for message in messages:
            if message.start.destination.memory:
                message.start.destination.CopyFrom(served.at("out.npy"))
        before = len(served.state.tensors)
        assert encode_failure(served, *messages).reason is reason
        assert os.listdir(served.root) == []
        assert len(served.state.tensors) == before

    @pytest.mark.parametrize("first", [2**63 - 1, 2**64 - 1])
    def test_items_far_along_an_endless_split(self, served: Served, first: int) -> None:
        source = encoder_pb2.GeneratedSource(generator="scenes", split="captions", seed=2**53 - 1)
        answers = encode(served, start(1), generated(first, 1, source))
        items = GENERATORS["scenes"].render("text", "captions", 2**53 - 1, [first])
        np.testing.assert_allclose(served.values(answers[-1].tensor.handle), embeddings(items), atol=1e-6)

    def test_a_file_that_is_no_image_is_named(self, served: Served) -> None:
        path = served.root / "broken.png"
        path.write_bytes(b"no image")
        got = encode_failure(served, start(1, IMAGE), files(path))
        assert (got.code, got.reason) == (grpc.StatusCode.DATA_LOSS, Reason.DATA_CORRUPT)
        assert "broken.png" in got.message
        assert encode_failure(served, start(1, IMAGE), files(served.root / "none.png")).reason is (
            Reason.DATA_MISSING
        )


class TestDescribeGenerated:
    def describe(self, served: Served, source: encoder_pb2.GeneratedSource, count: int) -> Any:
        request = encoder_pb2.DescribeGeneratedRequest(source=source, count=count)
        return served.encoders.DescribeGenerated(request, timeout=LIMIT)

    def test_labels_and_captions(self, served: Served) -> None:
        scenes = GENERATORS["scenes"]
        answer = self.describe(served, SCENES, 4)
        assert (answer.available, answer.revision) == (1000, scenes.revision)
        assert list(answer.captions) == scenes.captions("test", 5, range(4))
        for got, column in zip(answer.attributes, scenes.attributes("test", 5, range(4)), strict=True):
            assert (got.name, tuple(got.values), list(got.labels)) == (
                column.name,
                column.values,
                column.labels.tolist(),
            )

    def test_boxes_of_splits_that_have_them(self, served: Served) -> None:
        source = encoder_pb2.GeneratedSource(generator="scenes", split="mismatched", seed=5)
        expected = GENERATORS["scenes"].boxes("mismatched", 5, range(20))
        assert expected is not None
        got = [
            [(box.left, box.top, box.right, box.bottom) for box in of_item.regions]
            for of_item in self.describe(served, source, 20).boxes
        ]
        assert {len(of_item) for of_item in got} == {0, 1}
        assert [len(of_item) for of_item in got] == [len(of_item) for of_item in expected]
        for boxes, wanted in zip(got, expected, strict=True):
            np.testing.assert_allclose(np.reshape(boxes, (-1, 4)), np.reshape(wanted, (-1, 4)), atol=1e-7)
        assert len(self.describe(served, SCENES, 4).boxes) == 0

    def test_the_count_alone(self, served: Served) -> None:
        endless = encoder_pb2.GeneratedSource(generator="scenes", split="captions")
        assert self.describe(served, endless, 0).available == 0
        answer = self.describe(served, SCENES, 0)
        assert (answer.available, list(answer.captions)) == (1000, [])

    @pytest.mark.parametrize(
        ("source", "count", "reason"),
        [
            (SCENES, 1001, Reason.CONFIG_INVALID),
            (encoder_pb2.GeneratedSource(generator="scenes", split="train"), 2**60, Reason.CONFIG_INVALID),
            (encoder_pb2.GeneratedSource(generator="scene", split="test"), 1, Reason.UNKNOWN_NAME),
            (encoder_pb2.GeneratedSource(generator="scenes", split="tests"), 1, Reason.UNKNOWN_NAME),
            (encoder_pb2.GeneratedSource(), 0, Reason.UNKNOWN_NAME),
        ],
    )
    def test_mistakes(self, served: Served, source: Any, count: int, reason: Reason) -> None:
        assert failure_of(lambda: [self.describe(served, source, count)]).reason is reason
