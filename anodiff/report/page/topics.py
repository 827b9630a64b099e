"""In which order are the figures explained, and under which heading is each?

The explanation of a topic, with its formulas, is the file of its name in templates/topics.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.report.page.embedding import PackedFigure


@dataclass(frozen=True)
class Topic:
    """A topic: its heading, the claims that it bears on, and the kinds of its figures, of the sweep and of single runs."""

    name: str
    title: str
    claims: tuple[int, ...]
    figures: tuple[str, ...]
    run_figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShownTopic:
    """A topic with those of its figures that exist, and the titles of those that runs have."""

    topic: Topic
    figures: list[PackedFigure]
    run_figures: list[str]


TOPICS = (
    Topic(
        "diffusion",
        "Diffusion",
        (1, 2),
        ("msd", "beta", "beta_map", "nulls", "exponents", "dependence"),
        ("msd", "beta", "nulls", "trend", "increments", "beta_map"),
    ),
    Topic("ageing", "Ageing and long lags", (1,), ("ageing", "long_lags", "ergodicity"), ("ageing", "long_lags")),
    Topic("shape", "Geometry of the path", (4,), ("contour", "loss_difference"), ("contour", "msl", "excursion")),
    Topic("tails", "Tails and jumps", (3,), ("tails",), ("gradients", "loss")),
    Topic("parts", "Parts and the optimiser", (), ("layers", "walks"), ("layers", "walks")),
    Topic("characters", "Kinds of motion", (), ("characters", "kinds")),
    Topic(
        "learning_dynamics",
        "Learning dynamics",
        (6, 7, 8, 9),
        ("modes", "learning_times", "starvation"),
        ("modes", "samples"),
    ),
    Topic("landscape", "Landscape", (4,), ("planes", "roughness", "hessian", "connection"), ("hessian",)),
    Topic("model", "Simplified model", (5,), ("surfaces", "walkers", "gradients")),
    Topic("training", "Training", (), ("learning",)),
)

#: The topic of figures that belong to no other.
FURTHER = Topic("further", "Further figures", (), ())


def topics_with(figures: Sequence[PackedFigure], kinds_of_runs: Collection[str]) -> list[ShownTopic]:
    """Return the topics that have figures, each with its own in its order; figures without a topic come last.

    ``kinds_of_runs`` are the kinds of figures that some run has.
    """
    by_kind = {figure.kind: figure for figure in figures}
    topics = []
    for topic in TOPICS:
        own = [by_kind.pop(kind) for kind in topic.figures if kind in by_kind]
        titles = [RUN_FIGURES[kind].title for kind in topic.run_figures if kind in kinds_of_runs]
        topics.append(ShownTopic(topic, own, titles))
    topics.append(ShownTopic(FURTHER, list(by_kind.values()), []))
    return [shown for shown in topics if shown.figures or shown.run_figures]
