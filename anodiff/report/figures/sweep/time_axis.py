"""How is an axis of waiting times drawn?"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from anodiff.report.figures.ticks import power_of_ten
from anodiff.storage.types import FloatArray


def time_axis(panel: Axes, times: FloatArray) -> None:
    """Set the axis of waiting times: linear, or logarithmic over more than a factor of 30."""
    later = times[times > 0]
    if len(times) == 1:
        panel.set_xticks(times, [f"{times[0]:,.0f}"])
        panel.set_xlim(times[0] - 1, times[0] + 1)
    elif later[-1] > 30 * later[0]:
        panel.set_xscale("symlog", linthresh=later[0], linscale=0.5)
        panel.set_xlim(times[0] - 0.2 * later[0], 1.3 * times[-1])
        powers = range(math.ceil(math.log10(later[0])), math.floor(math.log10(later[-1])) + 1)
        panel.set_xticks([*times[times == 0], *(10.0**power for power in powers)])
        panel.set_xticklabels([*("0" for time in times if time == 0), *map(power_of_ten, powers)])
        panel.minorticks_off()
    else:
        margin = 0.05 * np.ptp(times)
        panel.set_xlim(times[0] - margin, times[-1] + margin)
        few_ticks(panel)


def few_ticks(panel: Axes) -> None:
    """Set about five ticks at whole numbers."""
    panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
