"""How are figures drawn and written?

Those of a sweep, its landscapes and its simplified model, or those of one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError, did_you_mean
from anodiff.report.figures.catalogue import ALL_FIGURES
from anodiff.report.figures.figure_kind import FORMATS
from anodiff.report.figures.run.catalogue import RUN_FIGURES
from anodiff.report.figures.sources import Sources
from anodiff.storage.stores import writing, writing_all
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.sweep.results import read_run

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

#: Resolution of SVG and PDF files.
POINTS_PER_INCH = 72


def draw(
    kinds: Sequence[str],
    sources: Sequence[str | Path],
    output: str | Path,
    *,
    formats: Sequence[str] = (),
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> list[Path]:
    """Draw figures of a sweep, and return their files: all of them are written, or none.

    The runs are read once.

    Parameters
    ----------
    kinds
        Keys of `ALL_FIGURES`; or ``all``, every figure that the sources have data for.
    sources
        Folders of runs, and the simplified_model.zarr. ``all`` draws the landscapes of those runs
        that have one.
    output
        For one figure, its file, whose ending is its format; or a folder, which gets
        ``<kind>.<format>``.
    formats
        Formats, such as ``pdf``; for a file further ones, which are written next to it under the
        same name. By default svg in a folder, and none for a file.
    report
        Called with the figures done, their number and the kind of the next one.

    Raises
    ------
    ConfigError
        For an unknown kind or format, without runs, and for several figures in one file.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    for kind in kinds:
        if kind not in ALL_FIGURES and kind != "all":
            raise ConfigError(f"unknown figure {kind!r}; {did_you_mean(kind, ['all', *ALL_FIGURES])}")
    if not kinds:
        raise ConfigError("no figure is named; name some, such as msd,beta, or all")
    found = Sources([Path(source) for source in sources])
    wanted = [kind for kind in ALL_FIGURES if kind in kinds or ("all" in kinds and kind in found.kinds)]
    if not wanted:
        raise ConfigError("no runs given; name their folders, such as results/demo/runs/*")
    files = {kind: _files_of(kind, wanted, Path(output), formats) for kind in wanted}
    with writing_all([file for own in files.values() for file in own], overwrite=overwrite) as temporary:
        for number, (kind, own) in enumerate(files.items()):
            report(number, len(files), kind)
            figure = ALL_FIGURES[kind].function()(found.data(kind, every="all" not in kinds))
            for file in own:
                save(figure, temporary[file], file.suffix)
        report(len(files), len(files), "done")
    return list(temporary)


def draw_run(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    kinds: Sequence[str] = (),
    formats: Sequence[str] = ("svg",),
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> list[str]:
    """Draw the figures of a run into a folder, and return the kinds that the run has data for.

    Parameters
    ----------
    folder
        Folder of the run, with ``diffusion.zarr``, ``exponents.csv``, ``tails.csv``,
        ``geometry.zarr``, ``trajectory.zarr`` and, if the landscape was measured, ``landscape/``.
    output
        Folder of the figures; by default ``figures`` in the run's folder.
    kinds
        Keys of `RUN_FIGURES`; by default all.
    formats
        Formats of each figure, such as ``pdf``.
    report
        Called with the figures done, their number and the kind of the next one.

    Raises
    ------
    ConfigError
        For an unknown kind or format.
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    for kind in kinds:
        if kind not in RUN_FIGURES:
            raise ConfigError(f"unknown figure {kind!r} of a run; {did_you_mean(kind, RUN_FIGURES)}")
    endings = _endings(formats)
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
                for suffix in endings:
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
    return list(dict.fromkeys([output, *(output.with_suffix(ending) for ending in _endings(formats))]))


def save(figure: Figure, path: Path, suffix: str) -> None:
    """Write a figure in the format ``suffix``; the same figure gives the same bytes.

    The first call fixes its layout.
    """
    from anodiff.report.figures.style import STYLE, styled

    with styled():
        _fix_layout(figure)
        figure.dpi = STYLE["savefig.dpi"] if suffix == ".png" else POINTS_PER_INCH
        if suffix == ".svg":  # savefig would draw everything again for a layout that is fixed
            from matplotlib.backends.backend_svg import FigureCanvasSVG

            FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})
        elif suffix == ".pdf":
            from matplotlib.backends.backend_pdf import FigureCanvasPdf

            FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})
        else:
            from matplotlib.backends.backend_agg import FigureCanvasAgg

            FigureCanvasAgg(figure).print_png(path)


def _fix_layout(figure: Figure) -> None:
    """Place the panels of a figure for good, unless that has been done.

    Text is measured as SVG draws it, at the same size, so that Matplotlib parses each formula once.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = figure.get_layout_engine()
    if not isinstance(engine, ConstrainedLayoutEngine) or not figure.get_axes():
        return
    figure.dpi = POINTS_PER_INCH
    FigureCanvasSVG(figure)
    for panel in figure.get_axes():
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_in_layout(_has_text(axis))
    engine.execute(figure)
    figure.set_layout_engine("none")
    for panel in figure.get_axes():  # the last bits of the solver's layout vary
        left, bottom, width, height = (round(edge, 6) for edge in panel.get_position().bounds)
        panel.set_position((left, bottom, width, height))


def _has_text(axis: Axis) -> bool:
    """Return whether an axis has a label or its ticks have; without, it takes no room."""
    look = axis.get_tick_params()
    return bool(axis.label.get_text()) or any(look.get(f"label{side}") for side in ("left", "right", "top", "bottom"))


def _files_of(kind: str, wanted: Sequence[str], output: Path, formats: Sequence[str]) -> list[Path]:
    """Return the files of a figure in a folder, or, if it is the only one, those next to a file."""
    if output.is_dir() or not output.suffix:
        return [output / f"{kind}{ending}" for ending in _endings(formats or ("svg",))]
    if len(wanted) > 1:
        raise ConfigError(f"{output}: {len(wanted)} figures do not fit into one file; name a folder, such as figures/")
    return output_files(output, formats)


def _endings(formats: Sequence[str]) -> list[str]:
    """Return the endings of formats such as ``pdf``."""
    endings = [f".{each.strip().removeprefix('.')}" for each in formats]
    for ending in endings:
        if ending not in FORMATS:
            raise ConfigError(f"--formats {ending[1:]}: a figure's format is one of {', '.join(each[1:] for each in FORMATS)}")
    return list(dict.fromkeys(endings))
