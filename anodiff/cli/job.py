"""Where does this process run, and for which job? A line for the head of a log."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

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
    known = [time.strftime("%Y-%m-%d %H:%M:%S"), f"host {environment.get('SLURMD_NODENAME') or socket.gethostname()}"]
    known += [f"{name} job {environment[variable]}" for variable, name in SCHEDULERS.items() if variable in environment]
    known.append(f"GPU {environment.get('CUDA_VISIBLE_DEVICES') or 'none named'}")
    if "ANODIFF_ATTEMPT" in environment:
        known.append(f"attempt {environment['ANODIFF_ATTEMPT']}")
    return ", ".join(known)
