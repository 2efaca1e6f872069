import hashlib
from collections import Counter

import numpy as np
import pytest

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.encoders.builtin.vocabulary import words_of
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.generators.registry import GENERATORS, generator
from cmcr_worker.generators.scenes.attributes import (
    ATTRIBUTES,
    COMBINATIONS,
    HELD_OUT,
    held_out_combinations,
    labels_of,
    seen_combinations,
)
from cmcr_worker.generators.scenes.draws import combinations_of
from cmcr_worker.generators.scenes.images import PATTERNS, SIGNED_DISTANCES
from cmcr_worker.generators.scenes.sounds import HARMONICS, RHYTHMS, SAMPLE_RATE, SAMPLES
from cmcr_worker.generators.scenes.wording import SYNONYMS

scenes = generator("scenes")
UNPAIRED = ("train", "captions", "images", "sounds")


def bytes_of(item: object) -> bytes:
    if isinstance(item, AudioClip):
        return item.samples.tobytes()
    return item.tobytes() if isinstance(item, np.ndarray) else str(item).encode()


def digest(items: list[object]) -> str:
    return hashlib.sha256(b"".join(bytes_of(item) for item in items)).hexdigest()


def label_rows(split: str, seed: int, indices: range) -> np.ndarray:
    return np.stack([column.labels for column in scenes.attributes(split, seed, indices)], axis=1)


def test_registry_names_match() -> None:
    assert all(entry.name == name for name, entry in GENERATORS.items())
    with pytest.raises(WorkerError) as raised:
        generator("scene")
    assert raised.value.reason is Reason.UNKNOWN_NAME
    assert raised.value.known_names[0] == "scenes"


def test_every_value_has_a_look_a_sound_and_a_word() -> None:
    values = {attribute.name: attribute.values for attribute in ATTRIBUTES}
    assert tuple(SIGNED_DISTANCES) == tuple(HARMONICS) == values["shape"]
    assert tuple(PATTERNS) == tuple(RHYTHMS) == values["texture"]
    assert set(SYNONYMS) == {value for attribute in ATTRIBUTES for value in attribute.values}
    phrases = [phrase for synonyms in SYNONYMS.values() for phrase in synonyms]
    assert len(phrases) == len(set(phrases)), "a phrase that means two things"


def test_combinations_divide_into_held_out_and_seen() -> None:
    held_out, seen = held_out_combinations(), seen_combinations()
    assert len(held_out) == HELD_OUT == 1000
    assert COMBINATIONS == 5184
    np.testing.assert_array_equal(np.sort(np.concatenate([held_out, seen])), np.arange(COMBINATIONS))
    assert hashlib.sha256(held_out.astype("<i8").tobytes()).hexdigest()[:16] == "eb74fa6d64ce9b9a"


@pytest.mark.parametrize("split", UNPAIRED)
@pytest.mark.parametrize("seed", [0, 1, 2**52])
def test_no_held_out_combination_outside_the_test(split: str, seed: int) -> None:
    drawn = combinations_of(split, seed, range(10_000))
    assert not np.isin(drawn, held_out_combinations()).any()
    assert len(np.unique(drawn)) > 3500


def test_the_test_is_the_held_out_combinations_whatever_the_seed() -> None:
    for seed in (0, 5):
        rows = label_rows("test", seed, range(1000))
        np.testing.assert_array_equal(rows, labels_of(held_out_combinations()))
    assert not np.array_equal(
        scenes.render("image", "test", 0, [7])[0], scenes.render("image", "test", 5, [7])[0]
    )


def test_splits_are_unpaired() -> None:
    drawn = [combinations_of(split, 0, range(2000)) for split in UNPAIRED]
    for first in range(len(drawn)):
        for second in range(first):
            assert (drawn[first] == drawn[second]).sum() < 10


@pytest.mark.parametrize("modality", sorted(scenes.modalities))
def test_items_depend_on_seed_split_and_index_alone(modality: str) -> None:
    indices = list(range(70, 110))
    whole = scenes.render(modality, "images", 3, indices)
    parts = [
        *scenes.render(modality, "images", 3, indices[:7]),
        *scenes.render(modality, "images", 3, indices[7:]),
    ]
    single = [scenes.render(modality, "images", 3, [index])[0] for index in reversed(indices)][::-1]
    assert digest(whole) == digest(parts) == digest(single)
    assert digest(whole) != digest(scenes.render(modality, "images", 4, indices))
    assert digest(whole) != digest(scenes.render(modality, "sounds", 3, indices))
    assert len({bytes_of(item) for item in whole}) >= len(indices) - 1


