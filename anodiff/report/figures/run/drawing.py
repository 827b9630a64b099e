"""Pictures of one run, all its windows: which there are, what they show, and one function, `draw_run`, that draws them all.

matplotlib is imported when something is drawn, so that the list of figures costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError, did_you_mean
from anodiff.report.figures.catalogue import FORMATS
from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.report.figures.run.data import RunData
from anodiff.storage.stores import writing
from anodiff.storage.types import Report, silent
from anodiff.sweep.results import read_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_run(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    kinds: Sequence[str] = (),
    overwrite: bool = False,
    report: Report = silent,
) -> list[str]:
    """Draw the figures of a run as SVG, PDF and PNG into a folder, and return the kinds that there were data for.

    Parameters
    ----------
    folder
        Of the run: ``diffusion.zarr``, ``exponents.csv``, ``tails.csv``, ``geometry.zarr``, ``trajectory.zarr`` and, where the
        landscape was looked at, ``landscape/``.
    output
        The folder of the figures; default: ``figures`` in that of the run.
    kinds
        Of `RUN_FIGURES`; default: all.

    Raises
    ------
    ConfigError
        For an unknown kind.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    for kind in kinds:
        if kind not in RUN_FIGURES:
            raise ConfigError(f"unknown figure {kind!r} of a run; {did_you_mean(kind, RUN_FIGURES)}")
    wanted = [kind for kind in RUN_FIGURES if kind in kinds or not kinds]
    run = RunData(read_run(folder))
    functions = _functions()
    from anodiff.report.figures import style

    drawn = []
    with writing(Path(output) if output else run.result.folder / "figures", overwrite=overwrite) as temporary:
        temporary.mkdir()
        for number, kind in enumerate(wanted):
            report(number, len(wanted), kind)
            figure = functions[kind](run)
            if figure is not None:
                drawn.append(kind)
                for suffix in FORMATS:
                    style.save(figure, temporary / f"{kind}{suffix}", suffix)
        report(len(wanted), len(wanted), "done")
    return drawn


def _functions() -> dict[str, Callable[[RunData], Figure | None]]:
    """Return what draws each kind: a figure, or None where the run has nothing to show."""
    from anodiff.report.figures.run import ageing as run_ageing
    from anodiff.report.figures.run import diffusion as run_diffusion
    from anodiff.report.figures.run import loss as run_loss
    from anodiff.report.figures.run import maps as run_map
    from anodiff.report.figures.run import path as run_path
    from anodiff.report.figures.run import tails as run_tails

    return {
        "msd": run_diffusion.msd,
        "beta": run_diffusion.beta,
        "nulls": run_diffusion.nulls,
        "beta_map": run_map.beta_map,
        "long_lags": run_ageing.long_lags,
        "ageing": run_ageing.ageing,
        "loss": run_loss.loss,
        "contour": run_path.contour,
        "msl": run_path.loss_by_distance,
        "excursion": run_path.excursion,
        "gradients": run_tails.gradients,
        "hessian": run_map.hessian,
    }
