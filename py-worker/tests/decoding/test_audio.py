from pathlib import Path

import numpy as np
import pytest
import soundfile

from cmcr_worker.decoding import audio as audio_module
from cmcr_worker.decoding.audio import AudioClip, decode_audio
from cmcr_worker.errors import Reason, WorkerError


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (500, 2)).astype(np.float32)


def test_float_wav_gives_its_samples(tmp_path: Path, samples: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", samples, 11025, subtype="FLOAT")
    clip = decode_audio(tmp_path / "a.wav")
    assert clip.sample_rate == 11025
    np.testing.assert_array_equal(clip.samples, samples)


def test_mono_flac_has_one_channel(tmp_path: Path, samples: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.flac", samples[:, 0], 8000)
    clip = decode_audio(tmp_path / "a.flac")
    assert clip.samples.shape == (500, 1)
    np.testing.assert_allclose(clip.samples[:, 0], samples[:, 0], atol=2 / 32768)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"gone\.wav") as raised:
        decode_audio(tmp_path / "gone.wav")
    assert raised.value.reason is Reason.DATA_MISSING


@pytest.mark.parametrize("content", [b"", b"not a sound at all", b"RIFF\x24\x00\x00\x00WAVEfmt "])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(WorkerError, match=r"bad\.wav") as raised:
        decode_audio(path)
    assert raised.value.reason is Reason.DATA_CORRUPT
    assert raised.value.subject == str(path)


def test_cut_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    noise = np.random.default_rng(1).uniform(-1, 1, 40_000)
    soundfile.write(path, noise, 8000)
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(WorkerError) as raised:
        decode_audio(path)
    assert raised.value.reason is Reason.DATA_CORRUPT


def test_silence_of_no_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1), np.float32), 8000)
    with pytest.raises(WorkerError, match="no samples"):
        decode_audio(tmp_path / "none.wav")


def test_samples_that_are_not_finite(tmp_path: Path, samples: np.ndarray) -> None:
    samples[3, 1] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 8000, subtype="FLOAT")
    with pytest.raises(WorkerError, match="not finite") as raised:
        decode_audio(tmp_path / "nan.wav")
    assert raised.value.reason is Reason.DATA_CORRUPT


@pytest.mark.parametrize(("limit", "value"), [("MAX_SECONDS", 0.01), ("MAX_SAMPLES", 999)])
def test_declared_size_is_limited(
    tmp_path: Path, samples: np.ndarray, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    soundfile.write(tmp_path / "long.wav", samples, 8000)
    monkeypatch.setattr(audio_module, limit, value)
    with pytest.raises(WorkerError, match="declares") as raised:
        decode_audio(tmp_path / "long.wav")
    assert raised.value.reason is Reason.DATA_CORRUPT


def test_a_clip_checks_its_samples() -> None:
    with pytest.raises(ValueError, match="float32"):
        AudioClip(np.zeros((4, 1)), 8000)
    with pytest.raises(ValueError, match="sample_rate"):
        AudioClip(np.zeros((4, 1), np.float32), 0)
