"""The provider of CLAP models of transformers: a local folder, or a repository of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cmcr_worker.encoders.clap_encoder import ClapEncoder, check_tokenizer
from cmcr_worker.encoders.clap_preparation import MAX_TOKENS
from cmcr_worker.encoders.clap_settings import AudioTower, sound_preparation
from cmcr_worker.encoders.huggingface_files import (
    HUB_PATTERNS,
    TOKENIZER_PATTERNS,
    load_config,
    load_model,
    load_tokenizer,
    weights_files,
)
from cmcr_worker.encoders.model_files import ModelFolder, files_sha256, model_folder
from cmcr_worker.encoders.options import Options, dtype_name
from cmcr_worker.encoders.protocol import EncoderDescription
from cmcr_worker.encoders.torchvision_import import import_torchvision
from cmcr_worker.errors import Reason, WorkerError

NAME = "huggingface-clap"
REVISION = "1"
"""Changes whenever preparation or forward pass change their results."""

# Saved with the weights by some versions of transformers and not by others, and the same in every model.
_COUNTED = ("text_model.embeddings.position_ids", "text_model.embeddings.token_type_ids")


class HuggingFaceClapProvider:
    """CLAP as transformers keeps it, with or without fusion.

    Options: `revision` of the hub's repository, `dtype`, `cropSeed`.
    """

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        """What `load` would give; reads configurations and checksums, builds nothing.

        Raises:
            WorkerError: CHECKPOINT_MISSING for files that are not to be had, DATA_CORRUPT for those that
                cannot be used, CONFIG_INVALID for the options or a folder of another kind of model.
        """
        return _Folder(model, checkpoint, options).described

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> ClapEncoder:
        """The encoder, ready on that device. Raises as `describe` does, and SHAPE_MISMATCH for weights
        that are missing, too many or of another shape."""
        found = _Folder(model, checkpoint, options)
        import_torchvision()
        from transformers import ClapModel

        network = load_model(
            ClapModel, found.folder, found.config, torch.float32, unused=_COUNTED, heads=_COUNTED
        )
        tokenizer = load_tokenizer(found.folder)
        check_tokenizer(tokenizer, found.config.text_config, f"of {found.folder.origin}")
        return ClapEncoder(network, found.sound, tokenizer, found.described, device, found.dtype)


class _Folder:
    """A model's folder with what was read of it, short of the weights."""

    def __init__(self, model: str, checkpoint: Path | None, options: Mapping[str, object]) -> None:
        given = Options(NAME, options)
        revision, self.dtype = given.text("revision", "main"), given.dtype()
        crop_seed = given.whole("cropSeed", 0)
        given.finish()
        self.folder = model_folder(NAME, model, checkpoint, revision, HUB_PATTERNS)
        self.config = _clap_config(self.folder)
        audio = self.config.audio_config
        tower = AudioTower(
            fusion=bool(audio.enable_fusion),
            bands=audio.num_mel_bins,
            most_frames=audio.spec_size * (audio.spec_size // audio.num_mel_bins),
        )
        self.sound = sound_preparation(self.folder, tower, crop_seed)
        config = self.folder.sha256(["config.json"])
        tokenizer = self.folder.sha256(TOKENIZER_PATTERNS)
        self.described = EncoderDescription(
            dimension=int(self.config.projection_dim),
            modalities=frozenset({"audio", "text"}),
            weights_sha256=files_sha256(weights_files(self.folder)),
            revision=REVISION,
            compute_dtype=dtype_name(self.dtype),
            preprocessing={
                "audio": {**self.sound.as_json(), "config": config},
                "text": {"tokens": MAX_TOKENS, "tokenizer": tokenizer, "config": config},
            },
        )


def _clap_config(folder: ModelFolder) -> Any:
    kind = folder.json("config.json").get("model_type")
    if kind != "clap":
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{folder.origin} is a model of type {kind!r}, not a CLAP",
            subject=folder.origin,
            remedy="Give a CLAP, such as laion/clap-htsat-fused, or the provider that fits this model.",
        )
    config = load_config(folder)
    fusion_type = config.audio_config.fusion_type
    if config.audio_config.enable_fusion and fusion_type not in (None, "aff_2d"):
        raise WorkerError(
            Reason.CONFIG_INVALID,
            f"{folder.origin} fuses chunks by {fusion_type!r}; transformers knows aff_2d alone",
            subject=str(folder.path / "config.json"),
        )
    return config
