"""Each command by hand: help, the stages from training to page, and every mistake in one line with exit status 2."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import zarr
from typer.testing import CliRunner

from anodiff.cli.app import app
from anodiff.trajectory.format import KIND

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(typer.main.get_command(app).commands)
RUN = """
data: {name: gaussian_clusters, clusters: {samples: 100}}
model: {name: mlp, depth: 2, width: 4}
training: {batch_size: 20, steps: 30}
recording: {window_length: 30}
"""


def command(*arguments, cwd=ROOT, **environment):
    line = [sys.executable, "-m", "anodiff", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, cwd=cwd, env=os.environ | environment)


def refused(*arguments, **options):
    """The one line with which a command is refused."""
    finished = command(*arguments, **options)
    lines = finished.stderr.strip().splitlines()
    assert finished.returncode == 2, finished.stderr
    assert len(lines) == 1, finished.stderr
    assert lines[0].startswith("anodiff: ")
    return lines[0]


@pytest.fixture
def run_yaml(tmp_path):
    path = tmp_path / "run" / "run.yaml"
    path.parent.mkdir()
    path.write_text(RUN)
    return path


def test_help_names_every_command_and_every_command_has_help():
    runner = CliRunner()
    listed = command("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in listed
        finished = runner.invoke(app, [name, "--help"])
        assert finished.exit_code == 0
        assert f"\n  Example: anodiff {name} " in finished.output


def example(name):
    """The words of a command's example after the command's name."""
    text = typer.main.get_command(app).commands[name].help
    return shlex.split(text.split("Example: ")[1].splitlines()[0])[2:]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_a_line_that_its_command_takes(name):
    """Its words are parsed as typed; nothing is run."""
    typer.main.get_command(app).commands[name].make_context(name, example(name))


@pytest.mark.parametrize(
    ("typed", "completions"),
    [
        (["anodiff", "fig"], ["figures"]),
        (["anodiff", "figures", "ms"], ["msd"]),
        (["anodiff", "tables", "--kind", "ta"], ["tails"]),
        (["anodiff", "export", "--what", ""], ["path", "geometry", "curves"]),
        (["anodiff", "calibrate", "--process", "fbm-0.7"], ["fbm-0.75"]),
        (["anodiff", "compare", ""], ["results/s/runs/a", "results/s/runs/b", "results/s"]),
        (["anodiff", "inspect", "results/s/runs/b"], ["results/s/runs/b/"]),
    ],
)
def test_the_shell_completes_commands_kinds_and_runs(typed, completions, tmp_path):
    for run in ("a", "b"):
        (tmp_path / "results/s/runs" / run).mkdir(parents=True)
    asked = {"_ANODIFF_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(typed), "COMP_CWORD": str(len(typed) - 1)}
    line = [sys.executable, "-c", "import sys; sys.argv[0] = 'anodiff'; from anodiff.cli.app import main; main()"]
    finished = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=os.environ | asked)
    found = finished.stdout.split()
    assert found[: len(completions)] == completions or completions[0] in found, finished.stderr


def test_completion_can_be_shown():
    assert "_ANODIFF_COMPLETE" in CliRunner().invoke(app, ["--show-completion", "bash"], prog_name="anodiff").output


def test_all_stages_can_be_run_by_hand(run_yaml, tmp_path):
    run = run_yaml.parent
    steps = [
        ("train", run_yaml),
        ("geometry", run / "trajectory.zarr"),
        ("diffusion", run / "geometry.zarr", "--analysis", "{long_lags: [5, 25]}"),
        ("tables", run, "--output", tmp_path / "exponents.csv"),
        ("figures", "msd", run, "--output", tmp_path / "msd.svg"),
        ("page", tmp_path / "exponents.csv", tmp_path / "msd.svg", "--output", tmp_path / "index.html"),
    ]
    for step in steps:
        finished = command(*step, cwd=tmp_path)
        assert finished.returncode == 0, finished.stderr
    assert "packed-msd" in (tmp_path / "index.html").read_text()
    assert not list((tmp_path / "scratch").rglob("*.zarr"))
    described = command("inspect", run, run / "trajectory.zarr").stdout
    assert "complete" in described
    assert "weights" in described
    for step in steps:
        assert "already exists" in refused(*step, cwd=tmp_path)
    assert command("geometry", run / "trajectory.zarr", "--overwrite").returncode == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("model: {name: resnet15}", "6n+2"),
        ("model: {name: resnt14}", "did you mean 'resnet14'"),
        ("model: {nam: mlp}", "did you mean 'name'"),
        ("optimiser: {learning_rate: 0}", "optimiser.learning_rate"),
        ("training: {batch_size: 90, steps: 30}", "batch_size 90 is larger than the 80 training samples"),
        ("recording: {windows: [{start: 10, length: 30}]}", "beyond the run's 30 steps"),
        ("data: {name: cifar10}", "download=True"),
        ("data: {name: digit}", "did you mean 'digits'"),
        ("model: 'torchvision:resnet1'", "resnet1"),
        ("model: 'nowhere.at_all:factory'", "nowhere"),
        ("data: [1, 2", "not YAML"),
    ],
)
def test_a_wrong_run_is_refused_in_one_line_and_leaves_nothing(run_yaml, change, said):
    key = change.split(":")[0]
    lines = [line for line in RUN.splitlines() if not line.startswith(f"{key}:")]
    run_yaml.write_text("\n".join([*lines, change]))
    assert said in refused("train", run_yaml, cwd=run_yaml.parent)
    assert [path.name for path in run_yaml.parent.rglob("*") if path.suffix == ".zarr"] == []


def test_a_file_system_that_refuses_to_write_is_one_line_and_publishes_nothing(run_yaml):
    limited = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); runpy.run_module('anodiff')"
    command = [sys.executable, "-c", limited, "train", str(run_yaml)]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=run_yaml.parent)
    assert finished.returncode == 2, finished.stderr
    line = finished.stderr.strip().splitlines()[-1]  # after a line of progress, because the path is written at the end
    assert "File too large" in line
    assert "nothing was published" in line
    assert not (run_yaml.parent / "trajectory.zarr").exists()


def test_stores_that_are_missing_foreign_unfinished_or_old_are_refused_in_one_line(tmp_path):
    store = tmp_path / "trajectory.zarr"
    assert "no such store" in refused("geometry", store)
    store.mkdir()
    assert "not a Zarr group" in refused("geometry", store)
    zarr.create_group(store, overwrite=True)
    assert "anodiff has not written" in refused("geometry", store)
    zarr.create_group(store, overwrite=True, attributes={"kind": KIND, "format_version": 1, "status": "running"})
    assert "not finished" in refused("geometry", store)
    zarr.create_group(store, overwrite=True, attributes={"kind": KIND, "format_version": 0, "status": "complete"})
    assert "version 0" in refused("geometry", store)
    assert not (tmp_path / "geometry.zarr").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("figures", "mds", "nowhere", "-o", "a.svg"), "did you mean 'msd'"),
        (("figures", "msd", "nowhere", "-o", "a.bmp"), ".svg"),
        (("tables", "nowhere", "-o", "a.csv"), "no such store"),
        (("tables", "nowhere", "-o", "a.txt"), ".csv"),
        (("page", "nowhere.csv", "msd.svg", "-o", "index.html"), "no such file"),
        (("inspect", "nowhere"), "no such"),
        (("compare", "nowhere", "here"), "no finished run"),
        (("export", "nowhere", "-o", "a.txt"), "must end in .h5"),
        (("export", "nowhere", "-o", "a.h5"), "no such store"),
        (("status", "tests"), "no runs in it"),
        (("status", "nowhere.yaml"), "no such file"),
        (("plan", "nowhere.yaml"), "no such file"),
        (("doctor", "--config", "nowhere.yaml"), "no such file"),
        (("runs", "nowhere.yaml"), "no such file"),
        (("train", "config/config.yaml"), "unknown key 'sweep'"),
        (("schema", "--format", "yaml"), "known: json, markdown"),
    ],
)
def test_other_mistakes_are_one_line(arguments, said, tmp_path):
    assert said in refused(*arguments)


def test_a_device_that_is_not_there_is_refused(run_yaml):
    assert "--device" in refused("train", run_yaml, "--device", "cuda:7", cwd=run_yaml.parent)


def test_analysis_commands_do_not_import_torch():
    check = (
        "import sys, anodiff.geometry, anodiff.diffusion.analysis, anodiff.sweep.tables, anodiff.report.figures, "
        "anodiff.report.page, anodiff.cli.app"
    )
    assert subprocess.run([sys.executable, "-c", check + "; assert 'torch' not in sys.modules"]).returncode == 0


def test_every_folder_of_the_package_is_installed():
    folders = {path.parent for path in (ROOT / "anodiff").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_public_name_is_there():
    import anodiff

    assert all(getattr(anodiff, name).__doc__ for name in anodiff.__all__)


def test_the_library_does_not_import_snakemake():
    check = "import sys, anodiff.training, anodiff.cli.app, anodiff.cli.inspection_text; assert 'snakemake' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
