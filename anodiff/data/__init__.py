"""On what is a network trained? Data sets as tensors, their batches and augmentation."""

from anodiff.data.augmentation import Augmentation
from anodiff.data.batches import Batches
from anodiff.data.dataset import Dataset, load

__all__ = ["Augmentation", "Batches", "Dataset", "load"]
