"""The providers of encoders by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cmcr_worker.encoders.builtin.provider import BuiltinProvider
from cmcr_worker.encoders.huggingface_clip import HuggingFaceClipProvider
from cmcr_worker.encoders.protocol import EncoderProvider
from cmcr_worker.registry import lookup

# A provider's own module imports no library that is slow to load or may be missing: its methods do.
PROVIDERS: Mapping[str, EncoderProvider] = MappingProxyType(
    {
        "builtin": BuiltinProvider(),
        "huggingface-clip": HuggingFaceClipProvider(),
    }
)


def provider(name: str) -> EncoderProvider:
    """The provider of that name.

    Raises:
        WorkerError: UNKNOWN_NAME, with the known names.
    """
    return lookup(PROVIDERS, "encoder provider", name)
