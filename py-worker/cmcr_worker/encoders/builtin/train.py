"""Trains the built-in encoders again.

    python -m cmcr_worker.encoders.builtin.train --world scenes --seed 0 --out DIR

writes one weights file for each model of the world. The same seed, number of
threads and machine give the same files.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from cmcr_worker.encoders.builtin.models import MODELS, build_towers
from cmcr_worker.encoders.builtin.recipes import WORLDS, PairSource, TrainingSettings, recipe_note
from cmcr_worker.encoders.builtin.tower import Tower
from cmcr_worker.encoders.builtin.vocabulary import PADDING, UNKNOWN, Vocabulary
from cmcr_worker.encoders.builtin.weights import file_name, write_weights


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands after an epoch."""

    epoch: int
    epochs: int
    loss: float
    pairs_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A model's trained parameters, on the CPU, and its vocabulary."""

    tensors: dict[str, torch.Tensor]
    vocabulary: Vocabulary
    losses: tuple[float, ...]


def train_model(
    model: str, source: PairSource, seed: int, settings: TrainingSettings, report: Callable[[Progress], None]
) -> Trained:
    """Trains one model from fresh weights with the symmetric InfoNCE loss.

    `losses` of the result has the mean loss of each epoch, in nats.
    """
    indices = source.indices(settings.pairs)
    items, counterparts = (make("train", seed, indices) for make in (source.render, source.counterpart))
    vocabulary = Vocabulary.of_texts([each for each in (*items, *counterparts) if isinstance(each, str)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        towers = build_towers(MODELS[model], vocabulary)
        one, other = towers[source.modality], towers[source.other]
        assert isinstance(one, Tower)
        assert isinstance(other, Tower)
        prepared = one.prepare(items)
        first = other.prepare(counterparts)

        def counterparts_of(epoch: int) -> torch.Tensor:
            if source.reworded is None or epoch == 0:
                return first
            return other.prepare(source.reworded(seed, indices, epoch))

        pairs = _Pairs(source, one, other, prepared, counterparts_of)
        losses = tuple(_epochs(towers, pairs, settings, report))
    return Trained(
        {name: tensor.detach() for name, tensor in towers.state_dict().items()}, vocabulary, losses
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Both towers and what they are given; the counterparts may differ from epoch to epoch."""

    source: PairSource
    one: Tower
    other: Tower
    prepared: torch.Tensor
    counterparts_of: Callable[[int], torch.Tensor]

    def loss(
        self, rows: torch.Tensor, counterparts: torch.Tensor, settings: TrainingSettings
    ) -> torch.Tensor:
        """The loss of one batch, of these rows of both."""
        # The counterparts come first in what is random.
        right = self._varied(self.source.other, counterparts[rows], settings)
        left = self._varied(self.source.modality, self.prepared[rows], settings)
        return contrastive_loss(self.one(left), self.other(right), settings.temperature)

    def _varied(self, modality: str, given: torch.Tensor, settings: TrainingSettings) -> torch.Tensor:
        if modality == "text":
            given = _with_unknown_words(given, settings.unknown_words)
        vary = self.source.varied.get(modality)
        return given if vary is None else vary(given)


def _epochs(
    towers: nn.ModuleDict, pairs: _Pairs, settings: TrainingSettings, report: Callable[[Progress], None]
) -> Iterator[float]:
    optimizer = torch.optim.AdamW(
        towers.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    batches = len(pairs.prepared) // settings.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * batches
    )
    towers.train()
    start = time.monotonic()
    for epoch in range(settings.epochs):
        total = 0.0
        counterparts = pairs.counterparts_of(epoch)
        order = torch.randperm(len(pairs.prepared))[: batches * settings.batch_size]
        for rows in order.view(batches, settings.batch_size):
            loss = pairs.loss(rows, counterparts, settings)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        elapsed = time.monotonic() - start
        done = epoch + 1
        report(
            Progress(
                epoch=done,
                epochs=settings.epochs,
                loss=total / batches,
                pairs_per_second=done * batches * settings.batch_size / elapsed,
                seconds_left=elapsed / done * (settings.epochs - done),
            )
        )
        yield total / batches


def _with_unknown_words(numbers: torch.Tensor, share: float) -> torch.Tensor:
    dropped = (torch.rand(numbers.shape) < share) & (numbers != PADDING)
    return numbers.masked_fill(dropped, UNKNOWN)


def contrastive_loss(left: torch.Tensor, right: torch.Tensor, temperature: float) -> torch.Tensor:
    """Symmetric InfoNCE of paired rows (n, d): the mean of both directions, in nats."""
    scores = nn.functional.normalize(left, dim=1) @ nn.functional.normalize(right, dim=1).T / temperature
    targets = torch.arange(len(scores))
    forward = nn.functional.cross_entropy(scores, targets)
    backward = nn.functional.cross_entropy(scores.T, targets)
    return (forward + backward) / 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: trains every model of a world and writes its weights."""
    parser = argparse.ArgumentParser(prog="cmcr_worker.encoders.builtin.train", description=__doc__)
    parser.add_argument("--world", choices=sorted(WORLDS), required=True)
    parser.add_argument("--seed", type=int, default=0, help="the shipped weights have 0")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights files")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--pairs", type=int, help="pairs to train on, for a trial; the recipe's unless given")
    parser.add_argument("--epochs", type=int, help="passes over them, for a trial")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    # Before the work, so that a folder that cannot be made costs no time.
    options.out.mkdir(parents=True, exist_ok=True)
    changes = {name: value for name in ("pairs", "epochs") if (value := getattr(options, name)) is not None}
    for model, source in WORLDS[options.world].items():
        settings = replace(source.settings, **changes)
        print(
            f"{model}: {settings.pairs} pairs, {settings.epochs} epochs, {options.threads} threads",
            flush=True,
        )

        def report(progress: Progress, model: str = model) -> None:
            print(
                f"{model}: epoch {progress.epoch}/{progress.epochs}, loss {progress.loss:.3f}, "
                f"{progress.pairs_per_second:.0f} pairs/s, {progress.seconds_left:.0f} s left",
                flush=True,
            )

        trained = train_model(model, source, options.seed, settings, report)
        path = options.out / file_name(model)
        notes = {"seed": str(options.seed), "recipe": recipe_note(settings)}
        checksum = write_weights(path, model, trained.tensors, trained.vocabulary, notes)
        print(f"{model}: {path} sha256 {checksum}", flush=True)
    print(f"Weights are in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
