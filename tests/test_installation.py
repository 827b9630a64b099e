"""The package as others install it: the wheel holds all that it needs, and what it asks for has a version that was tested."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

RUN = """
data: digits
model: {name: mlp, depth: 2, width: 4}
training: {batch_size: 20, steps: 30}
recording: {window_length: 30}
"""


def run(*command, folder):
    """Run a program where nothing leads to the checkout; return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    finished = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=folder, env=environment)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel made from an archive of the source, so that both are complete."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "anodiff", folder / "anodiff", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    run(sys.executable, "-m", "build", "--no-isolation", folder, folder=folder)
    (wheel,) = folder.glob("dist/*.whl")
    return wheel


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory):
    """The command of a new environment, which has anodiff from the wheel, and all other packages from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel, folder=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Python does not follow the .pth files of a folder named in one, so an editable anodiff is not found there.
    folders = [folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    (packages / "others.pth").write_text("\n".join(folders))
    imported = run(python, "-c", "import anodiff; print(anodiff.__file__)", folder=folder)
    assert Path(imported.strip()).is_relative_to(folder)
    return folder / "bin" / "anodiff"


def test_the_wheel_holds_every_file_of_the_package(wheel):
    files = {path.relative_to(ROOT) for path in (ROOT / "anodiff").rglob("*") if path.is_file()}
    files = {str(path) for path in files if "__pycache__" not in path.parts}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == files


def test_a_run_goes_from_training_to_its_page_with_the_wheel_alone(program, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "run.yaml").write_text(RUN)
    assert "anodiff train" in run(program, "train", "--help", folder=tmp_path)
    for line in (
        "train first/run.yaml --device cpu",
        "geometry first/trajectory.zarr",
        "diffusion first/geometry.zarr --analysis {'long_lags':[5,25]}",
        "tables first --output exponents.csv",
        "figures msd first --output msd.svg",
        "page exponents.csv msd.svg --output index.html",
    ):
        run(program, *line.split(), folder=tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "<svg" in page
    assert "DataTable" in page
    assert run(program, "schema", folder=tmp_path) == (ROOT / "workflow" / "schemas" / "config.schema.json").read_text()


def test_every_dependency_has_a_tested_version():
    """Each requirement of pyproject.toml is in constraints.txt, with a version that fits it."""
    lines = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    tested = {canonicalize_name(name): version for name, version in lines}
    asked = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    for requirement in map(Requirement, asked):
        if requirement.name != PROJECT["name"]:
            version = tested.get(canonicalize_name(requirement.name))
            assert version, f"constraints.txt has no version of {requirement.name}"
            assert requirement.specifier.contains(version), f"{requirement}: constraints.txt has {version}"


def test_the_classifiers_name_the_supported_versions_of_python():
    named = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", line)]
    supported = SpecifierSet(PROJECT["requires-python"])
    assert all(f"{version}.0" in supported for version in named)
    assert f"3.{min(int(version.partition('.')[2]) for version in named) - 1}.99" not in supported
