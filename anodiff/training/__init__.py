"""Trains one run and records its path."""

from anodiff.training.run import Outcome, train_run

__all__ = ["Outcome", "train_run"]
