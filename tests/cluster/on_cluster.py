"""What the tests on a cluster share: its profile for a machine without GPUs, and what counts as the same results."""

from pathlib import Path

import pytest
from sameness import same_store
from tiny import ROOT

from slurm import missing_programs

STORES = ("trajectory.zarr", "geometry.zarr", "diffusion.zarr")

#: Marks of a module of tests on a cluster.
ON_CLUSTER = [
    pytest.mark.slurm,
    pytest.mark.workflow,
    pytest.mark.skipif(bool(missing_programs()), reason=f"SLURM is not installed: {', '.join(missing_programs())} missing"),
]


def changed_profile(folder, *changes):
    """The project's profile, but that its GPUs are none, that the queue is asked early, and for further (old, new) texts."""
    text = (ROOT / "slurm" / "config.yaml").read_text()
    for old, new in (("device: cuda ", "device: cpu "), ("status-checks: 20", "status-checks: 2"), *changes):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "config.yaml").write_text(text)
    return folder


def same_results(here, there, stores=STORES, tables=()):
    """These stores of all runs, and these tables, are the same to the bit; return the names of the runs."""
    (sweep,) = (here / "results").iterdir()
    runs = sorted(path.name for path in (sweep / "runs").iterdir())
    for run in runs:
        for store in stores:
            same_store(*(folder / "results" / sweep.name / "runs" / run / store for folder in (here, there)))
    for table in tables:
        name = Path("results", sweep.name, "tables", f"{table}.csv")
        assert (here / name).read_text() == (there / name).read_text()
    return runs
