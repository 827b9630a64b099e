"""The command line: one command per rule of the workflow, each of use by hand as well.

Each command imports what it needs, so that those without tensors start at once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from anodiff.cli_landscape import commands
from anodiff.errors import AnodiffError, ConfigError, did_you_mean
from anodiff.progress import progress
from anodiff.whereabouts import whereabouts

app = typer.Typer(
    name="anodiff",
    help="Measure the training of a neural network as anomalous diffusion.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _introduce(context: typer.Context) -> None:
    """Within a job of a cluster, say first where and for the how-manieth time; the rule's log begins with it."""
    if "ANODIFF_ATTEMPT" in os.environ and context.invoked_subcommand:
        typer.echo(f"anodiff {context.invoked_subcommand}: {whereabouts()}", err=True)


Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output where it exists.")]
ConfigFile = Annotated[Path, typer.Argument(help="Config file of the sweep, such as config/config.yaml.")]


@app.command()
def train(
    run: Annotated[Path, typer.Argument(help="run.yaml: the run's settings, complete.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the store goes; default: trajectory.zarr beside run.yaml.")
    ] = None,
    scratch: Annotated[
        Path,
        typer.Option(envvar="ANODIFF_SCRATCH", help="Folder for trainings in progress, each in a folder of its run's name."),
    ] = Path("scratch"),
    data_root: Annotated[
        Path, typer.Option(envvar="ANODIFF_DATA", help="Folder of the data sets, as torchvision lays them out.")
    ] = Path("data"),
    download: Annotated[
        bool, typer.Option("--download", envvar="ANODIFF_DOWNLOAD", help="Let torchvision download a missing data set.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto (a free GPU, or the CPU), cpu, cuda, cuda:1, mps …")] = "auto",
    checkpoint_every: Annotated[
        float,
        typer.Option(
            envvar="ANODIFF_CHECKPOINT_EVERY",
            min=0,
            metavar="SECONDS",
            help="Seconds between two checkpoints; 0: only after SIGTERM, SIGUSR1 and Ctrl-C.",
        ),
    ] = 300.0,
    restart: Annotated[bool, typer.Option("--restart", help="Discard a training in progress and begin at step 0.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Train one run and record its path: run.yaml -> trajectory.zarr. A run that was interrupted goes on where it was."""
    from anodiff.configfile import load_run

    settings = load_run(run)
    from anodiff.training import train_run

    name = run.resolve().parent.name
    with progress(f"train {name}", "steps") as report:
        outcome = train_run(
            settings,
            output or run.parent / "trajectory.zarr",
            scratch=scratch / name,
            data_root=data_root,
            download=download,
            device=device,
            overwrite=overwrite,
            restart=restart,
            checkpoint_every=checkpoint_every,
            report=report,
            tell=lambda line: typer.echo(f"{name}: {line}", err=True),
        )
    if outcome.status == "diverged":
        typer.echo(
            f"{name}: diverged: the loss of step {outcome.steps_completed} is not finite; the path up to it is kept", err=True
        )


@app.command()
def geometry(
    trajectory: Annotated[Path, typer.Argument(help="trajectory.zarr of a run.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: geometry.zarr beside the trajectory.")] = None,
    memory: Annotated[int, typer.Option(min=1, help="MiB for the weights held at a time.")] = 512,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda: where to multiply.")] = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Reduce the path to its geometry, one update Gram matrix a window: trajectory.zarr -> geometry.zarr."""
    from anodiff import geometry as package

    with progress("geometry", "parameters") as report:
        package.geometry(
            trajectory,
            output or trajectory.parent / "geometry.zarr",
            memory=memory * 2**20,
            device=device,
            overwrite=overwrite,
            report=report,
        )


@app.command()
def diffusion(
    geometry: Annotated[Path, typer.Argument(help="geometry.zarr of a run.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: diffusion.zarr beside the geometry.")] = None,
    table: Annotated[Path | None, typer.Option(help="Default: exponents.csv beside the geometry.")] = None,
    tails: Annotated[Path | None, typer.Option(help="Default: tails.csv beside the geometry.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Config file whose 'analysis' section holds; default: the defaults of anodiff.")
    ] = None,
    analysis: Annotated[
        str, typer.Option(help='Analysis settings as YAML over the config\'s, such as "{slope_width: 0.3}".')
    ] = "{}",
    overwrite: Overwrite = False,
) -> None:
    """Compute MSDs and exponents of every window: geometry.zarr -> diffusion.zarr, exponents.csv, tails.csv."""
    from anodiff.configfile import load_stage
    from anodiff.diffusion.analysis import diffusion as compute
    from anodiff.stages import AnalysisSettings

    settings = load_stage(AnalysisSettings, "analysis", config, analysis)
    with progress("diffusion", "windows") as report:
        compute(
            geometry,
            output or geometry.parent / "diffusion.zarr",
            table or geometry.parent / "exponents.csv",
            tails or geometry.parent / "tails.csv",
            settings,
            overwrite=overwrite,
            report=report,
        )


@app.command()
def tables(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of finished runs, such as results/digits/runs/*; of the claims, the sweep's tables: exponents.csv, "
            "tails.csv, and landscape.csv and simplified_model.csv where there are."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table as CSV; Parquet goes beside it.")],
    kind: Annotated[
        str,
        typer.Option(
            help="exponents, tails, ensembles (means over seeds, ergodicity), landscape, or claims (the study's, judged)."
        ),
    ] = "exponents",
    logs: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the sweep's logs: unfinished runs are let through, and exponents say why they are missing."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Gather the sweep's results in one table: exponents.csv, tails.csv … -> CSV and Parquet."""
    from anodiff.tables import write_tables

    write_tables(runs, output, kind=kind, logs=logs, overwrite=overwrite)


@app.command()
def figures(
    kind: Annotated[
        str, typer.Argument(help="msd, beta, nulls, exponents, learning; of the simplified model surfaces, walkers, gradients.")
    ],
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of finished runs, such as results/digits/runs/*, or simplified_model.zarr.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture; its ending says the format: svg, pdf, png.")],
    overwrite: Overwrite = False,
) -> None:
    """Draw one figure over the runs of a sweep, or of its simplified model."""
    from anodiff.figures import draw

    draw(kind, runs, output, overwrite=overwrite)


@app.command()
def page(
    table: Annotated[Path, typer.Argument(help="The sweep's table, as `anodiff tables` writes it.")],
    figures: Annotated[list[Path], typer.Argument(help="The sweep's figures as SVG, named msd.svg, beta.svg …")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")],
    title: Annotated[str, typer.Option(help="Name of the sweep.")] = "sweep",
    overwrite: Overwrite = False,
) -> None:
    """Put figures, captions and the table on one self-contained page of HTML."""
    from anodiff.page import write_page

    write_page(table, figures, output, title=title, overwrite=overwrite)


@app.command()
def simplified_model(
    output: Annotated[Path, typer.Option("--output", "-o", help="The store.")] = Path("simplified_model.zarr"),
    table: Annotated[Path | None, typer.Option(help="Default: beside the store, as CSV.")] = None,
    config: Annotated[Path | None, typer.Option(help="Config file whose 'simplified_model' section holds.")] = None,
    settings: Annotated[str, typer.Option(help='Settings as YAML over the config\'s, such as "{noise: 0.0}".')] = "{}",
    overwrite: Overwrite = False,
) -> None:
    """Let walkers descend generated surfaces, and measure their diffusion: -> simplified_model.zarr and its table."""
    from anodiff.configfile import load_stage
    from anodiff.stages import SimplifiedModelSettings
    from anodiff.surfaces.store import write_model

    chosen = load_stage(SimplifiedModelSettings, "simplified_model", config, settings, "--settings")
    with progress("simplified model", "surfaces") as report:
        write_model(chosen, output, table or output.with_suffix(".csv"), overwrite=overwrite, report=report)


@app.command()
def calibrate(
    output: Annotated[Path, typer.Option("--output", "-o", help="The table, .csv.")] = Path("calibration.csv"),
    figure: Annotated[
        Path | None, typer.Option(help="The picture: .svg, .pdf or .png; default: beside the table, as SVG.")
    ] = None,
    process: Annotated[
        list[str] | None, typer.Option(help="A process of anodiff.processes; once for each, default: all.")
    ] = None,
    dimensions: Annotated[list[int] | None, typer.Option(min=1, help="Once for each; default: 1, 3 and 1000.")] = None,
    paths: Annotated[int, typer.Option(min=2, help="Paths of each process, in each number of dimensions.")] = 50,
    steps: Annotated[int, typer.Option(min=100, help="Steps of a path.")] = 1000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Measure processes of known law: bias, spread and interval coverage of every estimator, as a table and a picture."""
    from anodiff.calibration import write_calibration

    with progress("calibrate", "paths") as report:
        write_calibration(
            output,
            figure or output.with_suffix(".svg"),
            process or [],
            dimensions=dimensions or [1, 3, 1000],
            paths=paths,
            steps=steps,
            seed=seed,
            overwrite=overwrite,
            report=report,
        )


@app.command()
def inspect(
    paths: Annotated[list[Path], typer.Argument(help="A store, a run's folder, or the folder of a sweep.")],
) -> None:
    """Say what stores hold: runs, windows, shapes, sizes, compression, completeness."""
    from anodiff.inspection import describe

    for path in paths:
        describe(path)


@app.command()
def runs(config: ConfigFile) -> None:
    """Check a config file and list the runs of its sweep."""
    from anodiff.configfile import load_config
    from anodiff.runs import sweep_runs

    for name in sweep_runs(load_config(config)):
        typer.echo(name)


@app.command()
def schema(
    form: Annotated[str, typer.Option("--format", help="json: the schema, for editors; markdown: config/README.md.")] = "json",
) -> None:
    """Print what a config file may hold; workflow/schemas/config.schema.json and config/README.md hold it."""
    from anodiff.reference import config_reference, config_schema

    forms = {"json": config_schema, "markdown": config_reference}
    if form not in forms:
        raise ConfigError(f"--format {form}: {did_you_mean(form, forms)}")
    typer.echo(forms[form](), nl=False)


app.add_typer(commands)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit status 2, an interruption one and 75."""
    try:
        app()
    except AnodiffError as error:
        typer.echo(f"anodiff: {error}", err=True)
        raise SystemExit(error.exit_status) from None
