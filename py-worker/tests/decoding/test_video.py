"""Films, with a stand-in for ffmpeg and ffprobe on PATH: what they are asked, and what becomes of answers."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoded_files import data_item, image_of, item, sound_of

from cmcr_worker.decoding.containers import is_film
from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.errors import Reason, WorkerError

FILM = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\1" * 200
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
SAMPLES = np.random.default_rng(1).uniform(-1, 1, (320, 2)).astype("<f4")
PPM = b"P6\n6 4\n255\n" + PIXELS.tobytes()
PROBED = {"width": 6, "height": 4, "sample_rate": "8000", "channels": 2, "duration": "8.0"}

STAND_IN = """#!{python}
import json, os, pathlib, sys, time
place = pathlib.Path({place!r})
name = os.path.basename(sys.argv[0])
told = json.loads((place / (name + ".json")).read_text())
given = sys.argv[sys.argv.index("-i") + 1]
content = open(given.removeprefix("file:"), "rb").read().hex() if given.startswith("file:") else ""
with open(place / "calls", "a") as calls:
    calls.write(json.dumps([name, sys.argv[1:], content]) + "\\n")
time.sleep(told.get("sleep", 0))
output = bytes.fromhex(told.get("output", ""))
after = sys.argv[sys.argv.index("-ss") + 1] if "-ss" in sys.argv else "0"
if float(after) > told.get("ends", 1e9):
    output = b""
for _ in range(told.get("times", 1)):
    sys.stdout.buffer.write(output)
sys.stderr.write(told.get("error", ""))
sys.exit(told.get("status", 0))
"""


class Tools:
    """The stand-ins, and what they were called with."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("ffmpeg", "ffprobe"):
            script = place / name
            script.write_text(STAND_IN.format(python=sys.executable, place=str(place)))
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
        self.probed()
        self.answers(PPM)

    def answers(self, output: bytes = b"", **told: Any) -> None:
        (self.place / "ffmpeg.json").write_text(json.dumps({"output": output.hex(), **told}))

    def probed(self, *, streams: Any = None, **told: Any) -> None:
        answer = {"streams": [PROBED] if streams is None else streams, "format": {"duration": "9.0"}}
        (self.place / "ffprobe.json").write_text(
            json.dumps({"output": json.dumps(answer).encode().hex(), **told})
        )

    def calls(self, name: str) -> list[list[str]]:
        lines = (self.place / "calls").read_text().splitlines()
        return [arguments for called, arguments, _ in map(json.loads, lines) if called == name]

    def contents(self) -> set[str]:
        return {content for _, _, content in map(json.loads, (self.place / "calls").read_text().splitlines())}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return Tools(place)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "a film.mp4"
    path.write_bytes(FILM)
    return path


def after(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1]


def refusal(source: Path | Encoded, part: Part | None = None, **limits: Any) -> WorkerError:
    with pytest.raises(WorkerError) as raised:
        image_of(source, part, **limits)
    return raised.value


def test_a_frame_is_an_image(tools: Tools, film: Path) -> None:
    np.testing.assert_array_equal(image_of(film), PIXELS)
    (arguments,) = tools.calls("ffmpeg")
    assert after(arguments, "-ss") == "4.000000"
    assert arguments.index("-ss") < arguments.index("-i")
    assert after(arguments, "-frames:v") == "1"
    assert after(arguments, "-i") == f"file:{film}"


def test_only_the_item_itself_can_be_read(tools: Tools, film: Path) -> None:
    """A playlist in the guise of a film would name other files, or addresses."""
    image_of(film)
    for name in ("ffmpeg", "ffprobe"):
        (arguments,) = tools.calls(name)
        assert after(arguments, "-protocol_whitelist") == "file"
        formats = after(arguments, "-format_whitelist").split(",")
        assert {"mov", "matroska", "avi"} <= set(formats)
        assert not {"hls", "concat", "dash", "image2", "lavfi", "tty"} & set(formats)


@pytest.mark.parametrize(
    ("part", "second"),
    [
        (Part(start_seconds=2.5), "2.500000"),
        (Part(position=0.25), "2.000000"),
        (Part(position=0.0), "0.000000"),
        (Part(position=1.0), "7.950000"),
    ],
)
def test_which_frame(tools: Tools, film: Path, part: Part, second: str) -> None:
    image_of(film, part)
    assert after(tools.calls("ffmpeg")[0], "-ss") == second


def test_the_last_frame_may_begin_long_before_the_end(tools: Tools, film: Path) -> None:
    tools.answers(PPM, ends=7.5)
    np.testing.assert_array_equal(image_of(film, Part(position=1.0)), PIXELS)
    assert [after(arguments, "-ss") for arguments in tools.calls("ffmpeg")] == ["7.950000", "7.000000"]
    assert "no frame at 7.9 s; it is 8 s long" in refusal(film, Part(start_seconds=7.9)).message


def test_a_range_and_bytes(tools: Tools, tmp_path: Path) -> None:
    shard = tmp_path / "shard,one:.tar"
    shard.write_bytes(b"x" * 512 + FILM)
    image_of(Encoded(name="shard/a.mp4", path=shard, offset=512, length=len(FILM)))
    arguments = tools.calls("ffmpeg")[-1]
    assert after(arguments, "-i") == f"subfile,,start,512,end,{512 + len(FILM)},,:{shard}"
    assert after(arguments, "-protocol_whitelist") == "file,subfile"
    image_of(data_item(FILM, "row 3.mp4"))
    copy = after(tools.calls("ffmpeg")[-1], "-i").removeprefix("file:")
    assert tools.contents() == {"", FILM.hex()}
    assert not os.path.exists(copy)


