"""Each command by hand: help, the stages from training to page, and every mistake in one line with exit status 2."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import zarr
from forks import forked
from typer.testing import CliRunner

from anodiff.cli.app import app
from anodiff.trajectory.format import KIND, VERSION

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(typer.main.get_command(app).commands)
RUN = """
data: {name: gaussian_clusters, clusters: {samples: 100}}
model: {name: mlp, depth: 2, width: 4}
training: {batch_size: 20, steps: 30}
recording: {window_length: 30, groups: layer}
"""


def command(*arguments, cwd=ROOT, **environment):
    return forked("anodiff.__main__:main", *arguments, cwd=cwd, **environment)


#: Runs the command line, and then writes the names of all modules that were imported to the file named in IMPORTED.
OBSERVED = """
import os, sys
from anodiff.cli.app import main
sys.argv[0] = "anodiff"
try:
    main()
finally:
    open(os.environ["IMPORTED"], "w").write(" ".join(sys.modules))
"""

#: Libraries that take a tenth of a second or more to import, but for numpy. scipy imports its packages when they are used.
HEAVY = {
    *("h5py", "jinja2", "matplotlib", "pandas", "pyarrow.parquet", "rich", "sklearn", "torch", "torchvision", "xarray", "zarr"),
    *("scipy.fft", "scipy.linalg", "scipy.ndimage", "scipy.optimize", "scipy.sparse", "scipy.special", "scipy.stats"),
    "torch._dynamo",
}
SCIPY = {name for name in HEAVY if name.startswith("scipy.")}
NOT_SLOW_SCIPY = SCIPY - {"scipy.stats"}
LANDSCAPE = ("--device", "cpu", "--landscape", "{samples: 20, points: 3, planes: [path_last]}")

#: Commands on a tiny run, in the order in which they need one another, and the heavy libraries that each may import.
STAGES = {
    "help": (("--help",), set()),
    "schema": (("schema",), set()),
    "runs": (("runs", "sweep.yaml"), set()),
    "status": (("status", "sweep.yaml"), {"rich"}),
    "train": (("train", "run/run.yaml", "--device", "cpu"), {"torch", "zarr"}),
    "geometry": (("geometry", "run/trajectory.zarr"), {"zarr"}),
    "diffusion": (
        ("diffusion", "run/geometry.zarr", "--analysis", "{long_lags: [5, 25]}"),
        NOT_SLOW_SCIPY | {"pandas", "xarray", "zarr"},
    ),
    "parts": (("parts", "run/geometry.zarr", "--analysis", "{long_lags: [5, 25]}"), NOT_SLOW_SCIPY | {"pandas", "zarr"}),
    "landscape": (("landscape", "run/trajectory.zarr", *LANDSCAPE), {"scipy.linalg", "scipy.sparse", "torch", "zarr"}),
    "roughness": (
        ("roughness", "run/trajectory.zarr", *LANDSCAPE, "--settings", "{at: [1.0], directions: 3}"),
        {"pandas", "scipy.special", "torch", "zarr"},
    ),
    "curvature": (
        ("curvature", "run/trajectory.zarr", *LANDSCAPE, "--settings", "{at: [1.0], eigenvalues: 1, gauss_newton: false}"),
        {"scipy.linalg", "scipy.sparse", "torch", "zarr"},
    ),
    "learning": (
        ("learning", "run/trajectory.zarr", "--device", "cpu", "--settings", "{points: 8, samples: 20, draws: 20}"),
        NOT_SLOW_SCIPY | {"pandas", "torch", "zarr"},
    ),
    "simplified-model": (
        ("simplified-model", "--settings", "{beside: [], hurst: [0.5], points: 33, surfaces: 2, walkers: 10, steps: 100}"),
        {"pandas", "scipy.fft", "scipy.ndimage", "scipy.special", "zarr"},
    ),
    "inference": (
        (
            "inference",
            "1",
            "--device",
            "cpu",
            "--settings",
            "{tracks: 64, batch_size: 32, width: 2, validation_tracks: 1000, calibration_tracks: 2000}",
        ),
        {"torch", "torch._dynamo", "zarr"} | SCIPY,
    ),
    "tables": (("tables", "run", "-o", "exponents.csv"), {"pandas", "pyarrow.parquet", "xarray", "zarr"}),
    "tables --kind tails": (
        ("tables", "run", "--kind", "tails", "-o", "tails.csv"),
        {"pandas", "pyarrow.parquet", "xarray", "zarr"},
    ),
    "tables --kind claims": (
        ("tables", "exponents.csv", "tails.csv", "--kind", "claims", "-o", "claims.csv"),
        SCIPY | {"pandas", "pyarrow.parquet"},
    ),
    "figures": (("figures", "msd", "run", "-o", "msd.svg"), {"matplotlib", "pandas", "scipy.special", "xarray", "zarr"}),
    "page": (("page", "exponents.csv", "claims.csv", "msd.svg", "-o", "index.html"), {"jinja2", "pandas"}),
    "inspect": (("inspect", "run", "run/trajectory.zarr"), {"rich", "zarr"}),
    "export": (("export", "run", "--what", "curves", "-o", "curves.h5"), {"h5py", "zarr"}),
}


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
        (["anodiff", "figures", "msd,erg"], ["msd,ergodicity"]),
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
    finished = command(cwd=tmp_path, **asked)
    found = finished.stdout.split()
    assert found[: len(completions)] == completions or completions[0] in found, finished.stderr


def test_completion_can_be_shown(monkeypatch):
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))  # make runs the tests in another shell
    assert "_ANODIFF_COMPLETE" in CliRunner().invoke(app, ["--show-completion"], prog_name="anodiff").output


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """The folder of a tiny run after all `STAGES`; the output of each, and the modules that it imported."""
    folder = tmp_path_factory.mktemp("by_hand")
    (folder / "run").mkdir()
    (folder / "run" / "run.yaml").write_text(RUN.replace(RUN.splitlines()[1], "data: digits"))
    (folder / "sweep.yaml").write_text(
        "sweep: {name: tiny, defaults: {data: digits, model: mlp, training: {steps: 30}}, grid: [{seed: [0]}]}\n"
    )
    outputs, modules = {}, {}
    for stage, (arguments, _) in STAGES.items():
        line, imported = [sys.executable, "-c", OBSERVED, *arguments], folder / "imported"
        environment = os.environ | {"IMPORTED": str(imported)}
        finished = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=environment)
        assert finished.returncode == 0, finished.stderr
        outputs[stage], modules[stage] = finished.stdout, set(imported.read_text().split())
    return folder, outputs, modules


def test_all_stages_can_be_run_by_hand(by_hand):
    folder, outputs, _ = by_hand
    assert "packed-msd" in (folder / "index.html").read_text()
    assert not list((folder / "scratch").rglob("*.zarr"))
    assert "complete" in outputs["inspect"]
    assert "weights" in outputs["inspect"]
    for stage in ("train", "geometry", "diffusion", "tables", "figures", "page"):
        assert "already exists" in refused(*STAGES[stage][0], cwd=folder)
    assert command("geometry", "run/trajectory.zarr", "--overwrite", cwd=folder).returncode == 0


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_no_heavy_library_that_it_does_not_need(stage, by_hand):
    """In all of its work, not only at its start: every stage of every run is a process that pays for its imports."""
    assert (by_hand[2][stage] & HEAVY) - STAGES[stage][1] == set()


@pytest.mark.parametrize("stage", ["help", "schema", "runs", "status"])
def test_what_a_user_types_most_often_does_not_import_numpy(stage, by_hand):
    assert "numpy" not in by_hand[2][stage]


def test_the_snakefile_imports_no_heavy_library():
    """Snakemake reads it again in each job of a cluster."""
    head = (ROOT / "workflow" / "rules" / "common.smk").read_text().split("\ntry:")[0]
    check = f"{head}\nimport sys\nprint(*sys.modules)"
    finished = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert set(finished.stdout.split()) & HEAVY == set()


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
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); "
    limited += "from anodiff.__main__ import main; main()"
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
    zarr.create_group(store, overwrite=True, attributes={"kind": KIND, "format_version": VERSION, "status": "running"})
    assert "not finished" in refused("geometry", store)
    zarr.create_group(store, overwrite=True, attributes={"kind": KIND, "format_version": 0, "status": "complete"})
    assert "version 0" in refused("geometry", store)
    assert not (tmp_path / "geometry.zarr").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("figures", "msdd", "nowhere", "-o", "a.svg"), "did you mean 'msd'"),
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


def test_every_folder_of_the_package_is_installed():
    folders = {path.parent for path in (ROOT / "anodiff").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_public_name_is_there():
    import anodiff

    assert all(getattr(anodiff, name).__doc__ for name in anodiff.__all__)


def test_the_library_does_not_import_snakemake():
    check = "import sys, anodiff.training, anodiff.cli.app, anodiff.cli.inspection_text; assert 'snakemake' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
