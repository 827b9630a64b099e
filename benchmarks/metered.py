"""The workflow with a meter: what each of its jobs costs. Used by demo.py and sweep.py.

Snakemake's own benchmark files look at a job every 30 seconds, and miss what it does after the last
look. So ``anodiff`` is replaced by a program that runs it, waits, and asks the system what it used.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import torch
import zarr

ROOT = Path(__file__).parents[1]

METER = """#!{python} -SE
import json, os, resource, subprocess, sys, time
start = time.monotonic()
status = subprocess.call([{program!r}, *sys.argv[1:]])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
line = json.dumps({{
    "log": os.readlink("/proc/self/fd/2"),
    "wall": time.monotonic() - start,
    "processor": used.ru_utime + used.ru_stime,
    "memory": used.ru_maxrss / 1024,
}})
with open({record!r}, "a") as record:
    record.write(line + chr(10))
sys.exit(status)
"""


def machine():
    """Return what a reader must know of this machine and its versions."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "zarr": zarr.__version__,
        "machine": platform.processor() or platform.machine(),
        "cpu_count": os.cpu_count(),
        "memory, GB": psutil.virtual_memory().total / 1e9,
        "load before": os.getloadavg(),
    }


def print_header(about):
    versions = ", ".join(f"{name} {about[name]}" for name in ("python", "torch", "zarr"))
    print(f"{versions}, {about['machine']}, {about['cpu_count']} cores, {about['memory, GB']:.0f} GB", flush=True)


def environment_with(program, folder):
    """Make a virtual environment that has this one's packages and another ``anodiff``; return its Python."""
    here = Path(sys.prefix)
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text((here / "pyvenv.cfg").read_text())
    (folder / "lib").symlink_to(here / "lib")
    python = folder / "bin" / "python"
    python.symlink_to(Path(sys.executable).resolve())
    anodiff = folder / "bin" / "anodiff"
    anodiff.write_text(program)
    anodiff.chmod(0o755)
    return python


def timed(command, environment, log):
    """Run a command; return wall seconds, and processor seconds of it and all that it waited for."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with log.open("w") as output:
        finished = subprocess.run(list(map(str, command)), cwd=ROOT, env=environment, stdout=output, stderr=output)
    if finished.returncode:
        raise SystemExit(log.read_text()[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(config, directory, folder, *arguments):
    """Run the workflow of a config, with its results under ``directory``.

    Parameters
    ----------
    config : Path
    directory : Path
    folder : Path
        For the meter and the log of Snakemake.
    *arguments : str
        Of Snakemake.

    Returns
    -------
    used : dict
        ``wall`` and ``processor`` seconds of all of it.
    jobs : pandas.DataFrame
        A row for each call of ``anodiff``: its rule, wall and processor seconds, peak memory in MiB.
    """
    record = folder / "jobs.jsonl"
    program = METER.format(python=sys.executable, program=str(Path(sys.executable).with_name("anodiff")), record=str(record))
    python = environment_with(program, folder / "venv")
    command = [python, "-m", "snakemake", "--directory", directory, "--configfile", config, *arguments]
    wall, processor = timed(command, os.environ, folder / "snakemake.log")
    jobs = pd.DataFrame([json.loads(line) for line in record.read_text().splitlines()])
    jobs.insert(0, "rule", [rule(log) for log in jobs.pop("log")])
    return {"wall": wall, "processor": processor}, jobs


def rule(log):
    """Return whose log this is: logs/train/RUN.log is that of train, logs/page.log that of page."""
    parts = Path(log).with_suffix("").parts
    return parts[parts.index("logs") + 1] if "logs" in parts else "other"
