"""The generators by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cmcr_worker.generators.protocol import Generator
from cmcr_worker.generators.scenes.generator import ScenesGenerator
from cmcr_worker.generators.things.generator import ThingsGenerator
from cmcr_worker.registry import lookup

GENERATORS: Mapping[str, Generator] = MappingProxyType(
    {"scenes": ScenesGenerator(), "things": ThingsGenerator()}
)


def generator(name: str) -> Generator:
    """The generator of that name.

    Raises:
        WorkerError: UNKNOWN_NAME, with the known names.
    """
    return lookup(GENERATORS, "generator", name)
