"""Which tables of a finished sweep does docs/reproduction/ ship, and how long did each of its runs take?

    python benchmarks/shipped_tables.py results/reproduction docs/reproduction

Copies the sweep's tables, writes the published rows beside it (published.csv), and makes trainings.csv: steps, processor
time and memory of each training by Snakemake's benchmarks, the size of its store, and what it was trained with. The
processor time of a run that was interrupted is that of its last job.
"""

import argparse
import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import zarr

KINDS = ("exponents", "ensembles", "configurations", "tails", "landscape", "claims", "simplified_model")


def processor():
    """Return the processor's name, as Linux has it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))


def training(run, benchmark):
    attributes = zarr.open_group(run / "trajectory.zarr", mode="r").attrs
    sessions = attributes["provenance"]["sessions"]
    with benchmark.open() as file:
        measured = next(csv.DictReader(file, delimiter="\t"))
    steps, versions = attributes["steps_completed"], sessions[-1]["versions"]
    size = sum(file.stat().st_size for file in (run / "trajectory.zarr").rglob("*") if file.is_file())
    return {
        "run": run.name,
        "status": attributes["status"],
        "steps": steps,
        "cpu_hours": round(float(measured["cpu_time"]) / 3600, 3),
        "cpu_seconds_per_step": round(float(measured["cpu_time"]) / steps, 4),
        "peak_memory_mb": round(float(measured["max_rss"])),
        "store_mb": round(size / 1e6, 1),
        "sessions": len(sessions),
        **{f"{name}_version": versions[name] for name in ("anodiff", "python", "torch", "torchvision", "numpy", "zarr")},
        "commit": sessions[-1]["commit"],
        "processor": processor(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        shutil.copyfile(arguments.results / "tables" / f"{kind}.csv", arguments.folder / f"{kind}.csv")
    runs = sorted((arguments.results / "runs").iterdir())
    rows = [training(run, arguments.results / "benchmarks" / "train" / f"{run.name}.tsv") for run in runs]
    pd.DataFrame(rows).to_csv(arguments.folder / "trainings.csv", index=False)
    table = arguments.folder / "published.csv"
    command = [sys.executable, "-m", "anodiff", "published", arguments.results, "-o", table, "--overwrite"]
    subprocess.run(command, check=True)
    for beside in (table.with_suffix(".parquet"), Path(f"{table}.sha256")):
        beside.unlink()
    print(f"{sum(row['cpu_hours'] for row in rows):.2f} hours of a core for {len(rows)} trainings")


if __name__ == "__main__":
    main()
