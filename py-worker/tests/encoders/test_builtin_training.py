import math
from pathlib import Path

import pytest
import torch

from cmcr_worker.encoders.builtin import train
from cmcr_worker.encoders.builtin.models import MODELS
from cmcr_worker.encoders.builtin.provider import BuiltinProvider
from cmcr_worker.encoders.builtin.train import (
    WORLDS,
    Progress,
    TrainingSettings,
    contrastive_loss,
    train_model,
)
from cmcr_worker.generators.scenes.attributes import held_out_combinations
from cmcr_worker.generators.scenes.draws import combinations_of

TINY = TrainingSettings(pairs=256, epochs=5, batch_size=64)
MODEL_NAMES = sorted(WORLDS["scenes"])


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
    assert not used[0] & used[1]
    for indices in used:
        combinations = combinations_of("train", 0, sorted(indices))
        assert not set(combinations.tolist()) & set(held_out_combinations().tolist())


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_a_short_training_lowers_the_loss_and_repeats_exactly(model: str) -> None:
    source = WORLDS["scenes"][model]
    before = torch.random.get_rng_state()
    first = train_model(model, source, 3, TINY, ignore)
    assert first.losses[-1] < first.losses[0] - 0.3
    assert torch.equal(torch.random.get_rng_state(), before), "it must leave the global generator alone"
    again = train_model(model, source, 3, TINY, ignore)
    assert first.losses == again.losses
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in first.tensors)


def test_the_command_writes_weights_that_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        train, "TrainingSettings", lambda: TrainingSettings(pairs=64, epochs=2, batch_size=32)
    )
    threads = str(torch.get_num_threads())
    assert train.main(["--world", "scenes", "--seed", "9", "--out", str(tmp_path), "--threads", threads]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert str(tmp_path) in lines[-1]
    assert sum("s left" in line for line in lines) == 4
    for model in MODEL_NAMES:
        checksum = BuiltinProvider().describe(model, tmp_path / f"{model}.safetensors", {}).weights_sha256
        assert any(checksum in line for line in lines)