def test_the_sound_of_a_film(tools: Tools, film: Path) -> None:
    tools.answers(SAMPLES.tobytes() + b"\0\0\0")
    clip = sound_of(film, Part(start_seconds=1.0, duration_seconds=0.5))
    assert clip.sample_rate == 8000
    np.testing.assert_array_equal(clip.samples, SAMPLES)
    (arguments,) = tools.calls("ffmpeg")
    assert [after(arguments, option) for option in ("-ss", "-t", "-ar", "-ac", "-f")] == [
        "1.000000",
        "0.500000",
        "8000",
        "2",
        "f32le",
    ]


def test_sounds_that_are_none(tools: Tools, film: Path) -> None:
    def refused(**limits: Any) -> str:
        with pytest.raises(WorkerError) as raised:
            sound_of(film, **limits)
        assert raised.value.reason is Reason.DATA_CORRUPT
        return raised.value.message

    tools.answers(b"")
    assert "holds no samples" in refused()
    tools.answers(np.full(2 * 8000 * 8, np.nan, "<f4").tobytes())
    assert "not finite" in refused()
    tools.answers(SAMPLES.tobytes())
    assert "at most 3 s" in refused(seconds=3.0)
    tools.probed(streams=[{**PROBED, "duration": "0.5"}])
    tools.answers(bytes(4 * 2 * 8000), times=2)
    assert "declares 2 s" in refused(seconds=1.0)
    tools.probed()
    tools.answers(bytes(4 * 2 * 8000 * 5))
    assert "of 8.0 s of sound 3.0 s are missing" in refused()
    tools.probed(streams=[{**PROBED, "sample_rate": "1"}])
    assert "1 samples a second" in refused()
    tools.probed(streams=[{**PROBED, "channels": 0}])
    assert "without channels" in refused()
    tools.probed(streams=[])
    assert "has no sound" in refused()


def test_films_that_are_none(tools: Tools, film: Path) -> None:
    assert "6 x 4 pixels; at most 23" in refusal(film, pixels=23).message
    tools.answers(PPM, times=50)
    assert "holds more than is read" in refusal(film, pixels=24).message
    tools.answers(PPM[:-1])
    assert "cut off" in refusal(film).message
    tools.answers(b"JFIF")
    assert "no picture" in refusal(film).message
    tools.answers(error="one\nmoov atom not found\n", status=1)
    assert "cannot be decoded by ffmpeg (moov atom not found)" in refusal(film).message
    tools.probed(streams=[])
    assert "has no pictures" in refusal(film).message
    tools.probed(output=b"no JSON".hex())
    assert "no JSON" in refusal(film).message
    tools.probed(error="Invalid data found\n", status=1)
    error = refusal(film)
    assert (error.reason, error.subject) == (Reason.DATA_CORRUPT, str(film))
    assert "cannot be decoded by ffprobe (Invalid data found)" in error.message


def test_a_program_that_takes_too_long_is_ended(tools: Tools, film: Path) -> None:
    tools.answers(PPM, sleep=60)
    began = time.monotonic()
    assert "took ffmpeg longer" in refusal(film, work_seconds=1.0).message
    assert time.monotonic() - began < 10


def test_where_ffmpeg_is_missing_the_error_names_it(film: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refusal(film)
    assert error.reason is Reason.DEVICE_UNAVAILABLE
    assert "a film.mp4" in error.message
    assert "Install ffmpeg" in error.remedy


@pytest.mark.parametrize(
    ("head", "ending", "film"),
    [
        (FILM, ".jpg", True),
        (b"\0\0\0\x1cftypavif", ".avif", False),
        (b"\0\0\0\x1cftypheic", ".heic", False),
        (b"\0\0\0\x1cftypM4A ", ".m4a", True),
        (b"\x1aE\xdf\xa3webm", ".webm", True),
        (b"RIFF\0\0\0\0AVI LIST", ".avi", True),
        (b"RIFF\0\0\0\0WAVEfmt ", ".wav", False),
        (b"RIFF\0\0\0\0WEBPVP8 ", ".webp", False),
        (b"G" + b"\0" * 187 + b"G", ".ts", True),
        (b"G" + b"\0" * 300, ".ts", False),
        (b"OggS" + b"\0" * 24 + b"\x80theora", ".ogg", True),
        (b"OggS" + b"\0" * 24 + b"\x01vorbis", ".ogg", False),
        (b"nothing of that kind", ".mpg", True),
        (b"nothing of that kind", ".mp3", False),
        (b"", "", False),
    ],
)
def test_what_is_a_film(head: bytes, ending: str, film: bool) -> None:
    with data_item(head + b"\1").open(Limits()) as file:
        assert is_film(file, ending) is film
        assert file.tell() == 0


def test_items_keep_their_names(tools: Tools) -> None:
    tools.answers(status=1)
    assert refusal(data_item(FILM, "films.parquet row 7")).message.startswith("films.parquet row 7 ")
    assert item(Path("/a/B.MP4")).ending == ".mp4"
