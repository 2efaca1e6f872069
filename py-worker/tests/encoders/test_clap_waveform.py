import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from encoder_checks import refused
from hashed_values import noise

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.encoders.clap_waveform import exactly, filled, mono, through_int16
from cmcr_worker.errors import Reason

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)


def clip(values: list[float], rate: int = 48_000) -> AudioClip:
    return AudioClip(np.array(values, np.float32)[:, None], rate)


def test_int16_round_trip_cuts_towards_zero_and_clips() -> None:
    step = 1 / 32767
    values = [0.0, 0.9 * step, -0.9 * step, 1.9 * step, -1.9 * step, 1.0, -1.0, 1.7, -1.7, 0.5, -0.5]
    whole = [0, 0, 0, 1, -1, 32767, -32767, 32767, -32767, 16383, -16383]
    found = through_int16(np.array(values, np.float32))
    assert found.dtype == np.float32
    # As the original has it: (x / 32767.0).astype(float32).
    np.testing.assert_array_equal(found, (np.array(whole) / 32767.0).astype(np.float32))


def test_int16_round_trip_is_its_own_fixed_point_nowhere_but_at_whole_steps() -> None:
    samples = noise("steps", 20_000).samples[:, 0]
    assert np.abs(through_int16(samples) - samples).max() > 0.5 / 32767


@pytest.mark.parametrize("rate", RATES)
def test_ten_seconds_are_ten_seconds_at_every_rate(rate: int) -> None:
    # 441 000 * (48 000 / 44 100) is 480 000.00000000006 in float64; 320 000 at 32 kHz are the demo's files.
    for samples, expected in ((10 * rate, 480_000), (10 * rate + 1, -(-(10 * rate + 1) * 48_000 // rate))):
        assert len(mono(noise("ten", samples, sample_rate=rate), 48_000)) == expected


@pytest.mark.parametrize("samples", [1, 2, 3, 10, 997])
def test_a_resampler_that_is_off_by_one_is_put_right(samples: int) -> None:
    for rate in (32_000, 44_100):
        assert len(mono(noise("few", samples, sample_rate=rate), 48_000)) == -(-samples * 48_000 // rate)


def test_lengths_are_cut_or_filled_with_zeros() -> None:
    np.testing.assert_array_equal(exactly(np.arange(1, 4, dtype=np.float32), 2), [1, 2])
    np.testing.assert_array_equal(exactly(np.arange(1, 4, dtype=np.float32), 5), [1, 2, 3, 0, 0])


def test_resampling_keeps_a_tone_and_removes_what_lies_above() -> None:
    time = np.arange(96_000) / 96_000
    for hertz, level in ((1_000.0, 0.5), (30_000.0, 0.0)):
        tone = AudioClip((0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)[:, None], 96_000)
        expected = level * np.sin(2 * np.pi * 1_000.0 * np.arange(48_000) / 48_000)
        assert np.abs(mono(tone, 48_000) - expected)[500:-500].max() < 2e-4


def test_channels_become_their_mean_before_anything_else() -> None:
    left, right = noise("left", 500).samples, noise("right", 500).samples
    both = AudioClip(np.concatenate([left, right, right], axis=1), 48_000)
    np.testing.assert_allclose(mono(both, 48_000), ((left + 2 * right) / 3)[:, 0], atol=1e-7)
    loud = AudioClip(np.array([[1.5, -0.5]], np.float32), 48_000)
    np.testing.assert_array_equal(mono(loud, 48_000), [0.5])


def test_repeatpad_is_whole_repetitions_then_zeros() -> None:
    samples = np.array([1, 2, 3], np.float32)
    np.testing.assert_array_equal(filled(samples, 8, "repeatpad"), [1, 2, 3, 1, 2, 3, 0, 0])
    np.testing.assert_array_equal(filled(samples, 8, "repeat"), [1, 2, 3, 1, 2, 3, 1, 2])
    np.testing.assert_array_equal(filled(samples, 8, "pad"), [1, 2, 3, 0, 0, 0, 0, 0])
    # More than half as long: once, then zeros.
    np.testing.assert_array_equal(filled(samples, 5, "repeatpad"), [1, 2, 3, 0, 0])
    for padding in ("repeatpad", "repeat", "pad"):
        np.testing.assert_array_equal(filled(samples, 3, padding), samples)


def test_clips_that_cannot_be_used() -> None:
    refused(Reason.DATA_CORRUPT, lambda: mono(clip([]), 48_000), "holds no samples")
    refused(
        Reason.DATA_CORRUPT, lambda: mono(AudioClip(np.zeros((5, 0), np.float32), 8000), 48_000), "no samples"
    )
    for value in (float("nan"), float("inf")):
        refused(Reason.DATA_CORRUPT, lambda: mono(clip([0.0, value]), 48_000), "not finite")  # noqa: B023


def test_preparation_needs_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, pickle, numpy\n"
        "from cmcr_worker.decoding.audio import AudioClip\n"
        "from cmcr_worker.encoders.clap_log_mel import MelSettings\n"
        "from cmcr_worker.encoders.clap_preparation import ClapSound, prepare_text\n"
        "sound = pickle.loads(pickle.dumps(ClapSound(MelSettings('htk'), 'fusion')))\n"
        "clip = AudioClip(numpy.ones((500_000, 2), numpy.float32), 44_100)\n"
        "assert sound(clip).shape == (4, 1001, 64), sound(clip).shape\n"
        "assert pickle.loads(pickle.dumps(prepare_text))('x') == 'x'\n"
        "loaded = {'torch', 'transformers', 'tokenizers', 'torchvision'} & sys.modules.keys()\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
