"""How each of the published checkpoints names its tensors, and which head belongs to which space.

MIND WHICH HEAD IS WHICH: in C-MCR's clap_clip.pt `Head_A` is CLAP's and `Head_B` CLIP's; in its ulip_clip.pt
`Head_A` is CLIP's and `Head_B` ULIP's (cmcr_model.py of github.com/MCR-PEFT/C-MCR).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cmcr_worker.connectors.head_spec import HeadSpec
from cmcr_worker.connectors.heads import build_head


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The head of one side in a layout."""

    head: str
    """Name of its architecture."""
    prefix: str = ""
    """What its tensors' names begin with in the authors' files."""
    first: str = ""
    """The matrix whose columns are the space's dimensions; empty for a side without weights."""
    last: str = ""
    """The matrix whose rows are the joint space's dimensions."""
    ensemble: bool = False
    """Whether each file is one member of the head, and the head their mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The form of a published checkpoint."""

    title: str
    """Whose it is, to follow "the layout of"."""
    presets: str
    """What the command line calls it."""
    base: Part
    """The side that texts and images go through: CLIP's."""
    joined: Part
    """The side of the space that is joined to it."""
    files: tuple[int, ...] = (1,)
    """How many files a checkpoint may have."""

    @property
    def parts(self) -> tuple[Part, Part]:
        """Base and joined side: the order of the spaces in a request."""
        return self.base, self.joined

    @property
    def weighted(self) -> tuple[Part, ...]:
        """The sides that have weights, in the order of the file."""
        return tuple(sorted((part for part in self.parts if part.first), key=lambda part: part.prefix))

    def specs(self, state: Mapping[str, Tensor], members: int) -> tuple[HeadSpec, HeadSpec]:
        """The architectures that a file's own matrices ask for.

        Each part's `first` and `last` must be there, as (outputs, inputs).
        """
        joint = int(state[self.joined.prefix + self.joined.last].shape[0])

        def spec(part: Part) -> HeadSpec:
            weights = bool(part.first)
            return HeadSpec(
                preset=part.head,
                input_dim=int(state[part.prefix + part.first].shape[1]) if weights else joint,
                output_dim=int(state[part.prefix + part.last].shape[0]) if weights else joint,
                members=members if part.ensemble else 1,
            )

        return spec(self.base), spec(self.joined)

    def keys(self) -> list[str]:
        """The names in a file, in the authors' order."""
        return [
            name
            for part in self.weighted
            for name, _ in names(
                part, blank_head(HeadSpec(preset=part.head, input_dim=1, output_dim=1)).state_dict(), 0
            )
        ]


def blank_head(spec: HeadSpec) -> nn.Module:
    """A head on the meta device: it has no values yet. Raises what `build_head` raises."""
    with torch.device("meta"):
        return build_head(spec)


def names(part: Part, own: Iterable[str], member: int) -> Iterator[tuple[str, str]]:
    """(name in file `member`, name in the head) of each of a head's tensors that belongs in that file."""
    cut = f"members.{member}." if part.ensemble else ""
    for name in own:
        if name.startswith(cut):
            yield part.prefix + name.removeprefix(cut), name


def _audio_visual(prefix: str) -> Part:
    return Part(head="audio-visual", prefix=prefix, first="net1.0.weight", last="net2.0.weight")


def _three_d(prefix: str) -> Part:
    return Part(head="three-d", prefix=prefix, first="net.0.weight", last="net.0.weight")


_IDENTITY = Part(head="identity")

LAYOUTS: dict[str, Layout] = {
    "audio-visual": Layout(
        title="C-MCR's CLAP and CLIP (clap_clip.pt)",
        presets="audio-visual",
        base=_audio_visual("Head_B."),
        joined=_audio_visual("Head_A."),
    ),
    "three-d": Layout(
        title="C-MCR's CLIP and ULIP (ulip_clip.pt)",
        presets="three-d",
        base=_three_d("Head_A."),
        joined=_three_d("Head_B."),
    ),
    "ex-mcr": Layout(
        title="Ex-MCR (ex_clap.pt, ex_ulip.pt)",
        presets="ex-mcr-audio or ex-mcr-3d",
        base=_IDENTITY,
        joined=Part(head="ex-mcr", first="Head1.weight", last="Head2.mlp2.net2.0.weight"),
    ),
    "freebind": Layout(
        title="FreeBind (best.pt of each mode)",
        presets="freebind",
        base=_IDENTITY,
        joined=Part(
            head="freebind",
            prefix="Head2.",
            first="mlps.0.weight",
            last="mlps.3.weight",
            ensemble=True,
        ),
        files=(1, 7),
    ),
}
"""Every layout by name. A new one is an entry here and, where it has another head, a line in HEADS."""
