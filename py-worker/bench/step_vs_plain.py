"""Our training step against a plain PyTorch loop of the same mathematics, interleaved in one run.

Prints one JSON object. Both sides start from the same weights, see the same batches and the same
noise, and report the loss terms and gradient norms of every step; their losses are compared.
`ratio` is plain time over ours: above 1, ours is faster.

    python bench/step_vs_plain.py --batch 512 --dims 64 48 --output-dim 48
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmcr_worker.connectors.checkpoint import from_bytes
from cmcr_worker.connectors.heads import HeadSpec
from cmcr_worker.connectors.plan import SideTensors, StepPlan, TrainSideSpec, TrainSpec
from cmcr_worker.connectors.seeds import stream_seed
from cmcr_worker.connectors.training import ProjectorTrainer


class PlainLoop:
    """C-MCR's step as one would write it down from the paper."""

    def __init__(
        self, heads: list[nn.Module], overlap: list[Tensor], pseudo: list[Tensor], device: str
    ) -> None:
        self.heads = [head.to(device).train().requires_grad_(True) for head in heads]
        self.overlap = [x.to(device) for x in overlap]
        self.pseudo = [x.to(device) for x in pseudo]
        self.generator = torch.Generator(device)
        self.optimizer = torch.optim.AdamW([p for head in self.heads for p in head.parameters()])

    def step(self, plan: StepPlan) -> tuple[float, ...]:
        for group in self.optimizer.param_groups:
            group["lr"], group["weight_decay"] = plan.learning_rate, plan.weight_decay
        rows = torch.from_numpy(plan.rows).to(self.overlap[0].device)
        self.generator.manual_seed(stream_seed(plan.noise_seed))
        projected = []
        for head, overlap, pseudo in zip(self.heads, self.overlap, self.pseudo, strict=True):
            x = torch.cat([overlap[rows], pseudo[rows]])
            noise = torch.randn(x.shape, generator=self.generator, device=x.device)
            x = F.normalize(x + plan.noise_variance**0.5 * noise, dim=-1)
            projected.append(F.normalize(head(x), dim=-1).chunk(2))
        (t1, v), (t2, w) = projected
        overlap_loss = self.info_nce(t1, t2, plan.overlap_temperature)
        pseudo_loss = self.info_nce(v, w, plan.pseudo_temperature)
        intra = 0.5 * ((t1 - v).square().sum(-1) + (t2 - w).square().sum(-1)).mean()
        loss = (
            plan.overlap_weight * overlap_loss + plan.pseudo_weight * pseudo_loss + plan.intra_weight * intra
        )
        self.optimizer.zero_grad()
        loss.backward()
        norms = [torch.nn.utils.clip_grad_norm_(head.parameters(), float("inf")) for head in self.heads]
        self.optimizer.step()
        return tuple(value.item() for value in (loss, overlap_loss, pseudo_loss, intra, *norms))

    @staticmethod
    def info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
        logits = a @ b.t() / temperature
        labels = torch.arange(len(a), device=a.device)
        return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--dims", type=int, nargs=2, default=[64, 48])
    parser.add_argument("--output-dim", type=int, default=48)
    parser.add_argument("--preset", default="audio-visual")
    parser.add_argument("--temperature", type=float, default=0.2)
    parser.add_argument("--items", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=20, help="steps in one timed block")
    parser.add_argument("--repeats", type=int, default=7, help="timed blocks of each side")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry; JSON is all it prints")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    generator = torch.Generator().manual_seed(0)
    matrices = [
        F.normalize(torch.randn(options.items, dim, generator=generator), dim=1)
        for dim in options.dims
        for _ in range(2)
    ]
    overlap, pseudo = matrices[0::2], matrices[1::2]
    sides = tuple(
        TrainSideSpec(
            space=f"space{i}",
            head=HeadSpec(preset=options.preset, input_dim=dim, output_dim=options.output_dim),
        )
        for i, dim in enumerate(options.dims)
    )
    spec = TrainSpec(
        sides=(sides[0], sides[1]),
        initialization="default",
        seed=0,
        batch_norm="together",
        optimizer="adamw",
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        momentum=0.0,
        max_gradient_norm=0.0,
    )
    ours = ProjectorTrainer(
        spec, [SideTensors(overlap=t, pseudo=p) for t, p in zip(overlap, pseudo, strict=True)], options.device
    )
    plain = PlainLoop([side.head for side in from_bytes(ours.state())], overlap, pseudo, options.device)
    shuffle = np.random.default_rng(0)

    def plans(first: int) -> list[StepPlan]:
        return [
            StepPlan(
                number=number,
                rows=shuffle.choice(options.items, options.batch, replace=False),
                noise_seed=number,
                learning_rate=1e-3,
                weight_decay=0.01,
                noise_variance=0.004,
                overlap_weight=1.0,
                overlap_temperature=options.temperature,
                pseudo_weight=1.0,
                pseudo_temperature=options.temperature,
                intra_weight=0.1,
            )
            for number in range(first, first + options.steps)
        ]

    def wait() -> None:
        if options.device.startswith("cuda"):
            torch.cuda.synchronize()

    ours_seconds: list[float] = []
    plain_seconds: list[float] = []
    first_difference, last_difference = 0.0, 0.0
    for repeat in range(options.repeats + 1):
        block = plans(repeat * options.steps)
        wait()
        began = time.perf_counter()
        for plan in block:
            ours.step(plan)
        reports = ours.flush()
        wait()
        middle = time.perf_counter()
        losses = [plain.step(plan)[0] for plan in block]
        wait()
        ended = time.perf_counter()
        difference = max(abs(r.loss - loss) / abs(loss) for r, loss in zip(reports, losses, strict=True))
        last_difference = difference
        if repeat == 0:
            # The first block warms up, and is where rounding has not had time to grow.
            first_difference = difference
            continue
        ours_seconds.append((middle - began) / options.steps)
        plain_seconds.append((ended - middle) / options.steps)
    ratios = [p / o for p, o in zip(plain_seconds, ours_seconds, strict=True)]
    print(
        json.dumps(
            {
                "benchmark": "training-step",
                "device": options.device,
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "batch": options.batch,
                "dims": options.dims,
                "outputDim": options.output_dim,
                "preset": options.preset,
                "oursMs": round(1e3 * statistics.median(ours_seconds), 4),
                "plainMs": round(1e3 * statistics.median(plain_seconds), 4),
                "ratio": round(statistics.median(ratios), 4),
                "ratios": [round(ratio, 4) for ratio in ratios],
                "lossDifferenceFirstBlock": first_difference,
                "lossDifferenceLastBlock": last_difference,
            }
        )
    )


if __name__ == "__main__":
    main()
