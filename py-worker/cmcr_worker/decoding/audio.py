"""Audio files to samples."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from cmcr_worker.decoding.audio_lengths import missing_bytes, with_known_length
from cmcr_worker.decoding.containers import is_film
from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.decoding.failing import naming

MAX_SAMPLES = 1 << 28
"""Largest number of values (frames x channels) that is read: 1 GiB as float32."""

SAMPLE_RATES = (1_000, 768_000)
"""In hertz. Of another rate is no recording; resampled, a small file of it would become a huge one."""

_UNKNOWN_FRAMES = 1 << 62  # libsndfile gives 2^63 - 1 for a stream whose header does not tell its length.
_BLOCK_FRAMES = 1 << 16


@dataclass(frozen=True, slots=True)
class AudioClip:
    """A sound in memory.

    `samples` is float32, (frames, channels), nominally within -1 and 1; `sample_rate` is in hertz.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32:
            raise ValueError(
                f"samples must be float32 (frames, channels), got {self.samples.dtype} {self.samples.shape}"
            )
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, got {self.sample_rate}")


def decode_audio(source: Encoded, limits: Limits, part: Part | None) -> AudioClip:
    """Reads a sound, or that part of it alone, at its own rate.

    WAV, FLAC, OGG, MP3 and whatever else libsndfile knows; other files with a sound, such as videos, by
    ffmpeg. A part that goes beyond the end stops there.

    Raises:
        WorkerError: as `Encoded.open`; DATA_CORRUPT where it is damaged, cut off or no sound, where it holds
            no samples or non-finite ones, has a sample rate outside `SAMPLE_RATES`, or declares more than
            its limit of seconds or more than `MAX_SAMPLES`. For films as `video.decode_sound`.
    """
    with source.open(limits) as file:
        if is_film(file, source.ending):
            # Only where it is needed: few collections of sounds hold films.
            from cmcr_worker.decoding.video import decode_sound

            return decode_sound(source, limits, part)
        with naming(source, "cannot be read as a sound"):
            missing = missing_bytes(file, source.size())
            if missing > 0:
                raise source.corrupt(f"is cut off: {missing} bytes that it declares are missing")
            try:
                clip = _read(source, with_known_length(file), limits, part or Part())
            except soundfile.LibsndfileError as error:
                # Its own text begins with a descriptor's number.
                raise source.corrupt(f"cannot be read as a sound ({error.error_string})") from error
    if len(clip.samples) == 0:
        raise source.corrupt("holds no samples")
    if not np.isfinite(clip.samples).all():
        raise source.corrupt("holds samples that are not finite")
    return clip


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file whose length is not known: the class that it derives from would seek to find the end."""

    def seekable(self) -> bool:
        """False."""
        return False


def _read(source: Encoded, file: BinaryIO, limits: Limits, part: Part) -> AudioClip:
    raw: BinaryIO | int = file
    if not isinstance(file, io.BytesIO):
        # By its descriptor: libsndfile then reads without a detour through Python.
        raw = file.fileno()
        os.lseek(raw, 0, os.SEEK_SET)
    with soundfile.SoundFile(raw, closefd=False) as sound:
        rate, channels, frames = int(sound.samplerate), int(sound.channels), int(sound.frames)
        check_rate(source, rate)
        known = 0 <= frames < _UNKNOWN_FRAMES
        if known:
            start, count = span(source, part, rate, frames)
            check_size(source, limits, rate, channels, count)
            if start > 0:
                sound.seek(start)
            samples = sound.read(count, dtype="float32", always_2d=True)
            if len(samples) < count:
                raise source.corrupt(f"ends after {start + len(samples)} of the {frames} frames it declares")
            return AudioClip(samples, rate)
    if isinstance(raw, int):
        os.lseek(raw, 0, os.SEEK_SET)
    else:
        raw.seek(0)
    with _Stream(raw, closefd=False) as sound:
        samples = _read_stream(source, sound, limits, rate, channels)
    start, count = span(source, part, rate, len(samples))
    return AudioClip(samples[start : start + count], rate)


def _read_stream(
    source: Encoded, sound: _Stream, limits: Limits, rate: int, channels: int
) -> npt.NDArray[np.float32]:
    """All samples of a stream of unknown length, which has to end before its limit."""
    blocks: list[npt.NDArray[np.float32]] = []
    frames = 0
    while len(block := sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)) > 0:
        frames += len(block)
        check_size(source, limits, rate, channels, frames)
        blocks.append(block)
    return np.concatenate(blocks) if blocks else np.empty((0, channels), np.float32)


def check_rate(source: Encoded, rate: int) -> None:
    """Raises DATA_CORRUPT for a sample rate outside `SAMPLE_RATES`."""
    lowest, highest = SAMPLE_RATES
    if not lowest <= rate <= highest:
        raise source.corrupt(f"declares {rate} samples a second; {lowest} to {highest} are read")


def check_size(source: Encoded, limits: Limits, rate: int, channels: int, frames: int) -> None:
    """Raises DATA_CORRUPT for more frames than are read."""
    if frames > limits.seconds * rate:
        raise source.corrupt(
            f"declares {frames / rate:.0f} s of sound; at most {limits.seconds:g} s are read"
        )
    if frames * channels > MAX_SAMPLES:
        raise source.corrupt(f"declares {frames} frames of {channels} channels, more than is read")


def span(source: Encoded, part: Part, rate: int, frames: int) -> tuple[int, int]:
    """First frame and number of frames of a part of a sound that has `frames`.

    Raises:
        WorkerError: DATA_CORRUPT where the part lies beyond the end.
    """
    start = round((part.start_seconds or 0.0) * rate)
    if start > 0 and start >= frames:
        raise source.corrupt(f"has {frames / rate:g} s of sound, none at {part.start_seconds:g} s")
    if part.duration_seconds is None:
        return start, frames - start
    return start, min(frames - start, max(1, round(part.duration_seconds * rate)))
