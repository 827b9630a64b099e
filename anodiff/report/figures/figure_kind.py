"""What is a kind of figure, and in which formats is one written?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

#: Endings of the files that a figure can be written to.
FORMATS = (".svg", ".pdf", ".png")


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: its title, the caption that the page and the report print below it, and the
    function that draws it.

    ``drawn_by`` is a module of this package and a function in it, such as ``sweep.curves.msd``.
    """

    title: str
    caption: str
    drawn_by: str

    def function(self) -> Callable[[Any], Any]:
        """Import and return the function that draws the figure; only then is matplotlib imported.

        It takes the runs of a sweep, the simplified model's ensembles or one `RunData`, and returns
        a matplotlib figure, or None for a run without data for it.
        """
        module, name = self.drawn_by.rsplit(".", 1)
        function: Callable[[Any], Any] = getattr(import_module(f"anodiff.report.figures.{module}"), name)
        return function
