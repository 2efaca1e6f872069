import numpy as np
import torch

from cmcr_worker.encoders.builtin.log_mel import (
    BANDS,
    FLOOR,
    FRAMES,
    HOP,
    LOWEST_HERTZ,
    SAMPLE_RATE,
    SAMPLES,
    WINDOW,
    mel_filters,
    mid_side_log_mel,
)


def naive_log_mel(wave: np.ndarray) -> np.ndarray:
    """One channel, (6144,) float64 to (bands, frames), by the definitions and nothing faster."""
    edge = ((FRAMES - 1) * HOP + WINDOW - SAMPLES) // 2
    padded = np.concatenate([np.zeros(edge), wave, np.zeros(edge)])
    n = np.arange(WINDOW)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / WINDOW)
    hann = hann * 2 / hann.sum()
    fourier = np.exp(-2j * np.pi * np.outer(np.arange(WINDOW // 2 + 1), n) / WINDOW)
    to_mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)  # noqa: E731
    edges = np.linspace(to_mel(LOWEST_HERTZ), to_mel(SAMPLE_RATE / 2), BANDS + 2)
    result = np.zeros((BANDS, FRAMES))
    for frame in range(FRAMES):
        power = np.abs(fourier @ (padded[frame * HOP : frame * HOP + WINDOW] * hann)) ** 2
        for band in range(BANDS):
            low, top, high = edges[band : band + 3]
            total = 0.0
            for number, value in enumerate(power):
                mel = to_mel(number * SAMPLE_RATE / WINDOW)
                if low < mel <= top:
                    total += value * (mel - low) / (top - low)
                elif top < mel < high:
                    total += value * (high - mel) / (high - top)
            result[band, frame] = np.log10(total + FLOOR)
    return result


def test_against_the_definition() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(SAMPLES) / SAMPLE_RATE
    left = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.01 * rng.standard_normal(SAMPLES)
    right = 0.1 * np.sin(2 * np.pi * 1000 * time) + 0.01 * rng.standard_normal(SAMPLES)
    waves = torch.from_numpy(np.stack([left, right], axis=1)[None].astype(np.float32))
    found = mid_side_log_mel(waves)
    assert found.shape == (1, 2, BANDS, FRAMES)
    a, b = naive_log_mel(left), naive_log_mel(right)
    np.testing.assert_allclose(found[0, 0].numpy(), (a + b) / 2, atol=2e-4)
    np.testing.assert_allclose(found[0, 1].numpy(), (a - b) / 2, atol=2e-4)


def test_side_tells_left_from_right() -> None:
    wave = torch.sin(torch.arange(SAMPLES) * 0.4)
    left = mid_side_log_mel(torch.stack([wave, wave * 0.1], dim=1)[None])
    right = mid_side_log_mel(torch.stack([wave * 0.1, wave], dim=1)[None])
    torch.testing.assert_close(left[:, 0], right[:, 0])
    torch.testing.assert_close(left[:, 1], -right[:, 1])
    assert left[:, 1].max() > 0.9


def test_silence_is_the_floor() -> None:
    silence = mid_side_log_mel(torch.zeros(1, SAMPLES, 2))
    torch.testing.assert_close(silence[0, 0], torch.full((BANDS, FRAMES), float(np.log10(FLOOR))))
    torch.testing.assert_close(silence[0, 1], torch.zeros(BANDS, FRAMES))


def test_every_filter_has_a_bin() -> None:
    filters = mel_filters()
    assert filters.shape == (BANDS, WINDOW // 2 + 1)
    assert (filters.max(axis=1) > 0.1).all()
    assert filters.min() == 0
    assert filters.max() <= 1
