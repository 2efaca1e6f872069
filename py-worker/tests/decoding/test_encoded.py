"""What lies at a path, before anything is decoded."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from encoded_files import data_item, item

from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.registry import DECODERS, decoder
from cmcr_worker.decoding.text import decode_text
from cmcr_worker.errors import Reason, WorkerError


def refusal(source: Encoded, **limits: int) -> WorkerError:
    with pytest.raises(WorkerError) as raised:
        source.open(Limits(**limits))
    return raised.value


def test_a_range_is_read_alone(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"0123456789")
    member = Encoded(name="a", path=tmp_path / "a.tar", offset=3, length=4)
    with member.open(Limits()) as file:
        assert file.read() == b"3456"
    assert member.size() == 4
    assert (
        "byte 11 of a file of 10"
        in refusal(Encoded(name="a", path=tmp_path / "a.tar", offset=8, length=3)).message
    )


def test_limits_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert "at most 9" in refusal(item(tmp_path / "a"), bytes=9).message
    assert "at most 3" in refusal(data_item(b"0123"), bytes=3).message
    with item(tmp_path / "a").open(Limits(bytes=10)) as file:
        assert file.read() == b"0123456789"


@pytest.mark.parametrize("kind", ["folder", "fifo", "socket", "device", "empty", "link to nothing", "circle"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.jpg"
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "folder":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            server.bind(str(path))
        elif kind == "device":
            path.symlink_to("/dev/zero")
        elif kind == "empty":
            path.touch()
        else:
            path.symlink_to("nowhere" if kind == "link to nothing" else "x.jpg")
        error = refusal(item(path))
    assert "x.jpg" in error.message
    assert error.reason is (Reason.DATA_MISSING if kind == "link to nothing" else Reason.DATA_CORRUPT)
    expected = {"folder": "is a folder", "empty": "is empty", "circle": "cannot be read"}
    assert (
        expected.get(kind, "regular file" if kind != "link to nothing" else "no such file") in error.message
    )


@pytest.mark.parametrize("name", ["a\nb.jpg", "-i.jpg", "ü☃ .jpg", "%s{}.jpg", "a'\"`$(x).jpg", "x" * 250])
def test_odd_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"1")
    with item(tmp_path / name).open(Limits()) as file:
        assert file.read() == b"1"


@pytest.mark.parametrize("path", ["/nowhere/a", "a\0b", "/" + "x" * 300, "/dev/null/a"])
def test_paths_that_cannot_be(path: str) -> None:
    assert refusal(item(Path(path))).reason in (Reason.DATA_MISSING, Reason.DATA_CORRUPT)


def test_limits_can_be_lowered_and_not_lifted() -> None:
    own = Limits()
    lower = own.lowered(bytes=5, pixels=0, seconds=1e9, points=10**12, work_seconds=0.5)
    assert lower == Limits(bytes=5, work_seconds=0.5)
    for value in (-1.0, float("nan")):
        with pytest.raises(WorkerError, match="no limit"):
            own.lowered(bytes=0, pixels=0, seconds=value, points=0, work_seconds=0)


def test_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf  a caf\xc3\xa9\r\n")
    assert decode_text(item(tmp_path / "a.txt"), Limits(), None) == "a café"
    for content, what in ((b"\xff\xfe", "byte 0"), (b" \n", "blank"), (b"a\0b", "zero byte"), (b"", "empty")):
        with pytest.raises(WorkerError, match=what) as raised:
            decode_text(data_item(content), Limits(), None)
        assert raised.value.reason is Reason.DATA_CORRUPT
    with pytest.raises(WorkerError, match="1048577 bytes"):
        decode_text(data_item(b"a" * ((1 << 20) + 1)), Limits(), None)


def test_every_decoder_raises_a_worker_error_on_bytes_of_nothing() -> None:
    for modality in DECODERS:
        with pytest.raises(WorkerError):
            decoder(modality)(data_item(b"\xff\x00\x07nothing\x00" * 9), Limits(), None)
    with pytest.raises(WorkerError, match="video"):
        decoder("video")
