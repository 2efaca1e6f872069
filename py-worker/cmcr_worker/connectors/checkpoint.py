"""projectors.safetensors: the weights of both heads, and in its metadata all that rebuilds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from cmcr_worker.connectors.heads import HeadSpec, LayerSpec, build_head
from cmcr_worker.errors import Reason, WorkerError

FORMAT = "cmcr-projectors"
FORMAT_VERSION = 1
# safetensors writes several metadata keys in no fixed order; one key keeps the bytes reproducible.
_METADATA_KEY = "cmcr"
_LENGTH_BYTES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class SideHead:
    """A space's head with its weights."""

    space: str
    spec: HeadSpec
    head: nn.Module


def to_bytes(sides: Sequence[SideHead], batch_norm: str) -> bytes:
    """The file's bytes: the same heads give the same bytes. Keys are `{space}.{parameter}`."""
    tensors: dict[str, Tensor] = {}
    for side in sides:
        for name, value in side.head.state_dict().items():
            tensors[f"{side.space}.{name}"] = value.detach().cpu().contiguous()
    metadata = {
        "format": FORMAT,
        "formatVersion": FORMAT_VERSION,
        "batchNorm": batch_norm,
        "outputDim": sides[0].spec.output_dim,
        "sides": [_describe(side) for side in sides],
    }
    return bytes(save(tensors, {_METADATA_KEY: json.dumps(metadata, sort_keys=True)}))


def from_bytes(data: bytes) -> list[SideHead]:
    """The heads in a file's bytes, in evaluation mode on the CPU.

    Raises DATA_CORRUPT for anything that is no such file, and for a key that is missing, unknown
    or of another shape, naming it.
    """
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise _corrupt(f"is no safetensors file: {error}") from error
    metadata = _metadata(data)
    try:
        sides = [_side(entry) for entry in metadata["sides"]]
    except (KeyError, TypeError) as error:
        raise _corrupt(f"has no complete architecture in its metadata: {error!r}") from error
    expected: dict[str, Tensor] = {
        f"{side.space}.{name}": value for side in sides for name, value in side.head.state_dict().items()
    }
    _check_keys(expected, tensors)
    for side in sides:
        prefix = f"{side.space}."
        side.head.load_state_dict({name: tensors[prefix + name] for name in side.head.state_dict()})
        side.head.eval().requires_grad_(False)
    return sides


def _describe(side: SideHead) -> dict[str, Any]:
    layers = [
        {"kind": layer.kind, "outputs": layer.outputs} if layer.outputs else {"kind": layer.kind}
        for layer in side.spec.layers
    ]
    return {
        "space": side.space,
        "preset": side.spec.preset,
        "inputDim": side.spec.input_dim,
        "outputDim": side.spec.output_dim,
        "layers": layers,
        **({"members": side.spec.members} if side.spec.members != 1 else {}),
    }


def _side(entry: Mapping[str, Any]) -> SideHead:
    spec = HeadSpec(
        preset=str(entry["preset"]),
        input_dim=int(entry["inputDim"]),
        output_dim=int(entry["outputDim"]),
        layers=tuple(
            LayerSpec(kind=str(layer["kind"]), outputs=int(layer.get("outputs", 0)))
            for layer in entry["layers"]
        ),
        members=int(entry.get("members", 1)),
    )
    return SideHead(space=str(entry["space"]), spec=spec, head=build_head(spec))


def _metadata(data: bytes) -> dict[str, Any]:
    # `load` has parsed this header already, so its length and its JSON are sound.
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
    text = header.get("__metadata__", {}).get(_METADATA_KEY)
    try:
        metadata = json.loads(text) if text is not None else None
    except json.JSONDecodeError as error:
        raise _corrupt(f"has damaged metadata: {error}") from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise _corrupt("has no architecture in its metadata: cmcr did not write it")
    if metadata.get("formatVersion") != FORMAT_VERSION:
        raise WorkerError(
            Reason.PROTOCOL_MISMATCH,
            f"the projectors have format version {metadata.get('formatVersion')}; "
            f"this worker reads version {FORMAT_VERSION}",
            subject="projectors",
            remedy="Use the version of cmcr that wrote them.",
        )
    return metadata


def _check_keys(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    for key in sorted(expected.keys() | found.keys()):
        if key not in found:
            raise _corrupt(f"lacks the tensor {key!r}", key)
        if key not in expected:
            raise _corrupt(f"has a tensor {key!r} that its architecture does not know", key)
        want, have = expected[key], found[key]
        if want.shape != have.shape or want.dtype != have.dtype:
            raise _corrupt(
                f"has {key!r} as {have.dtype} of shape {tuple(have.shape)}; "
                f"its architecture asks for {want.dtype} of shape {tuple(want.shape)}",
                key,
            )


def _corrupt(what: str, subject: str = "projectors") -> WorkerError:
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"the projectors' file {what}",
        subject=subject,
        remedy="Use a projectors.safetensors that a run wrote.",
    )
