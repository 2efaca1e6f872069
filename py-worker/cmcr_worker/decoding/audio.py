"""Audio files to samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from cmcr_worker.errors import Reason, WorkerError

MAX_SECONDS = 3600.0
"""Longest clip that is read, by the length its header declares."""

MAX_SAMPLES = 1 << 28
"""Largest number of values (frames x channels) that is read: 1 GiB as float32."""


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


def decode_audio(path: Path) -> AudioClip:
    """Reads any format that libsndfile knows (WAV, FLAC, OGG, MP3 and others), at its own rate.

    Raises:
        WorkerError: DATA_MISSING where there is no such file; DATA_CORRUPT where it is damaged, is not
            audio, holds no samples or non-finite ones, or declares more than `MAX_SECONDS` or
            `MAX_SAMPLES`.
    """
    if not path.is_file():
        raise WorkerError(
            Reason.DATA_MISSING,
            f"there is no audio file {path}",
            subject=str(path),
            remedy="Check the path, or remove the item from the list.",
        )
    try:
        with soundfile.SoundFile(path) as file:
            _check_size(path, frames=file.frames, channels=file.channels, sample_rate=file.samplerate)
            declared = file.frames
            samples = file.read(dtype="float32", always_2d=True)
            sample_rate = int(file.samplerate)
    except (soundfile.SoundFileError, OSError, MemoryError) as error:
        raise _corrupt(path, f"cannot be read as audio ({_first_line(error)})") from error
    if len(samples) == 0:
        raise _corrupt(path, "holds no samples")
    if len(samples) < declared:
        raise _corrupt(path, f"ends after {len(samples)} of the {declared} frames it declares")
    if not np.isfinite(samples).all():
        raise _corrupt(path, "holds samples that are not finite")
    return AudioClip(samples=samples, sample_rate=sample_rate)


def _check_size(path: Path, *, frames: int, channels: int, sample_rate: int) -> None:
    seconds = frames / sample_rate
    if seconds > MAX_SECONDS:
        raise _corrupt(path, f"declares {seconds:.0f} s of sound; at most {MAX_SECONDS:.0f} s are read")
    if frames * channels > MAX_SAMPLES:
        raise _corrupt(path, f"declares {frames} frames of {channels} channels, more than is read")


def _corrupt(path: Path, what: str) -> WorkerError:
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"audio file {path} {what}",
        subject=str(path),
        remedy="Replace the file, or remove the item from the list.",
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
