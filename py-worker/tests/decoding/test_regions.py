"""Which pixels a region has, and how an image becomes a square."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cmcr_worker.decoding import process
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.messages import Decode, Open
from cmcr_worker.decoding.regions import Box, Cut, Squashed, cut, pixel_box, squash
from cmcr_worker.encoders.protocol import as_it_is
from cmcr_worker.errors import Reason, WorkerError

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def on_the_wire(box: tuple[float, ...]) -> Box:
    """As it arrives: the corners are float32."""
    left, top, right, bottom = (float(np.float32(edge)) for edge in box)
    return left, top, right, bottom


def ramp(height: int, width: int) -> np.ndarray:
    """An image whose pixels tell their row and column."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(height)[:, None], np.arange(width)
    return image


class TestPixelBox:
    @pytest.mark.parametrize(
        ("box", "expected"),
        [
            (WHOLE, (0, 0, 30, 20)),
            # Touched pixels count: 0.1 * 30 = 3, 0.25 * 20 = 5, 0.51 * 30 = 15.3, 0.52 * 20 = 10.4.
            ((0.1, 0.25, 0.51, 0.52), (3, 5, 16, 11)),
            ((0.11, 0.26, 0.5, 0.5), (3, 5, 15, 10)),
            # 1/3 and 2/3 are above themselves as float32; they lie on borders all the same.
            ((1 / 3, 0.0, 2 / 3, 1.0), (10, 0, 20, 20)),
            # Less than a pixel, and on the far edge.
            ((0.5001, 0.5001, 0.5002, 0.5002), (15, 10, 16, 11)),
            ((0.99999, 0.99999, 1.0, 1.0), (29, 19, 30, 20)),
        ],
    )
    def test_by_hand(self, box: Box, expected: tuple[int, ...]) -> None:
        assert pixel_box(on_the_wire(box), 20, 30) == expected

    @pytest.mark.parametrize("size", [70, 224, 300, 1001, 4096])
    @pytest.mark.parametrize("steps", [2, 3, 7, 10])
    def test_a_grid_of_whole_pixels_comes_out_as_it_is(self, size: int, steps: int) -> None:
        whole = size // steps * steps
        for step in range(steps):
            box = on_the_wire((step / steps, 0.0, (step + 1) / steps, 1.0))
            left, _, right, _ = pixel_box(box, 5, whole)
            assert (left, right) == (step * whole // steps, (step + 1) * whole // steps)

    @given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.integers(1, 5000))
    def test_never_empty_and_never_outside(self, one: float, other: float, size: int) -> None:
        if one == other:
            return
        box = (min(one, other), 0.0, max(one, other), 1.0)
        left, top, right, bottom = pixel_box(box, 3, size)
        assert 0 <= left < right <= size
        assert (top, bottom) == (0, 3)
        # All that the region covers, and less than a pixel more on either side.
        slack = size * 1e-6
        assert left <= box[0] * size + slack
        assert left >= box[0] * size - 1 - slack
        assert right >= box[2] * size - slack
        assert right <= box[2] * size + 1 + slack


class TestCut:
    def test_each_region_is_prepared_by_itself(self) -> None:
        found = cut(ramp(10, 20), ((0.0, 0.0, 0.5, 0.5), (0.5, 0.2, 1.0, 1.0)), as_it_is)
        first, second = found.parts
        np.testing.assert_array_equal(first, ramp(10, 20)[:5, :10])
        np.testing.assert_array_equal(second, ramp(10, 20)[2:, 10:])

    def test_the_whole_frame_is_the_image(self) -> None:
        (part,) = cut(ramp(9, 7), (WHOLE,), as_it_is).parts
        np.testing.assert_array_equal(part, ramp(9, 7))

    def test_only_images_have_regions(self) -> None:
        with pytest.raises(WorkerError) as caught:
            cut("a text", (WHOLE,), as_it_is)
        assert caught.value.reason is Reason.CONFIG_INVALID


class TestSquash:
    @pytest.mark.parametrize(("height", "width"), [(20, 50), (50, 20), (49, 50)])
    def test_resamples_the_shorter_axis_alone_as_pillow_does(self, height: int, width: int) -> None:
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = Image.fromarray(image).resize((50, 50), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(squash(image), np.asarray(expected))

    def test_along_the_longer_axis_nothing_changes(self) -> None:
        """Rows that differ from each other alone: whatever was resampled along them would show."""
        row = np.random.default_rng(1).integers(0, 256, (1, 64, 3), dtype=np.uint8)
        np.testing.assert_array_equal(squash(np.repeat(row, 10, axis=0)), np.repeat(row, 64, axis=0))

    def test_a_square_stays_as_it_is(self) -> None:
        image = ramp(8, 8)
        assert squash(image) is image

    def test_a_strip_does_not_become_a_picture_of_gigabytes(self) -> None:
        assert squash(np.zeros((2, 20_000, 3), np.uint8)).shape == (8192, 8192, 3)

    def test_goes_before_the_preparation(self) -> None:
        prepare: Any = pickle.loads(pickle.dumps(Squashed(as_it_is)))
        assert prepare(ramp(4, 10)).shape == (10, 10, 3)
        with pytest.raises(WorkerError):
            prepare("a text")


class TestProcess:
    def answer(self, regions: tuple[Box, ...] | None, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, int]:
        decoded = 0

        def decode(*_: Any) -> np.ndarray:
            nonlocal decoded
            decoded += 1
            return ramp(10, 20)

        monkeypatch.setattr(process, "decoder", lambda modality: decode)
        sessions = process._Sessions()
        sessions.open(Open(1, "image", Limits(), pickle.dumps(Squashed(as_it_is))))
        answer = sessions.answer(Decode(1, Encoded("a.png", data=b"x"), None, regions))
        return answer.value, decoded

    def test_an_image_is_decoded_once_for_all_its_regions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        regions = ((0.0, 0.0, 0.5, 1.0), (0.0, 0.0, 0.2, 0.1), WHOLE)
        value, decoded = self.answer(regions, monkeypatch)
        assert decoded == 1
        assert isinstance(value, Cut)
        # Each is squashed by itself.
        assert [part.shape for part in value.parts] == [(10, 10, 3), (4, 4, 3), (20, 20, 3)]

    def test_without_regions_it_is_the_item_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        value, _ = self.answer(None, monkeypatch)
        assert value.shape == (20, 20, 3)
