"""Images of two scenes, of which one sounds or neither."""

import hashlib

import numpy as np
import pytest

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.generators.registry import generator
from cmcr_worker.generators.scenes.attributes import (
    ATTRIBUTES,
    COMBINATIONS,
    held_out_combinations,
    labels_of,
    seen_combinations,
)
from cmcr_worker.generators.scenes.duets import APART, CANVAS, DUETS, SILENT, duets_of
from cmcr_worker.generators.scenes.images import DRAWS, SIDE, painted

scenes = generator("scenes")
EVERY = range(1000)


def attribute_rows(split: str, indices: range = EVERY) -> np.ndarray:
    return np.stack([column.labels for column in scenes.attributes(split, 0, indices)], axis=1)


def pixel_boxes(split: str, seed: int = 0, indices: range = EVERY) -> list[np.ndarray]:
    boxes = scenes.boxes(split, seed, indices)
    assert boxes is not None
    return [np.array(of_item).reshape(-1, 4) * CANVAS for of_item in boxes]


def test_only_duets_have_boxes() -> None:
    assert {split for split in scenes.splits if scenes.boxes(split, 0, range(2)) is not None} == DUETS
    assert all(scenes.splits[split] == 1000 for split in DUETS)
    things = generator("things")
    assert all(things.boxes(split, 0, range(2)) is None for split in things.splits)


@pytest.mark.parametrize("split", ["duets", "mismatched"])
def test_all_three_scenes_are_held_out(split: str) -> None:
    duets = duets_of(split, 0, EVERY)
    assert np.isin(duets.scenes, held_out_combinations()).all()
    np.testing.assert_array_equal(attribute_rows(split), labels_of(held_out_combinations()))


@pytest.mark.parametrize("split", ["duets-validation", "mismatched-validation"])
def test_settings_are_chosen_on_scenes_that_are_not_held_out(split: str) -> None:
    duets = duets_of(split, 0, EVERY)
    assert np.isin(duets.scenes, seen_combinations()).all()
    np.testing.assert_array_equal(attribute_rows(split), labels_of(seen_combinations()[:1000]))


@pytest.mark.parametrize("split", sorted(DUETS))
def test_two_scenes_differ_in_one_attribute_or_two(split: str) -> None:
    first, second = duets_of(split, 0, EVERY).scenes.T
    different = (labels_of(first) != labels_of(second)).sum(axis=1)
    assert set(different.tolist()) == {1, 2}
    assert 400 < (different == 1).sum() < 600


def test_the_first_scene_of_a_duet_is_the_one_that_sounds() -> None:
    duets = duets_of("duets", 3, EVERY)
    np.testing.assert_array_equal(duets.scenes[:, 0], held_out_combinations())
    assert duets.sounds.all()


@pytest.mark.parametrize("split", sorted(SILENT))
@pytest.mark.parametrize("seed", [0, 7])
def test_half_of_the_mismatched_have_the_sound_of_another_scene(split: str, seed: int) -> None:
    duets = duets_of(split, seed, EVERY)
    heard = labels_of(held_out_combinations() if split == "mismatched" else seen_combinations()[:1000])
    in_picture = (labels_of(duets.scenes.reshape(-1)).reshape(1000, 2, -1) == heard[:, None]).all(axis=2)
    assert duets.sounds.sum() == 500
    np.testing.assert_array_equal(in_picture[:, 0], duets.sounds)
    assert not in_picture[:, 1].any()
    assert [len(boxes) for boxes in pixel_boxes(split, seed)] == duets.sounds.astype(int).tolist()


def test_which_items_are_mismatched_depends_on_the_seed() -> None:
    first, second = (duets_of("mismatched", seed, EVERY).sounds for seed in (0, 1))
    assert 400 < (first != second).sum() < 600
    assert 400 < first[:500].sum() - first[500:].sum() + 500 < 600


def test_no_scene_reaches_into_the_other_ones_place() -> None:
    combinations = np.arange(COMBINATIONS)
    # The draws at their ends move and grow an object most.
    ends = np.random.default_rng(0).integers(0, 2, (COMBINATIONS, DRAWS)).astype(np.float32)
    pixel = np.arange(-12, SIDE + 12, dtype=np.float32) + np.float32(0.5)
    beyond = np.zeros(len(pixel), dtype=bool)
    reach = APART - SIDE
    beyond[: 12 - reach] = beyond[SIDE + 12 + reach :] = True
    for start in range(0, COMBINATIONS, 512):
        block = slice(start, start + 512)
        flat = np.zeros((len(combinations[block]), len(pixel), len(pixel)), np.float32)
        x, y = pixel[None, None, :] + flat, pixel[None, :, None] + flat
        coverage, _ = painted(labels_of(combinations[block]), ends[block], x, y)
        assert not coverage[:, beyond].any()
        assert not coverage[:, :, beyond].any()


@pytest.mark.parametrize("split", sorted(DUETS))
def test_places_are_apart_and_in_the_picture(split: str) -> None:
    corners = duets_of(split, 0, EVERY).corners
    assert corners.min() == 0
    assert corners.max() == CANVAS - SIDE
    difference = corners[:, 1] - corners[:, 0]
    down, across = (np.abs(difference) >= APART).T
    assert (down | across).all()
    # Beside each other, one above the other, and along either diagonal, whichever of the two sounds.
    for kind in (across & ~down, down & ~across, across & down):
        assert kind.sum() > 200
        for axis in (0, 1):
            signs = np.sign(difference[kind, axis])
            assert min((signs < 0).sum(), (signs > 0).sum()) > 0.35 * len(signs)
    both = np.sign(difference[across & down]).prod(axis=1)
    assert min((both < 0).sum(), (both > 0).sum()) > 0.35 * len(both)


