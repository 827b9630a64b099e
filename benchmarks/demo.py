"""What does the demo cost: time, processor time and disk, in all and in each rule?

    python benchmarks/demo.py [--json FILE] [--config config/config.yaml] [--directory FOLDER]
    [--cores 2]

The whole workflow of a config runs once, in an empty folder. Processor time is user and system time
of all processes. The line "snakemake" is what no job accounts for: planning, starting and watching.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import metered


def disk_gigabytes(folder):
    """Return what the files of a folder hold, in GB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/demo.json"))
    parser.add_argument("--config", type=Path, default=metered.ROOT / "config" / "config.yaml")
    parser.add_argument("--directory", type=Path, help="where to write the results; default: the system's temporary folder")
    parser.add_argument("--cores", default="all")
    arguments = parser.parse_args()
    about = metered.machine()
    metered.print_header(about)
    with tempfile.TemporaryDirectory() as name:
        directory = arguments.directory or Path(name) / "demo"
        if (directory / "results").exists():
            raise SystemExit(f"{directory / 'results'} exists already; a benchmark begins without results")
        directory.mkdir(parents=True, exist_ok=True)
        used, jobs = metered.run(arguments.config.resolve(), directory.resolve(), Path(name), "--cores", arguments.cores)
        used["results, GB"] = disk_gigabytes(directory / "results")
    rules = jobs.groupby("rule").agg(
        jobs=("wall", "size"), wall=("wall", "sum"), processor=("processor", "sum"), memory=("memory", "max")
    )
    rules = rules.sort_values("processor", ascending=False)
    used["snakemake"] = used["processor"] - rules["processor"].sum()
    print(f"{'':20s} {'jobs':>5s} {'wall':>9s} {'processor':>11s} {'a job':>9s} {'memory':>10s}")
    for rule, row in rules.iterrows():
        each = row["processor"] / row["jobs"]
        numbers = f"{row['wall']:7.1f} s {row['processor']:9.1f} s {each:7.1f} s {row['memory']:6.0f} MiB"
        print(f"{rule:20s} {row['jobs']:5.0f} {numbers}")
    print(f"{'snakemake':37s} {used['snakemake']:9.1f} s")
    print(f"{'all':20s} {len(jobs):5d} {used['wall']:7.1f} s {used['processor']:9.1f} s, {used['results, GB']:.2f} GB")
    about["load after"] = os.getloadavg()
    print("load", *(f"{about[when][0]:.1f}" for when in ("load before", "load after")))
    results = about | used | {"config": str(arguments.config), "rules": rules.to_dict("index")}
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
