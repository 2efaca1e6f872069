import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from cmcr_worker.encoders.builtin import train
from cmcr_worker.encoders.builtin.models import MODELS
from cmcr_worker.encoders.builtin.provider import BuiltinProvider
from cmcr_worker.encoders.builtin.recipes import WORLDS, TrainingSettings, recipe_note
from cmcr_worker.encoders.builtin.train import Progress, contrastive_loss, train_model
from cmcr_worker.encoders.builtin.vocabulary import words_of
from cmcr_worker.encoders.builtin.weights import SHIPPED, file_name
from cmcr_worker.generators.registry import generator
from cmcr_worker.generators.scenes.attributes import held_out_combinations
from cmcr_worker.generators.scenes.draws import combinations_of
from cmcr_worker.generators.things.attributes import seen_combinations
from cmcr_worker.generators.things.draws import combinations_of as combinations_of_things

TINY = TrainingSettings(pairs=256, epochs=5, batch_size=64)
MODELS_OF_WORLDS = [(world, model) for world, models in WORLDS.items() for model in sorted(models)]


def ignore(progress: Progress) -> None:
    assert progress.epoch <= progress.epochs


def test_every_model_can_be_trained() -> None:
    assert {model for models in WORLDS.values() for model in models} == set(MODELS)


def test_loss_of_uniform_scores_is_the_log_of_the_batch() -> None:
    same = torch.ones(16, 4)
    assert contrastive_loss(same, same, 0.07).item() == pytest.approx(math.log(16))


def test_loss_against_the_definition() -> None:
    left, right = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = 0.0
    for a, b in ((left, right), (right, left)):
        for i in range(5):
            scores = [float(torch.cosine_similarity(a[i], b[j], dim=0)) / 0.1 for j in range(5)]
            expected -= (scores[i] - math.log(sum(math.exp(score) for score in scores))) / 10
    assert contrastive_loss(left, right, 0.1).item() == pytest.approx(expected)


def test_models_share_no_item_and_none_is_held_out() -> None:
    used = [set(source.indices(8000)) for source in WORLDS["scenes"].values()]
    assert len(set().union(*used)) == 3 * 8000
    for indices in used:
        combinations = combinations_of("train", 0, sorted(indices))
        assert not set(combinations.tolist()) & set(held_out_combinations().tolist())


def test_models_of_things_share_no_item_and_none_is_held_out() -> None:
    used = [set(source.indices(8000)) for source in WORLDS["things"].values()]
    assert not used[0] & used[1]
    for indices in used:
        combinations = combinations_of_things("train", 0, sorted(indices))
        assert set(combinations.tolist()) <= set(seen_combinations().tolist())


@pytest.mark.parametrize(("world", "model"), MODELS_OF_WORLDS)
def test_a_short_training_lowers_the_loss_and_repeats_exactly(world: str, model: str) -> None:
    source = WORLDS[world][model]
    before = torch.random.get_rng_state()
    first = train_model(model, source, 3, TINY, ignore)
    assert first.losses[-1] < first.losses[0] - 0.3
    assert torch.equal(torch.random.get_rng_state(), before), "it must leave the global generator alone"
    again = train_model(model, source, 3, TINY, ignore)
    assert first.losses == again.losses
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in first.tensors)


def test_captions_of_things_are_fresh_in_every_epoch_and_those_of_scenes_stay() -> None:
    reworded = WORLDS["things"]["things-image-text"].reworded
    assert reworded is not None
    asked: list[int] = []

    def told(seed: int, indices: Sequence[int], epoch: int) -> list[str]:
        asked.append(epoch)
        return reworded(seed, indices, epoch)

    source = replace(WORLDS["things"]["things-image-text"], reworded=told)
    train_model("things-image-text", source, 3, TINY, ignore)
    assert asked == [1, 2, 3, 4], "epoch 0 has the captions that the vocabulary was made of"
    assert len({tuple(reworded(0, range(50), epoch)) for epoch in range(3)}) == 3
    others = [
        source for world, model in MODELS_OF_WORLDS if (source := WORLDS[world][model]).reworded is None
    ]
    assert len(others) == 4


