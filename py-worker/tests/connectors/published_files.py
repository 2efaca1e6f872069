"""Files as the authors save them, with random weights, and their heads computed by NumPy alone.

Names, shapes and order are written out here by hand, not taken from the code under test. Sources: C-MCR's
cmcr_projector.py and cmcr_model.py, Ex-MCR's exmcr_projector.py, FreeBind's projector.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Rows = npt.NDArray[np.float64]


def _linear(state: OrderedDict[str, Tensor], name: str, outputs: int, inputs: int) -> None:
    state[f"{name}.weight"] = torch.randn(outputs, inputs) * inputs**-0.5
    state[f"{name}.bias"] = torch.randn(outputs) * 0.1


def _norm(state: OrderedDict[str, Tensor], name: str, width: int) -> None:
    state[f"{name}.weight"] = 0.5 + torch.rand(width)
    state[f"{name}.bias"] = torch.randn(width) * 0.1
    # Far from 0 and 1, so that a head that uses its batch's statistics is seen to do so.
    state[f"{name}.running_mean"] = torch.randn(width) * 0.2
    state[f"{name}.running_var"] = 0.05 + torch.rand(width)
    state[f"{name}.num_batches_tracked"] = torch.tensor(3080)


def _audio_visual(state: OrderedDict[str, Tensor], name: str, inputs: int, outputs: int) -> None:
    _linear(state, f"{name}net1.0", 2 * inputs, inputs)
    _norm(state, f"{name}net1.1", 2 * inputs)
    _linear(state, f"{name}net2.0", outputs, 2 * inputs)
    _norm(state, f"{name}net2.1", outputs)


def _three_d(state: OrderedDict[str, Tensor], name: str, inputs: int, outputs: int) -> None:
    _linear(state, f"{name}net.0", outputs, inputs)
    _norm(state, f"{name}net.1", outputs)


def clap_clip(clap: int = 512, clip: int = 512, joint: int = 512, seed: int = 0) -> OrderedDict[str, Tensor]:
    """clap_clip.pt: Head_A is CLAP's, Head_B CLIP's; 28 tensors."""
    torch.manual_seed(seed)
    state: OrderedDict[str, Tensor] = OrderedDict()
    _audio_visual(state, "Head_A.", clap, joint)
    _audio_visual(state, "Head_B.", clip, joint)
    return state


def ulip_clip(clip: int = 512, ulip: int = 512, joint: int = 512, seed: int = 0) -> OrderedDict[str, Tensor]:
    """ulip_clip.pt: Head_A is CLIP's, Head_B ULIP's; 14 tensors."""
    torch.manual_seed(seed)
    state: OrderedDict[str, Tensor] = OrderedDict()
    _three_d(state, "Head_A.", clip, joint)
    _three_d(state, "Head_B.", ulip, joint)
    return state


def ex_leaf(leaf: int = 512, base: int = 512, seed: int = 0) -> OrderedDict[str, Tensor]:
    """ex_clap.pt or ex_ulip.pt: 30 tensors."""
    torch.manual_seed(seed)
    state: OrderedDict[str, Tensor] = OrderedDict()
    _linear(state, "Head1", base, leaf)
    _audio_visual(state, "Head2.mlp1.", base, base)
    _audio_visual(state, "Head2.mlp2.", base, base)
    return state


def freebind_mode(expert: int, base: int, seed: int) -> OrderedDict[str, Tensor]:
    """One mode's best.pt: 14 tensors."""
    torch.manual_seed(seed)
    state: OrderedDict[str, Tensor] = OrderedDict()
    _linear(state, "Head2.mlps.0", 2048, expert)
    _norm(state, "Head2.mlps.1", 2048)
    _linear(state, "Head2.mlps.3", base, 2048)
    _norm(state, "Head2.mlps.4", base)
    return state


def unit(rows: npt.NDArray[np.floating]) -> Rows:
    """Rows of length 1, in float64."""
    wide = rows.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def _affine(state: Mapping[str, Tensor], name: str, x: Rows) -> Rows:
    weight, bias = (state[f"{name}.{part}"].double().numpy() for part in ("weight", "bias"))
    y: Rows = x @ weight.T + bias
    return y


def _norm_of(state: Mapping[str, Tensor], name: str, x: Rows) -> Rows:
    """BatchNorm in evaluation mode: running statistics, epsilon 1e-5 under the root."""
    mean, variance, weight, bias = (
        state[f"{name}.{part}"].double().numpy() for part in ("running_mean", "running_var", "weight", "bias")
    )
    y: Rows = (x - mean) / np.sqrt(variance + 1e-5) * weight + bias
    return y


def audio_visual_of(state: Mapping[str, Tensor], name: str, x: Rows) -> Rows:
    """Two layers with batch norm, ReLU after the first alone; not normalised."""
    hidden = np.maximum(_norm_of(state, f"{name}net1.1", _affine(state, f"{name}net1.0", x)), 0)
    return _norm_of(state, f"{name}net2.1", _affine(state, f"{name}net2.0", hidden))


def three_d_of(state: Mapping[str, Tensor], name: str, x: Rows) -> Rows:
    """One layer with batch norm; ReLU is the last operation; not normalised."""
    return np.maximum(_norm_of(state, f"{name}net.1", _affine(state, f"{name}net.0", x)), 0)


def ex_leaf_of(state: Mapping[str, Tensor], x: Rows) -> Rows:
    """Head1, then both MLPs; not normalised."""
    return audio_visual_of(
        state, "Head2.mlp2.", audio_visual_of(state, "Head2.mlp1.", _affine(state, "Head1", x))
    )


def freebind_mode_of(state: Mapping[str, Tensor], x: Rows) -> Rows:
    """One mode's projector, normalised."""
    hidden = np.maximum(_norm_of(state, "Head2.mlps.1", _affine(state, "Head2.mlps.0", x)), 0)
    return unit(_norm_of(state, "Head2.mlps.4", _affine(state, "Head2.mlps.3", hidden)))
