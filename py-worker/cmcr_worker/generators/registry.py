"""The generators by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cmcr_worker.errors import unknown_name
from cmcr_worker.generators.protocol import Generator
from cmcr_worker.generators.scenes.generator import ScenesGenerator

GENERATORS: Mapping[str, Generator] = MappingProxyType({"scenes": ScenesGenerator()})


def generator(name: str) -> Generator:
    """The generator of that name.

    Raises:
        WorkerError: UNKNOWN_NAME, with the known names.
    """
    found = GENERATORS.get(name)
    if found is None:
        raise unknown_name("generator", name, GENERATORS)
    return found
