"""Which network is WADNet? Gated dilated convolutions and an LSTM, for tracks of one length.

Source: Li, Yao & Huang, "WaveNet-based deep neural networks for the characterization of anomalous
diffusion", J. Phys. A 54 (2021) 404003, arXiv 2106.08887. It is the published method to compare
with; the project's own network is `anodiff.inference.networks.pyramid`. The authors train one network for
each of 43 lengths, each number of dimensions, each task and each of five folds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

#: Channels, gated layers, size and layers of the LSTM, and share of dropped values.
CHANNELS, LAYERS, HIDDEN, LSTM_LAYERS, DROPOUT = 32, 16, 64, 3, 0.1


class WADNet(nn.Module):
    """A network from positions (N, dimensions, points) to (N, outputs): α, or the logits of the kinds.

    The gated output of a layer, mixed by a 1×1 convolution that all layers share, feeds the next
    layer. The sum of the first convolution and of all layers' outputs goes through batch
    normalisation into the LSTM, whose last step is mapped to the outputs. Convolutions keep the
    length, by zeros on both sides.

    Parameters
    ----------
    dimensions
        Coordinates of a point.
    outputs
        1 for the exponent, 5 for the kinds.
    """

    def __init__(self, dimensions: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(dimensions, CHANNELS, 3, padding=1)
        self.filters = nn.ModuleList(_Dilated(2**layer) for layer in range(LAYERS))
        self.gates = nn.ModuleList(_Dilated(2**layer) for layer in range(LAYERS))
        self.mixed = nn.Conv1d(CHANNELS, CHANNELS, 1)
        self.norm = nn.BatchNorm1d(CHANNELS)
        self.dropout = nn.Dropout(DROPOUT)
        self.lstm = nn.LSTM(CHANNELS, HIDDEN, LSTM_LAYERS, batch_first=True)
        self.last = nn.Linear(HIDDEN, outputs)

    def forward(self, positions: Tensor) -> Tensor:
        """Return α, (N, 1), or the logits of the kinds, (N, 5)."""
        return self.logits(self.features(positions))

    def logits(self, features: Tensor) -> Tensor:
        """Return the outputs, (N, outputs), from what `features` returned."""
        answer: Tensor = self.last(self.dropout(features))
        return answer

    def features(self, positions: Tensor) -> Tensor:
        """Return the last step of the LSTM, (N, 64)."""
        signal = self.first(standardised(positions))  # (N, 32, points)
        total = signal
        for each, gate in zip(self.filters, self.gates, strict=True):
            signal = self.mixed(torch.tanh(each(signal)) * torch.sigmoid(gate(signal)))
            total = total + signal
        steps, _ = self.lstm(self.dropout(self.norm(total)).transpose(1, 2))  # (N, points, 64)
        last: Tensor = steps[:, -1]
        return last


def standardised(positions: Tensor) -> Tensor:
    """Return each coordinate less its mean, over its standard deviation; a constant one becomes 0."""
    centred = positions - positions.mean(dim=2, keepdim=True)
    deviation = centred.square().mean(dim=2, keepdim=True).sqrt()
    return centred / torch.where(deviation > 0, deviation, torch.ones_like(deviation))


class _Dilated(nn.Conv1d):
    """A dilated convolution of width 3 that keeps the length.

    Once the dilation reaches the length, the outer taps see only zeros. Then the middle tap alone
    gives the same values, without a signal of 2¹⁶ zeros.
    """

    def __init__(self, dilation: int) -> None:
        super().__init__(CHANNELS, CHANNELS, 3, padding=dilation, dilation=dilation)

    def forward(self, input: Tensor) -> Tensor:
        if self.dilation[0] >= input.shape[2]:
            return conv1d(input, self.weight[..., 1:2], self.bias)
        return super().forward(input)
