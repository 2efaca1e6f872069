"""The providers of encoders by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cmcr_worker.encoders.builtin.provider import BuiltinProvider
from cmcr_worker.encoders.protocol import EncoderProvider
from cmcr_worker.registry import lookup

PROVIDERS: Mapping[str, EncoderProvider] = MappingProxyType({"builtin": BuiltinProvider()})


def provider(name: str) -> EncoderProvider:
    """The provider of that name.

    Raises:
        WorkerError: UNKNOWN_NAME, with the known names.
    """
    return lookup(PROVIDERS, "encoder provider", name)
