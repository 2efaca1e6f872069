"""What every encoder's tests hold it to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cmcr_worker.encoders.protocol import Encoder, EncoderDescription, encode
from cmcr_worker.errors import Reason, WorkerError

BATCH_SIZES = (1, 2, 7, 64)
CPU = torch.device("cpu")

TOLERANCE = {"bfloat16": 0.999, "float16": 0.9999}
"""Least cosine of an item's embedding in a 16-bit type with the one in float32, as the docs state it."""


def assert_same_directions(found: Tensor, expected: Tensor, least: float = 0.99999) -> None:
    """Every row is normalised, and its cosine with the expected one is at least `least`."""
    assert found.dtype == torch.float32
    assert found.device.type == "cpu"
    torch.testing.assert_close(found.norm(dim=1), torch.ones(len(found)), atol=1e-5, rtol=0)
    cosines = nn.functional.cosine_similarity(found.double(), expected.double(), dim=1)
    assert cosines.min().item() >= least, cosines


def assert_matches_library(
    encoder: Encoder, modality: str, items: Sequence[Any], library: Callable[[Sequence[Any]], Tensor]
) -> None:
    """In every batch size, embeddings are the library's for the same batch, and those of single items."""
    single = torch.cat([encode(encoder, modality, [item]) for item in items])
    # Else a constant would pass.
    assert (single @ single.T).min().item() < 0.9
    for size in BATCH_SIZES:
        for start in range(0, len(items), size):
            batch = items[start : start + size]
            found = encode(encoder, modality, batch)
            assert found.shape == (len(batch), encoder.dimension)
            assert_same_directions(found, library(batch))
            assert (found - single[start : start + size]).abs().max().item() <= 1e-5


def assert_frozen(encoder: Any, modality: str, items: Sequence[Any]) -> None:
    """No parameter asks for a gradient, everything is in eval mode, and use changes nothing."""
    module: nn.Module = encoder.module
    before = state_sha256(module)
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert not any(part.training for part in module.modules())
    first = encode(encoder, modality, items)
    assert not first.requires_grad
    torch.manual_seed(5)
    torch.testing.assert_close(encode(encoder, modality, items), first, atol=0, rtol=0)
    assert state_sha256(module) == before


def state_sha256(module: nn.Module) -> str:
    """SHA-256 over names and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes() if tensor.ndim else b"")
    return digest.hexdigest()


def assert_description_is_what_is_loaded(description: EncoderDescription, encoder: Encoder) -> None:
    """`describe` and `load` agree on all that an embedding depends on."""
    for name in ("dimension", "modalities", "weights_sha256", "revision", "compute_dtype"):
        assert getattr(encoder, name) == getattr(description, name), name
    assert set(description.preprocessing) == description.modalities
    assert len(description.weights_sha256) == 64


def refused(reason: Reason, call: Callable[[], object], *parts: str) -> WorkerError:
    """The error that the call ends in, of that reason, whose message and remedy have all `parts`."""
    with pytest.raises(WorkerError) as raised:
        call()
    text = f"{raised.value.message} {raised.value.remedy}"
    assert raised.value.reason is reason, text
    for part in parts:
        assert part in text, text
    return raised.value
