"""Transformer blocks with the parameter names of timm, and with those of CLIP."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention


def attend(projected_BNE: Tensor, heads: int, *, causal: bool = False) -> Tensor:
    """Attention of (b, n, 3 * width) queries, keys and values side by side: (b, n, width)."""
    batch, tokens, triple = projected_BNE.shape
    query, key, value = projected_BNE.view(batch, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
    attended = scaled_dot_product_attention(query, key, value, is_causal=causal)
    return attended.transpose(1, 2).reshape(batch, tokens, triple // 3)


class Attention(nn.Module):
    """Self-attention with timm's names."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        """(b, n, width) to the same."""
        attended: Tensor = self.proj(attend(self.qkv(tokens_BNC), self.heads))
        return attended


class Mlp(nn.Module):
    """Two layers with GELU between them, with timm's names."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        """(b, n, width) to the same."""
        out: Tensor = self.fc2(self.act(self.fc1(tokens_BNC)))
        return out


class Block(nn.Module):
    """A pre-norm block with timm's names; `epsilon` is that of its LayerNorms."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool, epsilon: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=epsilon)
        self.attn = Attention(width, heads, qkv_bias=qkv_bias)
        self.norm2 = nn.LayerNorm(width, eps=epsilon)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        """(b, n, width) to the same."""
        tokens_BNC = tokens_BNC + self.attn(self.norm1(tokens_BNC))
        out: Tensor = tokens_BNC + self.mlp(self.norm2(tokens_BNC))
        return out


class QuickGelu(nn.Module):
    """OpenAI's approximation of GELU, with which CLIP's and SLIP's text towers were trained."""

    def forward(self, values: Tensor) -> Tensor:
        """Element by element."""
        return values * torch.sigmoid(1.702 * values)


class CausalAttention(nn.Module):
    """Causal self-attention with the names of `nn.MultiheadAttention`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        """(b, n, width) to the same; a token sees those before it."""
        projected = linear(tokens_BNC, self.in_proj_weight, self.in_proj_bias)
        attended: Tensor = self.out_proj(attend(projected, self.heads, causal=True))
        return attended


class CausalBlock(nn.Module):
    """A pre-norm block with CLIP's names."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = CausalAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        layers = [
            ("c_fc", nn.Linear(width, 4 * width)),
            ("gelu", QuickGelu()),
            ("c_proj", nn.Linear(4 * width, width)),
        ]
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        """(b, n, width) to the same."""
        tokens_BNC = tokens_BNC + self.attn(self.ln_1(tokens_BNC))
        out: Tensor = tokens_BNC + self.mlp(self.ln_2(tokens_BNC))
        return out
