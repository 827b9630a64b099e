"""Pictures of a sweep: which there are, what they show, and one function, `draw`, that draws each.

matplotlib is imported when something is drawn, so that the list of figures costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anodiff.errors import ConfigError, did_you_mean
from anodiff.stores import writing
from anodiff.tables import read_runs

FORMATS = (".svg", ".pdf", ".png")


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: its title, and the caption that page and report print under it."""

    title: str
    caption: str


FIGURES = {
    "msd": FigureKind(
        "MSD by waiting time",
        "Time-averaged mean squared displacement Δr²(τ) of the weights against the lag τ, one panel for each "
        "configuration, one line for each window and seed, coloured by the window's waiting time. Dashed: slope 1 "
        "(normal diffusion, τ) and slope 2 (a straight line, τ²). Of more than eight waiting times, eight are drawn, spread "
        "evenly in their logarithm.",
    ),
    "beta": FigureKind(
        "β(τ) by waiting time",
        "Local exponent β(τ) = d ln Δr² / d ln τ against the lag τ. Above the line at 1 the motion is superdiffusive, below "
        "it subdiffusive. Bold: mean over the seeds that reached the window; thin: single seeds. Shaded: the long lags over "
        "which the exponent beta_long of the table is fitted. Of more than eight waiting times, eight are drawn, spread evenly "
        "in their logarithm.",
    ),
    "nulls": FigureKind(
        "β(τ) against its nulls",
        "Local exponent β(τ) of each configuration's earliest window (black, first seed; shaded: its 95 % interval) against "
        "what is left of it in nulls made of the same updates: in random order (orange), in random order within each epoch "
        "(blue), with random signs (green; bands: 95 % of the draws), and with the mean update subtracted (dotted; "
        "such a path ends where it began, so that it falls at long lags). Where the line leaves a null's band, what that null "
        "destroys makes the exponent.",
    ),
    "exponents": FigureKind(
        "Exponents over the sweep",
        "Largest local exponent of each window (top; beta_max in the table) and exponent over the long lags (bottom; "
        "beta_long) against the window's waiting time. Points: single seeds; lines: mean over seeds. Above the line at 1 the "
        "motion is superdiffusive, below it subdiffusive.",
    ),
    "learning": FigureKind(
        "Loss and accuracy",
        "Loss (top) and accuracy (bottom) during training, one line for each seed. Solid: test set, a marker at its last "
        "value; dashed: mean over an epoch's mini-batches as trained, augmentation included. A cross ends a run that diverged.",
    ),
}


def draw(kind: str, folders: Sequence[str | Path], output: str | Path, *, overwrite: bool = False) -> None:
    """Draw one kind of figure over the runs in ``folders``; the ending of ``output`` says the format.

    Raises
    ------
    ConfigError
        For an unknown kind or format, and without runs.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    output = Path(output)
    if kind not in FIGURES:
        raise ConfigError(f"unknown figure {kind!r}; {did_you_mean(kind, FIGURES)}")
    if output.suffix not in FORMATS:
        raise ConfigError(f"{output}: a figure's name must end in one of {', '.join(FORMATS)}")
    runs = read_runs(folders)
    from anodiff.figures import curves, overview, style

    functions = {
        "msd": curves.msd,
        "beta": curves.beta,
        "nulls": curves.nulls,
        "exponents": overview.exponents,
        "learning": overview.learning,
    }
    with writing(output, overwrite=overwrite) as temporary:
        style.save(functions[kind](runs), temporary, output.suffix)
