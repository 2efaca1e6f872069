"""Trains the built-in encoders again.

    python -m cmcr_worker.encoders.builtin.train --world scenes --seed 0 --out DIR

writes one weights file for each model of the world. The same seed, number of
threads and machine give the same files.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn

from cmcr_worker.decoding.media import Media
from cmcr_worker.encoders.builtin.models import MODELS, build_towers
from cmcr_worker.encoders.builtin.tower import Tower
from cmcr_worker.encoders.builtin.vocabulary import PADDING, UNKNOWN, Vocabulary
from cmcr_worker.encoders.builtin.weights import file_name, write_weights
from cmcr_worker.generators.scenes.images import render_images
from cmcr_worker.generators.scenes.sounds import render_sounds
from cmcr_worker.generators.scenes.wording import render_captions


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How an encoder is trained; the defaults made the weights that come with the package.

    Each pair keeps one caption through all epochs, as in collections of real
    pairs. With fresh wording in every epoch the encoders become so good on this
    small world that every way of joining them comes to the same.
    """

    pairs: int = 8000
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    temperature: float = 0.07
    # Share of words that training replaces by the unknown word, so that it gets a meaning.
    unknown_words: float = 0.02


@dataclass(frozen=True, slots=True)
class PairSource:
    """The pairs that a model is trained on."""

    modality: str
    render: Callable[[str, int, Sequence[int]], Sequence[Media]]
    caption: Callable[[str, int, Sequence[int]], list[str]]
    # Captions of even index are as seen, those of odd index as heard; so no two models share an item.
    first_index: int
    index_step: int

    def indices(self, pairs: int) -> list[int]:
        """The items of the split `train` that this model is trained on."""
        return list(range(self.first_index, self.first_index + pairs * self.index_step, self.index_step))


WORLDS: Mapping[str, Mapping[str, PairSource]] = MappingProxyType(
    {
        "scenes": {
            "scenes-image-text": PairSource(
                "image", render_images, render_captions, first_index=0, index_step=2
            ),
            "scenes-audio-text": PairSource(
                "audio", render_sounds, render_captions, first_index=1, index_step=2
            ),
        }
    }
)
"""The models of each world and the pairs they are trained on."""


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
    captions = source.caption("train", seed, indices)
    vocabulary = Vocabulary.of_texts(captions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        towers = build_towers(MODELS[model], vocabulary)
        media, text = towers[source.modality], towers["text"]
        assert isinstance(media, Tower)
        assert isinstance(text, Tower)
        prepared = media.prepare(source.render("train", seed, indices))
        words = text.prepare(captions)
        losses = tuple(_epochs(towers, media, text, prepared, words, settings, report))
    return Trained(
        {name: tensor.detach() for name, tensor in towers.state_dict().items()}, vocabulary, losses
    )


def _epochs(
    towers: nn.ModuleDict,
    media: Tower,
    text: Tower,
    prepared: torch.Tensor,
    words: torch.Tensor,
    settings: TrainingSettings,
    report: Callable[[Progress], None],
) -> Iterator[float]:
    optimizer = torch.optim.AdamW(
        towers.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    batches = len(prepared) // settings.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * batches
    )
    towers.train()
    start = time.monotonic()
    for epoch in range(settings.epochs):
        total = 0.0
        order = torch.randperm(len(prepared))[: batches * settings.batch_size]
        for rows in order.view(batches, settings.batch_size):
            numbers = words[rows]
            dropped = (torch.rand(numbers.shape) < settings.unknown_words) & (numbers != PADDING)
            loss = contrastive_loss(
                media(prepared[rows]), text(numbers.masked_fill(dropped, UNKNOWN)), settings.temperature
            )
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
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    # Before the work, so that a folder that cannot be made costs no time.
    options.out.mkdir(parents=True, exist_ok=True)
    settings = TrainingSettings()
    for model, source in WORLDS[options.world].items():
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
        checksum = write_weights(
            path, model, trained.tensors, trained.vocabulary, {"seed": str(options.seed)}
        )
        print(f"{model}: {path} sha256 {checksum}", flush=True)
    print(f"Weights are in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
