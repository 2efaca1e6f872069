"""A built-in model with its weights, frozen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.builtin.image_size import fitted
from cmcr_worker.encoders.builtin.models import ModelDefinition, build_towers
from cmcr_worker.encoders.builtin.tower import Tower
from cmcr_worker.encoders.builtin.weights import Weights
from cmcr_worker.encoders.frozen import forward_pass, unit_rows
from cmcr_worker.encoders.protocol import Preparation, as_it_is
from cmcr_worker.errors import unknown_name

COMPUTE_DTYPE = "float32"
_BLOCK = 256  # Items that go through the network at a time.


class BuiltinEncoder:
    """Embeds with towers that are in eval mode and need no gradient."""

    compute_dtype: str = COMPUTE_DTYPE

    def __init__(
        self, model: str, definition: ModelDefinition, weights: Weights, device: torch.device
    ) -> None:
        self.dimension: int = definition.dimension
        self.modalities: frozenset[str] = frozenset(definition.towers)
        self.revision: str = definition.revision
        self.weights_sha256: str = weights.sha256
        self._model = model
        self._device = device
        self._towers: dict[str, Tower] = {}
        # On the meta device nothing is initialised, so that no random number is drawn.
        with torch.device("meta"):
            modules = build_towers(definition, weights.vocabulary)
        modules.load_state_dict(weights.tensors, assign=True)
        modules.requires_grad_(False).eval().to(device)
        for modality, tower in modules.items():
            assert isinstance(tower, Tower)
            self._towers[modality] = tower

    @property
    def module(self) -> nn.ModuleDict:
        """The towers by modality; frozen, and to be left so."""
        return nn.ModuleDict(self._towers)

    def preparation(self, modality: str) -> Preparation:
        """Images are resized, so that no photo has to be kept whole; the rest the towers do by themselves.

        Raises UNKNOWN_NAME as `embed` does.
        """
        self._tower(modality)
        return fitted if modality == "image" else as_it_is

    def embed(self, modality: str, inputs: Sequence[Prepared]) -> torch.Tensor:
        """Embeddings of these items, (n, dimension) float32 on the CPU, rows L2-normalised.

        Raises:
            WorkerError: UNKNOWN_NAME for a modality that the model does not embed, CONFIG_INVALID for
                an item that is not of the modality.
        """
        tower = self._tower(modality)
        embeddings = torch.empty(len(inputs), self.dimension)
        with forward_pass(self._device):
            for start in range(0, len(inputs), _BLOCK):
                prepared = tower.prepare(inputs[start : start + _BLOCK]).to(self._device)
                embeddings[start : start + len(prepared)] = unit_rows(tower(prepared))
        return embeddings

    def _tower(self, modality: str) -> Tower:
        tower = self._towers.get(modality)
        if tower is None:
            raise unknown_name(f"modality of {self._model}", modality, self._towers)
        return tower
