"""How much processor time does a sweep take for each of its runs, and how much once?

    python benchmarks/sweep.py [--json FILE] [--runs 2 8 32] [--steps 2000] [--landscape with without]

Sweeps of 2, 8 and 32 seeds of the demo's MLP run through the whole workflow with the demo's
settings, with the landscape of every run and without any. A line through the three sweeps gives
what every run adds and what a sweep costs once. The simplified model is left out, since it does not
depend on the runs. Processor time is user and system time of all processes. The line "snakemake" is
what no job accounts for: planning, starting and watching.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import metered
import numpy as np
import yaml


def config(path, runs, steps, landscape):
    """Write the config of a sweep of so many seeds."""
    content = yaml.safe_load((metered.ROOT / "config" / "config.yaml").read_text())
    defaults = content["sweep"]["defaults"]
    defaults["model"] = {"name": "mlp", "depth": 3, "width": 64}
    defaults["training"]["steps"] = steps
    content["sweep"] = {"name": "sweep", "defaults": defaults, "grid": [{"seed": list(range(runs))}]}
    content["simplified_model"] = {"enabled": False}
    content["landscape"]["seeds"] = "all" if landscape else "none"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def measure(runs, steps, landscape):
    """Return the processor seconds of each rule, and of Snakemake itself."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        directory = folder / "sweep"
        directory.mkdir()
        used, jobs = metered.run(config(folder / "config.yaml", runs, steps, landscape), directory, folder, "--cores", "all")
    seconds = jobs.groupby("rule")["processor"].sum().to_dict()
    return seconds | {"snakemake": used["processor"] - sum(seconds.values())}


def line(runs, seconds):
    """Return what a sweep costs once and what every run adds, by least squares of the relative differences."""
    runs, seconds = np.array(runs, float), np.array(seconds)
    slope, once = np.polyfit(runs, seconds, 1, w=1 / np.maximum(seconds, 0.1))
    return {"once": float(once), "a run": float(slope)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/sweep.json"))
    parser.add_argument("--runs", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--landscape", nargs="+", choices=["with", "without"], default=["without", "with"])
    arguments = parser.parse_args()
    if len(set(arguments.runs)) < 2:
        parser.error("--runs: a line needs two sizes or more")
    about = metered.machine() | {"steps": arguments.steps, "runs": arguments.runs}
    metered.print_header(about)
    results = {}
    for landscape in arguments.landscape:
        sweeps = [measure(runs, arguments.steps, landscape == "with") for runs in arguments.runs]
        rules = sorted(sweeps[-1], key=sweeps[-1].get, reverse=True)
        table = {rule: [sweep[rule] for sweep in sweeps] for rule in rules}
        table["all but training"] = [sum(sweep.values()) - sweep["train"] for sweep in sweeps]
        results[f"{landscape} landscape"] = {
            rule: {"seconds": seconds} | line(arguments.runs, seconds) for rule, seconds in table.items()
        }
        print_table(f"{landscape} landscape", arguments.runs, results[f"{landscape} landscape"])
    about["load after"] = os.getloadavg()
    print("load", *(f"{about[when][0]:.1f}" for when in ("load before", "load after")))
    arguments.json.write_text(json.dumps(about | {"processor seconds": results}, indent=2) + "\n")


def print_table(title, runs, rules):
    sizes = "".join(f"{f'{size} runs':>12s}" for size in runs)
    print(f"{title:20s}{sizes}{'once':>12s}{'a run':>12s}     processor time")
    for rule, values in rules.items():
        numbers = "".join(f"{seconds:10.1f} s" for seconds in (*values["seconds"], values["once"], values["a run"]))
        print(f"{rule:20s}{numbers}", flush=True)


if __name__ == "__main__":
    main()
