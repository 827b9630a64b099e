"""Is a sweep's page whole, or does it show the runs so far, and is it time to renew it?

The head of the file says it. Nothing heavy is imported.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

#: Least number of seconds between two renewals of an early page; the browser loads it again as often.
RENEW_EVERY = 60

#: The same for each run that the page shows: a renewal takes some seconds, and about a tenth of a second more for each.
RENEW_EVERY_PER_RUN = 2

#: The file that lists the runs of a sweep, one name a line; Snakemake writes it as it starts.
RUN_LIST = "runs.txt"

_HEAD = re.compile(r'<meta name="runs-so-far" content="(\d+) of (\d+)">')


def runs_so_far(page: Path) -> tuple[int, int] | None:
    """Return how many of how many runs an early page shows; None for a whole page, or without any.

    Raises
    ------
    OSError
        If there is a page that cannot be read.
    """
    try:
        with page.open(encoding="utf-8", errors="replace") as file:
            found = _HEAD.search(file.read(1000))
    except FileNotFoundError:
        return None
    return (int(found[1]), int(found[2])) if found else None


def renewal_is_due(page: Path, now: Callable[[], float] = time.time) -> bool:
    """Return whether there is no page yet, or an early one that was published long enough ago.

    That is `RENEW_EVERY`, and for many runs `RENEW_EVERY_PER_RUN`.

    Parameters
    ----------
    now
        Returns the time in seconds since 1970.
    """
    if not page.exists():
        return True
    shown = runs_so_far(page)
    if shown is None:
        return False
    # the time of the rename; the time of the last change is LONG_AGO
    return now() - page.stat().st_ctime >= max(RENEW_EVERY, RENEW_EVERY_PER_RUN * shown[0])
