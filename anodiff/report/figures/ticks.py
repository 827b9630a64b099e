"""Where are the ticks of a logarithmic axis, and what do they say?

Labels are plain text with raised digits, such as 10⁻³. Matplotlib's own are formulas, which it has
to parse; with its nine ticks a decade, they would take half of the time of a drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import Formatter, LogLocator

#: Decades below which an axis has all minor ticks; a longer one has those at 2 and 5.
SHORT = 1.0
#: Decades below which minor ticks at 2 and 5 have labels, if these are short or the only power of ten in view would be alone,
#: and all labels are plain numbers.
PLAIN = 2.0
#: Numbers from the first to the second are written out.
WRITTEN_OUT = (1e-3, 1e4)

RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def log_scale(panel: Axes, *directions: Literal["x", "y"], nonpositive: Literal["clip", "mask"] = "clip") -> None:
    """Make axes of a panel logarithmic.

    Values that are not positive lie far below the panel (``clip``), or are left out (``mask``).
    """
    for direction in directions:
        set_scale = panel.set_xscale if direction == "x" else panel.set_yscale
        set_scale("log", nonpositive=nonpositive)
        label_log_axis(panel.xaxis if direction == "x" else panel.yaxis)


def label_log_axis(axis: Axis) -> None:
    """Set ticks and labels of an axis that is logarithmic."""
    axis.set_major_locator(_Ticks())
    axis.set_minor_locator(_MinorTicks())
    axis.set_major_formatter(_Labels())
    axis.set_minor_formatter(_Labels(minor=True))


def power_of_ten(power: int) -> str:
    """Return a power of ten as plain text.

    Examples
    --------
    >>> power_of_ten(-12)
    '10⁻¹²'
    """
    return f"10{str(power).translate(RAISED)}"


def number_text(value: float) -> str:
    """Return a positive number as plain text, as a power of ten if it is long.

    Examples
    --------
    >>> [number_text(value) for value in (0.02, 2500, 1e-4, 2e-4)]
    ['0.02', '2,500', '10⁻⁴', '2×10⁻⁴']
    """
    if WRITTEN_OUT[0] <= value < WRITTEN_OUT[1]:
        return f"{value:,g}"
    digits, _, power = f"{value:.5e}".partition("e")
    factor = float(digits)
    return power_of_ten(int(power)) if factor == 1 else f"{factor:g}×{power_of_ten(int(power))}"


class _Ticks(LogLocator):
    """Ticks in view. Matplotlib's own are also those of the next decades, each of which it makes and then leaves out."""

    def __call__(self) -> Sequence[float]:
        assert self.axis is not None
        low, high = sorted(map(float, self.axis.get_view_interval()))
        near = 1 + 1e-6  # which ticks are at the very end of the axis, Matplotlib decides
        return [place for place in super().__call__() if low / near <= place <= high * near]


class _MinorTicks(_Ticks):
    """Ticks at 2 and 5, or at 2, 3 … 9 on a short axis."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        self.set_params(subs=range(2, 10) if _decades(vmin, vmax) < SHORT else (2, 5))
        return super().tick_values(vmin, vmax)


class _Labels(Formatter):
    """Powers of ten on a long axis; numbers, also at 2 and 5, on one shorter than two decades."""

    def __init__(self, *, minor: bool = False) -> None:
        self._minor = minor

    def __call__(self, x: float, pos: int | None = None) -> str:
        if x <= 0:
            return ""
        assert self.axis is not None
        low, high = sorted(map(float, self.axis.get_view_interval()))
        decades = _decades(low, high)
        if not self._minor:
            return number_text(x) if decades < PLAIN else power_of_ten(round(math.log10(x)))
        powers = math.floor(math.log10(high)) - math.ceil(math.log10(low)) + 1
        longest = PLAIN if powers < 2 or (WRITTEN_OUT[0] <= low and high < WRITTEN_OUT[1]) else SHORT
        if decades >= longest:
            return ""
        return number_text(x) if decades < SHORT / 3 or f"{x:.0e}"[0] in "25" else ""


def _decades(low: float, high: float) -> float:
    return abs(math.log10(high / low)) if low > 0 and high > 0 else math.inf
