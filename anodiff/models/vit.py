"""A vision transformer for small images.

Dosovitskiy et al., "An image is worth 16x16 words" (2020), as in P. Wang's vit-pytorch, which Chen,
Qu & Gong (2022) used: linear patch embedding, a class token, learnt positions drawn from N(0, 1),
normalisation before attention and before the two-layer network, classification from the class
token. Their dropout was 0.1.

Attention is written out: torch's fused kernels have no second derivative, which curvature needs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError


def vit(
    *,
    channels: int,
    size: int,
    classes: int,
    patch: int,
    width: int,
    depth: int,
    heads: int,
    mlp_width: int,
    dropout: float,
) -> VisionTransformer:
    """Return a vision transformer; the parameters are those of `VisionTransformer`.

    Raises
    ------
    ConfigError
        If the patches do not tile the image.
    """
    if size % patch:
        raise ConfigError(f"vit: patch must divide the image size, got patch {patch} and {size} pixels a side")
    return VisionTransformer(channels, size, classes, patch, width, depth, heads, mlp_width, dropout)


class VisionTransformer(nn.Module):
    """Map (batch, channels, size, size) to (batch, classes) over N = (size / patch)^2 patches.

    Parameters
    ----------
    channels, size, classes
        Of the data set.
    patch
        Side of a patch in pixels, a divisor of ``size``.
    width
        Dimension of a token.
    depth
        Number of transformer blocks.
    heads
        Number of attention heads, a divisor of ``width``.
    mlp_width
        Units of the hidden layer in each block.
    dropout
        Probability of dropping an entry: after the embedding, after attention, and twice in the
        two-layer network.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        classes: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        mlp_width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.patches = nn.Unfold(patch, stride=patch)
        self.embedding = nn.Linear(channels * patch**2, width)
        self.class_token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width, heads, mlp_width, dropout) for _ in range(depth)))
        self.output = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch of images."""
        patches = self.embedding(self.patches(x).transpose(1, 2))  # (B, N, width)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), patches], dim=1)  # (B, 1 + N, width)
        tokens = self.blocks(self.dropout(tokens + self.positions))
        return self.output(tokens[:, 0])


class Block(nn.Module):
    """Attention and a two-layer network, each on normalised tokens and added to its input."""

    def __init__(self, width: int, heads: int, mlp_width: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads), nn.Dropout(dropout))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            *(nn.Linear(width, mlp_width), nn.GELU(), nn.Dropout(dropout)),
            *(nn.Linear(mlp_width, width), nn.Dropout(dropout)),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, T, width) to tokens of the same shape."""
        tokens = tokens + self.attention(tokens)
        return tokens + self.mlp(tokens)


class Attention(nn.Module):
    """Self-attention of all tokens: softmax(q kᵀ / sqrt(width / heads)) v in each head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, T, width) to tokens of the same shape."""
        parts = self.queries_keys_values(tokens).unflatten(-1, (3, self.heads, -1))  # (B, T, 3, heads, width / heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, T, width / heads)
        weights = (self.scale * queries @ keys.transpose(-2, -1)).softmax(dim=-1)  # (B, heads, T, T)
        return self.output((weights @ values).transpose(1, 2).flatten(2))
