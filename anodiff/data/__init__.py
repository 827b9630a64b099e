"""What a network is trained on: data sets as tensors, batches of them, and what is done to each batch."""

from anodiff.data.augmentation import Augmentation
from anodiff.data.batches import Batches
from anodiff.data.dataset import Dataset, load

__all__ = ["Augmentation", "Batches", "Dataset", "load"]
