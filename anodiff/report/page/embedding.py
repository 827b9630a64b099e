"""How do figures get into the page? Compressed, as text that the browser unpacks; those of runs only while there is room."""

from __future__ import annotations

import base64
import gzip
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from anodiff.report.figures.figure_kind import FigureKind
from anodiff.report.figures.run.catalogue import RUN_FIGURES

#: Largest page in bytes. A larger one opens slowly, and cannot be sent by mail.
MAX_BYTES = 40_000_000


@dataclass(frozen=True)
class PackedFigure:
    """A figure as the page holds it."""

    kind: str
    title: str
    caption: str
    width: int
    height: int
    data: str


@dataclass(frozen=True)
class RunFigure:
    """A figure of one run: its absolute path, and its address as seen from the page."""

    run: str
    kind: str
    path: Path
    link: str

    @property
    def name(self) -> str:
        """Its identifier within the page."""
        return f"{self.run}/{self.kind}"


@dataclass(frozen=True)
class RunFigures:
    """The figures of all runs: title, caption and link of each by run, and the data of those that are in the page."""

    by_run: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    linked: bool = False
    megabytes: float = 0.0


def pack_figure(file: Path, kind: FigureKind) -> PackedFigure:
    """Return an SVG file compressed, with its size in pixels, which keeps its place in the page."""
    content = file.read_bytes()
    width, height = _size(content)
    return PackedFigure(file.stem, kind.title, kind.caption, width, height, _compressed(content))


def find_run_figures(runs: str | Path | None, names: Sequence[str], page_folder: Path) -> list[RunFigure]:
    """Return the figures of the named runs under a folder, in the order of `RUN_FIGURES`; links start from ``page_folder``."""
    if runs is None:
        return []
    found = []
    for name in names:
        for kind in RUN_FIGURES:
            path = Path(runs) / name / "figures" / f"{kind}.svg"
            if path.is_file():
                found.append(RunFigure(name, kind, path, quote(Path(os.path.relpath(path, page_folder)).as_posix())))
    return found


def embed_run_figures(figures: Sequence[RunFigure], room: int) -> RunFigures:
    """Return the figures with their data if all of them fit into ``room`` bytes, and as links if they do not."""
    data: dict[str, str] = {}
    size = 0
    for figure in figures:
        data[figure.name] = _compressed(figure.path.read_bytes())
        size += len(data[figure.name])
        if size > room:
            data = {}
            break
    by_run: dict[str, list[dict[str, str]]] = {}
    for figure in figures:
        kind = RUN_FIGURES[figure.kind]
        entry = {"title": kind.title, "caption": kind.caption, "link": figure.link}
        by_run.setdefault(figure.run, []).append(entry | ({"data": figure.name} if data else {}))
    linked = bool(figures) and not data
    return RunFigures(by_run, data, linked, sum(figure.path.stat().st_size for figure in figures) / 1e6)


def _compressed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode("ascii")


def _size(content: bytes) -> tuple[int, int]:
    """Return width and height of an SVG file in CSS pixels, or those of its view box if it states none."""
    head = content[:4000].decode("utf-8", errors="replace")
    sizes = re.search(r'<svg[^>]*?\bwidth="([\d.]+)(pt|px)"[^>]*?\bheight="([\d.]+)(?:pt|px)"', head)
    if sizes:
        scale = 4 / 3 if sizes[2] == "pt" else 1
        return round(float(sizes[1]) * scale), round(float(sizes[3]) * scale)
    box = re.search(r'<svg[^>]*?\bviewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"', head)
    return (round(float(box[1])), round(float(box[2]))) if box else (800, 500)
