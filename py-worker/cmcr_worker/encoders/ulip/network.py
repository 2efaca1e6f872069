"""ULIP's network: the point encoder and the towers, with the parameter names of its checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cmcr_worker.encoders.ulip.blocks import Block, CausalBlock
from cmcr_worker.encoders.ulip.point_bert import PointBert
from cmcr_worker.encoders.ulip.sizes import ImageSizes, TextSizes, UlipSizes

# timm's vision transformers are built with this epsilon; torch's default is ten times as large.
_VISION_EPSILON = 1e-6


class PatchEmbedding(nn.Module):
    """Patches of an image as tokens."""

    def __init__(self, sizes: ImageSizes) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, sizes.width, kernel_size=sizes.patch, stride=sizes.patch)

    def forward(self, images_B3HW: Tensor) -> Tensor:
        """(b, 3, side, side) to (b, patches, width)."""
        patches: Tensor = self.proj(images_B3HW)
        return patches.flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """timm's `vit_base_patch16_224` without its head: the class token after the last LayerNorm."""

    def __init__(self, sizes: ImageSizes) -> None:
        super().__init__()
        patches = (sizes.side // sizes.patch) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + 1, sizes.width))
        self.patch_embed = PatchEmbedding(sizes)
        self.blocks = nn.Sequential(
            *(
                Block(sizes.width, sizes.heads, qkv_bias=True, epsilon=_VISION_EPSILON)
                for _ in range(sizes.depth)
            )
        )
        self.norm = nn.LayerNorm(sizes.width, eps=_VISION_EPSILON)

    def forward(self, images_B3HW: Tensor) -> Tensor:
        """(b, 3, side, side) to (b, width)."""
        patches_BNC = self.patch_embed(images_B3HW)
        tokens = torch.cat([self.cls_token.expand(len(patches_BNC), -1, -1), patches_BNC], dim=1)
        features: Tensor = self.norm(self.blocks(tokens + self.pos_embed))[:, 0]
        return features


class TextTransformer(nn.Module):
    """CLIP's causal blocks."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*(CausalBlock(sizes.width, sizes.heads) for _ in range(sizes.depth)))

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        """(b, n, width) to the same."""
        out: Tensor = self.resblocks(tokens_BNC)
        return out


class UlipNetwork(nn.Module):
    """The point encoder, and the towers that `sizes` has; no output is normalised."""

    def __init__(self, sizes: UlipSizes) -> None:
        super().__init__()
        dimension = sizes.points.dimension
        self.logit_scale = nn.Parameter(torch.zeros(()))
        self.point_encoder = PointBert(sizes.points)
        self.pc_projection = nn.Parameter(torch.empty(2 * sizes.points.width, dimension))
        if sizes.image is not None:
            self.visual = VisionTransformer(sizes.image)
            self.image_projection = nn.Parameter(torch.empty(sizes.image.width, dimension))
        if sizes.text is not None:
            self.token_embedding = nn.Embedding(sizes.text.vocabulary, sizes.text.width)
            self.positional_embedding = nn.Parameter(torch.empty(sizes.text.context, sizes.text.width))
            self.transformer = TextTransformer(sizes.text)
            self.ln_final = nn.LayerNorm(sizes.text.width)
            self.text_projection = nn.Parameter(torch.empty(sizes.text.width, dimension))

    def encode_points(self, groups_BGKC: Tensor, centres_BG3: Tensor) -> Tensor:
        """Groups and their centres in the network's element type to (b, dimension)."""
        features: Tensor = self.point_encoder(groups_BGKC, centres_BG3)
        return features @ self.pc_projection

    def encode_image(self, images_B3HW: Tensor) -> Tensor:
        """(b, 3, side, side) to (b, dimension)."""
        features: Tensor = self.visual(images_B3HW)
        return features @ self.image_projection

    def encode_text(self, tokens_BL: Tensor) -> Tensor:
        """(b, length) token numbers to (b, dimension), by the place of the largest number.

        That is the end token where there is one. Tokens after the last place that is asked for are seen by
        none before them, and are left out.
        """
        places_B = tokens_BL.argmax(dim=1)
        tokens_BL = tokens_BL[:, : int(places_B.max()) + 1]
        embedded_BLC = self.token_embedding(tokens_BL) + self.positional_embedding[: tokens_BL.shape[1]]
        out_BLC = self.ln_final(self.transformer(embedded_BLC))
        features: Tensor = out_BLC[torch.arange(len(out_BLC), device=out_BLC.device), places_B]
        return features @ self.text_projection
