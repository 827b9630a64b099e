"""Where does this process run, for which job, and since when? A line for the head of a log."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from anodiff.cli.progress import last_lines
from anodiff.sweep.job_memory import LastJob, ask_slurm

#: Variables in which schedulers give the number of a job, and the scheduler of each.
SCHEDULERS = {"SLURM_JOB_ID": "SLURM", "PBS_JOBID": "PBS", "LSB_JOBID": "LSF", "JOB_ID": "Grid Engine"}


def describe_job(environment: Mapping[str, str] = os.environ) -> str:
    """Return the date, the host, the scheduler's job, the GPUs given to it and the attempt, if
    known.

    Examples
    --------
    >>> job = {"SLURM_JOB_ID": "17", "CUDA_VISIBLE_DEVICES": "0", "ANODIFF_ATTEMPT": "2"}
    >>> describe_job(job).split(", ", 2)[2]
    'SLURM job 17, GPU 0, attempt 2'
    """
    import socket

    known = [time.strftime("%Y-%m-%d %H:%M:%S"), f"host {environment.get('SLURMD_NODENAME') or socket.gethostname()}"]
    known += [f"{name} job {environment[variable]}" for variable, name in SCHEDULERS.items() if variable in environment]
    known.append(f"GPU {environment.get('CUDA_VISIBLE_DEVICES') or 'none named'}")
    if "ANODIFF_ATTEMPT" in environment:
        known.append(f"attempt {environment['ANODIFF_ATTEMPT']}")
    return ", ".join(known)


def read_begin(log: Path) -> float | None:
    """Return when the job of a log has begun, in seconds since 1970, from the line that
    `describe_job` has written; None without it.
    """
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            line = file.readline(300)
        return time.mktime(time.strptime(line.partition(": ")[2][:19], "%Y-%m-%d %H:%M:%S"))
    except (OSError, ValueError):
        return None


def read_last_job(log: Path) -> LastJob:
    """Return what is known of the job of a log: what `describe_job` has written, the log's end, and what
    SLURM says of the job.
    """
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            job = re.search(r"SLURM job (\d+)", file.readline(300))
    except OSError:
        return LastJob()
    end = "\n".join(last_lines(log)[-20:])
    return ask_slurm(job[1], end) if job else LastJob(last_lines=end)
