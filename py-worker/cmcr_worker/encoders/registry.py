"""The providers of encoders by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cmcr_worker.encoders.builtin.provider import BuiltinProvider
from cmcr_worker.encoders.protocol import EncoderProvider
from cmcr_worker.errors import unknown_name

PROVIDERS: Mapping[str, EncoderProvider] = MappingProxyType({"builtin": BuiltinProvider()})


def provider(name: str) -> EncoderProvider:
    """The provider of that name.

    Raises:
        WorkerError: UNKNOWN_NAME, with the known names.
    """
    found = PROVIDERS.get(name)
    if found is None:
        raise unknown_name("encoder provider", name, PROVIDERS)
    return found
