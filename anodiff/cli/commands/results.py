"""Existing results: `inspect`, `compare`, `published` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli.commands import completion
from anodiff.cli.commands.options import Json, Overwrite
from anodiff.cli.progress import progress

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def inspect(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Stores, folders of runs, or folders of sweeps.", autocompletion=completion.run_folders),
    ],
    json: Json = False,
) -> None:
    """Show what stores, runs and sweeps contain.

    For a store: whether it is complete, its settings and provenance, and every array with its
    shape, chunks, bytes and compression ratio. For a run: its stores, its last losses and
    accuracies, and its exponents by window with 95 % intervals. For a sweep: one line for each run.

    Example: anodiff inspect results/demo
    """
    if json:
        from anodiff.cli.console import print_json
        from anodiff.cli.inspection import inspect_path

        found = [inspect_path(path) for path in paths]
        print_json(found[0] if len(found) == 1 else found)
        return
    from anodiff.cli.inspection_text import print_inspection

    for path in paths:
        print_inspection(path)


@commands.command()
def compare(
    a: Annotated[Path, typer.Argument(help="Folder of a run or of a sweep.", autocompletion=completion.run_folders)],
    b: Annotated[Path, typer.Argument(help="Another folder of the same kind.", autocompletion=completion.run_folders)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the table, with all its rows, as this CSV file.")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="For two sweeps, print every row, not only losses, accuracies and differences beyond chance."
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Compare two runs or two sweeps.

    This lists settings that differ, exponents by window, losses and accuracies.

    Each difference has a 95 % interval. For two runs it comes from the intervals of both exponents.
    For two sweeps, whose configurations are matched by name, it comes from the scatter over seeds
    (Welch). A difference is marked if its interval excludes 0; by chance alone this happens for one
    in twenty.

    Example: anodiff compare results/demo/runs/RUN results/demo/runs/OTHER
    """
    from anodiff.cli.comparison_text import print_comparison
    from anodiff.sweep import comparison

    found = comparison.compare(a, b)
    if output is not None:
        comparison.write_comparison(found, output, overwrite=overwrite)
    print_comparison(found, (str(a), str(b)), everything=everything)


@commands.command()
def published(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN_OR_SWEEP",
            help="Folders of runs, or of sweeps, whose finished runs are taken; without any, the published numbers are shown.",
            autocompletion=completion.run_folders,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write the table as this CSV file, and as Parquet next to it."),
    ] = None,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Show the study's published exponents, or set runs beside them.

    The table has the exponents of both regimes and the crossover lag of 24 ResNets, and the
    exponents at further learning rates.

    Runs with the published set-up (that of config/paper.yaml; length, windows and seed may differ)
    stand beside their row, window by window. Other runs are left out, and the first of them is
    named with the reason. The interval of a difference comes from both errors; several seeds are
    averaged.

    The numbers are not of the same kind. The authors read theirs off plots by eye, from windows
    that they do not name. So each window is compared by itself, in two readings: the fitted regimes
    of exponents.csv, and a power law of two parts, as an eye would put it. Each reading has two
    orders: published, with the first regime at the shortest lags, and reversed, with the first
    regime at the longest lags. Of many comparisons some agree by chance. The summary says how many
    agree in each reading and order, and how often the same numbers agree with the other published
    rows.

    Example: anodiff published results/paper -o published.csv
    """
    from anodiff.sweep.published.comparison import compare_with_published
    from anodiff.sweep.published.rows import PUBLISHED_COLUMNS, published_table
    from anodiff.sweep.published.table import BESIDE_PUBLISHED_COLUMNS, write_published

    found = None
    if paths:
        from anodiff.sweep.results import read_folders

        found = compare_with_published(read_folders(paths))
    if output is not None:
        table, columns = (found.table, BESIDE_PUBLISHED_COLUMNS) if found else (published_table(), PUBLISHED_COLUMNS)
        write_published(table, output, columns, overwrite=overwrite)
    from anodiff.cli.published_text import print_beside_published, print_published, published_json

    if json:
        from anodiff.cli.console import print_json

        print_json(published_json(found))
    elif found:
        print_beside_published(found)
    else:
        print_published()


@commands.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or one of its stores.", autocompletion=completion.run_folders)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; its ending is its format: .h5 (HDF5) or .mat (MATLAB).")
    ],
    what: Annotated[
        str,
        typer.Option(
            help="path: weights and series; geometry: update Gram matrices; curves: MSDs, exponents β and the rest of "
            "diffusion.zarr; parts: those of groups and walks.",
            autocompletion=completion.contents,
        ),
    ] = "path",
    window: Annotated[
        list[int] | None, typer.Option(min=0, help="Number of a window, from 0; repeat it for several, default: all.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Export a run to an HDF5 or MATLAB file.

    The file has the run's path, geometry, curves or parts, for other tools.

    Names and values are exactly those of the store. Units, meanings and dimensions are HDF5
    attributes, or in MATLAB's variable about. An HDF5 file can have any size; a variable of a
    MATLAB file must be smaller than 2 GB.

    Example: anodiff export results/demo/runs/RUN --what curves -o curves.h5
    """
    from anodiff.cli.export import export as write

    with progress("export", "bytes") as report:
        write(run, output, content=what, windows=window or (), overwrite=overwrite, report=report)
