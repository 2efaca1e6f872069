"""The providers of encoders by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cmcr_worker.encoders.builtin.provider import BuiltinProvider
from cmcr_worker.encoders.huggingface_clap import HuggingFaceClapProvider
from cmcr_worker.encoders.huggingface_clip import HuggingFaceClipProvider
from cmcr_worker.encoders.huggingface_text import HuggingFaceTextProvider
from cmcr_worker.encoders.laion_clap import LaionClapProvider
from cmcr_worker.encoders.open_clip_provider import OpenClipProvider
from cmcr_worker.encoders.protocol import EncoderProvider
from cmcr_worker.encoders.python_provider import PythonProvider
from cmcr_worker.encoders.ulip.provider import UlipProvider
from cmcr_worker.registry import lookup

# A provider's own module imports no library that is slow to load or may be missing: its methods do.
PROVIDERS: Mapping[str, EncoderProvider] = MappingProxyType(
    {
        "builtin": BuiltinProvider(),
        "huggingface-clap": HuggingFaceClapProvider(),
        "huggingface-clip": HuggingFaceClipProvider(),
        "huggingface-text": HuggingFaceTextProvider(),
        "laion-clap": LaionClapProvider(),
        "open-clip": OpenClipProvider(),
        "python": PythonProvider(),
        "ulip": UlipProvider(),
    }
)


def provider(name: str) -> EncoderProvider:
    """The provider of that name.

    Raises:
        WorkerError: UNKNOWN_NAME, with the known names.
    """
    return lookup(PROVIDERS, "encoder provider", name)
