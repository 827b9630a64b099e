"""A long run on a real SLURM cluster, with every fault that clusters have: the bits are those of an undisturbed local run."""

import os
import re
import signal
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml
from on_cluster import ON_CLUSTER, STORES, same_results
from sameness import same_store
from tiny import TINY, snakemake

pytestmark = ON_CLUSTER

#: Length of the long run.
STEPS = 50_000
#: What the long run is made for where it goes all its way: its stages and one table.
TABLE = "results/long/tables/exponents.csv"


def locally(folder, config, to=TABLE):
    finished = snakemake(folder, to, config=config)
    assert finished.returncode == 0, finished.stderr


def long_config(folder, steps):
    """One run that takes a while, one window of which is kept; its landscape and the simplified model are left out."""
    config = yaml.safe_load(TINY.read_text())
    config |= {"landscape": {"seeds": "none"}, "simplified_model": {"enabled": False}}
    config["sweep"] |= {"name": "long", "grid": [], "runs": [{"training.steps": steps}]}
    config["sweep"]["defaults"]["recording"] |= {"windows": [{"start": steps - 200, "length": 200}], "noise_every": 0}
    path = folder / "long.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A long run's config, and the folder of its undisturbed local sweep."""
    folder = tmp_path_factory.mktemp("undisturbed")
    config = long_config(folder, STEPS)
    locally(folder, config)
    return config, folder


def job_of(cluster, rule="train"):
    """Number of the running job of a rule, or None."""
    for line in cluster.jobs("running"):
        number, _, comment = line.split(maxsplit=2)
        if rule in comment:
            return number
    return None


def in_training(cluster, folder):
    """Wait until the run has a checkpoint, and return the number of its job."""

    def found():
        return list(folder.glob("scratch/long/*/checkpoints/*.pt")) and job_of(cluster)

    return cluster.wait(found, 300)


def came_through(process, folder, undisturbed, *, attempt, stores=STORES[:1], tables=()):
    """Snakemake has ended well; the training went on where it was; its path, or more of it, is the undisturbed one.

    Return the number of the job that finished it and its node.
    """
    assert process.wait(timeout=600) == 0, (folder / "log").read_text()
    (run,) = same_results(undisturbed[1], folder, stores, tables)
    log = (folder / "results" / "long" / "logs" / "train" / f"{run}.log").read_text()
    assert re.search(r"going on at step [1-9]", log)
    head = re.match(r"anodiff train: .*, host (\w+), SLURM job (\d+), GPU 0, attempt (\d+)\n", log)
    assert int(head[3]) == attempt
    return head[2], head[1]


def test_a_cancelled_job_is_tried_again(cluster, start, undisturbed, tmp_path):
    process = start(tmp_path, undisturbed[0])
    job = in_training(cluster, tmp_path)
    cluster.output("scancel", job)
    assert came_through(process, tmp_path, undisturbed, attempt=2)[0] != job
    assert "checkpoint written; run again to go on" in (tmp_path / "log").read_text()  # the failed job's last lines


def test_a_requeued_job_goes_on_under_its_number(cluster, start, undisturbed, tmp_path):
    process = start(tmp_path, undisturbed[0])
    job = in_training(cluster, tmp_path)
    cluster.output("scontrol", "requeue", job)
    assert came_through(process, tmp_path, undisturbed, attempt=1)[0] == job


def test_a_preempted_job_goes_on_when_there_is_room(cluster, start, undisturbed, tmp_path):
    process = start(tmp_path, undisturbed[0])
    job = in_training(cluster, tmp_path)
    cluster.output("sbatch", "-p", "urgent", "-N2", "--gpus-per-node=1", "-o", "/dev/null", "--wrap", "sleep 4")
    assert came_through(process, tmp_path, undisturbed, attempt=1)[0] == job


def test_a_node_that_dies_loses_no_more_than_since_the_last_checkpoint(cluster, start, undisturbed, tmp_path):
    process = start(tmp_path, undisturbed[0], to=TABLE)
    job = in_training(cluster, tmp_path)
    node = cluster.output("squeue", "-h", "-j", job, "-o", "%N").strip()
    cluster.kill_node(node)
    try:
        same, other = came_through(process, tmp_path, undisturbed, attempt=1, stores=STORES, tables=("exponents",))
        assert same == job
        assert other != node
    finally:
        cluster.start_node(node)


def test_the_controller_may_be_away(cluster, start, undisturbed, tmp_path):
    process = start(tmp_path, undisturbed[0])
    in_training(cluster, tmp_path)
    cluster.stop_controller()
    time.sleep(20)
    cluster.start_controller()
    assert process.wait(timeout=600) == 0, (tmp_path / "log").read_text()
    same_results(undisturbed[1], tmp_path, STORES[:1])


