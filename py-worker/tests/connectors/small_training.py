"""A small fixed training that several tests, and the recorded loss curve, share."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cmcr_worker.connectors.heads import HeadSpec
from cmcr_worker.connectors.plan import SideTensors, StepPlan, StepReport, TrainSideSpec, TrainSpec
from cmcr_worker.connectors.training import ProjectorTrainer

ROWS, BATCH, DIMS, OUTPUT_DIM = 96, 32, (12, 10), 8
GOLDEN = Path(__file__).parent / "golden" / "loss_curve.json"


def unit_rows(rows: int, columns: int, seed: int) -> np.ndarray:
    """Deterministic rows of length one that need no generator: they are the same everywhere."""
    index = np.arange(rows * columns, dtype=np.float64).reshape(rows, columns)
    values = np.sin(12.9898 * index + 78.233 * (seed + 1)) * 43758.5453
    values = values - np.floor(values) - 0.5
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def data() -> list[SideTensors]:
    return [
        SideTensors(overlap=unit_rows(ROWS, dim, 2 * i), pseudo=unit_rows(ROWS, dim, 2 * i + 1))
        for i, dim in enumerate(DIMS)
    ]


def head(preset: str, input_dim: int) -> HeadSpec:
    return HeadSpec(preset=preset, input_dim=input_dim, output_dim=OUTPUT_DIM)


def spec(preset: str = "audio-visual", **changes: object) -> TrainSpec:
    sides = tuple(
        TrainSideSpec(space=space, head=head(preset, dim))
        for space, dim in zip(("left", "right"), DIMS, strict=True)
    )
    given = TrainSpec(
        sides=(sides[0], sides[1]),
        initialization="xavier",
        seed=3,
        batch_norm="together",
        optimizer="adamw",
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        momentum=0.0,
        max_gradient_norm=0.0,
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def plan(number: int, **changes: object) -> StepPlan:
    rows = (np.arange(BATCH, dtype=np.uint32) * 5 + 7 * number) % ROWS
    given = StepPlan(
        number=number,
        rows=rows,
        noise_seed=1000 + number,
        learning_rate=3e-3,
        weight_decay=0.01,
        noise_variance=0.004,
        overlap_weight=1.0,
        overlap_temperature=0.1,
        pseudo_weight=1.0,
        pseudo_temperature=0.1,
        intra_weight=0.1,
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def train(
    steps: int,
    given: TrainSpec | None = None,
    *,
    change: Callable[[int], dict[str, object]] = lambda _number: {},
    device: str = "cpu",
) -> tuple[ProjectorTrainer, list[StepReport]]:
    trainer = ProjectorTrainer(given or spec(), data(), device)
    for number in range(steps):
        trainer.step(plan(number, **change(number)))
    return trainer, trainer.flush()


def curve(device: str = "cpu") -> list[list[float]]:
    """Loss, its three terms and both gradient norms of 30 steps."""
    _, reports = train(30, device=device)
    figures = [(r.loss, r.overlap, r.pseudo, r.intra, *r.gradient_norms) for r in reports]
    return [[float(value) for value in row if value is not None] for row in figures]


def build() -> dict[str, str]:
    """What decides the last bits on the CPU: torch, its vector instructions, the processor."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        key, _, value = line.partition(":")
        if key.strip() in ("vendor_id", "cpu family", "model"):
            model += f" {value.strip()}"
        elif not line:
            break
    return {
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": model.strip(),
    }


def main() -> None:
    """Records the curve again; do so only when the numbers were meant to change."""
    torch.set_num_threads(1)
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(
        json.dumps({"build": build(), "curve": [[v.hex() for v in row] for row in curve()]}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
