from typing import Any

import numpy as np
import pytest
import torch
from encoder_checks import refused
from hashed_values import noise
from tiny_clap import ClapFeatureExtractor

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.encoders.clap_crops import chunk_starts, draws, shrunk, window_start
from cmcr_worker.encoders.clap_log_mel import MelSettings, log_mel
from cmcr_worker.encoders.clap_preparation import ClapSound, prepare_text
from cmcr_worker.encoders.clap_waveform import filled, through_int16
from cmcr_worker.errors import Reason

FUSED = ClapSound(MelSettings("htk"), "fusion")
CROPPED = ClapSound(MelSettings("slaney"), "rand_trunc")


def prepared(sound: ClapSound, clip: AudioClip) -> np.ndarray[Any, Any]:
    result = sound(clip)
    assert isinstance(result, np.ndarray)
    return result


def quantised(clip: AudioClip) -> np.ndarray[Any, Any]:
    return through_int16(clip.samples[:, 0])


@pytest.mark.parametrize("sound", [FUSED, CROPPED], ids=["fusion", "rand_trunc"])
@pytest.mark.parametrize("samples", [1, 479_999, 480_000])
def test_up_to_ten_seconds_is_one_spectrogram(sound: ClapSound, samples: int) -> None:
    clip = noise("short", samples)
    found = prepared(sound, clip)
    assert found.shape == (1001, 64)
    np.testing.assert_array_equal(found, log_mel(filled(quantised(clip), 480_000, "repeatpad"), sound.mel))


@pytest.mark.parametrize("samples", [480_001, 480_479])
def test_less_than_a_hop_too_long_is_not_longer_with_fusion(samples: int) -> None:
    clip = noise("corner", samples)
    found = prepared(FUSED, clip)
    assert found.shape == (1001, 64)
    # All of it is looked at: the last frame is centred on what a crop to 10 s would mirror.
    np.testing.assert_array_equal(found, log_mel(quantised(clip), FUSED.mel))
    assert not np.array_equal(found, log_mel(quantised(clip)[:480_000], FUSED.mel))


def test_one_hop_too_long_is_longer_with_fusion() -> None:
    assert prepared(FUSED, noise("corner", 480_480)).shape == (4, 1001, 64)


def test_exactly_ten_seconds_at_32_khz_is_not_longer() -> None:
    assert prepared(FUSED, noise("demo", 320_000, sample_rate=32_000)).shape == (1001, 64)
    clip = noise("demo", 441_000, sample_rate=44_100)
    np.testing.assert_array_equal(
        prepared(CROPPED, clip), prepared(ClapSound(CROPPED.mel, "rand_trunc", crop_seed=9), clip)
    )


@pytest.mark.parametrize("samples", [480_001, 700_000])
def test_without_fusion_a_longer_clip_is_one_crop(samples: int) -> None:
    clip = noise("crop", samples)
    found = prepared(CROPPED, clip)
    start = window_start(samples - 480_000 + 1, draws(clip, 0))
    assert 0 <= start <= samples - 480_000
    assert found.shape == (1001, 64)
    np.testing.assert_array_equal(found, log_mel(quantised(clip)[start : start + 480_000], CROPPED.mel))


@pytest.mark.parametrize("samples", [480_480, 480_960, 481_440, 700_000, 1_500_007])
def test_with_fusion_a_longer_clip_is_what_transformers_makes_with_the_same_starts(
    samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = noise("longer", samples)
    found = prepared(FUSED, clip)
    starts = list(chunk_starts(samples // 480 + 1 - 1001 + 1, draws(clip, 0)))
    offered: list[Any] = []

    def choice(places: Any) -> int:
        offered.append(places)
        return starts[len(offered) - 1]

    monkeypatch.setattr(np.random, "choice", choice)
    extractor = ClapFeatureExtractor(frequency_min=50)
    made = extractor(quantised(clip), sampling_rate=48_000, return_tensors="np")
    assert made["is_longer"].all()
    assert all(start in places for start, places in zip(starts, offered, strict=True))
    np.testing.assert_allclose(found[1:], made["input_features"][0, 1:], atol=1e-3)
    # torch finds the places to interpolate at in float32, here they are exact.
    np.testing.assert_allclose(found[0], made["input_features"][0, 0], atol=2e-2)


@pytest.mark.parametrize("offsets", [1, 2, 3, 4, 5, 6, 100, 1001])
def test_every_third_is_numpys_and_every_place_can_be_drawn(offsets: int) -> None:
    thirds = [part.tolist() or [0] for part in np.array_split(np.arange(offsets), 3)]
    for part, places in enumerate(thirds):
        drawn = {chunk_starts(offsets, (number, number, number))[part] for number in range(2 * offsets)}
        assert drawn == set(places)


@pytest.mark.parametrize("sound", [FUSED, CROPPED], ids=["fusion", "rand_trunc"])
def test_crops_follow_from_the_clip_and_the_seed_alone(sound: ClapSound) -> None:
    clip, other = noise("one", 700_000), noise("two", 700_000)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    first = prepared(sound, clip)
    prepared(sound, other)
    np.random.seed(2)  # noqa: NPY002
    torch.manual_seed(2)
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
    np.testing.assert_array_equal(prepared(sound, clip), first)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]  # noqa: NPY002
    again = AudioClip(np.asfortranarray(clip.samples.copy()), clip.sample_rate)
    np.testing.assert_array_equal(prepared(sound, again), first)
    reseeded = ClapSound(sound.mel, sound.truncation, crop_seed=1)
    assert not np.array_equal(prepared(reseeded, clip), first)


def test_draws_differ_from_clip_to_clip_and_seed_to_seed() -> None:
    clip = noise("draws", 1_000)
    nearly = clip.samples.copy()
    nearly[700] += 1e-6
    different = {
        draws(clip, 0),
        draws(clip, 1),
        draws(AudioClip(nearly, 48_000), 0),
        draws(AudioClip(clip.samples, 44_100), 0),
        draws(AudioClip(clip.samples.reshape(500, 2), 48_000), 0),
    }
    assert len(different) == 5
    assert len(set(draws(clip, 0))) == 3
    # The same on every machine, and for ever: embeddings in a store depend on it.
    assert [number % 1000 for number in draws(AudioClip(np.zeros((4, 1), np.float32), 48_000), 7)] == [
        987,
        878,
        59,
    ]


def test_shrinking_is_bilinear_without_smoothing() -> None:
    levels = np.random.default_rng(0).normal(size=(2_503, 64)).astype(np.float32)
    tensor = torch.from_numpy(levels)[None, None]
    for smooth in (False, True):
        made = torch.nn.functional.interpolate(tensor, size=[1001, 64], mode="bilinear", antialias=smooth)
        difference = np.abs(shrunk(levels, 1001) - made[0, 0].numpy()).max()
        assert difference > 0.5 if smooth else difference < 1e-3


def test_items_of_another_modality() -> None:
    cloud = PointCloud(xyz=np.zeros((3, 3), np.float32), rgb=None)
    for item in ("text", np.zeros((2, 2, 3), np.uint8), cloud):
        refused(Reason.CONFIG_INVALID, lambda: FUSED(item), "expected a sound")  # noqa: B023
    for thing in (noise("x", 10), np.zeros((2, 2, 3), np.uint8)):
        refused(Reason.CONFIG_INVALID, lambda: prepare_text(thing), "expected a text")  # noqa: B023
