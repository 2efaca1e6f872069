"""Encoding in shards: rows, files, failures, batches that do not fit, encoders that stay loaded."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import strange_items as strange
import torch
from served import LIMIT, MEMORY, Failure, Served, failure_of, serving
from strange_encoder import (
    TEXT,
    StrangeProvider,
    expected,
    items,
    listed,
    shard_end,
    start,
)

from cmcr.v1 import encoder_pb2, error_pb2, tensor_pb2
from cmcr_worker.errors import Reason
from cmcr_worker.server import encoders


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> StrangeProvider:
    provider = StrangeProvider()
    monkeypatch.setattr(encoders, "provider", lambda name: provider)
    return provider


def encode(served: Served, *messages: Any) -> list[encoder_pb2.EncodeResponse]:
    return list(served.encoders.Encode(iter(messages), timeout=LIMIT))


def encode_failure(served: Served, *messages: Any) -> Failure:
    return failure_of(lambda: encode(served, *messages))


def failures(answers: list[encoder_pb2.EncodeResponse]) -> dict[int, tuple[Reason, str]]:
    return {
        failure.item: (Reason(failure.reason), failure.message)
        for answer in answers
        for failure in answer.failures
    }


def shards(answers: list[encoder_pb2.EncodeResponse]) -> list[encoder_pb2.ShardDone]:
    return [answer.shard for answer in answers if answer.HasField("shard")]


class TestShards:
    def test_each_end_makes_a_matrix(self, served: Served) -> None:
        answers = encode(
            served,
            start(7),
            items(5, 6),
            items(7),
            shard_end(served.at("0.npy")),
            items(8),
            shard_end(),
            items(9, 10, 11),
            shard_end(served.at("2.npy")),
        )
        assert not any(answer.HasField("tensor") for answer in answers)
        done = shards(answers)
        assert [(shard.items, shard.rows) for shard in done] == [(3, 3), (1, 1), (3, 3)]
        for shard, numbers in zip(done, ([5, 6, 7], [8], [9, 10, 11]), strict=True):
            assert list(shard.tensor.shape) == [len(numbers), 2]
            np.testing.assert_allclose(served.values(shard.tensor.handle), expected(numbers), atol=1e-6)
        for shard, name in ((done[0], "0.npy"), (done[2], "2.npy")):
            content = (served.root / name).read_bytes()
            assert (shard.sha256, shard.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
        assert (done[1].sha256, done[1].bytes) == ("", 0)
        assert sorted(os.listdir(served.root)) == ["0.npy", "2.npy"]
        assert [answer.rows_done for answer in answers if answer.HasField("shard")] == [3, 4, 7]

    def test_an_empty_shard_and_one_without_rows_write_nothing(self, served: Served) -> None:
        answers = encode(
            served,
            start(2),
            shard_end(served.at("0.npy")),
            items((1, strange.REFUSE), (2, strange.REFUSE)),
            shard_end(served.at("1.npy")),
        )
        assert [(shard.items, shard.rows, shard.HasField("tensor")) for shard in shards(answers)] == [
            (0, 0, False),
            (2, 0, False),
        ]
        assert os.listdir(served.root) == []

    def test_texts_go_without_decoders(self, served: Served) -> None:
        texts = encoder_pb2.EncodeRequest(
            batch=encoder_pb2.ItemBatch(texts=encoder_pb2.TextItems(texts=["a", "bbb"]))
        )
        named = encoder_pb2.Item(text="cc", name="row 3")
        (served.root / "a.txt").write_text("ffff\n")
        file = encoder_pb2.Item(file=encoder_pb2.FilePart(path=str(served.root / "a.txt")))
        (served.root / "blank.txt").write_text(" \n")
        blank = encoder_pb2.Item(file=encoder_pb2.FilePart(path=str(served.root / "blank.txt")), name="b")
        answers = encode(served, start(5, modality=TEXT), texts, listed(named, file, blank), shard_end())
        np.testing.assert_allclose(
            served.values(shards(answers)[0].tensor.handle), expected([1, 3, 2, 4]), atol=1e-6
        )
        assert failures(answers) == {4: (Reason.DATA_CORRUPT, "b is blank")}
        assert served.state.decoders.pids() == []

    def test_files_ranges_and_bytes(self, served: Served) -> None:
        (served.root / "a.ppm").write_bytes(strange.image(300))
        (served.root / "shard.tar").write_bytes(b"x" * 100 + strange.image(400) + b"y")
        path, size = str(served.root / "shard.tar"), len(strange.image(400))
        found = [
            encoder_pb2.Item(file=encoder_pb2.FilePart(path=str(served.root / "a.ppm"))),
            encoder_pb2.Item(file=encoder_pb2.FilePart(path=path, offset=100, length=size)),
            encoder_pb2.Item(data=strange.image(500)),
            encoder_pb2.Item(file=encoder_pb2.FilePart(path=path, offset=105, length=size), name="m"),
            encoder_pb2.Item(file=encoder_pb2.FilePart(path="/etc/hostname"), name="outside"),
            encoder_pb2.Item(data=b"", name="nothing"),
        ]
        answers = encode(served, start(6), listed(*found), shard_end())
        np.testing.assert_allclose(
            served.values(shards(answers)[0].tensor.handle), expected([300, 400, 500]), atol=1e-6
        )
        got = failures(answers)
        assert {item: reason for item, (reason, _) in got.items()} == {
            3: Reason.DATA_CORRUPT,
            4: Reason.PATH_FORBIDDEN,
            5: Reason.DATA_CORRUPT,
        }
        assert "m should end at byte" in got[3][1]
        assert "nothing is empty" in got[5][1]

    def test_limits_of_the_request(self, served: Served) -> None:
        limits = encoder_pb2.DecodeLimits(bytes=10)
        answers = encode(served, start(1, limits=limits), items(1), shard_end())
        assert "has 14 bytes; at most 10" in failures(answers)[0][1]
        limits = encoder_pb2.DecodeLimits(seconds=float("nan"))
        assert encode_failure(served, start(1, limits=limits), items(1)).reason is Reason.CONFIG_INVALID

    @pytest.mark.parametrize(
        ("messages", "reason"),
        [
            ([start(1), items(1)], Reason.CONFIG_INVALID),
            ([start(2), items(1), shard_end()], Reason.SHAPE_MISMATCH),
            ([start(1), items(1, 2), shard_end()], Reason.SHAPE_MISMATCH),
            ([start(1), items(1), shard_end(tensor_pb2.Destination())], Reason.CONFIG_INVALID),
            ([start(1), items(1), shard_end(tensor_pb2.Destination(path="/tmp/x"))], Reason.PATH_FORBIDDEN),
            ([start(1, destination=MEMORY), items(1)], Reason.CONFIG_INVALID),
            (
                [start(1, destination=MEMORY, report_failures=False), items(1), shard_end()],
                Reason.CONFIG_INVALID,
            ),
            ([start(0), shard_end()], Reason.SHAPE_MISMATCH),
            ([start(1, modality=encoder_pb2.MODALITY_VIDEO), items(1), shard_end()], Reason.UNKNOWN_NAME),
            ([start(1), listed(encoder_pb2.Item()), shard_end()], Reason.CONFIG_INVALID),
            ([start(1), listed(encoder_pb2.Item(text="a")), shard_end()], Reason.CONFIG_INVALID),
            (
                [start(1), listed(encoder_pb2.Item(file=encoder_pb2.FilePart(path="/a", offset=3)))],
                Reason.CONFIG_INVALID,
            ),
        ],
    )
    def test_mistakes(self, served: Served, messages: list[Any], reason: Reason) -> None:
        assert encode_failure(served, *messages).reason is reason
        assert os.listdir(served.root) == []

    @pytest.mark.parametrize(
        "part",
        [
            encoder_pb2.MediaPart(start_seconds=-1),
            encoder_pb2.MediaPart(start_seconds=float("inf")),
            encoder_pb2.MediaPart(duration_seconds=0),
            encoder_pb2.MediaPart(duration_seconds=float("nan")),
            encoder_pb2.MediaPart(position=1.5),
        ],
    )
    def test_parts_that_cannot_be(self, served: Served, part: Any) -> None:
        item = encoder_pb2.Item(data=b"1", part=part)
        assert encode_failure(served, start(1), listed(item), shard_end()).reason is Reason.CONFIG_INVALID

    def test_a_folder_that_is_not_there_is_told_and_ends_the_call(self, served: Served) -> None:
        got = encode_failure(served, start(1), items(1), shard_end(served.at("nowhere/0.npy")))
        assert got.reason is Reason.STORAGE_FAILED


class TestFailures:
    def test_only_items_that_do_harm_fail(self, served: Served) -> None:
        harm = {3: strange.SEGFAULT, 8: strange.EXIT, 13: strange.SLEEP, 21: strange.BUG, 34: strange.REFUSE}
        limits = encoder_pb2.DecodeLimits(work_seconds=1.0)
        numbers = [(number, harm.get(number, 0)) for number in range(40)]
        answers = encode(
            served,
            start(40, limits=limits),
            items(*numbers[:16]),
            items(*numbers[16:20]),
            shard_end(served.at("0.npy")),
            items(*numbers[20:]),
            shard_end(served.at("1.npy")),
        )
        good = [number for number in range(40) if number not in harm]
        rows = np.concatenate([np.load(served.root / "0.npy"), np.load(served.root / "1.npy")])
        np.testing.assert_allclose(rows, expected(good), atol=1e-6)
        got = failures(answers)
        assert sorted(got) == sorted(harm)
        assert got[21][0] is Reason.INTERNAL
        for number, said in {3: "SIGSEGV", 8: "exit code 3", 13: "longer than 1 s", 34: "too few"}.items():
            assert got[number][0] is Reason.DATA_CORRUPT
            assert f"number {number}" in got[number][1]
            assert said in got[number][1]
        # Each is told before the shard that lacks it.
        assert [(shard.items, shard.rows) for shard in shards(answers)] == [(20, 17), (20, 18)]
        told: set[int] = set()
        for answer in answers:
            told |= {failure.item for failure in answer.failures}
            if answer.HasField("shard"):
                assert {number for number in harm if number < answer.rows_done} <= told

    def test_the_first_in_order_ends_a_call_that_wants_none(self, served: Served) -> None:
        got = encode_failure(
            served,
            start(4, report_failures=False),
            items(1, (2, strange.EXIT), (3, strange.REFUSE), 4),
            shard_end(served.at("0.npy")),
        )
        assert (got.code, got.reason) == (grpc.StatusCode.DATA_LOSS, Reason.DATA_CORRUPT)
        assert "number 2" in got.message
        assert os.listdir(served.root) == []

    def test_a_preparation_that_no_process_can_load_ends_the_call(
        self, served: Served, provider: StrangeProvider
    ) -> None:
        provider.prepare = strange.Homeless()
        got = encode_failure(served, start(2), items(1, 2), shard_end())
        assert got.reason is Reason.INTERNAL
        assert "cannot load the encoder's preparation" in got.message

    def test_rows_that_are_none_never_reach_a_file(self, served: Served, provider: StrangeProvider) -> None:
        provider.not_finite, provider.zero = {2}, {4}
        answers = encode(served, start(5), items(1, 2, 3, 4, 5), shard_end(served.at("0.npy")))
        np.testing.assert_allclose(np.load(served.root / "0.npy"), expected([1, 3, 5]), atol=1e-6)
        got = failures(answers)
        assert sorted(got) == [1, 3]
        assert got[1] == (Reason.NON_FINITE, "number 2: its embedding is not finite")
        assert got[3] == (Reason.NON_FINITE, "number 4: its embedding is zero, which has no direction")
        single = start(5, destination=served.at("1.npy"), report_failures=False)
        refused = encode_failure(served, single, items(1, 2, 3, 4, 5))
        assert refused.reason is Reason.NON_FINITE
        assert os.listdir(served.root) == ["0.npy"]

    def test_names_cannot_write_to_a_terminal(self, served: Served) -> None:
        item = encoder_pb2.Item(data=b"", name="日 ü\x1b[2J\n.jpg")
        answers = encode(served, start(1), listed(item), shard_end())
        assert failures(answers)[0][1] == "日 ü\\x1b[2J\\n.jpg is empty"

    def test_messages_have_a_length(self, served: Served) -> None:
        item = encoder_pb2.Item(data=b"", name="x" * 5000)
        answers = encode(served, start(1), listed(item), shard_end())
        assert len(failures(answers)[0][1]) == 1000


class TestBatchesThatDoNotFit:
    @pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
    def test_they_are_halved_and_it_is_said_once(
        self, served: Served, provider: StrangeProvider, error: type[Exception]
    ) -> None:
        provider.fits, provider.error = 5, error
        numbers = list(range(32))
        messages = [start(32), items(*numbers[:16]), shard_end(), items(*numbers[16:]), shard_end()]
        answers = encode(served, *messages)
        rows = np.concatenate([served.values(shard.tensor.handle) for shard in shards(answers)])
        np.testing.assert_allclose(rows, expected(numbers), atol=1e-6)
        assert failures(answers) == {}
        # 16 and 8 did not fit; later batches begin with what did.
        assert provider.batches == [4] * 8
        notes = [note for answer in answers for note in answer.notes]
        assert len(notes) == 1
        assert "a batch of 16 (image) does not fit the device cpu: halved to 4" in notes[0]
        # Another call knows what fits, and its user hears of it too.
        answers = encode(served, start(16), items(*numbers[:16]), shard_end())
        assert provider.batches == [4] * 12
        assert sum(len(answer.notes) for answer in answers) == 1

    def test_an_item_that_does_not_fit_by_itself(self, served: Served, provider: StrangeProvider) -> None:
        provider.too_large = {6}
        answers = encode(served, start(24), items(*range(16)), items(*range(16, 24)), shard_end())
        good = [number for number in range(24) if number != 6]
        np.testing.assert_allclose(served.values(shards(answers)[0].tensor.handle), expected(good), atol=1e-6)
        ((item, (reason, message)),) = failures(answers).items()
        assert (item, reason) == (6, Reason.OUT_OF_MEMORY)
        assert "number 6: it does not fit the device even by itself" in message
        # The others are not made to suffer: the next batch is whole again.
        assert provider.batches[-1] == 8

    def test_a_device_that_fits_nothing_ends_a_call_that_wants_all(
        self, served: Served, provider: StrangeProvider
    ) -> None:
        provider.fits = 0
        got = encode_failure(served, start(2, report_failures=False), items(1, 2), shard_end())
        assert (got.code, got.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.OUT_OF_MEMORY)

    def test_large_items_do_not_lie_in_memory_together(
        self, served: Served, provider: StrangeProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cmcr_worker.server.embedding.RUN_BYTES", 3 * 4000)
        provider.prepare = strange.Strange(size=1000)
        answers = encode(served, start(10), items(*range(10)), shard_end())
        assert provider.batches == [3, 3, 3, 1]
        np.testing.assert_allclose(
            served.values(shards(answers)[0].tensor.handle), expected(range(10)), atol=1e-6
        )


class TestLoadedEncoders:
    def one(self, served: Served, **changes: Any) -> None:
        encode(served, start(1, **changes), items(1), shard_end())

    def test_two_stay(self, served: Served, provider: StrangeProvider) -> None:
        for model in ("one", "two", "one", "two", "three", "two", "one"):
            self.one(served, model=model)
        assert [model for model, _ in provider.loads] == ["one", "two", "three", "one"]

    def test_options_and_checkpoints_make_another(self, served: Served, provider: StrangeProvider) -> None:
        folder = served.root / "model"
        folder.mkdir()
        (folder / "weights").write_bytes(b"1")

        def spec(**changes: str) -> encoder_pb2.EncoderSpec:
            return encoder_pb2.EncoderSpec(provider="strange", model="one", **changes)

        for expected_loads, encoder in (
            (1, spec(options_json='{"a":1,"b":2}')),
            (1, spec(options_json='{"b":2,"a":1}')),
            (2, spec(options_json='{"a":2,"b":2}')),
            (3, spec(checkpoint=str(folder))),
            (3, spec(checkpoint=str(folder))),
        ):
            self.one(served, encoder=encoder)
            assert len(provider.loads) == expected_loads
        (folder / "weights").write_bytes(b"22")
        self.one(served, encoder=spec(checkpoint=str(folder)))
        assert len(provider.loads) == 4

    def test_calls_at_once_load_once(self, served: Served, provider: StrangeProvider) -> None:
        loaded = provider.load

        def slowly(*arguments: Any) -> StrangeProvider:
            time.sleep(0.3)
            return loaded(*arguments)

        provider.load = slowly  # type: ignore[method-assign]
        threads = [threading.Thread(target=self.one, args=(served,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        assert len(provider.loads) == 1


def test_items_of_a_reason_are_known_to_the_wire() -> None:
    assert {Reason(number).name for number in error_pb2.ErrorReason.values() if number} == {
        reason.name for reason in Reason
    }


def test_a_stopped_server_has_no_decoders(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        encode(served, start(4), items(1, 2, 3, 4), shard_end())
        pids = served.state.decoders.pids()
        assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
