"""A decoder for text: from tokens to what comes after each of them.

As in GPT-2 (Radford et al. 2019, "Language models are unsupervised multitask learners"): learnt
positions, normalisation before attention and before the two-layer network (four times as wide,
GELU in its tanh form) and at the end, biases in all linear layers, and an output layer with the
weights of the embedding. Initial weights are GPT-2's, normal with standard deviation 0.02, those
that write to the residual path 0.02/sqrt(2 · depth); biases are 0.

Attention is torch's fused kernel, which has no second derivative: where curvature needs one,
`anodiff.landscape.differentiable` chooses the one written out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Standard deviation of initial weights.
INITIAL = 0.02


def gpt(
    *,
    vocabulary: int,
    context: int,
    depth: int,
    width: int,
    heads: int,
    dropout: float,
    tied: bool,
) -> GPT:
    """Return a decoder; the parameters are those of `GPT`."""
    return GPT(vocabulary, context, depth, width, heads, dropout, tied)


class GPT(nn.Module):
    """Map tokens (B, T) to logits (B, vocabulary, T); those at t depend on tokens up to t alone.

    With width d, depth L, vocabulary V and context T it has V d + T d + L (12 d² + 13 d) + 2 d
    parameters, and V d more if the output layer is not tied.

    Parameters
    ----------
    vocabulary
        Number of different tokens.
    context
        Tokens that it sees at most, T.
    depth
        Number of transformer blocks.
    width
        Dimension of a token.
    heads
        Number of attention heads, a divisor of ``width``.
    dropout
        Probability of dropping an entry: after the embedding, of attention, and of what is added to
        the residual path.
    tied
        Whether the output layer has the embedding's weights.
    """

    def __init__(self, vocabulary: int, context: int, depth: int, width: int, heads: int, dropout: float, tied: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(context, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.output = None if tied else nn.Linear(width, vocabulary, bias=False)
        self._initialise(depth)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits (B, vocabulary, T) of a batch of tokens (B, T)."""
        x = self.dropout(self.embedding(tokens) + self.positions[: tokens.shape[1]])  # (B, T, width)
        x = self.norm(self.blocks(x))
        logits = nn.functional.linear(x, self.embedding.weight) if self.output is None else self.output(x)
        return logits.transpose(1, 2)

    def _initialise(self, depth: int) -> None:
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                residual = name.startswith("blocks.") and name.endswith(".output.weight")
                nn.init.normal_(parameter, std=INITIAL / (2 * depth) ** 0.5 if residual else INITIAL)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)


class Block(nn.Module):
    """Attention and a two-layer network, each on normalised tokens and added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.mlp = MLP(width, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, T, width) to tokens of the same shape."""
        x = x + self.attention(x)
        return x + self.mlp(x)


class Attention(nn.Module):
    """Attention of each token to itself and those before: softmax(q kᵀ / sqrt(width / heads)) v in each head."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, T, width) to tokens of the same shape."""
        parts = self.queries_keys_values(self.norm(x)).unflatten(-1, (3, self.heads, -1))  # (B, T, 3, heads, width / heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, T, width / heads)
        dropped = self.dropout.p if self.training else 0.0
        seen = nn.functional.scaled_dot_product_attention(queries, keys, values, dropout_p=dropped, is_causal=True)
        return self.dropout(self.output(seen.transpose(1, 2).flatten(2)))


class MLP(nn.Module):
    """Two linear layers, the first four times as wide, with GELU between them."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, 4 * width)
        self.output = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, T, width) to tokens of the same shape."""
        hidden = nn.functional.gelu(self.hidden(self.norm(x)), approximate="tanh")
        return self.dropout(self.output(hidden))
