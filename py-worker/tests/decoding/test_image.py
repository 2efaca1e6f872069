from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cmcr_worker.decoding import image as image_module
from cmcr_worker.decoding.image import decode_image
from cmcr_worker.errors import Reason, WorkerError


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_png_gives_its_pixels(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")
    decoded = decode_image(tmp_path / "a.png")
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)


def test_grey_and_palette_become_rgb(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "grey.png"), np.repeat(pixels[..., :1], 3, axis=2))
    palette = Image.fromarray(pixels).quantize(8)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "palette.png"), np.asarray(palette.convert("RGB")))


def test_sixteen_bit_grey_keeps_its_range(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "deep.png")[0, :, 0], [0, 100, 255])


def test_transparent_parts_lie_on_white(tmp_path: Path) -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0]]], dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "clear.png")[0], [[255, 0, 0], [255, 255, 255]])


def test_exif_orientation_is_applied(tmp_path: Path, pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # To be shown turned by 90 degrees.
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(decode_image(tmp_path / "turned.png"), np.rot90(pixels, -1))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"gone\.png") as raised:
        decode_image(tmp_path / "gone.png")
    assert raised.value.reason is Reason.DATA_MISSING


@pytest.mark.parametrize("name", ["text.png", "empty.jpg", "cut.png", "cut.jpg"])
def test_damaged_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = {"text.png": b"not an image", "empty.jpg": b""}.get(name)
    if content is None:
        noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(WorkerError) as raised:
        decode_image(path)
    assert raised.value.reason is Reason.DATA_CORRUPT
    assert raised.value.subject == str(path)
    assert name in raised.value.message


def test_declared_size_is_limited(
    tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(pixels).save(tmp_path / "big.png")
    monkeypatch.setattr(image_module, "MAX_PIXELS", 34)
    with pytest.raises(WorkerError, match="7 x 5 pixels") as raised:
        decode_image(tmp_path / "big.png")
    assert raised.value.reason is Reason.DATA_CORRUPT
