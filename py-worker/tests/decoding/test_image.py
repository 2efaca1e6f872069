import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from encoded_files import data_item, image_of
from PIL import Image, ImageFile

from cmcr_worker.decoding.encoded import Encoded
from cmcr_worker.errors import Reason, WorkerError


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def png_that_declares(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def gif_that_declares(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02D\x01\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + b"\0" * 6 + frame


def webp_that_declares(width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + sizes
    return b"RIFF" + struct.pack("<I", len(body)) + body


def refusal(source: Path | Encoded, **limits: int) -> WorkerError:
    with pytest.raises(WorkerError) as raised:
        image_of(source, **limits)
    assert raised.value.reason is Reason.DATA_CORRUPT
    return raised.value


def test_png_gives_its_pixels(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")
    decoded = image_of(tmp_path / "a.png")
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_the_format_is_told_by_the_bytes(tmp_path: Path, pixels: np.ndarray, kind: str) -> None:
    grey = np.repeat(pixels[..., :1], 3, axis=2)
    (tmp_path / "a.jpg").write_bytes(encoded(grey, kind))
    np.testing.assert_array_equal(image_of(tmp_path / "a.jpg"), grey)


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"lossless": True})])
def test_bytes_and_parts_of_a_file_give_what_pillow_gives(
    tmp_path: Path, kind: str, options: dict[str, int]
) -> None:
    content = encoded(np.random.default_rng(2).integers(0, 256, (40, 30, 3), np.uint8), kind, **options)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    np.testing.assert_array_equal(image_of(data_item(content)), expected)
    (tmp_path / "shard.tar").write_bytes(b"x" * 512 + content + b"y" * 512)
    member = Encoded(name="shard.tar/a", path=tmp_path / "shard.tar", offset=512, length=len(content))
    np.testing.assert_array_equal(image_of(member), expected)


def test_grey_and_palette_become_rgb(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(image_of(tmp_path / "grey.png"), np.repeat(pixels[..., :1], 3, axis=2))
    palette = Image.fromarray(pixels).quantize(8)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(image_of(tmp_path / "palette.png"), np.asarray(palette.convert("RGB")))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (3, 2), (0, 255, 255, 0)).save(tmp_path / "print.tif")
    np.testing.assert_array_equal(image_of(tmp_path / "print.tif")[0, 0], [255, 0, 0])


def test_sixteen_bit_grey_keeps_its_range(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(image_of(tmp_path / "deep.png")[0, :, 0], [0, 100, 255])


def test_transparent_parts_lie_on_white(tmp_path: Path) -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0]]], dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    np.testing.assert_array_equal(image_of(tmp_path / "clear.png")[0], [[255, 0, 0], [255, 255, 255]])


def test_exif_orientation_is_applied(tmp_path: Path, pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # To be shown turned by 90 degrees.
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(image_of(tmp_path / "turned.png"), np.rot90(pixels, -1))


@pytest.mark.parametrize(
    "exif",
    [b"", b"MM", b"MM\x00\x2a\xff\xff\xff\xff", b"II\x2a\x00\x08\x00\x00\x00\xff\xff" + b"\x12\x01" * 9],
)
def test_broken_metadata_is_no_broken_image(exif: bytes) -> None:
    content = encoded(np.full((8, 8, 3), 90, np.uint8), "JPEG", exif=b"Exif\0\0" + exif)
    assert image_of(data_item(content)).shape == (8, 8, 3)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"gone\.png") as raised:
        image_of(tmp_path / "gone.png")
    assert raised.value.reason is Reason.DATA_MISSING


@pytest.mark.parametrize("name", ["text.png", "empty.jpg", "cut.png", "cut.jpg", "cut.webp", "cut.gif"])
def test_damaged_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = {"text.png": b"not an image", "empty.jpg": b""}.get(name)
    if content is None:
        noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    error = refusal(path)
    assert error.subject == str(path)
    assert name in error.message


def test_a_jpeg_that_is_cut_off_is_not_filled_up_with_grey() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    content = encoded(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8), "JPEG")
    refusal(data_item(content[:-40]))


def test_declared_size_is_limited(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / "big.png")
    assert "7 x 5 pixels" in refusal(tmp_path / "big.png", pixels=34).message
    assert image_of(tmp_path / "big.png", pixels=35).shape == (5, 7, 3)


@pytest.mark.parametrize("declare", [png_that_declares, gif_that_declares, webp_that_declares])
@pytest.mark.parametrize("size", [(12_000, 12_000), (16_383, 16_383), (65_535, 65_535)])
def test_a_bomb_is_refused_by_what_it_declares(declare: object, size: tuple[int, int]) -> None:
    assert callable(declare)
    error = refusal(data_item(declare(*size)))
    assert "declares" in error.message or "cannot be" in error.message or "format" in error.message


def test_compressed_text_in_a_png_is_no_way_round_the_limits(pixels: np.ndarray) -> None:
    plain = encoded(pixels, "PNG")
    body = b"Comment\0\0" + zlib.compress(b"\0" * 200_000_000, 9)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    refusal(data_item(plain[:33] + chunk + plain[33:]))


def test_postscript_starts_no_interpreter() -> None:
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    assert "not in an image format" in refusal(data_item(program, "a.eps")).message
