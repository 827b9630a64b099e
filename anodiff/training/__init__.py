"""Trains one run and records its path."""

from anodiff.training.loop import Outcome, train_run

__all__ = ["Outcome", "train_run"]
