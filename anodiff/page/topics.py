"""In which order are the figures explained, and under which heading does each stand?

The explanation of a topic, with its formulas, is the file of its name in templates/topics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anodiff.page.embedding import PackedFigure


@dataclass(frozen=True)
class Topic:
    """A topic of the page: its heading, the claims that it bears on, and the kinds of its figures in their order."""

    name: str
    title: str
    claims: tuple[int, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class ShownTopic:
    """A topic with the figures that there are."""

    topic: Topic
    figures: list[PackedFigure]


TOPICS = (
    Topic("diffusion", "Diffusion", (1, 2), ("msd", "beta", "beta_map", "nulls", "exponents", "dependence")),
    Topic("ageing", "Ageing and long lags", (1,), ("ageing", "long_lags")),
    Topic("shape", "Geometry of the path", (4,), ("loss_difference", "contour", "excursion")),
    Topic("tails", "Tails and jumps", (3,), ("gradient_tails", "jumps", "avalanches")),
    Topic("landscape", "Landscape", (4,), ("planes", "roughness", "hessian", "connection")),
    Topic("model", "Simplified model", (5,), ("surfaces", "walkers", "gradients")),
    Topic("training", "Training", (), ("learning",)),
)

#: Figures that no topic has asked for.
FURTHER = Topic("further", "Further figures", (), ())


def with_figures(figures: Sequence[PackedFigure]) -> list[ShownTopic]:
    """Return the topics that have figures here, each with its own in its order; what none asks for comes last."""
    by_kind = {figure.kind: figure for figure in figures}
    topics = [ShownTopic(topic, [by_kind.pop(kind) for kind in topic.kinds if kind in by_kind]) for topic in TOPICS]
    topics.append(ShownTopic(FURTHER, list(by_kind.values())))
    return [shown for shown in topics if shown.figures]
