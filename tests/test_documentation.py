"""What the documentation tells people to do, done; and its links lead somewhere."""

import contextlib
import doctest
import io
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml

from anodiff.cli import app

ROOT = Path(__file__).parents[1]
TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "config/README.md", ROOT / "profiles/README.md"])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def anodiff(*arguments):
    """Run a command as `main` would, in this process: torch is imported once."""
    app(list(arguments), standalone_mode=False)


def shell(line):
    program, *arguments = shlex.split(line)
    if program == "anodiff":
        anodiff(*arguments)
    else:
        command = [sys.executable, *arguments] if program == "python" else ["bash", "-c", line]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


def follow(page, names):
    """Do what a page says, in the working directory.

    Blocks of yaml and python that begin with the name of a file are written to it; other python is run, as are lines of sh;
    text is what the block before it prints, with ``...`` for anything.
    """
    printed = ""
    for language, content in BLOCK.findall((ROOT / "docs" / page).read_text()):
        name = re.match(r"# (\S+\.(?:yaml|py))\n", content)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            if name:
                Path(name[1]).parent.mkdir(parents=True, exist_ok=True)
                Path(name[1]).write_text(content)
            elif language == "python":
                exec(compile(content, page, "exec"), names)
            elif language == "sh":
                for line in content.splitlines():
                    shell(line)
            elif language == "text":
                flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
                assert doctest.OutputChecker().check_output(content, printed, flags), f"{page}: printed\n{printed}"
            else:
                raise AssertionError(f"{page}: who tests {language}?")
        printed = output.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the tutorial has been followed; the other pages go on from there."""
    folder = tmp_path_factory.mktemp("reader")
    with contextlib.chdir(folder):
        follow("tutorial.md", {})
    return folder


def test_the_tutorial_does_what_it_says(folder):
    assert (folder / "first" / "exponents.csv").exists()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # those of transformers and accelerate
def test_the_guide_to_language_models_does_what_it_says(tmp_path, monkeypatch):
    for package in ("transformers", "accelerate"):
        pytest.importorskip(package, reason="pip install anodiff[callbacks]")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with contextlib.chdir(tmp_path):
        follow("language.md", {})


@pytest.mark.parametrize("page", ["own-model.md", "own-data.md", "reading.md", "tracks.md"])
def test_a_guide_does_what_it_says(page, folder):
    with contextlib.chdir(folder):
        follow(page, {})


def test_the_readme_measures_a_path():
    (block,) = re.findall(r"^    import anodiff\n(?:    .*\n)+", (ROOT / "README.md").read_text(), re.MULTILINE)
    *statements, last = textwrap.dedent(block).splitlines()
    names = {}
    exec("\n".join(statements), names)
    displacements, correlations = eval(last, names)
    assert displacements[0] < displacements[1] < displacements[2]
    assert correlations[0] == pytest.approx(2**0.5 - 1, abs=0.01)  # of fractional Brownian motion: 2^(2H - 1) - 1


def anchors(text):
    """What the headings of a page are called in links, as GitHub and the site call them."""
    headings = re.findall(r"^#+ +(.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(text):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", FENCED.sub("", text.read_text())):
        if target.startswith(("https:", "http:")):
            continue
        found = (text.parent / target).resolve() if target else text
        assert found.exists(), f"{text.name} links to {target}, which is not there"
        assert not anchor or anchor in anchors(found.read_text()), f"{text.name} links to {target}#{anchor}, no such heading"


def test_the_layout_names_every_module():
    """The tree in CONTRIBUTING.md: packages, their modules, and the folders within them."""
    layout = (ROOT / "CONTRIBUTING.md").read_text().split("## Layout")[1].split("\n## ")[0]
    named, package = set(), ""
    for indent, names in re.findall(r"^( {4}| {8})([a-z]\w*/?(?:, \w+/?)*)(?:  .*)?$", layout, re.MULTILINE):
        if len(indent) == 4:
            package = names
        else:
            named |= {f"{package}/{name}" for name in names.split(", ")}
    code = ROOT / "anodiff"
    modules = {f"{path.parent.name}/{path.stem}" for path in code.glob("*/*.py") if path.stem != "__init__"}
    folders = {f"{path.parents[1].name}/{path.parent.name}/" for path in code.glob("*/*/__init__.py")}
    assert named == modules | folders, "bring the tree in CONTRIBUTING.md, section Layout, up to date"


def test_what_to_cite_is_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format requires
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
