"""How does a classifier learn to tell the five kinds of motion from walks that are none of them?"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anodiff.inference.answers.familiarity import ForeignClassifier, standardised
from anodiff.inference.answers.logits import Single
from anodiff.inference.cells import FAMILIES

#: Hidden width of the classifier, tracks of an optimiser step, and how often each track is used.
HIDDEN, BATCH, EPOCHS = 64, 256, 20


def learned_classifier(features: Single, families: NDArray[np.int64], seed: int) -> ForeignClassifier:
    """Return the classifier that is trained on tracks.

    Parameters
    ----------
    features
        (N, features).
    families
        0 for tracks of the five kinds, else 1 + the number of the family, (N,).
    """
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1
    seen = torch.from_numpy(standardised(features, centre, spread))
    true = torch.from_numpy(families)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(features.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1 + len(FAMILIES)))
        optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
        steps = -(-EPOCHS * len(seen) // BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            chosen = torch.randint(len(seen), (BATCH,))
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(seen[chosen]), true[chosen]).backward()
            optimiser.step()
            schedule.step()
    inner, inner_bias, outer, outer_bias = (value.detach().numpy() for value in network.parameters())
    return ForeignClassifier(centre, spread, inner.T.copy(), inner_bias, outer.T.copy(), outer_bias)
