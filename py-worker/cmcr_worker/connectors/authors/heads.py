"""The published heads, under their authors' own parameter names.

Sources: C-MCR's cmcr_projector.py (github.com/MCR-PEFT/C-MCR), Ex-MCR's exmcr_projector.py
(github.com/MCR-PEFT/Ex-MCR), FreeBind's projector.py and uni_spaces.py (github.com/zehanwang01/FreeBind).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cmcr_worker.connectors.head_spec import HeadSpec
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.tensors.matrix import normalize_rows

FREEBIND_HIDDEN = 2048
"""Width of FreeBind's hidden layer, whatever the spaces'."""


class AudioVisualHead(nn.Module):
    """The authors' MLP with res_expansion 2: two linear layers, each with batch norm, ReLU between them."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        hidden = 2 * spec.input_dim
        self.net1 = nn.Sequential(
            nn.Linear(spec.input_dim, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)
        )
        self.net2 = nn.Sequential(nn.Linear(hidden, spec.output_dim), nn.BatchNorm1d(spec.output_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(b, input_dim) to (b, output_dim)."""
        y: Tensor = self.net2(self.net1(x))
        return y


class ThreeDHead(nn.Module):
    """The authors' MLP_Half with res_expansion 1: linear, batch norm, ReLU; never negative."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(spec.input_dim, spec.output_dim),
            nn.BatchNorm1d(spec.output_dim),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(b, input_dim) to (b, output_dim)."""
        y: Tensor = self.net(x)
        return y


class IdentityHead(nn.Module):
    """No head at all: the base space of Ex-MCR and FreeBind stays as it is."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        if spec.input_dim != spec.output_dim:
            raise WorkerError(
                Reason.SHAPE_MISMATCH,
                f"the base space has {spec.input_dim} dimensions and the joint one {spec.output_dim}; "
                "without a head they are the same",
                subject="head",
            )

    def forward(self, x: Tensor) -> Tensor:
        """(b, d), unchanged."""
        return x


class _TwoMlps(nn.Module):
    """Ex-MCR's Projector: two of C-MCR's MLPs, without an activation between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        spec = HeadSpec(preset="audio-visual", input_dim=width, output_dim=width)
        self.mlp1 = AudioVisualHead(spec)
        self.mlp2 = AudioVisualHead(spec)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mlp2(self.mlp1(x))
        return y


class ExMcrHead(nn.Module):
    """Ex-MCR's Ex_MCR_Head of a leaf space: `Head1` a linear layer, `Head2` two MLPs."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.Head1 = nn.Linear(spec.input_dim, spec.output_dim)
        self.Head2 = _TwoMlps(spec.output_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(b, input_dim) to (b, output_dim)."""
        y: Tensor = self.Head2(self.Head1(x))
        return y


class _FreeBindMember(nn.Module):
    """FreeBind's Proj_Head_mini: linear, batch norm, ReLU, linear, batch norm."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.mlps = nn.Sequential(
            nn.Linear(spec.input_dim, FREEBIND_HIDDEN),
            nn.BatchNorm1d(FREEBIND_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(FREEBIND_HIDDEN, spec.output_dim),
            nn.BatchNorm1d(spec.output_dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mlps(x)
        return y


class FreeBindHead(nn.Module):
    """The mean of several projectors' outputs, each L2-normalised first; parameters `members.{i}.mlps.…`."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        if spec.members < 1:
            raise WorkerError(
                Reason.CONFIG_INVALID, f"a freebind head has {spec.members} members", subject="head"
            )
        self.members = nn.ModuleList(_FreeBindMember(spec) for _ in range(spec.members))

    def forward(self, x: Tensor) -> Tensor:
        """(b, input_dim) to (b, output_dim)."""
        return torch.stack([normalize_rows(member(x)) for member in self.members]).mean(dim=0)