def test_snakemake_itself_may_be_killed(cluster, start, undisturbed, tmp_path):
    process = start(tmp_path, undisturbed[0])
    job = in_training(cluster, tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    cluster.output("scancel", job)
    cluster.wait(lambda: not cluster.jobs("pending,running,completing"), 30)
    assert start(tmp_path, undisturbed[0], "--unlock").wait(timeout=240) == 0
    came_through(start(tmp_path, undisturbed[0]), tmp_path, undisturbed, attempt=1)


def hold(folder, seconds):
    """Let the training of the sweep in ``folder`` stand still for so many seconds."""
    (training,) = [
        process
        for process in psutil.process_iter(["cmdline"])
        if {"anodiff", "train"} <= {Path(word).name for word in process.info["cmdline"] or ()} and Path(process.cwd()) == folder
    ]
    training.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    training.send_signal(signal.SIGCONT)


def steps_in(seconds, folder):
    """How many steps the long run makes in so many seconds, its beginning included, as one in ``folder`` did."""
    (benchmark,) = (folder / "results" / "long" / "benchmarks" / "train").iterdir()
    return int(STEPS / pd.read_csv(benchmark, sep="\t")["s"].item() * seconds)


def test_a_run_longer_than_the_time_limit_proceeds_over_several_jobs(cluster, start, undisturbed, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    config = long_config(tmp_path, steps_in(100, undisturbed[1]))
    process = start(there, config, "--default-resources", "runtime=1")
    job = in_training(cluster, there)
    cluster.output("scontrol", "update", f"JobId={job}", "TimeLimit=1")
    hold(there, 40)  # SLURM allows up to a minute and a half; this much of it needs no processor
    locally(here, config, "trajectories")
    assert came_through(process, there, (config, here), attempt=2)[0] != job
    assert f"SLURM-job '{job}' failed, SLURM status is: 'TIMEOUT'" in (there / "log").read_text()


def test_the_rest_completes_when_a_run_fails_for_good_and_a_table_says_why(start, undisturbed, tmp_path):
    config = yaml.safe_load(undisturbed[0].read_text())
    early = {"recording.windows": [{"start": 0, "length": 200}], "training.steps": 300}
    config["sweep"]["runs"] += [{"data": "cifar10"} | early, {"optimiser.learning_rate": 1e30, "training.loss": "mse"} | early]
    config["paths"] = {"data": "nowhere"}
    path = tmp_path / "failing.yaml"
    path.write_text(yaml.safe_dump(config))
    assert start(tmp_path, path, "--retries", "1", to="tables").wait(timeout=600) == 1
    table = pd.read_csv(tmp_path / "results" / "long" / "tables" / "exponents-partial.csv").set_index("run")
    good, lost, failed = (table.loc[[run]].iloc[0] for run in table.index.unique())
    assert (good["status"], lost["status"], failed["status"]) == ("complete", "diverged", "missing")
    assert "nowhere" in failed["note"]
    assert "cifar10" in failed.name
    assert "attempt 2" in (tmp_path / "results" / "long" / "logs" / "train" / f"{failed.name}.log").read_text()
    (run,) = (undisturbed[1] / "results" / "long" / "runs").iterdir()
    for store in STORES:
        same_store(run / store, tmp_path / "results" / "long" / "runs" / run.name / store)


def test_a_job_that_gets_no_gpu_says_so_at_once(start, undisturbed, tmp_path):
    asked = ("train:device=cuda", "train:gpu=1")
    assert start(tmp_path, undisturbed[0], "--set-resources", *asked, "--retries", "0").wait(timeout=240) == 1
    (log,) = (tmp_path / "results" / "long" / "logs" / "train").iterdir()
    assert "--device cuda: " in log.read_text().splitlines()[-1]


def test_an_unknown_partition_is_named(start, undisturbed, tmp_path):
    asked = ("--set-resources", "train:slurm_partition=nonsense", "--retries", "0")
    assert start(tmp_path, undisturbed[0], *asked).wait(timeout=240) == 1
    assert "invalid partition specified: nonsense" in (tmp_path / "log").read_text()


def test_a_cluster_that_is_away_is_named(cluster, start, undisturbed, tmp_path):
    cluster.stop_controller()
    try:
        assert start(tmp_path, undisturbed[0], "--retries", "0").wait(timeout=600) != 0
    finally:
        cluster.start_controller()
    assert "Unable to contact slurm controller" in (tmp_path / "log").read_text()
