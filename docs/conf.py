"""The site of the documentation: `make docs`.

Every page is a Markdown file that reads well by itself. Some pages of the site stand elsewhere in the project, and their
file here names only where; the commands' reference is made from the commands. No page loads anything from the network.
"""

import posixpath
import re
import subprocess
import sys
from importlib.metadata import version as installed
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent

project = "anodiff"
author = copyright = "The anodiff developers"
version = release = installed("anodiff")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "anodiff"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["site"]
html_css_files = ["wide.css"]

napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_mock_imports = ["lightning", "transformers"]
suppress_warnings = ["ref.python"]  # attributes of several classes have the same name
default_role = "literal"

ELSEWHERE = re.compile(r"\A# [^\n]*\n\nOn the site this page is \[[^\]]*\]\(([^)]*)\)\.\n")
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")
OF_OTHER_FILES = {
    posixpath.normpath(posixpath.join("docs", found[1])): page.name
    for page in HERE.glob("*.md")
    if (found := ELSEWHERE.match(page.read_text(encoding="utf-8")))
}


def complete(app: Sphinx, name: str, source: list[str]) -> None:
    """Fetch the text of a page that stands elsewhere, make that of the commands, and point links at pages of the site."""
    folder = "docs"
    if found := ELSEWHERE.match(source[0]):
        origin = posixpath.normpath(posixpath.join("docs", found[1]))
        app.env.note_dependency(str(ROOT / origin))
        source[0] = (ROOT / origin).read_text(encoding="utf-8") + source[0][found.end() :]
        folder = posixpath.dirname(origin)
    if name == "commands":
        source[0] += "\n" + commands()
    source[0] = LINK.sub(lambda link: link[1] + on_the_site(link[2], folder) + link[3], source[0])


def on_the_site(target: str, folder: str) -> str:
    """Return where the site has what a link of a file in ``folder`` leads to."""
    path = posixpath.normpath(posixpath.join(folder, target))
    return OF_OTHER_FILES.get(path) or posixpath.relpath(path, "docs")


def commands() -> str:
    """Return what every command says of itself, in Markdown."""
    command = [sys.executable, "-m", "typer", "anodiff.cli.app", "utils", "docs", "--name", "anodiff"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    return text[text.index("\n## ") :]


def plain(app: Sphinx, what: str, name: str, item: object, options: object, lines: list[str]) -> None:
    """Keep |x| in docstrings from being read as a substitution, and what stands before a colon as a type."""
    lines[:] = [line.replace("|", r"\|") for line in lines]
    if what in ("attribute", "data", "property") and lines:
        lines[0] = lines[0].replace(": ", " – ")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", complete)
    app.connect("autodoc-process-docstring", plain, priority=400)
