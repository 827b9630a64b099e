"""Looks at what is there, and hands it on: inspect, compare, export."""

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
        typer.Argument(help="A store, a run's folder, or the folder of a sweep.", autocompletion=completion.folders_of_runs),
    ],
    json: Json = False,
) -> None:
    """Say what stores, runs and sweeps hold: shapes, windows, sizes, compression, settings, provenance, exponents.

    Of a store: its state and that of its files, every array with shape, chunks, bytes and compression ratio. Of a run: its
    stores, how it learned, and its exponents by window with 95 % intervals. Of a sweep: a line for each run.

    Example: anodiff inspect results/digits
    """
    from anodiff.cli.inspection_text import as_json, describe

    if json:
        typer.echo(as_json(paths))
        return
    for path in paths:
        describe(path)


@commands.command()
def compare(
    a: Annotated[Path, typer.Argument(help="A run's folder, or a sweep's.", autocompletion=completion.folders_of_runs)],
    b: Annotated[Path, typer.Argument(help="Another of the same kind.", autocompletion=completion.folders_of_runs)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the table, all rows, as CSV.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Of two sweeps print every row, not only accuracies and differences beyond chance.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Put two runs or two sweeps side by side: settings that differ, exponents by window, losses and accuracies.

    Of two runs each exponent's difference has an interval made from the intervals of both; of two sweeps, whose
    configurations are matched by name, from the scatter over seeds (Welch). A difference whose interval leaves 0 out is
    marked; one in twenty is so by chance.

    Example: anodiff compare results/digits/runs/mlp-bs64-lr0.1-seed0-width128 results/digits/runs/mlp-bs64-lr0.2-seed0-width128
    """
    from anodiff.cli.comparison_text import print_comparison
    from anodiff.sweep.comparison import compare as put_side_by_side
    from anodiff.sweep.comparison import write_comparison

    comparison = put_side_by_side(a, b)
    if output is not None:
        write_comparison(comparison, output, overwrite=overwrite)
    print_comparison(comparison, (str(a), str(b)), everything=everything)


@commands.command()
def export(
    run: Annotated[
        Path, typer.Argument(help="A run's folder, or one of its stores.", autocompletion=completion.folders_of_runs)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; its ending says the format: .h5 (HDF5) or .mat (MATLAB).")
    ],
    what: Annotated[
        str,
        typer.Option(
            help="path: weights and series; geometry: update Gram matrices; curves: MSDs, exponents β and what goes with them.",
            autocompletion=completion.contents,
        ),
    ] = "path",
    window: Annotated[
        list[int] | None, typer.Option(min=0, help="Number of a window, from 0; once for each, default: all.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a run's path, geometry or curves as one HDF5 or MATLAB file, for colleagues with other tools.

    Names and values are those of the store, bit for bit; units, meanings and dimensions are HDF5 attributes, or stand in
    MATLAB's variable about. HDF5 takes any size; a variable of a MATLAB file less than 2 GB.

    Example: anodiff export results/digits/runs/mlp-bs64-lr0.1-seed0-width128 --what geometry --window 0 -o geometry.mat
    """
    from anodiff.cli.export import export as write

    with progress("export", "bytes") as report:
        write(run, output, content=what, windows=window or (), overwrite=overwrite, report=report)
