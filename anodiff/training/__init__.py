"""How does a run train, and how does it resume after an interruption?

Public: `train_run`, which trains one run and publishes its path, and `Outcome`, how the run ended.
"""

from anodiff.training.run import Outcome, train_run

__all__ = ["Outcome", "train_run"]
