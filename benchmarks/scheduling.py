"""What does Snakemake itself cost? A dry run of a large sweep, and jobs that do nothing, here and on a SLURM cluster.

    python benchmarks/scheduling.py [--json FILE] [--runs 1000] [--jobs 40]

The project's own Snakefile and profile; ``anodiff`` is replaced by a program that only makes its output. The cluster is a
throw-away one on this machine (two nodes of four CPUs that share this machine's cores), so its times are those of many
Snakemakes on few cores: the CPU seconds a job are what carries over. Without SLURM installed only the first two are measured.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import yaml
from metered import ROOT, environment_with, timed

sys.path.insert(0, str(ROOT / "tests"))

from slurm import Cluster, missing_programs

STUB = """#!/bin/bash
while [ $# -gt 0 ]; do [ "$1" = --output ] && mkdir -p "$2"; shift; done
"""


def config(folder, runs):
    """Write the config of a sweep of so many runs."""
    path = folder / f"{runs}.yaml"
    defaults = {"data": "digits", "model": "mlp", "training": {"steps": 1000}}
    path.write_text(yaml.safe_dump({"sweep": {"name": "trivial", "defaults": defaults, "grid": [{"seed": list(range(runs))}]}}))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/scheduling.json"))
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=40)
    arguments = parser.parse_args()
    results = {}

    def measure(name, command, environment, jobs, folder):
        wall, cpu = timed(command, environment, folder / "log")
        results[name] = {"seconds": wall, "CPU seconds": cpu, "jobs": jobs}
        print(f"{name:32s} {wall:7.1f} s, {cpu:7.1f} s CPU; {wall / jobs:6.3f} s a job, {cpu / jobs:6.3f} s CPU", flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snakemake = [environment_with(STUB, folder / "venv"), "-m", "snakemake", "--directory"]
        big, small = config(folder, arguments.runs), config(folder, arguments.jobs)
        dry = [*snakemake, folder / "dry", "all", "--configfile", big, "--dry-run", "--quiet"]
        measure(f"dry run of {arguments.runs} runs", dry, os.environ, arguments.runs, folder)
        local = [*snakemake, folder / "local", "trajectories", "--configfile", small]
        measure("jobs here", local, os.environ, arguments.jobs, folder)
        if missing_programs():
            print(f"SLURM is not installed ({', '.join(missing_programs())} missing)")
        else:
            cluster = Cluster(tight=4000)
            try:
                profile = folder / "profile"
                profile.mkdir()
                text = (ROOT / "slurm" / "config.yaml").read_text().replace("cpus_per_task: 3 ", "cpus_per_task: 1 ")
                text = text.replace("    gpu: 1 ", "    # gpu: 1 ").replace("mem_mb: 2000 ", "mem_mb: 500 ")
                (profile / "config.yaml").write_text(text)
                there = [*snakemake, folder / "there", "trajectories", "--configfile", small, "--profile", profile]
                measure("jobs of a SLURM cluster", there, cluster.environment, arguments.jobs, folder)
            finally:
                cluster.close()
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
