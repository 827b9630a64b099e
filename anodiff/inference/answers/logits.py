"""What does a network answer to tracks? Logits of the cells, and the features that they are made of."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from anodiff.inference.networks.build import TrackNetwork

Single = NDArray[np.float32]

#: Points of the tracks that pass through a network together.
TOGETHER = 16_384


def answer(network: TrackNetwork, positions: Single) -> tuple[Single, Single]:
    """Return logits, (N, 140), and features, (N, features), of tracks, (N, dimensions, points)."""
    device = next(network.parameters()).device
    most = max(1, TOGETHER // positions.shape[2])
    logits, features = [], []
    with torch.inference_mode():
        for part in torch.from_numpy(positions).split(most):
            features.append(network.features(part.to(device)))
            logits.append(network.logits(features[-1]))
    return torch.cat(logits).cpu().numpy(), torch.cat(features).cpu().numpy()
