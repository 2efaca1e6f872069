"""From the authors' files to heads: every name and every shape is held against the layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cmcr_worker.connectors.authors.layouts import LAYOUTS, Layout, blank_head, names
from cmcr_worker.connectors.checkpoint import SideHead
from cmcr_worker.connectors.head_spec import HeadSpec
from cmcr_worker.encoders.restricted_checkpoint import read_checkpoint
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.registry import lookup


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """The tensors of one file, and what messages call it."""

    name: str
    state: Mapping[str, Tensor]


def read_published(path: Path, name: str) -> PublishedFile:
    """The tensors of a file, read without running anything that it holds.

    Raises what `read_checkpoint` raises, with `name` for the path.
    """
    try:
        return PublishedFile(name, read_checkpoint(path).state)
    except WorkerError as error:
        raise WorkerError(
            error.reason,
            error.message.replace(str(path), name),
            subject=error.subject.replace(str(path), name),
            remedy=error.remedy,
        ) from error


def heads_of(layout_name: str, spaces: Sequence[str], files: Sequence[PublishedFile]) -> list[SideHead]:
    """The heads in files of a layout, base first, in evaluation mode on the CPU.

    Every tensor is taken over bit for bit. Raises UNKNOWN_NAME (layout); CONFIG_INVALID for other than two
    spaces, for a number of files that the layout does not have, and for a file that is of another layout,
    which is then named; DATA_CORRUPT for a tensor that is missing, unknown, not finite, or of another
    shape or type, naming it.
    """
    layout = lookup(LAYOUTS, "layout", layout_name)
    if len(spaces) != 2 or spaces[0] == spaces[1]:
        raise _invalid(f"found {len(spaces)} spaces; expected two different ones", "spaces")
    if len(files) not in layout.files:
        expected = " or ".join(str(count) for count in layout.files)
        raise _invalid(f"found {len(files)} files; {layout.title} has {expected}", "file")
    for file in files:
        _check_names(layout_name, layout, file)
        _check_matrices(layout, file)
    specs = layout.specs(files[0].state, len(files))
    _check_joint(layout, files[0], specs)
    sides: list[SideHead] = []
    for space, part, spec in zip(spaces, layout.parts, specs, strict=True):
        # Checked on the meta device: dimensions that a damaged file declares cost no memory.
        head = blank_head(spec)
        own = head.state_dict()
        taken: dict[str, Tensor] = {}
        for member, file in enumerate(files):
            for theirs, ours in names(part, own, member) if part.first else ():
                taken[ours] = _checked(file, theirs, own[ours])
        head.load_state_dict(taken, assign=True)
        head.eval().requires_grad_(False)
        sides.append(SideHead(space=space, spec=spec, head=head))
    return sides


def _check_names(layout_name: str, layout: Layout, file: PublishedFile) -> None:
    expected = layout.keys()
    missing = [key for key in expected if key not in file.state]
    unknown = [key for key in file.state if key not in expected]
    if not missing and not unknown:
        return
    for other, candidate in LAYOUTS.items():
        if other != layout_name and set(candidate.keys()) == set(file.state):
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"{file.name} has the layout of {candidate.title}, not of {layout.title}",
                subject="preset",
                remedy=f"Give --preset {candidate.presets}.",
                known_names=[other],
            )
    if missing:
        raise _corrupt(file, f"lacks the tensor {missing[0]!r}{_more(missing)} of", layout, missing[0])
    raise _corrupt(file, f"has a tensor {unknown[0]!r}{_more(unknown)} beside", layout, unknown[0])


def _more(keys: Sequence[str]) -> str:
    return f" and {len(keys) - 1} more" if len(keys) > 1 else ""


def _check_matrices(layout: Layout, file: PublishedFile) -> None:
    for part in layout.weighted:
        for key in (part.prefix + part.first, part.prefix + part.last):
            if (dimensions := file.state[key].dim()) != 2 or 0 in file.state[key].shape:
                raise _corrupt(
                    file,
                    f"has {key!r} with {dimensions} dimensions and shape {tuple(file.state[key].shape)}, "
                    "which is no matrix of",
                    layout,
                    key,
                )


def _check_joint(layout: Layout, file: PublishedFile, specs: tuple[HeadSpec, HeadSpec]) -> None:
    base, joined = specs
    if base.output_dim != joined.output_dim:
        key = layout.weighted[-1].prefix + layout.weighted[-1].last
        raise _corrupt(
            file,
            f"maps one space to {base.output_dim} dimensions and the other to {joined.output_dim} ({key!r}), "
            "which is not",
            layout,
            key,
        )


def _checked(file: PublishedFile, key: str, expected: Tensor) -> Tensor:
    value = file.state[key]
    if value.shape != expected.shape or value.dtype != expected.dtype:
        raise WorkerError(
            Reason.DATA_CORRUPT,
            f"{file.name} has {key!r} as {_type(value)} of shape {tuple(value.shape)}; "
            f"its other tensors ask for {_type(expected)} of shape {tuple(expected.shape)}",
            subject=key,
            remedy="Use the file as its authors published it.",
        )
    if not bool(torch.isfinite(value).all()):
        raise WorkerError(
            Reason.DATA_CORRUPT,
            f"{file.name} has a value in {key!r} that is not finite",
            subject=key,
            remedy="Download the file again.",
        )
    return value


def _type(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _corrupt(file: PublishedFile, what: str, layout: Layout, key: str) -> WorkerError:
    return WorkerError(
        Reason.DATA_CORRUPT,
        f"{file.name} {what} the layout of {layout.title}",
        subject=key,
        remedy="Use the file as its authors published it, with the preset that is meant for it.",
    )


def _invalid(message: str, subject: str) -> WorkerError:
    return WorkerError(Reason.CONFIG_INVALID, message, subject=subject)