def test_a_box_is_the_place_of_the_scene_that_sounds() -> None:
    duets = duets_of("duets", 0, EVERY)
    for boxes, (top, left) in zip(pixel_boxes("duets"), duets.corners[:, 0], strict=True):
        np.testing.assert_allclose(boxes, [[left, top, left + SIDE, top + SIDE]])


def colourful(pixels: np.ndarray) -> np.ndarray:
    """Where a pixel is not grey: the shapes are coloured, the grounds are not."""
    return np.ptp(pixels.astype(np.int64), axis=-1) > 90


def test_in_its_box_a_scene_looks_as_by_itself() -> None:
    indices = range(400)
    images = scenes.render("image", "duets", 0, indices)
    crops: list[np.ndarray] = []
    for image, boxes in zip(images, pixel_boxes("duets", indices=indices), strict=True):
        left, top, right, bottom = np.rint(boxes[0]).astype(int)
        crops.append(np.asarray(image)[top:bottom, left:right])
    seen = colourful(np.stack(crops))
    assert seen.shape == (400, SIDE, SIDE)
    area = seen.sum(axis=(1, 2))
    pixel = np.arange(SIDE)
    height = 16 - (seen * pixel[:, None]).sum(axis=(1, 2)) / np.maximum(area, 1)
    across = (seen * pixel[None, :]).sum(axis=(1, 2)) / np.maximum(area, 1)
    labels = dict(zip((a.name for a in ATTRIBUTES), attribute_rows("duets", indices).T, strict=True))
    for measured, name, least in (
        (area, "size", 10),
        (height, "vertical", 2),
        (across, "horizontal", 2),
    ):
        means = np.array([measured[labels[name] == value].mean() for value in range(3)])
        assert (np.diff(means) > least).all(), name
    # As large as in images of one scene, and as many pixels beside it.
    alone = colourful(np.stack(scenes.render("image", "test", 0, indices))).mean()
    assert seen.mean() == pytest.approx(alone, rel=0.1)


def test_the_sound_is_that_of_the_labels() -> None:
    rows = attribute_rows("duets", range(300))
    clips = [clip.samples for clip in scenes.render("audio", "duets", 0, range(300))]
    power = np.square(np.diff(np.stack(clips), axis=1)).mean(axis=1)
    balance = (power[:, 1] - power[:, 0]) / power.sum(axis=1)
    sizes, sides = rows[:, 2], rows[:, 4]
    loudness = np.array([np.log(power.sum(axis=1))[sizes == value].mean() for value in range(3)])
    assert (np.diff(loudness) > 0.5).all()
    assert (np.diff([balance[sides == value].mean() for value in range(3)]) > 0.1).all()


@pytest.mark.parametrize("split", sorted(DUETS))
@pytest.mark.parametrize("modality", sorted(scenes.modalities))
def test_items_depend_on_seed_split_and_index_alone(split: str, modality: str) -> None:
    def digests(seed: int, indices: list[int]) -> list[str]:
        items = scenes.render(modality, split, seed, indices)
        return [
            hashlib.sha256(
                item.samples.tobytes()
                if isinstance(item, AudioClip)
                else str(item).encode()
                if isinstance(item, str)
                else np.asarray(item).tobytes()
            ).hexdigest()
            for item in items
        ]

    indices = list(range(10, 45))
    whole = digests(3, indices)
    assert whole == digests(3, indices[:7]) + digests(3, indices[7:])
    assert whole == [digests(3, [index])[0] for index in reversed(indices)][::-1]
    assert len(set(whole) & set(digests(4, indices))) <= 1


def test_kind_of_image() -> None:
    image = scenes.render("image", "duets", 0, [0])[0]
    assert isinstance(image, np.ndarray)
    assert image.shape == (CANVAS, CANVAS, 3)
    assert image.dtype == np.uint8


def test_both_scenes_and_what_is_heard_are_told() -> None:
    split, indices = "mismatched", range(200)
    duets = duets_of(split, 0, indices)
    heard = labels_of(held_out_combinations()[:200])
    values = [attribute.values for attribute in ATTRIBUTES]
    told = scenes.captions(split, 0, indices)
    texts = [str(text) for text in scenes.render("text", split, 0, indices)]
    for index in indices:
        parts = told[index].split("; ")
        for part, combination in zip(parts, duets.scenes[index], strict=False):
            words = {of[label] for of, label in zip(values, labels_of(combination[None])[0], strict=True)}
            assert words <= set(part.replace(",", " ").split())
        if duets.sounds[index]:
            assert len(parts) == 2
            assert parts[0].endswith("which sounds")
            assert texts[index].endswith("the first of them sounds")
        else:
            words = {of[label] for of, label in zip(values, heard[index], strict=True)}
            assert words <= set(parts[2].replace(",", " ").split())
            assert texts[index].endswith("neither of them sounds")


def test_items_are_those_of_this_revision() -> None:
    # Layouts, boxes and captions have no rounding that could differ between machines.
    for split, expected in (("duets", "4db033902f526e69"), ("mismatched", "f479dd38cbb7f3b3")):
        told = "".join(scenes.captions(split, 0, range(100)))
        assert hashlib.sha256(told.encode()).hexdigest()[:16] == expected


def test_indices_beyond_a_split() -> None:
    with pytest.raises(Exception, match="no item 1000"):
        scenes.boxes("duets", 0, [1000])


def test_no_items() -> None:
    for split in DUETS:
        assert scenes.boxes(split, 0, []) == []
        assert all(scenes.render(modality, split, 0, []) == [] for modality in scenes.modalities)
