"""The original CLAP's weights under transformers' names, strictly: none left over, none made up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from cmcr_worker.encoders.huggingface_files import check_weights
from cmcr_worker.encoders.laion_clap_layout import AUDIO, TEXT, ClapLayout

# transformers' names on the left; the order matters, as `output.dense` ends `attention.output.dense` too.
_AUDIO_RENAMED = (
    (r"^batch_norm\.", "bn0."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.attention\.self\.(query|key|value)\.", ".attn.qkv."),
    (r"\.attention\.self\.", ".attn."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
)
# Saved or not by one version of transformers or another, and the same in every model.
_COUNTED: Mapping[str, Callable[[Sequence[int]], Tensor]] = {
    "text_model.embeddings.position_ids": lambda shape: torch.arange(shape[-1]).expand(shape).clone(),
    "text_model.embeddings.token_type_ids": lambda shape: torch.zeros(shape, dtype=torch.long),
}
_THIRDS = {"query": 0, "key": 1, "value": 2}


def original_name(name: str) -> tuple[str, int | None]:
    """The original's name of a weight of transformers' ClapModel, and which third of its rows it is."""
    if name.startswith("audio_model.audio_encoder."):
        third = re.search(r"\.attention\.self\.(query|key|value)\.", name)
        renamed = name.removeprefix("audio_model.audio_encoder.")
        for pattern, replacement in _AUDIO_RENAMED:
            renamed = re.sub(pattern, replacement, renamed)
        return AUDIO + renamed, _THIRDS[third[1]] if third else None
    if name.startswith("text_model."):
        return TEXT + name.removeprefix("text_model."), None
    projection = re.fullmatch(r"(audio|text)_projection\.linear([12])\.(weight|bias)", name)
    if projection:
        return f"{projection[1]}_projection.{0 if projection[2] == '1' else 2}.{projection[3]}", None
    return name, None


def converted(
    state: Mapping[str, Tensor], needed: Mapping[str, Tensor], layout: ClapLayout, origin: str
) -> dict[str, Tensor]:
    """The weights of an original checkpoint as `needed` names them, in its shapes.

    `needed` is the state of transformers' ClapModel, which may be on the meta device; `origin` is what
    messages call the checkpoint.

    Raises:
        WorkerError: SHAPE_MISMATCH with the names, the original's, of weights that are missing, that the
            original does not have, or that have another shape.
    """
    taken: dict[str, Tensor] = {}
    missing: set[str] = set()
    known: set[str] = set()
    shapes: list[str] = []
    for name, like in needed.items():
        if name in _COUNTED:
            taken[name] = _COUNTED[name](like.shape)
            continue
        original, third = original_name(name)
        known.add(original)
        tensor = state.get(original)
        if tensor is None:
            missing.add(original)
            continue
        wanted = tuple(like.shape) if third is None else (3 * like.shape[0], *like.shape[1:])
        if tuple(tensor.shape) != wanted:
            shapes.append(f"{original} {tuple(tensor.shape)} for {wanted}")
            continue
        part = tensor if third is None else tensor.chunk(3)[third]
        taken[name] = part.to(like.dtype).contiguous()
    for name, shape, required in _beside(layout):
        known.add(name)
        if name not in state:
            missing.update([name] if required else [])
        elif shape is not None and tuple(state[name].shape) != shape:
            shapes.append(f"{name} {tuple(state[name].shape)} for {shape}")
    check_weights(
        origin,
        missing,
        state.keys() - known,
        set(shapes),
        wanted=f"a CLAP of LAION, {layout.name}",
        remedy="Download the checkpoint again, and compare its checksum.",
    )
    return taken


def _beside(layout: ClapLayout) -> Iterator[tuple[str, tuple[int, ...] | None, bool]]:
    """What an original checkpoint has beside the embeddings' network: name, shape, whether it must be there.

    The spectrogram's constants and the attention masks are checked by `laion_clap_constants`; the
    classifier of AudioSet and the two perceptrons of the loss take no part in an embedding. Positions were
    saved by transformers before 4.31 and are counted by it since.
    """
    bins = layout.fft // 2 + 1
    yield f"{AUDIO}spectrogram_extractor.stft.conv_real.weight", (bins, 1, layout.fft), True
    yield f"{AUDIO}spectrogram_extractor.stft.conv_imag.weight", (bins, 1, layout.fft), True
    yield f"{AUDIO}logmel_extractor.melW", (bins, layout.bands), True
    for name in ("tscam_conv.weight", "tscam_conv.bias", "head.weight", "head.bias"):
        yield AUDIO + name, None, True
    for name in mask_names(layout):
        yield name, None, True
    for index in (f"layers.{s}.blocks.{b}.attn.relative_position_index" for s, b in _blocks(layout)):
        yield AUDIO + index, None, False
    for tower in ("audio", "text"):
        for layer in (0, 3):
            yield f"{tower}_transform.sequential.{layer}.weight", (layout.dimension, layout.dimension), True
            yield f"{tower}_transform.sequential.{layer}.bias", (layout.dimension,), True
    yield f"{TEXT}embeddings.position_ids", (1, layout.positions), False
    yield f"{TEXT}embeddings.token_type_ids", (1, layout.positions), False


def mask_names(layout: ClapLayout) -> list[str]:
    """Names of the masks of shifted windows: those of every second block, where there are several windows."""
    return [
        f"{AUDIO}layers.{stage}.blocks.{block}.attn_mask"
        for stage, block in _blocks(layout)
        if block % 2 == 1 and layout.resolution(stage) > layout.window
    ]


def _blocks(layout: ClapLayout) -> Iterator[tuple[int, int]]:
    for stage, found in enumerate(layout.stages):
        for block in range(found.depth):
            yield stage, block
