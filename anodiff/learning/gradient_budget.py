"""How many gradients of modes are taken, so that the stage stays cheap beside the training?"""

from __future__ import annotations

#: Modes whose gradients are taken in a window, at most: the strongest of those in transition.
MOST_MODES = 5

#: Samples that the gradients are of, at most: one batch.
GRADIENT_SAMPLES = 256

#: The gradients may take this share of the passes that the training took; those of one window may take more.
SHARE = 0.08
