"""A provider whose encoder does to order what devices and weights may do, for tests of the pipeline."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from served import MEMORY
from strange_items import Strange, image

from cmcr.v1 import encoder_pb2, tensor_pb2
from cmcr_worker.encoders.protocol import EncoderDescription

IMAGE = encoder_pb2.MODALITY_IMAGE
TEXT = encoder_pb2.MODALITY_TEXT


class StrangeProvider:
    """Its own only encoder: item `number` becomes the direction (1, number); a text is its length."""

    dimension = 2
    modalities = frozenset({"image", "text"})
    weights_sha256 = "cd" * 32
    revision = "1"
    compute_dtype = "float32"

    def __init__(self) -> None:
        self.prepare: Any = Strange()
        self.loads: list[tuple[str, Mapping[str, object]]] = []
        self.batches: list[int] = []
        self.fits = 1 << 30
        self.error: type[Exception] = torch.OutOfMemoryError
        self.seconds = 0.0
        self.not_finite: set[int] = set()
        self.zero: set[int] = set()
        self.too_large: set[int] = set()
        self.gate: threading.Event | None = None
        self.embedding = threading.Event()

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        return EncoderDescription(
            self.dimension, self.modalities, self.weights_sha256, self.revision, self.compute_dtype
        )

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> StrangeProvider:
        self.loads.append((model, options))
        return self

    def preparation(self, modality: str) -> Any:
        return text_item if modality == "text" else self.prepare

    def embed(self, modality: str, inputs: Sequence[Any]) -> torch.Tensor:
        self.embedding.set()
        if self.gate is not None:
            self.gate.wait(30)
        time.sleep(self.seconds)
        numbers = [int(row[0]) for row in inputs]
        if len(inputs) > self.fits or any(number in self.too_large for number in numbers):
            if self.error is RuntimeError:
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")
            raise self.error("CUDA out of memory. Tried to allocate 9 GiB")
        self.batches.append(len(inputs))
        rows = torch.from_numpy(expected(numbers))
        for place, number in enumerate(numbers):
            if number in self.not_finite:
                rows[place, 1] = float("nan")
            if number in self.zero:
                rows[place] = 0
        return rows


def text_item(media: Any) -> Any:
    """The preparation of texts."""
    return np.array([len(media)], np.float32)


def direction(number: int) -> np.ndarray:
    """The row of item `number`."""
    row = np.array([1.0, number], np.float64)
    return row / np.linalg.norm(row)


def expected(numbers: Sequence[int]) -> np.ndarray:
    """Their rows, (n, 2)."""
    return np.stack([direction(number) for number in numbers]).astype(np.float32)


def start(total: int, *, modality: int = IMAGE, model: str = "one", **changes: Any) -> Any:
    """A start that asks for shards and reports of failures, unless told otherwise."""
    encoder = encoder_pb2.EncoderSpec(provider="strange", model=model)
    fields = {"encoder": encoder, "modality": modality, "total": total, "report_failures": True, **changes}
    return encoder_pb2.EncodeRequest(start=encoder_pb2.EncodeStart(**fields))


def items(*numbers: int | tuple[int, int]) -> Any:
    """A batch of items, each a number or a number with what it does to its decoder."""
    found = [number if isinstance(number, tuple) else (number, 0) for number in numbers]
    batch = encoder_pb2.ItemList(
        items=[encoder_pb2.Item(data=image(*pair), name=f"number {pair[0]}") for pair in found]
    )
    return encoder_pb2.EncodeRequest(batch=encoder_pb2.ItemBatch(list=batch))


def listed(*found: Any) -> Any:
    """A batch of these wire items."""
    return encoder_pb2.EncodeRequest(batch=encoder_pb2.ItemBatch(list=encoder_pb2.ItemList(items=found)))


def shard_end(destination: tensor_pb2.Destination = MEMORY) -> Any:
    """The end of a shard."""
    return encoder_pb2.EncodeRequest(shard_end=encoder_pb2.ShardEnd(destination=destination))
