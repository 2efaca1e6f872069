from pathlib import Path

import numpy as np
import pytest
import soundfile
from encoded_files import RATE, data_item, flac_with_frames, item, noise, sound_bytes, sound_of, wav_with

from cmcr_worker.decoding import audio as audio_module
from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.decoding.encoded import Encoded, Part
from cmcr_worker.errors import Reason, WorkerError


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (500, 2)).astype(np.float32)


def refusal(source: Path | Encoded, part: Part | None = None, **limits: float) -> WorkerError:
    with pytest.raises(WorkerError) as raised:
        sound_of(source, part, **limits)
    assert raised.value.reason is Reason.DATA_CORRUPT
    return raised.value


def test_float_wav_gives_its_samples(tmp_path: Path, samples: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", samples, 11025, subtype="FLOAT")
    clip = sound_of(tmp_path / "a.wav")
    assert clip.sample_rate == 11025
    np.testing.assert_array_equal(clip.samples, samples)


def test_mono_flac_has_one_channel(tmp_path: Path, samples: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.flac", samples[:, 0], 8000)
    clip = sound_of(tmp_path / "a.flac")
    assert clip.samples.shape == (500, 1)
    np.testing.assert_allclose(clip.samples[:, 0], samples[:, 0], atol=2 / 32768)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_bytes_and_parts_of_a_file_give_what_the_file_gives(tmp_path: Path, kind: str) -> None:
    content = sound_bytes(noise(3000), kind)
    (tmp_path / "whole").write_bytes(content)
    (tmp_path / "member").write_bytes(b"\xff" * 700 + content + b"\xff" * 900)
    whole = sound_of(tmp_path / "whole").samples
    assert len(whole) >= 3000
    np.testing.assert_array_equal(sound_of(data_item(content)).samples, whole)
    member = Encoded(name="a", path=tmp_path / "member", offset=700, length=len(content))
    np.testing.assert_array_equal(sound_of(member).samples, whole)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_segment_is_that_piece_of_the_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(sound_bytes(noise(4 * RATE), kind))
    whole = sound_of(path).samples
    segment = sound_of(path, Part(start_seconds=1.5, duration_seconds=2.0)).samples
    np.testing.assert_allclose(segment, whole[int(1.5 * RATE) : int(3.5 * RATE)], atol=1e-6)
    tail = sound_of(path, Part(start_seconds=3.0)).samples
    np.testing.assert_allclose(tail, whole[3 * RATE :], atol=1e-6)
    beyond = sound_of(path, Part(start_seconds=3.5, duration_seconds=10.0)).samples
    np.testing.assert_allclose(beyond, whole[int(3.5 * RATE) :], atol=1e-6)
    assert "none at 9 s" in refusal(path, Part(start_seconds=9.0)).message


def test_of_a_long_sound_only_the_segment_counts(tmp_path: Path) -> None:
    """And only the segment is read: the file declares 30 hours and holds two seconds."""
    frames = 30 * 3600 * RATE
    (tmp_path / "long.flac").write_bytes(flac_with_frames(sound_bytes(noise(2 * RATE), "FLAC"), frames))
    assert "108000 s" in refusal(tmp_path / "long.flac").message
    (tmp_path / "day.wav").write_bytes(sound_bytes(noise(20 * RATE), "WAV"))
    assert "20 s of sound" in refusal(tmp_path / "day.wav", seconds=10.0).message
    clip = sound_of(tmp_path / "day.wav", Part(start_seconds=12.0, duration_seconds=5.0), seconds=10.0)
    assert len(clip.samples) == 5 * RATE


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"gone\.wav") as raised:
        sound_of(tmp_path / "gone.wav")
    assert raised.value.reason is Reason.DATA_MISSING


@pytest.mark.parametrize("content", [b"", b"not a sound at all", b"RIFF\x24\x00\x00\x00WAVEfmt "])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    error = refusal(path)
    assert "bad.wav" in error.message
    assert error.subject == str(path)


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.1])
def test_a_file_that_is_cut_off_is_no_shorter_sound(kind: str, share: float) -> None:
    """libsndfile reads what is left of most of them as if that were all."""
    content = sound_bytes(noise(40_000), kind)
    assert len(sound_of(data_item(content)).samples) == 40_000
    refusal(data_item(content[: int(len(content) * share)]))


def test_an_mp3_without_a_declared_length_is_whole() -> None:
    """Its length is estimated from its first frame: a shorter sound is no damage."""
    tone = np.sin(np.arange(RATE * 6) * 0.2).astype(np.float32)
    loud_later = np.where(np.arange(len(tone)) < 2 * RATE, 0, tone)[:, None] + noise(len(tone)) * 0.001
    content = sound_bytes(loud_later.astype(np.float32), "MP3", bitrate_mode="VARIABLE")
    tag = max(content.find(b"Xing"), content.find(b"Info"))
    second = content.find(content[:2], tag)
    assert tag > 0
    assert second > tag
    clip = sound_of(data_item(content[second:], "a.mp3"))
    assert len(clip.samples) == pytest.approx(len(tone), rel=0.05)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_that_a_pipe_wrote_has_no_declared_length(size: int) -> None:
    clip = sound_of(data_item(wav_with(noise(900), data_bytes=size)))
    assert len(clip.samples) == 900


def test_a_flac_of_unknown_length() -> None:
    content = flac_with_frames(sound_bytes(noise(3 * RATE), "FLAC"), 0)
    whole = sound_of(data_item(content)).samples
    np.testing.assert_allclose(whole, noise(3 * RATE), atol=2 / 32768)
    np.testing.assert_array_equal(
        sound_of(data_item(content), Part(start_seconds=1.0, duration_seconds=1.0)).samples,
        whole[RATE : 2 * RATE],
    )
    assert "at most 2 s" in refusal(data_item(content), seconds=2.0).message


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2**31 - 1, 2**32 - 1])
def test_a_sample_rate_that_no_recording_has(rate: int) -> None:
    refusal(data_item(wav_with(noise(900), rate=rate)))


def test_silence_of_no_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1), np.float32), 8000)
    with pytest.raises(WorkerError, match="no samples"):
        sound_of(tmp_path / "none.wav")


def test_samples_that_are_not_finite(tmp_path: Path, samples: np.ndarray) -> None:
    samples[3, 1] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 8000, subtype="FLOAT")
    with pytest.raises(WorkerError, match="not finite") as raised:
        sound_of(tmp_path / "nan.wav")
    assert raised.value.reason is Reason.DATA_CORRUPT


def test_declared_size_is_limited(
    tmp_path: Path, samples: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "long.wav", samples, 8000)
    assert "declares" in refusal(tmp_path / "long.wav", seconds=0.01).message
    monkeypatch.setattr(audio_module, "MAX_SAMPLES", 999)
    assert "declares" in refusal(tmp_path / "long.wav").message


def test_a_clip_checks_its_samples() -> None:
    with pytest.raises(ValueError, match="float32"):
        AudioClip(np.zeros((4, 1)), 8000)
    with pytest.raises(ValueError, match="sample_rate"):
        AudioClip(np.zeros((4, 1), np.float32), 0)


def test_a_file_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(sound_bytes(noise(100), "WAV"))
    with item(tmp_path / "a.wav").open(audio_module.Limits()) as file:
        first = file.fileno()
    for _ in range(3):
        sound_of(tmp_path / "a.wav")
    with item(tmp_path / "a.wav").open(audio_module.Limits()) as file:
        assert file.fileno() == first
