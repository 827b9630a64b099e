"""A small network that changes everything that a checkpoint must hold, and one that can be held back."""

import random
import time
from pathlib import Path

import numpy as np
import torch

#: While this file is in the working directory, a training step of a `Held` network takes a second.
HOLD = "hold"


class Restless(torch.nn.Module):
    """Dropout, batch statistics, a buffer outside the state_dict, generators of numpy and Python."""

    def __init__(self, channels, size, classes):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(channels * size**2, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.Dropout(0.2),
            torch.nn.ReLU(),
            torch.nn.Linear(8, classes),
        )
        self.register_buffer("calls", torch.zeros(()), persistent=False)

    def forward(self, images):
        if self.training:
            self.calls += 1
        scale = 1 + 0.01 * np.random.random() + 0.01 * random.random() + 0.01 * torch.sin(self.calls)
        return self.layers(images) * scale


def restless(channels, size, classes):
    return Restless(channels, size, classes)


class Held(Restless):
    """Trains slowly, without a processor, while there is a file `HOLD`; its numbers are the same with and without."""

    def forward(self, images):
        end = time.monotonic() + 1
        while self.training and Path(HOLD).exists() and time.monotonic() < end:
            time.sleep(0.01)
        return super().forward(images)


def held(channels, size, classes):
    return Held(channels, size, classes)
