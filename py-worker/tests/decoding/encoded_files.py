"""Files of every kind for the tests of decoding, and short ways to decode them."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from cmcr_worker.decoding.audio import AudioClip, decode_audio
from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.decoding.image import decode_image

RATE = 8000


def item(path: Path) -> Encoded:
    """A whole file as an item."""
    return Encoded(name=str(path), path=path)


def data_item(data: bytes, name: str = "cell") -> Encoded:
    """Bytes as an item."""
    return Encoded(name=name, data=data)


def image_of(source: Path | Encoded, part: Part | None = None, **limits: Any) -> np.ndarray:
    """The pixels of an item."""
    return decode_image(item(source) if isinstance(source, Path) else source, Limits(**limits), part)


def sound_of(source: Path | Encoded, part: Part | None = None, **limits: Any) -> AudioClip:
    """The clip of an item."""
    return decode_audio(item(source) if isinstance(source, Path) else source, Limits(**limits), part)


def noise(frames: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Samples that no codec makes small, (frames, channels) float32."""
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (frames, channels)).astype(np.float32)


def sound_bytes(samples: np.ndarray, kind: str, rate: int = RATE, **options: Any) -> bytes:
    """Samples in a format of libsndfile, such as `WAV`."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, **options)
    return buffer.getvalue()


def wav_with(samples: np.ndarray, *, rate: int = RATE, data_bytes: int | None = None) -> bytes:
    """A 16-bit WAV whose header may lie about its rate and its length."""
    pcm = (samples * 32767).astype("<i2").tobytes()
    channels = samples.shape[1]
    size = len(pcm) if data_bytes is None else data_bytes
    width = 2 * channels
    byte_rate = (rate * width) & 0xFFFFFFFF
    return (
        struct.pack("<4sI4s", b"RIFF", (size + 36) & 0xFFFFFFFF, b"WAVE")
        + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, byte_rate, width, 16)
        + struct.pack("<4sI", b"data", size)
        + pcm
    )


def flac_with_frames(data: bytes, frames: int) -> bytes:
    """A FLAC file whose header says that it has that many frames; 0: it does not say."""
    # After 8 bytes of marks, the stream's description has its 36-bit length at bit 108.
    changed = bytearray(data)
    changed[21] = (changed[21] & 0xF0) | (frames >> 32)
    changed[22:26] = (frames & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(changed)