def test_the_cloud_tower_never_sees_text() -> None:
    assert set(MODELS["things-cloud-image"].towers) == {"pointcloud", "image"}
    source = WORLDS["things"]["things-cloud-image"]
    assert not any(isinstance(item, str) for item in source.counterpart("train", 0, source.indices(4)))


def test_training_scans_clouds_anew() -> None:
    source = WORLDS["things"]["things-cloud-image"]
    clouds = torch.randn(50, 256, 3)
    torch.manual_seed(0)
    first, second = source.varied["pointcloud"](clouds), source.varied["pointcloud"](clouds)
    assert first.shape == (50, 160, 3)
    assert not torch.equal(first, second)
    # Turned about the vertical: heights and distances from it are those of points of the cloud.
    for cloud, part in zip(clouds, first, strict=True):
        kept = torch.stack([cloud[:, 2], cloud[:, :2].norm(dim=1)], dim=1)
        found = torch.stack([part[:, 2], part[:, :2].norm(dim=1)], dim=1)
        nearest = torch.cdist(found, kept, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
        assert nearest.values.max() < 1e-4
        assert len(set(nearest.indices.tolist())) == 160


def test_training_mirrors_half_of_the_images_of_things_and_none_of_scenes() -> None:
    for source in WORLDS["things"].values():
        images = torch.randint(0, 256, (400, 4, 4, 3), dtype=torch.uint8)
        varied = source.varied["image"](images)
        same = (varied == images).flatten(1).all(dim=1)
        other = (varied == images.flip(2)).flatten(1).all(dim=1)
        assert (same ^ other).all()
        assert 0.35 < same.float().mean() < 0.65
    # There left and right are told.
    assert all(not source.varied for source in WORLDS["scenes"].values())


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_the_command_writes_weights_that_load(
    world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = str(torch.get_num_threads())
    few = ["--pairs", "256", "--epochs", "2", "--threads", threads]
    assert train.main(["--world", world, "--seed", "9", "--out", str(tmp_path), *few]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert str(tmp_path) in lines[-1]
    assert sum("s left" in line for line in lines) == 2 * len(WORLDS[world])
    for model in WORLDS[world]:
        checksum = BuiltinProvider().describe(model, tmp_path / f"{model}.safetensors", {}).weights_sha256
        assert any(checksum in line for line in lines)


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_the_command_in_the_readme_is_of_each_world(world: str) -> None:
    command = f"python -m {train.__name__} --world {world} --seed 0 --out cmcr_worker/weights"
    assert f"\n    {command}\n" in (SHIPPED / "README.md").read_text()


def test_one_tower_learns_both_languages_of_the_same_scenes() -> None:
    source = WORLDS["scenes"]["scenes-two-languages"]
    assert source.modality == source.other == "text"
    assert set(MODELS["scenes-two-languages"].towers) == {"text"}
    rows = source.indices(TINY.pairs)
    foreign, english = (make("train", 3, rows) for make in (source.render, source.counterpart))
    assert english == generator("scenes").render("text", "train", 3, rows)
    words = [{word for text in texts for word in words_of(str(text))} for texts in (foreign, english)]
    assert not words[0] & words[1]
    trained = train_model("scenes-two-languages", source, 3, TINY, ignore)
    assert set(trained.vocabulary.words) == words[0] | words[1]


@pytest.mark.parametrize("model", [*sorted(WORLDS["things"]), "scenes-two-languages"])
def test_shipped_weights_were_made_by_their_recipe(model: str) -> None:
    with safe_open(SHIPPED / file_name(model), "pt") as file:
        made = file.metadata()
    assert made["seed"] == "0"
    source = next(models[model] for models in WORLDS.values() if model in models)
    assert made["recipe"] == recipe_note(source.settings)
