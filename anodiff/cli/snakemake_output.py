"""What does Snakemake's output say that files do not? How many jobs there are to do, and which have failed."""

from __future__ import annotations

import re
from pathlib import Path

from anodiff.cli.job_files import changed

_COUNT = re.compile(r"^(\w+) +(\d+)$")
_LOG = re.compile(r"^ +log: (.+) \(check log file")


class SnakemakeOutput:
    """Snakemake's output, which a file collects; `update` reads what is new.

    Attributes
    ----------
    planned
        The number of jobs of each rule, from the table "Job stats"; empty before it.
    """

    def __init__(self, file: Path, begin: int = 0) -> None:
        self._file, self._place = file, begin
        self._rest = ""
        self._in_table = False
        self._failed: dict[Path, float] = {}
        self.planned: dict[str, int] = {}

    @property
    def failed(self) -> list[Path]:
        """The logs of jobs that have failed and have not begun again."""
        return [log for log, then in self._failed.items() if changed(log) == then]

    def update(self) -> None:
        """Read on to the end of the file."""
        with self._file.open("rb") as file:
            file.seek(self._place)
            new = file.read()
        self._place += len(new)
        *lines, self._rest = (self._rest + new.decode(errors="replace")).split("\n")
        for line in lines:
            self._read(line)

    def _read(self, line: str) -> None:
        if line == "Job stats:":
            self._in_table, self.planned = True, {}
        elif self._in_table and (count := _COUNT.match(line)):
            if count[1] == "total":
                self._in_table = False
            else:
                self.planned[count[1]] = int(count[2])
        elif logs := _LOG.match(line):
            self._failed |= {Path(log): changed(Path(log)) for log in logs[1].split(", ")}
