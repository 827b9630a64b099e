"""On what is a network trained? Data sets as tensors, their batches and augmentation."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augmentation": ["Augmentation", "AsTokens", "build_augmentation"],
        "batches": ["Batches"],
        "dataset": ["Dataset", "load"],
    },
)
