"""Each attribute can be seen in the images and heard in the sounds, by simple measurements."""

import numpy as np

from cmcr_worker.generators.registry import generator
from cmcr_worker.generators.scenes.sounds import SAMPLE_RATE

scenes = generator("scenes")
COUNT = 400


def labels(split: str, name: str) -> np.ndarray:
    return next(column.labels for column in scenes.attributes(split, 0, range(COUNT)) if column.name == name)


def class_means(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.array([values[of == label].mean() for label in range(int(of.max()) + 1)])


def colourful(pixels: np.ndarray) -> np.ndarray:
    """Where a pixel is not grey, (n, 32, 32): the shapes are coloured, the grounds are not."""
    return np.ptp(pixels, axis=-1) > 90


def test_place_and_size_are_seen() -> None:
    seen = colourful(np.stack(scenes.render("image", "images", 0, range(COUNT))).astype(np.int64))
    area = seen.sum(axis=(1, 2))
    rows, columns = np.arange(32)[:, None], np.arange(32)[None, :]
    height = 16 - (seen * rows).sum(axis=(1, 2)) / np.maximum(area, 1)
    across = (seen * columns).sum(axis=(1, 2)) / np.maximum(area, 1)
    assert (np.diff(class_means(area, labels("images", "size"))) > 10).all()
    assert (np.diff(class_means(height, labels("images", "vertical"))) > 2).all()
    assert (np.diff(class_means(across, labels("images", "horizontal"))) > 2).all()


def test_colour_is_seen() -> None:
    pixels = np.stack(scenes.render("image", "images", 0, range(COUNT))).astype(np.float64)
    seen = colourful(pixels)[..., None]
    mean = (pixels * seen).sum(axis=(1, 2)) / np.maximum(seen.sum(axis=(1, 2)), 1)
    red, green, blue = mean.T
    colour = labels("images", "colour")  # red, orange, yellow, green, blue, purple
    assert (np.diff(class_means(green - red, colour)[:4]) > 10).all()
    assert class_means(blue - green, colour).argmax() in (4, 5)
    assert class_means(blue - red, colour).argmax() == 4


def test_loudness_and_pan_are_heard() -> None:
    sounds = np.stack([clip.samples for clip in scenes.render("audio", "sounds", 0, range(COUNT))])
    # The hum lies below all tones; a first difference takes most of it away.
    power = np.square(np.diff(sounds, axis=1)).mean(axis=1)
    balance = (power[:, 1] - power[:, 0]) / power.sum(axis=1)
    assert (np.diff(class_means(np.log(power.sum(axis=1)), labels("sounds", "size"))) > 0.5).all()
    assert (np.diff(class_means(balance, labels("sounds", "horizontal"))) > 0.1).all()


def test_rhythm_is_heard() -> None:
    sounds = np.stack(
        [clip.samples.mean(axis=1) for clip in scenes.render("audio", "sounds", 0, range(COUNT))]
    )
    frames = np.square(np.diff(sounds, axis=1)[:, :6080]).reshape(COUNT, 38, 160).mean(axis=2)
    steady = frames.mean(axis=1) / np.sqrt(np.square(frames).mean(axis=1))
    plain, striped, dotted, chequered = class_means(steady, labels("sounds", "texture"))
    assert plain > chequered > striped > dotted


def test_pitch_and_glide_are_heard() -> None:
    shape, texture = labels("sounds", "shape"), labels("sounds", "texture")
    size = labels("sounds", "size")
    # Loud steady sounds of the shape whose lowest harmonic is alone: the pitch is the strongest frequency.
    found = np.flatnonzero((shape == 0) & (texture == 0) & (size > 0))
    assert len(found) >= 4
    clips = [clip.samples.mean(axis=1) for clip in scenes.render("audio", "sounds", 0, found.tolist())]

    def pitch(wave: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 32768))
        spectrum[: int(120 / SAMPLE_RATE * 32768)] = 0  # The hum.
        return float(spectrum.argmax() * SAMPLE_RATE / 32768)

    middle = np.array([pitch(wave[2000:4144]) for wave in clips])
    nominal = 150.0 * np.exp2(labels("sounds", "colour")[found] / 3)
    np.testing.assert_allclose(middle, nominal, rtol=0.08)
    rise = np.array([np.log2(pitch(wave[-2048:]) / pitch(wave[:2048])) for wave in clips])
    np.testing.assert_array_equal(
        np.sign(np.round(rise * 8)), labels("sounds", "vertical")[found].astype(int) - 1
    )
