"""The pipeline with a GPU at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from strange_encoder import StrangeProvider, expected, items, shard_end, start

from cmcr.v1 import encoder_pb2_grpc
from cmcr_worker.server import encoders
from cmcr_worker.server.application import start_server
from cmcr_worker.server.state import WorkerState

BYTES_OF_AN_ITEM = 64 << 20


class DeviceProvider(StrangeProvider):
    """Computes its directions on the device, with as much memory for each item as the test says."""

    bytes_each = 1 << 10

    def embed(self, modality: str, inputs: Sequence[Any]) -> torch.Tensor:
        numbers = torch.from_numpy(np.stack([row[:1] for row in inputs])).cuda()
        # Kept through the forward pass, as activations are.
        activations = torch.zeros(len(inputs), self.bytes_each // 4, device="cuda")
        rows = torch.cat([torch.ones_like(numbers), numbers + activations[:, :1]], dim=1)
        self.batches.append(len(inputs))
        return torch.nn.functional.normalize(rows.double(), dim=1).float().cpu()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> DeviceProvider:
    provider = DeviceProvider()
    monkeypatch.setattr(encoders, "provider", lambda name: provider)
    return provider


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[encoder_pb2_grpc.EncoderServiceStub]:
    state = WorkerState(device=torch.device("cuda", 0), threads=1, roots=[tmp_path])
    running = start_server(address=f"unix:{tmp_path}/w", state=state)
    try:
        with grpc.insecure_channel(running.address) as channel:
            yield encoder_pb2_grpc.EncoderServiceStub(channel)
    finally:
        running.stop(grace=0)


def encoded(stub: Any, path: Path, numbers: Sequence[int], batch: int) -> list[Any]:
    batches = [items(*numbers[at : at + batch]) for at in range(0, len(numbers), batch)]
    end = shard_end()
    end.shard_end.destination.path = str(path)
    return list(stub.Encode(iter([start(len(numbers)), *batches, end]), timeout=120))


@pytest.mark.cuda
def test_rows_of_a_device(stub: Any, provider: DeviceProvider, tmp_path: Path) -> None:
    encoded(stub, tmp_path / "a.npy", range(500), 32)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), expected(range(500)), atol=1e-6)


@pytest.mark.cuda
def test_batches_that_do_not_fit_a_device_are_halved(
    stub: Any, provider: DeviceProvider, tmp_path: Path
) -> None:
    """The device is made small: 64 items of 64 MiB do not fit into 1 GiB, 8 do."""
    provider.bytes_each = BYTES_OF_AN_ITEM
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((1 << 30) / whole, 0)
    try:
        answers = encoded(stub, tmp_path / "a.npy", range(128), 64)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, 0)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), expected(range(128)), atol=1e-6)
    notes = [note for answer in answers for note in answer.notes]
    assert len(notes) == 1
    assert "a batch of 64 (image) does not fit the device cuda:0: halved to 8" in notes[0]
    assert set(provider.batches[1:]) == {8}
    assert not any(answer.failures for answer in answers)
