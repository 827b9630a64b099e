"""How much time does it take to measure a run's groups of parameters and its walks?"""

from __future__ import annotations

from anodiff.settings.run import RunSettings
from anodiff.sweep.costs import job_minutes, window_updates
from anodiff.sweep.run_size import part_counts

#: Seconds of one core for the exponents of one part in a window of 1,000 updates; they grow as the square of the updates.
PART_WINDOW = 0.5


def parts_minutes(settings: RunSettings, longest: int) -> int:
    """Return the minutes of the stage `parts`: 10, plus twice `parts_seconds`."""
    return min(longest, job_minutes(10, parts_seconds(settings)))


def parts_seconds(settings: RunSettings) -> float:
    """Return the seconds of the stage `parts` on one core, without a safety margin; a short window takes 0.5 s a part as well.

    The parts are the whole path, the groups and the walks.
    """
    parts = 1 + sum(part_counts(settings))
    return parts * sum(PART_WINDOW * max(1.0, (t / 1000) ** 2) for t in window_updates(settings))
