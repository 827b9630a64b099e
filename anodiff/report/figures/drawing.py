"""How is a figure drawn and written?

One kind of figure for a sweep or the simplified model, or all figures of one run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError, did_you_mean
from anodiff.report.figures.catalogue import ALL_FIGURES, FORMATS, MODEL_FIGURES
from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.storage.stores import writing
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.sweep.results import read_run, read_runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from anodiff.simulation.surfaces.ensemble import Ensemble


def draw(
    kind: str,
    folders: Sequence[str | Path],
    output: str | Path,
    *,
    formats: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Draw one kind of figure from the runs in ``folders``, or from the one simplified_model.zarr
    given.

    The ending of ``output`` is its format. ``formats`` names more formats, which are written next
    to it under the same name.

    Raises
    ------
    ConfigError
        For an unknown kind or format, and without runs.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    if kind not in ALL_FIGURES:
        raise ConfigError(f"unknown figure {kind!r}; {did_you_mean(kind, ALL_FIGURES)}")
    output_files(output, formats)
    data = _read_ensembles(kind, folders) if kind in MODEL_FIGURES else read_runs(folders)
    function = ALL_FIGURES[kind].function()
    publish(lambda: function(data), output, formats, overwrite=overwrite)


def draw_run(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    kinds: Sequence[str] = (),
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> list[str]:
    """Draw the figures of a run as SVG, PDF and PNG into a folder, and return the kinds that the
    run has data for.

    Parameters
    ----------
    folder
        Folder of the run, with ``diffusion.zarr``, ``exponents.csv``, ``tails.csv``,
        ``geometry.zarr``, ``trajectory.zarr`` and, if the landscape was measured, ``landscape/``.
    output
        Folder of the figures; by default ``figures`` in the run's folder.
    kinds
        Keys of `RUN_FIGURES`; by default all.
    report
        Called with the figures done, their number and the kind of the next one.

    Raises
    ------
    ConfigError
        For an unknown kind.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    for kind in kinds:
        if kind not in RUN_FIGURES:
            raise ConfigError(f"unknown figure {kind!r} of a run; {did_you_mean(kind, RUN_FIGURES)}")
    from anodiff.report.figures.run.data import RunData

    wanted = [kind for kind in RUN_FIGURES if kind in kinds or not kinds]
    run = RunData(read_run(folder))
    drawn = []
    with writing(Path(output) if output else run.result.folder / "figures", overwrite=overwrite) as temporary:
        temporary.mkdir()
        for number, kind in enumerate(wanted):
            report(number, len(wanted), kind)
            figure = RUN_FIGURES[kind].function()(run)
            if figure is not None:
                drawn.append(kind)
                for suffix in FORMATS:
                    save(figure, temporary / f"{kind}{suffix}", suffix)
        report(len(wanted), len(wanted), "done")
    return drawn


def output_files(output: str | Path, formats: Sequence[str] = ()) -> list[Path]:
    """Return the files of a figure: ``output``, and next to it files with the same name and the
    endings ``formats``.

    Raises
    ------
    ConfigError
        For an ending that is not in `FORMATS`.
    """
    output = Path(output)
    if output.suffix not in FORMATS:
        raise ConfigError(f"{output}: a figure's name must end in one of {', '.join(FORMATS)}")
    endings = [f".{ending.strip().removeprefix('.')}" for ending in formats]
    for ending in endings:
        if ending not in FORMATS:
            raise ConfigError(f"--formats {ending[1:]}: a figure's format is one of {', '.join(each[1:] for each in FORMATS)}")
    return list(dict.fromkeys([output, *(output.with_suffix(ending) for ending in endings)]))


def publish(make: Callable[[], Figure], output: str | Path, formats: Sequence[str] = (), *, overwrite: bool = False) -> None:
    """Draw a figure once, and write it to ``output`` and, next to it, in more ``formats``: all of
    these files, or none.

    Parameters
    ----------
    make
        Draws the figure; called once it is certain that the files may be written.
    output
        Its ending is its format, one of `FORMATS`.
    formats
        Endings of more files, such as ``pdf``.

    Raises
    ------
    ConfigError, OutputExistsError, StorageError
    """
    files = output_files(output, formats)
    with ExitStack() as stack:
        temporary = [stack.enter_context(writing(file, overwrite=overwrite)) for file in files]
        figure = make()
        for path, file in zip(temporary, files, strict=True):
            save(figure, path, file.suffix)


def save(figure: Figure, path: Path, suffix: str) -> None:
    """Write a figure in the format ``suffix``; the same figure gives the same bytes.

    The first call fixes its layout.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.layout_engine import PlaceHolderLayoutEngine

    from anodiff.report.figures.style import STYLE, styled

    with styled():
        if not isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine):
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            for panel in figure.get_axes():  # the last bits of the solver's layout vary
                left, bottom, width, height = (round(edge, 6) for edge in panel.get_position().bounds)
                panel.set_position((left, bottom, width, height))
        figure.dpi = STYLE["savefig.dpi"] if suffix == ".png" else 72
        if suffix == ".svg":  # savefig would draw everything again for a layout that is fixed
            FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})
        elif suffix == ".pdf":
            FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})
        else:
            FigureCanvasAgg(figure).print_png(path)


def _read_ensembles(kind: str, stores: Sequence[str | Path]) -> Sequence[Ensemble]:
    if len(stores) != 1:
        raise ConfigError(f"figure {kind!r} is drawn from one simplified_model.zarr; {len(stores)} were given")
    from anodiff.simulation.surfaces.store import open_model

    return open_model(stores[0])
