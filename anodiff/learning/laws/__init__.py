"""Which laws does learning follow exactly? One mode, deep linear networks, two features that compete.

Public: `one_mode.OneMode`, `one_mode.probability_learned`, `deep_linear.DeepLinear`,
`starvation.TwoFeatures`, `starvation.decoupled_margin`.
"""

from anodiff.learning.laws.deep_linear import DeepLinear
from anodiff.learning.laws.one_mode import LOSSES, OneMode, part_learned, probability_learned
from anodiff.learning.laws.starvation import TwoFeatures, decoupled_margin, share_of_second

__all__ = [
    "LOSSES",
    "DeepLinear",
    "OneMode",
    "TwoFeatures",
    "decoupled_margin",
    "part_learned",
    "probability_learned",
    "share_of_second",
]
