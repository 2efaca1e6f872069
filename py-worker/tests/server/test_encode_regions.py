"""Encoding of regions and patches: their rows, their failures, and requests that cannot be meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import strange_items as strange
import torch
from served import LIMIT, MEMORY, Failure, Served, failure_of
from strange_encoder import TEXT, StrangeProvider, expected, listed, shard_end, start

from cmcr.v1 import encoder_pb2
from cmcr_worker.decoding.regions import Box
from cmcr_worker.encoders.protocol import PatchGrid
from cmcr_worker.errors import Reason
from cmcr_worker.server import embedding, encoders

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
LEFT: Box = (0.0, 0.0, 0.5, 1.0)
RIGHT: Box = (0.5, 0.0, 1.0, 1.0)
TOKENS, VALUES = encoder_pb2.PATCH_EMBEDDING_TOKENS, encoder_pb2.PATCH_EMBEDDING_VALUES


class PatchProvider(StrangeProvider):
    """Item `number` has a patch `number`, `number` + 1 and so on; those of the values are 1000 more."""

    patch_grid: PatchGrid | None = PatchGrid(2, 3, "1")
    patches_missing = ""

    def embed_patches(self, inputs: Sequence[Any], source: str) -> torch.Tensor:
        first = 1000 if source == "values" else 0
        rows = torch.stack(
            [self.embed("image", [[first + row[0] + patch] for patch in range(6)]) for row in inputs]
        )
        self.batches[-len(inputs) :] = [len(inputs)]
        return rows


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> PatchProvider:
    provider = PatchProvider()
    monkeypatch.setattr(encoders, "provider", lambda name: provider)
    return provider


def wire(boxes: Iterable[Box]) -> encoder_pb2.Regions:
    fields = ("left", "top", "right", "bottom")
    return encoder_pb2.Regions(
        regions=[encoder_pb2.Region(**dict(zip(fields, box, strict=True))) for box in boxes]
    )


def pair(left: int | tuple[int, int], right: int, boxes: Iterable[Box] | None = (WHOLE, LEFT, RIGHT)) -> Any:
    """An image of two pixels; what is embedded of a region is the number of its first one."""
    number, action = left if isinstance(left, tuple) else (left, strange.PLAIN)
    pixels = b"".join(strange.image(*each)[-3:] for each in ((number, action), (right, strange.PLAIN)))
    regions = None if boxes is None else wire(boxes)
    return encoder_pb2.Item(data=b"P6\n2 1\n255\n" + pixels, name=f"pair {number}", regions=regions)


def encode(served: Served, *messages: Any) -> list[encoder_pb2.EncodeResponse]:
    return list(served.encoders.Encode(iter(messages), timeout=LIMIT))


def encode_failure(served: Served, *messages: Any) -> Failure:
    return failure_of(lambda: encode(served, *messages))


def only_shard(answers: list[encoder_pb2.EncodeResponse]) -> encoder_pb2.ShardDone:
    (shard,) = [answer.shard for answer in answers if answer.HasField("shard")]
    return shard


def rows_of(served: Served, answers: list[encoder_pb2.EncodeResponse]) -> np.ndarray:
    return served.values(only_shard(answers).tensor.handle)


def failures(answers: list[encoder_pb2.EncodeResponse]) -> list[tuple[int, Reason, str]]:
    return [
        (failure.item, Reason(failure.reason), failure.message)
        for answer in answers
        for failure in answer.failures
    ]


class TestRegions:
    def test_a_row_for_each_region_in_its_order(self, served: Served) -> None:
        answers = encode(
            served,
            start(3),
            listed(pair(10, 20), pair(30, 40, (RIGHT,))),
            listed(pair(50, 60, None)),
            shard_end(),
        )
        shard = only_shard(answers)
        assert (shard.items, shard.rows) == (3, 5)
        np.testing.assert_allclose(rows_of(served, answers), expected([10, 10, 20, 40, 50]), atol=1e-6)
        assert answers[-1].rows_done == 3

    def test_the_regions_of_an_item_fail_together_and_once(
        self, served: Served, provider: PatchProvider
    ) -> None:
        """Decoding, preparation of the last region, an embedding that is not finite, and two of them."""
        provider.not_finite = {21, 50, 51}
        answers = encode(
            served,
            start(6),
            listed(
                pair(1, 2),
                encoder_pb2.Item(data=b"no image", name="spoilt", regions=wire((LEFT, RIGHT))),
                pair((10, strange.REFUSE), 11, (RIGHT, LEFT)),
                pair(20, 21),
                pair(50, 51),
                pair(3, 4, (LEFT,)),
            ),
            shard_end(),
        )
        shard = only_shard(answers)
        assert (shard.items, shard.rows) == (6, 4)
        np.testing.assert_allclose(rows_of(served, answers), expected([1, 1, 2, 3]), atol=1e-6)
        found = failures(answers)
        assert [(item, reason) for item, reason, _ in found] == [
            (1, Reason.DATA_CORRUPT),
            (2, Reason.DATA_CORRUPT),
            (3, Reason.NON_FINITE),
            (4, Reason.NON_FINITE),
        ]
        assert found[2][2] == "pair 20: its embedding is not finite"

    def test_an_item_that_fails_in_a_later_run_loses_its_earlier_rows(
        self, served: Served, provider: PatchProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedding, "RUN_ROWS", 2)
        provider.not_finite = {20}
        answers = encode(served, start(2), listed(pair(10, 20), pair(30, 40, (LEFT,))), shard_end())
        assert provider.batches == [2, 2]
        np.testing.assert_allclose(rows_of(served, answers), expected([30]), atol=1e-6)
        assert [item for item, _, _ in failures(answers)] == [0]

    @pytest.mark.parametrize(("items", "runs"), [(2, [64, 64, 64, 8]), (100, [100, 100])])
    def test_runs_have_64_rows_or_as_many_as_the_batch_has_items(
        self, served: Served, provider: PatchProvider, items: int, runs: list[int]
    ) -> None:
        """A batch of whole images would have put as many through the encoder, and no device sees more."""
        each = 200 // items
        batch = [pair(number, 0, [LEFT] * each) for number in range(items)]
        answers = encode(served, start(items), listed(*batch), shard_end())
        assert provider.batches == runs
        np.testing.assert_allclose(
            rows_of(served, answers), expected(np.repeat(np.arange(items), each).tolist()), atol=1e-6
        )

    def test_runs_have_bounded_memory(
        self, served: Served, provider: PatchProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider.prepare = strange.Strange(size=1000)
        monkeypatch.setattr(embedding, "RUN_BYTES", 12_000)
        encode(served, start(1), listed(pair(1, 2, [LEFT] * 10)), shard_end())
        assert provider.batches == [3, 3, 3, 1]

    def test_the_first_failure_ends_a_call_that_reports_none(self, served: Served) -> None:
        got = encode_failure(
            served,
            start(1, report_failures=False),
            listed(pair((10, strange.REFUSE), 11)),
            shard_end(),
        )
        assert got.reason is Reason.DATA_CORRUPT

    def test_of_generated_images(self, served: Served, provider: PatchProvider) -> None:
        """The same windows on each of them, equal to the windows of its own pixels."""
        provider.prepare = first_pixel
        source = encoder_pb2.GeneratedSource(generator="scenes", split="test", seed=3)
        batch = encoder_pb2.GeneratedItems(source=source, start=2, count=3, regions=wire((WHOLE, RIGHT)))
        message = encoder_pb2.EncodeRequest(batch=encoder_pb2.ItemBatch(generated=batch))
        answers = encode(served, start(3), message, shard_end())
        images = [
            np.asarray(image)
            for image in encoders.generator("scenes").render("image", "test", 3, range(2, 5))
        ]
        numbers = []
        for image in images:
            half = image[:, image.shape[1] // 2 :]
            numbers += [int(first_pixel(part)[0]) for part in (image, half)]
        np.testing.assert_allclose(rows_of(served, answers), expected(numbers), atol=1e-6)

    def test_squashed_to_squares(self, served: Served, provider: PatchProvider) -> None:
        provider.prepare = sides
        for squash, numbers in ((False, [21, 11]), (True, [22, 11])):
            answers = encode(
                served,
                start(1, squash=squash),
                listed(pair(1, 2, (WHOLE, LEFT))),
                shard_end(),
            )
            np.testing.assert_allclose(rows_of(served, answers), expected(numbers), atol=1e-6)


def first_pixel(image: np.ndarray) -> np.ndarray:
    """What an image begins with, as one number."""
    return np.array([1 + image[0, 0].astype(int).sum() + 1000 * image.shape[1]], np.float32)


def sides(image: np.ndarray) -> np.ndarray:
    """Width and height as two digits."""
    return np.array([10 * image.shape[1] + image.shape[0]], np.float32)


class TestPatches:
    @pytest.mark.parametrize(("source", "first"), [(TOKENS, 0), (VALUES, 1000)])
    def test_a_row_for_each_patch_row_major(self, served: Served, source: int, first: int) -> None:
        answers = encode(
            served,
            start(2, patches=source),
            listed(pair(10, 0, None), pair(500, 0, None)),
            shard_end(),
        )
        shard = only_shard(answers)
        assert (shard.items, shard.rows) == (2, 12)
        numbers = [first + item + patch for item in (10, 500) for patch in range(6)]
        np.testing.assert_allclose(rows_of(served, answers), expected(numbers), atol=1e-6)

    def test_one_patch_that_is_not_finite_fails_the_item(
        self, served: Served, provider: PatchProvider
    ) -> None:
        provider.not_finite = {504}
        provider.zero = {31}
        batch = (pair(500, 0, None), pair(10, 0, None), pair(30, 0, None))
        answers = encode(served, start(3, patches=TOKENS), listed(*batch), shard_end())
        assert [(item, message) for item, _, message in failures(answers)] == [
            (0, "pair 500: its embedding is not finite"),
            (2, "pair 30: its embedding is zero, which has no direction"),
        ]
        assert only_shard(answers).rows == 6

    def test_images_are_squashed(self, served: Served, provider: PatchProvider) -> None:
        provider.prepare = sides
        answers = encode(served, start(1, patches=TOKENS), listed(pair(1, 2, None)), shard_end())
        np.testing.assert_allclose(rows_of(served, answers)[:1], expected([22]), atol=1e-6)

    def test_halved_where_they_do_not_fit(self, served: Served, provider: PatchProvider) -> None:
        """Whole images that fit are not halved later on their account."""
        provider.fits = 6

        def embed_patches(inputs: Sequence[Any], source: str) -> torch.Tensor:
            if len(inputs) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return PatchProvider.embed_patches(provider, inputs, source)

        provider.embed_patches = embed_patches  # type: ignore[method-assign]
        batch = [pair(number, 0, None) for number in (10, 20, 30)]
        answers = encode(served, start(3, patches=TOKENS), listed(*batch), shard_end())
        assert only_shard(answers).rows == 18
        assert any("halved to 1" in note for answer in answers for note in answer.notes)
        provider.batches.clear()
        encode(served, start(3), listed(*batch), shard_end())
        assert provider.batches == [3]

    @pytest.mark.parametrize("grid", [None, "absent"])
    def test_an_encoder_without_patches_says_why(
        self, served: Served, provider: PatchProvider, grid: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if grid == "absent":
            monkeypatch.setattr(encoders, "provider", lambda name: StrangeProvider())
        provider.patch_grid, provider.patches_missing = None, "it pools by thought"
        got = encode_failure(served, start(1, patches=TOKENS), listed(pair(1, 2, None)), shard_end())
        assert got.reason is Reason.CONFIG_INVALID
        assert ("pools by thought" if grid is None else "whole images alone") in got.message


def region(*box: float) -> Any:
    return listed(pair(1, 2, (WHOLE, box)))  # type: ignore[arg-type]


class TestMistakes:
    @pytest.mark.parametrize(
        "box",
        [
            (0.5, 0.0, 0.5, 1.0),
            (0.6, 0.0, 0.5, 1.0),
            (0.0, 0.5, 1.0, 0.5),
            (-0.1, 0.0, 1.0, 1.0),
            (0.0, 0.0, 1.1, 1.0),
            (0.0, 0.0, 1.0, float("inf")),
            (float("nan"), 0.0, 1.0, 1.0),
            (0.0, float("nan"), 1.0, float("nan")),
        ],
    )
    def test_what_is_no_rectangle_in_the_frame(self, served: Served, box: tuple[float, ...]) -> None:
        got = encode_failure(served, start(1), region(*box), shard_end())
        assert got.reason is Reason.CONFIG_INVALID
        assert got.message.startswith("region 1 of pair 1 is [")
        assert got.detail is not None
        assert got.detail.subject == "items.regions[1]"

    @pytest.mark.parametrize("count", [0, 4097])
    def test_none_and_too_many(self, served: Served, count: int) -> None:
        got = encode_failure(served, start(1), listed(pair(1, 2, [WHOLE] * count)), shard_end())
        assert (got.reason, f"pair 1 has {count} regions" in got.message) == (Reason.CONFIG_INVALID, True)

    def test_regions_of_texts(self, served: Served) -> None:
        item = encoder_pb2.Item(text="a", name="the first", regions=wire((WHOLE,)))
        got = encode_failure(served, start(1, modality=TEXT), listed(item), shard_end())
        assert got.reason is Reason.CONFIG_INVALID
        assert got.message == "the first has regions: only images have regions, and the items are text"

    @pytest.mark.parametrize(
        ("changes", "what"),
        [
            ({"modality": TEXT, "squash": True}, "only images can be squashed"),
            ({"modality": TEXT, "patches": TOKENS}, "only images have patches"),
            ({"patches": 7}, "7 is no way"),
            ({"destination": MEMORY, "report_failures": False, "patches": VALUES}, "need shards"),
            ({"destination": MEMORY, "report_failures": False}, "rows of regions need shards"),
            ({"patches": VALUES}, "no regions of their own"),
        ],
    )
    def test_starts(self, served: Served, changes: dict[str, Any], what: str) -> None:
        got = encode_failure(served, start(1, **changes), listed(pair(1, 2)), shard_end())
        assert got.reason is Reason.CONFIG_INVALID
        assert what in got.message


class TestDescribe:
    def test_regions_and_patches_are_part_of_the_identity(
        self, served: Served, provider: PatchProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And not of any modality's own: whole images keep their key."""
        described = provider.describe
        grid = PatchGrid(2, 3, "5")
        monkeypatch.setattr(provider, "describe", lambda *given: replace(described(*given), patch_grid=grid))
        request = encoder_pb2.DescribeEncoderRequest(encoder=encoder_pb2.EncoderSpec(provider="strange"))
        answer = served.encoders.DescribeEncoder(request, timeout=LIMIT)
        assert answer.preprocessing_json == '{"patches":{"revision":"5"},"regions":{"revision":"1"}}'
        assert (answer.patch_grid.rows, answer.patch_grid.columns, answer.patches_missing) == (2, 3, "")

    def test_without_patches_there_is_a_reason(self, served: Served) -> None:
        request = encoder_pb2.DescribeEncoderRequest(encoder=encoder_pb2.EncoderSpec(provider="strange"))
        answer = served.encoders.DescribeEncoder(request, timeout=LIMIT)
        assert not answer.HasField("patch_grid")
        assert "vision transformers" in answer.patches_missing
        assert answer.preprocessing_json == '{"regions":{"revision":"1"}}'
