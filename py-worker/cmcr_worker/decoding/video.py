"""Films: one frame as an image, or their sound as a clip, by ffmpeg."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cmcr_worker.decoding import ffmpeg
from cmcr_worker.decoding.audio import MAX_SAMPLES, AudioClip, check_rate, check_size, span
from cmcr_worker.decoding.encoded import Encoded, Limits, Part

_PROBE_BYTES = 1 << 20
_PROBE_SECONDS = 30.0
_MIDDLE = 0.5
_PPM_HEADER_BYTES = 64
# By which a sound may be shorter than its stream declares: encoders pad and round.
_SHORTER_SECONDS = 0.5
_SHORTER_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class _Stream:
    """What ffprobe says of a stream; `seconds` is None where the file does not tell its length."""

    seconds: float | None
    fields: dict[str, Any]

    def number(self, name: str) -> int:
        """A whole number; 0 where it is missing or none."""
        value = str(self.fields.get(name, ""))
        return int(value) if value.isdigit() else 0


def decode_frame(source: Encoded, limits: Limits, part: Part | None) -> npt.NDArray[np.uint8]:
    """One frame of a film, upright, uint8 RGB (h, w, 3): the one shown at `part.start_seconds`, or at the
    fraction `part.position` of the length, which is the middle where no part is named.

    Raises:
        WorkerError: DATA_CORRUPT where it has no pictures, none at that time, or more pixels than its limit;
            otherwise as `ffmpeg.run`.
    """
    part = part or Part()
    with ffmpeg.input_arguments(source, limits) as given:
        stream = _probe(source, limits, given, "v")
        width, height = stream.number("width"), stream.number("height")
        if width * height > limits.pixels:
            raise source.corrupt(f"has frames of {width} x {height} pixels; at most {limits.pixels} are read")
        most = 3 * limits.pixels + _PPM_HEADER_BYTES
        for second in _moments(part, stream.seconds):
            # Before the input: it then seeks to the key frame before, and decodes from there.
            arguments = ("-nostdin", "-threads", "1", "-ss", f"{second:.6f}", *given)
            output = ("-map", "0:v:0", "-frames:v", "1", "-f", "image2pipe", "-c:v", "ppm", "pipe:1")
            found = ffmpeg.run(
                "ffmpeg", (*arguments, *output), source, most_bytes=most, seconds=limits.work_seconds
            )
            if found:
                return _parse_ppm(source, found)
    at = f" at {part.start_seconds:g} s" if part.start_seconds is not None else ""
    length = f"; it is {stream.seconds:g} s long" if stream.seconds is not None else ""
    raise source.corrupt(f"has no frame{at}{length}")


def decode_sound(source: Encoded, limits: Limits, part: Part | None) -> AudioClip:
    """The sound of a film, or that part of it, at its own rate and with its own channels.

    Raises:
        WorkerError: DATA_CORRUPT where it has no sound, none in that part, or more than its limits;
            otherwise as `ffmpeg.run`.
    """
    part = part or Part()
    with ffmpeg.input_arguments(source, limits) as given:
        stream = _probe(source, limits, given, "a")
        rate, channels = stream.number("sample_rate"), stream.number("channels")
        check_rate(source, rate)
        if channels < 1:
            raise source.corrupt("has a sound without channels")
        if stream.seconds is not None:
            _, frames = span(source, part, rate, round(stream.seconds * rate))
            check_size(source, limits, rate, channels, frames)
        # A length that is not declared, or not true, ends at the limit: one second more shows that it does.
        seconds = min(part.duration_seconds or math.inf, limits.seconds + 1.0)
        arguments = ("-nostdin", "-threads", "1", "-ss", f"{part.start_seconds or 0.0:.6f}", *given)
        output = ("-map", "0:a:0", "-t", f"{seconds:.6f}", "-ar", str(rate), "-ac", str(channels))
        found = ffmpeg.run(
            "ffmpeg",
            (*arguments, *output, "-f", "f32le", "-c:a", "pcm_f32le", "pipe:1"),
            source,
            most_bytes=4 * MAX_SAMPLES,
            seconds=limits.work_seconds,
        )
    whole = len(found) // (4 * channels) * (4 * channels)
    samples = np.frombuffer(bytearray(found[:whole]), dtype="<f4").reshape(-1, channels)
    if len(samples) == 0:
        raise source.corrupt("holds no samples" if part.start_seconds is None else "holds no samples there")
    check_size(source, limits, rate, channels, len(samples))
    declared = _seconds(stream.fields.get("duration"))
    if declared is not None and part.duration_seconds is None:
        missing = declared - (part.start_seconds or 0.0) - len(samples) / rate
        if missing > max(_SHORTER_SECONDS, _SHORTER_SHARE * declared):
            raise source.corrupt(f"is cut off: of {declared:.1f} s of sound {missing:.1f} s are missing")
    if not np.isfinite(samples).all():
        raise source.corrupt("holds samples that are not finite")
    return AudioClip(samples.astype(np.float32, copy=False), rate)


def _probe(source: Encoded, limits: Limits, given: tuple[str, ...], kind: str) -> _Stream:
    """The first stream of a kind, `v` or `a`."""
    shown = "stream=width,height,sample_rate,channels,duration:format=duration"
    output = ffmpeg.run(
        "ffprobe",
        (*given[:-2], "-select_streams", f"{kind}:0", "-show_entries", shown, "-of", "json", *given[-2:]),
        source,
        most_bytes=_PROBE_BYTES,
        seconds=min(_PROBE_SECONDS, limits.work_seconds),
    )
    try:
        found = json.loads(output)
        streams = found.get("streams", [])
        fields = dict(streams[0]) if streams else None
        lengths = (fields.get("duration") if fields else None, found.get("format", {}).get("duration"))
    except (ValueError, AttributeError, TypeError) as error:
        raise source.corrupt("cannot be understood: ffprobe's answer is no JSON object") from error
    if fields is None:
        raise source.corrupt(f"has no {'pictures' if kind == 'v' else 'sound'}")
    return _Stream(next((length for text in lengths if (length := _seconds(text)) is not None), None), fields)


def _seconds(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _moments(part: Part, length: float | None) -> tuple[float, ...]:
    """Seconds at which to look for the frame, in this order."""
    if part.start_seconds is not None:
        return (part.start_seconds,)
    position = _MIDDLE if part.position is None else part.position
    if length is None or position == 0:
        return (0.0,)
    # The last frame begins before the film ends: how long before, its rate tells, which may vary; and some
    # formats find no frame after the last key frame.
    latest = [max(0.0, length - before) for before in (0.05, 1.0, 3.0, 10.0)]
    return tuple(dict.fromkeys((*(min(position * length, last) for last in latest), 0.0)))


def _parse_ppm(source: Encoded, data: bytes) -> npt.NDArray[np.uint8]:
    """Of `P6\\nWIDTH HEIGHT\\n255\\n` and three bytes for each pixel, as ffmpeg writes it."""
    fields = data[:_PPM_HEADER_BYTES].split(maxsplit=4)
    if len(fields) < 4 or fields[0] != b"P6" or not all(field.isdigit() for field in fields[1:4]):
        raise source.corrupt("gave no picture that can be read")
    width, height = int(fields[1]), int(fields[2])
    pixels = data.removeprefix(b"P6\n%d %d\n255\n" % (width, height))
    if len(pixels) != 3 * width * height or width * height == 0:
        raise source.corrupt("gave a picture that is cut off")
    return np.frombuffer(bytearray(pixels), np.uint8).reshape(height, width, 3)
