"""Preparation of images against the libraries that models are published with."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_huggingface import photos

from cmcr_worker.encoders import image_preparation
from cmcr_worker.encoders.image_batch import ImageBatch
from cmcr_worker.encoders.image_preparation import ImagePreparation, PixelScale
from cmcr_worker.encoders.torchvision_import import import_torchvision
from cmcr_worker.errors import Reason, WorkerError

import_torchvision()

from open_clip.transform import image_transform  # noqa: E402
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil  # noqa: E402

SIZES = [
    (1, 1),
    (3, 200),
    (47, 33),
    (48, 48),
    (64, 48),
    (48, 55),
    (51, 48),
    (199, 300),
    (301, 97),
    (640, 361),
]
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
CPU = torch.device("cpu")


def noise(height: int, width: int) -> Any:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_transformers(image: Any, **settings: Any) -> Any:
    processor = CLIPImageProcessorPil(do_rescale=False, do_normalize=False, **settings)
    found = processor.preprocess([image], input_data_format="channels_last")["pixel_values"][0]
    return np.moveaxis(found, 0, -1)


def by_open_clip(image: Any, size: Any, mode: str) -> Any:
    picture = Image.fromarray(image)
    for step in image_transform(size, is_train=False, resize_mode=mode, fill_color=9).transforms[:-3]:
        picture = step(picture)
    return np.asarray(picture)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("side", [48, 49])
def test_shortest_edge_and_crop_as_transformers(height: int, width: int, side: int) -> None:
    image = noise(height, width)
    size = {"size": {"shortest_edge": 48}, "crop_size": {"height": side, "width": side}}
    prepared = ImagePreparation("shortest", (48, 48), (side, side))(image)
    np.testing.assert_array_equal(prepared, by_transformers(image, **size))
    assert (prepared.shape, prepared.dtype) == ((side, side, 3), np.uint8)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_exact_size_and_crop_alone_as_transformers(height: int, width: int) -> None:
    image = noise(height, width)
    exact = by_transformers(
        image, size={"height": 40, "width": 30}, do_center_crop=False, resample=Image.Resampling.BILINEAR
    )
    np.testing.assert_array_equal(ImagePreparation("exact", (40, 30), None, "bilinear")(image), exact)
    crop = by_transformers(image, do_resize=False, crop_size={"height": 50, "width": 49})
    np.testing.assert_array_equal(ImagePreparation("none", (1, 1), (50, 49))(image), crop)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_modes_of_open_clip(height: int, width: int) -> None:
    image = noise(height, width)
    modes: list[tuple[Any, Any, str, Any]] = [
        ("shortest", 48, "shortest", (48, 48)),
        ("cover", (40, 48), "shortest", (40, 48)),
        ("contain", (40, 48), "longest", (40, 48)),
        ("exact", (40, 48), "squash", None),
    ]
    for resize, size, mode, crop in modes:
        target = (size, size) if isinstance(size, int) else size
        prepare = ImagePreparation(resize, target, crop, centering="torchvision", fill=9)
        try:
            expected = by_open_clip(image, size, mode)
        except ValueError:
            # An edge of 0.3 pixels is rounded to none, and Pillow refuses; ours keeps one pixel.
            assert (height, width) == (3, 200)
            continue
        np.testing.assert_array_equal(prepare(image), expected, err_msg=f"{mode} {size}")


def test_the_two_middles_differ() -> None:
    image = noise(48, 55)
    left, right = (
        ImagePreparation("shortest", (48, 48), (48, 48), centering=centering)(image)
        for centering in ("transformers", "torchvision")
    )
    # 7 columns too many: 3 or 4 on the left.
    np.testing.assert_array_equal(left, image[:, 3:51])
    np.testing.assert_array_equal(right, image[:, 4:52])


def test_a_very_long_image_takes_no_more_memory_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = ImagePreparation("shortest", (64, 64), (64, 64))
    image = noise(1, 1_000_000)
    tracemalloc.start()
    # Resized whole it would have 64 rows of 64 million columns: 12 GB.
    prepared = prepare(image)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
    assert prepared.shape == (64, 64, 3)
    # The window alone is what cutting the whole gives, but for rounding.
    gradient = np.tile(np.linspace(0, 255, 300).astype(np.uint8)[None, :, None], (40, 1, 3))
    whole = prepare(gradient)
    monkeypatch.setattr(image_preparation, "MAX_RESIZED_PIXELS", 1)
    assert np.abs(whole.astype(int) - prepare(gradient)).max() <= 1


def test_pixels_are_scaled_as_transformers_does() -> None:
    images = photos(5)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    prepare = ImagePreparation("shortest", (32, 32), (32, 32))
    batch = ImageBatch((32, 32), PixelScale(MEAN, STD), CPU, torch.float32)(
        [prepare(image) for image in images]
    )
    expected = CLIPImageProcessorPil(**size)(images, input_data_format="channels_last", return_tensors="pt")
    torch.testing.assert_close(batch, expected["pixel_values"].float(), atol=2e-6, rtol=0)
    plain = ImageBatch((32, 32), PixelScale((0, 0, 0), (1, 1, 1), 1.0), CPU, torch.float32)(
        [prepare(images[1])]
    )
    np.testing.assert_array_equal(plain[0].permute(1, 2, 0).numpy(), prepare(images[1]))


def test_it_can_be_sent_to_a_decoder_process_and_needs_no_torch() -> None:
    prepare = ImagePreparation("shortest", (32, 32), (32, 32))
    image = photos(2)[1]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(prepare))(image), prepare(image))
    code = "import sys; import cmcr_worker.encoders.image_preparation; sys.exit('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("a text", Reason.CONFIG_INVALID),
        (np.zeros((4, 4), np.uint8), Reason.CONFIG_INVALID),
        (np.zeros((4, 4, 4), np.uint8), Reason.CONFIG_INVALID),
        (np.zeros((4, 4, 3), np.float32), Reason.CONFIG_INVALID),
        (np.zeros((0, 4, 3), np.uint8), Reason.DATA_CORRUPT),
    ],
)
def test_items_that_are_no_images(item: Any, reason: Reason) -> None:
    with pytest.raises(WorkerError) as raised:
        ImagePreparation("shortest", (8, 8), (8, 8))(item)
    assert raised.value.reason is reason


@pytest.mark.parametrize(
    "settings",
    [
        {"resize": "shortest", "target": (8, 8), "crop": None},
        {"resize": "none", "target": (1, 1), "crop": None},
        {"resize": "exact", "target": (0, 8), "crop": None},
        {"resize": "exact", "target": (8, 8), "crop": (8, 0)},
        {"resize": "exact", "target": (8, 8), "crop": None, "filter": "cubic"},
    ],
)
def test_settings_that_cannot_be(settings: Any) -> None:
    with pytest.raises(WorkerError) as raised:
        ImagePreparation(**settings)
    assert raised.value.reason is Reason.CONFIG_INVALID


@pytest.mark.parametrize("item", ["a text", np.zeros((8, 9, 3), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_a_batch_names_the_row_that_is_not_prepared(item: Any) -> None:
    batch = ImageBatch((8, 8), PixelScale(MEAN, STD), CPU, torch.float32)
    with pytest.raises(WorkerError) as raised:
        batch([np.zeros((8, 8, 3), np.uint8), item])
    assert raised.value.reason is Reason.CONFIG_INVALID
    assert "row 1" in raised.value.message
