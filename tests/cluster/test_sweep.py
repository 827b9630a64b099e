"""The test-sized sweep on a real SLURM cluster: the bits are those of this machine's."""

import re

from on_cluster import ON_CLUSTER, changed_profile, same_results
from sameness import same_store
from tiny import TINY

pytestmark = ON_CLUSTER


def test_the_whole_sweep_with_more_trainings_than_gpus(start, swept, tmp_path):
    here, there = swept, tmp_path
    process = start(there, TINY, to="all")
    assert process.wait(timeout=900) == 0, (there / "log").read_text()
    assert (there / "results" / "tiny" / "index.html").stat().st_size > 50_000
    runs = same_results(here, there, tables=("exponents", "tails", "ensembles"))
    assert len(runs) == 4
    for run in runs:
        log = (there / "results" / "tiny" / "logs" / "train" / f"{run}.log").read_text()
        assert re.match(r"anodiff train: .*, host node[12], SLURM job \d+, GPU 0, attempt 1\n", log)
    assert "The page: " in (there / "log").read_text()
    assert list(there.glob("logs/slurm/rule_train/*/*.log"))  # those of jobs that went well are kept
    assert len(re.findall(r"\bGroup job analysis", (there / "log").read_text())) == len(runs)


def test_trainings_that_share_a_gpu(start, swept, tmp_path, tmp_path_factory):
    here, there = swept, tmp_path
    shared = changed_profile(
        tmp_path_factory.mktemp("shared"),
        ("    gpu: 1 ", '    gres: "gpu:1" '),
        ("cpus_per_task: 3 ", "cpus_per_task: 2 "),  # the nodes have four
        ("# groups: train=trainings ", "groups: train=trainings "),
        ("# group-components: trainings=4 ", "group-components: trainings=2 "),
    )
    process = start(there, TINY, to="trajectories", profile=shared)
    assert process.wait(timeout=900) == 0, (there / "log").read_text()
    jobs = []
    for run in sorted(path.name for path in (here / "results" / "tiny" / "runs").iterdir()):
        same_store(*(folder / "results" / "tiny" / "runs" / run / "trajectory.zarr" for folder in (here, there)))
        log = (there / "results" / "tiny" / "logs" / "train" / f"{run}.log").read_text()
        jobs.append(re.match(r"anodiff train: .*, SLURM job (\d+), GPU 0, attempt 1\n", log)[1])
    assert len(jobs) == 4
    assert len(set(jobs)) == 2
