"""PointBERT: a transformer over groups of points, as ULIP uses it.

Shapes: B clouds, G groups, K points of a group, C channels, D the transformer's width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from cmcr_worker.encoders.ulip.blocks import Block
from cmcr_worker.encoders.ulip.sizes import PointBertSizes

# Clouds whose groups are encoded at once: the widest layer has 34 MB of each in float32.
_CLOUDS_AT_ONCE = 8


class MiniPointNet(nn.Module):
    """A group of points to one token: two layers for each point, the maximum, two more, the maximum."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.first_conv = nn.Sequential(
            nn.Conv1d(channels, 128, 1), nn.BatchNorm1d(128), nn.ReLU(), nn.Conv1d(128, 256, 1)
        )
        self.second_conv = nn.Sequential(
            nn.Conv1d(512, 512, 1), nn.BatchNorm1d(512), nn.ReLU(), nn.Conv1d(512, outputs, 1)
        )

    def forward(self, groups_MKC: Tensor) -> Tensor:
        """(groups, points, channels) to (groups, outputs)."""
        groups, points, channels = groups_MKC.shape
        first, second = self.first_conv, self.second_conv
        # A convolution of width 1 is a matrix product over the points.
        hidden = relu(_normalised(first[1], _linear(first[0], groups_MKC.reshape(-1, channels))))
        features_MKF = _linear(first[3], hidden).view(groups, points, -1)
        whole_MF = features_MKF.amax(dim=1)
        # The layer takes [whole, feature of the point]; the whole's part is the same for all of its points.
        width = whole_MF.shape[1]
        mixing = second[0]
        assert isinstance(mixing, nn.Conv1d)
        weight = mixing.weight[..., 0]
        mixed_MKF = linear(features_MKF, weight[:, width:])
        mixed_MKF += linear(whole_MF, weight[:, :width], mixing.bias)[:, None]
        hidden = relu(_normalised(second[1], mixed_MKF.view(groups * points, -1)))
        return _linear(second[3], hidden).view(groups, points, -1).amax(dim=1)


class TransformerEncoder(nn.Module):
    """The blocks; each of them is given the positions again."""

    def __init__(self, sizes: PointBertSizes) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(sizes.width, sizes.heads, qkv_bias=False, epsilon=1e-5) for _ in range(sizes.depth)
        )

    def forward(self, tokens_BND: Tensor, positions_BND: Tensor) -> Tensor:
        """(b, n, width) of both to the same."""
        for block in self.blocks:
            tokens_BND = block(tokens_BND + positions_BND)
        return tokens_BND


class PointBert(nn.Module):
    """Groups and their centres to features of 2 * width."""

    def __init__(self, sizes: PointBertSizes) -> None:
        super().__init__()
        self.encoder = MiniPointNet(sizes.channels, sizes.encoder)
        self.reduce_dim = nn.Linear(sizes.encoder, sizes.width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.cls_pos = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.pos_embed = nn.Sequential(nn.Linear(3, 128), nn.GELU(), nn.Linear(128, sizes.width))
        self.blocks = TransformerEncoder(sizes)
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, groups_BGKC: Tensor, centres_BG3: Tensor) -> Tensor:
        """(b, g, k, c) and (b, g, 3) to (b, 2 * width): the class token and the largest of the others."""
        tokens_BGD = torch.cat([self._tokens(part) for part in groups_BGKC.split(_CLOUDS_AT_ONCE)])
        batch = len(tokens_BGD)
        tokens_BND = torch.cat([self.cls_token.expand(batch, -1, -1), tokens_BGD], dim=1)
        positions_BND = torch.cat([self.cls_pos.expand(batch, -1, -1), self.pos_embed(centres_BG3)], dim=1)
        out_BND = self.norm(self.blocks(tokens_BND, positions_BND))
        return torch.cat([out_BND[:, 0], out_BND[:, 1:].amax(dim=1)], dim=-1)

    def _tokens(self, groups_BGKC: Tensor) -> Tensor:
        tokens: Tensor = self.reduce_dim(self.encoder(groups_BGKC.flatten(0, 1)))
        return tokens.view(*groups_BGKC.shape[:2], -1)


def _linear(convolution: nn.Module, values: Tensor) -> Tensor:
    assert isinstance(convolution, nn.Conv1d)
    return linear(values, convolution.weight[..., 0], convolution.bias)


def _normalised(norm: nn.Module, values: Tensor) -> Tensor:
    normalised: Tensor = norm(values)
    return normalised
