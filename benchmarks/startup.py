"""How long does each command take to start?

    python benchmarks/startup.py [--json FILE] [--rounds 5] [--checkout FOLDER] [--only WORD …]

Two starts of every command are timed, each in a process of its own. "help" is `anodiff COMMAND
--help`. "imports" is what the command imports in the course of its work: the command runs once on a
tiny run, its modules are noted, and a process imports just these. The starts of Python, numpy,
zarr and torch stand beside them, and the Snakefile's own imports, which each job of a cluster
repeats. Times are the best of the rounds: processor seconds (user and system), and wall seconds. With
--checkout, a second working tree is measured in turn with this one, such as `git worktree add
/tmp/before HEAD~1`.
"""

import argparse
import ast
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

RUN = """
data: digits
model: {name: mlp, depth: 2, width: 4}
training: {batch_size: 20, steps: 30}
recording: {window_length: 30}
"""
CONFIG = """
sweep:
  name: tiny
  defaults: {data: digits, model: {name: mlp, depth: 2, width: 4}, training: {steps: 30}}
  grid: [{seed: [0, 1]}]
"""
LANDSCAPE = ["--landscape", "{samples: 20, points: 3, planes: [path_last]}"]
ROUGHNESS = "{at: [1.0], directions: 3}"
CURVATURE = "{at: [1.0], eigenvalues: 1, lanczos_steps: 4}"
MODEL = "{beside: [], hurst: [0.5], points: 33, surfaces: 2, walkers: 10, steps: 100}"

#: The commands on a tiny run, in the order in which they need one another.
COMMANDS = {
    "schema": ["schema"],
    "runs": ["runs", "tiny.yaml"],
    "plan": ["plan", "tiny.yaml", "--no-measure"],
    "doctor": ["doctor"],
    "train": ["train", "run/run.yaml", "--device", "cpu"],
    "geometry": ["geometry", "run/trajectory.zarr"],
    "diffusion": ["diffusion", "run/geometry.zarr", "--analysis", "{long_lags: [5, 25]}"],
    "landscape": ["landscape", "run/trajectory.zarr", "--device", "cpu", *LANDSCAPE],
    "roughness": ["roughness", "run/trajectory.zarr", "--device", "cpu", *LANDSCAPE, "--settings", ROUGHNESS],
    "curvature": ["curvature", "run/trajectory.zarr", "--device", "cpu", *LANDSCAPE, "--settings", CURVATURE],
    "learning": ["learning", "run/trajectory.zarr", "--device", "cpu", "--settings", "{points: 8, draws: 20}"],
    "simplified-model": ["simplified-model", "--settings", MODEL],
    "calibrate": ["calibrate", "--process", "brownian", "--dimensions", "1", "--paths", "2", "--steps", "100"],
    "tables": ["tables", "run", "--output", "exponents.csv"],
    "tables --kind tails": ["tables", "run", "--kind", "tails", "--output", "tails.csv"],
    "tables --kind claims": ["tables", "exponents.csv", "tails.csv", "--kind", "claims", "--output", "claims.csv"],
    "run-figures": ["run-figures", "run"],
    "figures": ["figures", "msd", "run", "--output", "msd.svg"],
    "page": ["page", "exponents.csv", "claims.csv", "msd.svg", "--output", "index.html"],
    "inspect": ["inspect", "run"],
    "status": ["status", "tiny.yaml"],
    "compare": ["compare", "run", "run"],
    "export": ["export", "run", "--what", "curves", "--output", "curves.h5"],
}
#: Runs the command line, and at its end prints the names of the modules that were imported.
OBSERVE = """
import sys
from anodiff.cli.app import main
try:
    main()
finally:
    print("\\nmodules", *sys.modules)
"""
#: Imports modules by name, in the order in which the command began to import them.
IMPORT = """
import contextlib, importlib
for name in {names!r}.split():
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
"""
BASELINES = {"python": "pass", "import numpy": "import numpy", "import zarr": "import zarr", "import torch": "import torch"}


def environment(checkout):
    return os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def modules(checkout, words, folder):
    """Run a command and return the modules that it imported, in order."""
    line = [sys.executable, "-c", OBSERVE, *words]
    finished = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=environment(checkout))
    if finished.returncode not in (0, 1):  # doctor's is 1 if it finds a problem
        raise SystemExit(f"anodiff {' '.join(words)}:\n{finished.stderr}")
    names = finished.stdout.rsplit("\nmodules ", 1)[1].split()
    return [name for name in names if not name.startswith("_") and name != "anodiff.__main__"]


def of_the_snakefile(checkout):
    """Return the imports at the head of the rules that all others share."""
    head = (checkout / "workflow" / "rules" / "common.smk").read_text().split("\ntry:")[0]
    return ast.unparse([node for node in ast.parse(head).body if isinstance(node, ast.Import | ast.ImportFrom)])


def timed(line, checkout, folder):
    """Run a process; return its processor seconds and wall seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=environment(checkout))
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def starts(checkout, folder, only):
    """Return the starts of a checkout: for each, the line of its process."""
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "run.yaml").write_text(RUN)
    (folder / "tiny.yaml").write_text(CONFIG)
    lines = {name: ["-c", code] for name, code in BASELINES.items()}
    lines["the Snakefile's imports"] = ["-c", of_the_snakefile(checkout)]
    lines["--help"] = ["-m", "anodiff", "--help"]
    for name, words in COMMANDS.items():
        names = modules(checkout, words, folder)
        if " " not in name:
            lines[f"{name}, help"] = ["-m", "anodiff", words[0], "--help"]
        lines[f"{name}, imports"] = ["-W", "ignore", "-c", IMPORT.format(names=" ".join(names))]
    return {name: line for name, line in lines.items() if not only or any(word in name for word in only)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/startup.json"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--checkout", type=Path, help="another working tree, measured beside this one")
    parser.add_argument("--only", nargs="+", help="only starts whose names contain one of these words")
    arguments = parser.parse_args()
    checkouts = {"here": ROOT} | ({"there": arguments.checkout.resolve()} if arguments.checkout else {})
    results = {"python": sys.version.split()[0], "rounds": arguments.rounds, "starts": {}}
    with tempfile.TemporaryDirectory() as name:
        folders = {which: Path(name, which) for which in checkouts}
        lines = {which: starts(checkout, folders[which], arguments.only) for which, checkout in checkouts.items()}
        for start in lines["here"]:
            times = {which: [] for which in checkouts}
            for _ in range(arguments.rounds):
                for which, checkout in checkouts.items():
                    times[which].append(timed([sys.executable, *lines[which][start]], checkout, folders[which]))
            results["starts"][start] = {
                which: {"processor seconds": min(cpu for cpu, _ in own), "wall seconds": min(wall for _, wall in own)}
                for which, own in times.items()
            }
            told = "   ".join(
                f"{which}: {best['processor seconds']:5.2f} s CPU, {best['wall seconds']:5.2f} s wall"
                for which, best in results["starts"][start].items()
            )
            print(f"{start:30s} {told}", flush=True)
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
