"""The provider of LAION's original CLAP checkpoints, such as 630k-fusion-best.pt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cmcr_worker.encoders.clap_encoder import ClapEncoder, check_tokenizer
from cmcr_worker.encoders.clap_log_mel import MelSettings
from cmcr_worker.encoders.clap_preparation import FUSION, MAX_TOKENS, RANDOM_CROP, ClapSound
from cmcr_worker.encoders.huggingface_files import TOKENIZER_PATTERNS, load_tokenizer
from cmcr_worker.encoders.laion_clap_constants import check_constants
from cmcr_worker.encoders.laion_clap_keys import converted
from cmcr_worker.encoders.laion_clap_layout import clap_layout
from cmcr_worker.encoders.model_files import ModelFolder, file_sha256, model_folder
from cmcr_worker.encoders.options import Options, dtype_name
from cmcr_worker.encoders.protocol import EncoderDescription
from cmcr_worker.encoders.restricted_checkpoint import read_checkpoint, read_layout
from cmcr_worker.encoders.torchvision_import import import_torchvision
from cmcr_worker.errors import Reason, WorkerError, unknown_name

NAME = "laion-clap"
REVISION = "1"
"""Changes whenever preparation or forward pass change their results."""

REPOSITORY = "lukewys/laion_clap"
"""Where the original checkpoints lie on the hub."""

MODELS: Mapping[str, str] = {
    "630k-best": "HTSAT-tiny without fusion",
    "630k-audioset-best": "HTSAT-tiny without fusion",
    "630k-fusion-best": "HTSAT-tiny with fusion",
    "630k-audioset-fusion-best": "HTSAT-tiny with fusion",
    "music_audioset_epoch_15_esc_90.14": "HTSAT-base without fusion",
    "music_speech_epoch_15_esc_89.25": "HTSAT-base without fusion",
    "music_speech_audioset_epoch_15_esc_89.98": "HTSAT-base without fusion",
}
"""The published checkpoints, without `.pt`, and what each is. C-MCR used 630k-fusion-best."""

NO_TOKENIZER = "none"
DEFAULT_TOKENIZER = "roberta-base"
"""What CLAP was trained with. Where it is not to be had, sounds are embedded all the same."""


class LaionClapProvider:
    """CLAP from the original's own checkpoints, in transformers' network.

    Options: `tokenizer`, a folder, a hub id (`NAME` or `NAME@REVISION`) or `none` for sounds alone;
    `revision` of the hub's repository of checkpoints; `dtype`; `cropSeed`.
    """

    def describe(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object]
    ) -> EncoderDescription:
        """What `load` would give; reads names, shapes and checksums, builds nothing.

        Raises:
            WorkerError: UNKNOWN_NAME for a model that was not published, CHECKPOINT_MISSING for files that
                are not to be had, DATA_CORRUPT or SHAPE_MISMATCH for those that cannot be used,
                CONFIG_INVALID for the options or a checkpoint that is not the model.
        """
        return _Checkpoint(model, checkpoint, options).described

    def load(
        self, model: str, checkpoint: Path | None, options: Mapping[str, object], device: torch.device
    ) -> ClapEncoder:
        """The encoder, ready on that device. Raises as `describe` does."""
        found = _Checkpoint(model, checkpoint, options)
        network = _network(found)
        tokenizer: Any = found.tokenizer
        if isinstance(tokenizer, ModelFolder):
            origin, tokenizer = tokenizer.origin, load_tokenizer(tokenizer)
            check_tokenizer(tokenizer, network.config.text_config, origin)
        return ClapEncoder(network, found.sound, tokenizer, found.described, device, found.dtype)


class _Checkpoint:
    """A checkpoint with what is known of it before its weights are read."""

    def __init__(self, model: str, checkpoint: Path | None, options: Mapping[str, object]) -> None:
        given = Options(NAME, options)
        revision, self.dtype = given.text("revision", "main"), given.dtype()
        tokenizer, crop_seed = given.text("tokenizer", DEFAULT_TOKENIZER), given.whole("cropSeed", 0)
        given.finish()
        self.path = _file(model, checkpoint, revision)
        self.layout = clap_layout(read_layout(self.path).state, str(self.path))
        if model and MODELS[model] != self.layout.name:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"checkpoint {self.path} is {self.layout.name}, and the model {model} is {MODELS[model]}",
                subject="encoder.model",
                remedy="Leave the model out, or give its own checkpoint.",
            )
        self.sound = ClapSound(
            mel=MelSettings(
                scale="htk" if self.layout.fusion else "slaney",
                window=self.layout.fft,
                bands=self.layout.bands,
            ),
            truncation=FUSION if self.layout.fusion else RANDOM_CROP,
            crop_seed=crop_seed,
        )
        preprocessing: dict[str, object] = {"audio": {**self.sound.as_json(), "model": self.layout.name}}
        self.tokenizer = _tokenizer_folder(tokenizer)
        if self.tokenizer is not None:
            folder = self.tokenizer if isinstance(self.tokenizer, ModelFolder) else None
            known = folder.sha256(TOKENIZER_PATTERNS) if folder else None
            preprocessing["text"] = {"tokens": MAX_TOKENS, "tokenizer": known}
        self.described = EncoderDescription(
            dimension=self.layout.dimension,
            modalities=frozenset({"audio"} if self.tokenizer is None else {"audio", "text"}),
            weights_sha256=file_sha256(self.path),
            revision=REVISION,
            compute_dtype=dtype_name(self.dtype),
            preprocessing=preprocessing,
        )


def _file(model: str, checkpoint: Path | None, revision: str) -> Path:
    if model and model not in MODELS:
        raise unknown_name(f"model of the provider {NAME}", model, MODELS)
    if checkpoint is not None:
        return checkpoint
    if not model:
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"the provider {NAME} was given neither a model nor a checkpoint",
            subject="encoder.model",
            remedy=f"Give model: one of {', '.join(MODELS)}, or checkpoint: its .pt file.",
        )
    name = f"{model}.pt"
    return model_folder(NAME, REPOSITORY, None, revision, [name]).file(name)


def _tokenizer_folder(option: str) -> ModelFolder | WorkerError | None:
    """The tokenizer's folder; None where texts are not wanted. That the default one is not to be had is an
    error for texts alone, and is returned."""
    if option == NO_TOKENIZER:
        return None
    patterns = [*TOKENIZER_PATTERNS, "config.json"]
    folder = Path(option)
    try:
        if folder.is_absolute() or folder.is_dir():
            return model_folder(NAME, "", folder, "main", patterns)
        name, _, revision = option.partition("@")
        return model_folder(NAME, name, None, revision or "main", patterns)
    except WorkerError as error:
        error.remedy = (
            "CLAP's texts need the tokenizer of roberta-base. Give its folder or hub id as the option "
            f"tokenizer, or {NO_TOKENIZER} to embed sounds alone."
        )
        if option == DEFAULT_TOKENIZER:
            return error
        raise


def _network(found: _Checkpoint) -> Any:
    import_torchvision()
    import transformers.utils.logging
    from transformers import ClapConfig, ClapModel

    reports: Any = transformers.utils.logging
    reports.disable_progress_bar()
    config = ClapConfig(**found.layout.config())
    with torch.device("meta"):
        needed = ClapModel(config).state_dict()
    state = read_checkpoint(found.path).state
    weights = converted(state, needed, found.layout, str(found.path))
    check_constants(state, found.layout, found.sound.mel, str(found.path))
    return ClapModel.from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32)
