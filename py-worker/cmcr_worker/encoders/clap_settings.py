"""How a CLAP of transformers wants its sounds: what stands in its folder, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cmcr_worker.encoders.clap_log_mel import MelSettings
from cmcr_worker.encoders.clap_preparation import FUSION, TRUNCATIONS, ClapSound
from cmcr_worker.encoders.clap_waveform import PADDINGS
from cmcr_worker.encoders.model_files import ModelFolder
from cmcr_worker.errors import Reason, WorkerError

LOWEST_HERTZ = 50.0
"""Lower edge of the lowest mel filter where a folder does not say it. CLAP was trained with it; the default
of transformers' own class, 0, belongs to no CLAP."""

_OLDER_FILE = "preprocessor_config.json"
_FILE = "processor_config.json"


@dataclass(frozen=True, slots=True)
class AudioTower:
    """What the network itself demands of its input."""

    fusion: bool
    bands: int
    most_frames: int


def sound_preparation(folder: ModelFolder, tower: AudioTower, crop_seed: int) -> ClapSound:
    """The preparation that belongs to the model in a folder.

    The settings are those of ClapFeatureExtractor, from processor_config.json or preprocessor_config.json.
    `truncation` decides on the filters too, as it does there.

    Raises:
        WorkerError: CHECKPOINT_MISSING where neither file is there, DATA_CORRUPT where one cannot be used
            or does not fit the network.
    """
    name, content = _content(folder)
    settings = _Settings(f"{folder.path / name}", content)
    truncation = settings.choice("truncation", FUSION, TRUNCATIONS)
    if truncation == FUSION and not tower.fusion:
        raise settings.wrong("truncation", "rand_trunc, as the model has no fusion", truncation)
    sample_rate = settings.whole("sampling_rate", 48_000)
    mel = MelSettings(
        scale="htk" if truncation == FUSION else "slaney",
        sample_rate=sample_rate,
        window=settings.whole("fft_window_size", 1024),
        hop=settings.whole("hop_length", 480),
        bands=settings.whole("feature_size", 64),
        lowest_hertz=settings.number("frequency_min", LOWEST_HERTZ),
        highest_hertz=settings.number("frequency_max", 14_000.0),
    )
    sound = ClapSound(
        mel=mel,
        truncation=truncation,
        padding=settings.choice("padding", "repeatpad", PADDINGS),
        length=settings.whole("max_length_s", 10) * sample_rate,
        crop_seed=crop_seed,
    )
    if mel.bands != tower.bands:
        raise settings.wrong("feature_size", f"{tower.bands} as the model has mel bins", mel.bands)
    if mel.frames(sound.length) > tower.most_frames:
        raise settings.wrong(
            "max_length_s", f"at most {tower.most_frames} frames of sound", mel.frames(sound.length)
        )
    if not 0 <= mel.lowest_hertz < mel.highest_hertz <= sample_rate / 2:
        raise settings.wrong("frequency_max", "a band below half the sampling rate", mel.highest_hertz)
    return sound


def _content(folder: ModelFolder) -> tuple[str, Mapping[str, object]]:
    if (folder.path / _FILE).is_file():
        nested = folder.json(_FILE).get("feature_extractor")
        if isinstance(nested, dict):
            return _FILE, nested
    return _OLDER_FILE, folder.json(_OLDER_FILE)


class _Settings:
    def __init__(self, origin: str, content: Mapping[str, object]) -> None:
        self._origin = origin
        self._content = content

    def whole(self, name: str, default: int) -> int:
        value = self.number(name, default)
        if not value.is_integer() or value < 1:
            raise self.wrong(name, "a whole number of at least 1", value)
        return int(value)

    def number(self, name: str, default: float) -> float:
        value = self._content.get(name)
        if value is None:
            return float(default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(name, "a number", value)
        return float(value)

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self._content.get(name, default)
        if value not in allowed:
            raise self.wrong(name, f"one of {', '.join(allowed)}", value)
        return str(value)

    def wrong(self, name: str, expected: str, found: object) -> WorkerError:
        return WorkerError(
            Reason.DATA_CORRUPT,
            f"{self._origin}: {name}: expected {expected}, found {found!r}",
            subject=self._origin,
            remedy="Take the file from the same model as the weights.",
        )
