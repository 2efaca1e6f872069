import numpy as np
import pytest
import torch
from hashed_values import hashed, noise
from tiny_clap import ClapFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from cmcr_worker.encoders.clap_filters import mel_filters
from cmcr_worker.encoders.clap_log_mel import FLOOR, MelSettings, log_mel
from cmcr_worker.encoders.clap_waveform import filled, through_int16

HTK, SLANEY = MelSettings("htk"), MelSettings("slaney")
CLIP = through_int16(noise("a", 100_000).samples[:, 0])
TEN_SECONDS = filled(CLIP, 480_000, "repeatpad")

# Levels at (frame, band), made once by laion_clap 1.1.7 of the clip above: `get_mel` with torchaudio, and
# the audio tower's own extractors, torchlibrosa's.
PLACES = ((0, 0), (1, 5), (500, 20), (613, 63), (1000, 40))
ORIGINAL = {
    "htk": (-10.603, 16.948, 22.181, -12.134, -100.0),
    "slaney": (-22.763, -6.218, -0.378, -39.455, -100.0),
}


@pytest.mark.parametrize("settings", [HTK, SLANEY], ids=["htk", "slaney"])
def test_levels_are_the_originals(settings: MelSettings) -> None:
    levels = log_mel(TEN_SECONDS, settings)
    assert levels.shape == (1001, 64)
    assert levels.dtype == np.float32
    found = [levels[place] for place in PLACES]
    np.testing.assert_allclose(found, ORIGINAL[settings.scale], atol=2e-3)


@pytest.mark.parametrize(("settings", "truncation"), [(HTK, "fusion"), (SLANEY, "rand_trunc")])
def test_levels_are_those_of_transformers(settings: MelSettings, truncation: str) -> None:
    extractor = ClapFeatureExtractor(frequency_min=50, truncation=truncation)
    expected = extractor(TEN_SECONDS, sampling_rate=48_000, return_tensors="np")["input_features"][0, 0]
    np.testing.assert_allclose(log_mel(TEN_SECONDS, settings), expected, atol=1e-3)


@pytest.mark.parametrize(("scale", "norm"), [("htk", None), ("slaney", "slaney")])
def test_filters(scale: str, norm: str | None) -> None:
    found = mel_filters(scale, 64, 1024, 48_000, 50.0, 14_000.0)
    expected = mel_filter_bank(513, 64, 50.0, 14_000.0, 48_000, norm=norm, mel_scale=scale)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    bins = np.arange(513) * 48_000 / 1024
    used = bins[found.any(axis=1)]
    assert 50 < used.min() < 150
    assert 13_900 < used.max() < 14_000
    # The default of transformers' class begins at 0 Hz, which shifts every filter.
    assert np.abs(found - mel_filters(scale, 64, 1024, 48_000, 0.0, 14_000.0)).max() > 0.1 * found.max()
    assert np.abs(mel_filters("htk", 64, 1024, 48_000, 50.0, 14_000.0)).max() > 0.9
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1.0


def test_levels_of_a_tone_are_what_arithmetic_says() -> None:
    # A sine of amplitude a in the middle of a bin: magnitude a N / 4 there, half of it in both neighbours.
    settings, bin_hertz = MelSettings("htk"), 48_000 / 1024
    tone = (0.25 * np.sin(2 * np.pi * 100 * bin_hertz * np.arange(48_000) / 48_000)).astype(np.float32)
    filters = mel_filters("htk", 64, 1024, 48_000, 50.0, 14_000.0)
    magnitudes = np.zeros(513)
    magnitudes[99:102] = 0.25 * 1024 / 4 * np.array([0.5, 1.0, 0.5])
    expected = 10 * np.log10(np.maximum((magnitudes**2) @ filters, FLOOR))
    strongest = int(expected.argmax())
    assert log_mel(tone, settings)[50, strongest] == pytest.approx(expected[strongest], abs=0.01)


def test_the_range_has_a_floor_and_no_other_limit() -> None:
    # top_db=80 would lift the silence to 80 dB below the loudest.
    half = np.zeros(96_000, np.float32)
    half[:40_000] = hashed("loud", (40_000,))
    levels = log_mel(half, HTK)
    assert levels.max() > 30
    assert (levels[100:] == -100).all()
    assert 10 * np.log10(FLOOR) == pytest.approx(-100)


def test_frames_are_centred_and_mirrored_at_the_ends() -> None:
    values = hashed("ends", (4_800,)).astype(np.float32)
    whole = np.concatenate([values[1:513][::-1], values, values[-513:-1][::-1]])
    window = torch.hann_window(1024, dtype=torch.float64)
    spectrum = torch.stft(
        torch.from_numpy(whole).double(), 1024, 480, window=window, center=False, return_complex=True
    )
    power = spectrum.abs().square().T.numpy() @ mel_filters("htk", 64, 1024, 48_000, 50.0, 14_000.0)
    expected = 10 * np.log10(np.maximum(power, 1e-10))
    assert expected.shape == (11, 64)
    np.testing.assert_allclose(log_mel(values, HTK), expected, atol=1e-4)


def test_frames_do_not_depend_on_how_many_are_made_at_once() -> None:
    long = through_int16(noise("long", 300_000).samples[:, 0])
    whole, end = log_mel(long, HTK), log_mel(long[480 * 200 :], HTK)
    np.testing.assert_allclose(whole[210:600], end[10:400], atol=1e-4)


@pytest.mark.parametrize("samples", [480_000, 480_001, 480_479, 480_480])
def test_frame_counts_around_ten_seconds(samples: int) -> None:
    expected = 1002 if samples == 480_480 else 1001
    assert HTK.frames(samples) == expected
    assert len(log_mel(np.ones(samples, np.float32), HTK)) == expected
