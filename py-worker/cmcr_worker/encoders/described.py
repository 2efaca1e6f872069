"""What every encoder says of itself, and how its items are prepared."""

from __future__ import annotations

from collections.abc import Mapping

from cmcr_worker.encoders.protocol import EncoderDescription, PatchGrid, Preparation
from cmcr_worker.errors import unknown_name


class DescribedEncoder:
    """The part of an `Encoder` that follows from its description; `embed` is the class's own."""

    def __init__(
        self, description: EncoderDescription, kind: str, preparations: Mapping[str, Preparation]
    ) -> None:
        """`kind` is what messages call it, such as `the provider open-clip`."""
        self.dimension: int = description.dimension
        self.modalities: frozenset[str] = description.modalities
        self.weights_sha256: str = description.weights_sha256
        self.revision: str = description.revision
        self.compute_dtype: str = description.compute_dtype
        self.patch_grid: PatchGrid | None = description.patch_grid
        self.patches_missing: str = description.patches_missing
        self._kind = kind
        self._preparations = preparations

    def preparation(self, modality: str) -> Preparation:
        """What is done to an item of that modality before `embed`.

        Raises:
            WorkerError: UNKNOWN_NAME for a modality that it does not embed.
        """
        found = self._preparations.get(modality)
        if found is None:
            raise unknown_name(f"modality of {self._kind}", modality, self._preparations)
        return found