def test_items_are_those_of_this_revision() -> None:
    # Captions have no rounding that could differ between machines. Bump the
    # revision when this changes, and train the encoders again.
    assert scenes.revision == "1"
    assert digest(scenes.render("text", "captions", 0, range(100)))[:16] == "d4a9e9f8c7313476"
    assert digest(scenes.render("text", "test", 0, range(100)))[:16] == "215f2388d58a54ab"


def test_pictures_and_sounds_are_those_of_this_revision() -> None:
    # Made before there were splits of two scenes. Pixels are rounded to bytes, which another machine's cosine
    # may turn once in a thousand images; samples are compared within what it may change.
    assert digest(scenes.render("image", "test", 0, range(20)))[:16] == "eac12cb042a6653c"
    assert digest(scenes.render("image", "images", 0, range(20)))[:16] == "2ea5497f53710800"
    clips = [clip.samples[[10, 1000, 2000]] for clip in scenes.render("audio", "sounds", 0, [5, 6])]
    before = [
        [[0.0563, 0.05352], [0.09802, 0.09281], [0.00529, -0.00322]],
        [[0.00553, -0.013], [0.01066, 0.0248], [0.01051, -0.02157]],
    ]
    np.testing.assert_allclose(clips, before, atol=2e-5)


def test_kinds_of_media() -> None:
    image = scenes.render("image", "images", 0, [0])[0]
    assert isinstance(image, np.ndarray)
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8
    sound = scenes.render("audio", "sounds", 0, [0])[0]
    assert isinstance(sound, AudioClip)
    assert sound.samples.shape == (SAMPLES, 2)
    assert sound.sample_rate == SAMPLE_RATE
    assert np.abs(sound.samples).max() <= 1


def test_captions_say_what_the_labels_say() -> None:
    indices = range(2000)
    rows = label_rows("captions", 0, indices)
    told = Counter[str]()
    for text, labels in zip(scenes.render("text", "captions", 0, indices), rows, strict=True):
        words = f" {' '.join(words_of(str(text)))} "
        said = {
            value for value, phrases in SYNONYMS.items() if any(f" {phrase} " in words for phrase in phrases)
        }
        true = {attribute.values[label] for attribute, label in zip(ATTRIBUTES, labels, strict=True)}
        assert said <= true
        told.update(attribute.name for attribute in ATTRIBUTES if said & set(attribute.values))
    assert told["shape"] == len(indices)
    for attribute in ATTRIBUTES[1:]:
        # 0.75 within five standard errors.
        assert told[attribute.name] / len(indices) == pytest.approx(0.75, abs=0.05)


def test_captions_alternate_between_seen_and_heard() -> None:
    texts = [str(text) for text in scenes.render("text", "captions", 0, range(400))]
    heard = [
        any(word in text for word in ("sound", "recording", "hears", "noise", "listen")) for text in texts
    ]
    assert not any(heard[0::2])
    assert all(heard[1::2])


def test_plain_phrases_name_every_value() -> None:
    rows = label_rows("test", 0, range(50))
    for phrase, labels in zip(scenes.captions("test", 0, range(50)), rows, strict=True):
        words = set(words_of(phrase))
        assert words == {attribute.values[label] for attribute, label in zip(ATTRIBUTES, labels, strict=True)}


@pytest.mark.parametrize(("split", "index"), [("test", 1000), ("test", -1), ("images", -1)])
def test_indices_beyond_a_split(split: str, index: int) -> None:
    with pytest.raises(WorkerError, match=f"no item {index}") as raised:
        scenes.render("image", split, 0, [0, index])
    assert raised.value.reason is Reason.CONFIG_INVALID


def test_unknown_split_and_modality() -> None:
    with pytest.raises(WorkerError) as raised:
        scenes.check("tests")
    assert raised.value.reason is Reason.UNKNOWN_NAME
    assert raised.value.known_names[0] == "test"
    with pytest.raises(WorkerError) as raised:
        scenes.render("pointcloud", "test", 0, [0])
    assert raised.value.reason is Reason.UNKNOWN_NAME


def test_no_items() -> None:
    assert all(scenes.render(modality, "test", 0, []) == [] for modality in scenes.modalities)
    assert scenes.captions("test", 0, []) == []
