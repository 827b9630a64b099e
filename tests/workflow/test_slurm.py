"""On a real SLURM cluster, with every fault that clusters have: the bits are those of an undisturbed local run."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml
from sameness import same_store
from tiny import ROOT, TINY, snakemake

from slurm import Cluster, missing_programs

STORES = ("trajectory.zarr", "geometry.zarr", "diffusion.zarr")
#: Length of the long run.
STEPS = 50_000
#: What the long run is made for where it goes all its way: its stages and one table.
TABLE = "results/long/tables/exponents.csv"

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.workflow,
    pytest.mark.skipif(bool(missing_programs()), reason=f"SLURM is not installed: {', '.join(missing_programs())} missing"),
]


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster()
    yield cluster
    folder = cluster.folder
    cluster.close()
    assert not cluster.processes()
    assert not folder.exists()


def changed_profile(folder, *changes):
    """The project's profile, but that its GPUs are none, that the queue is asked early, and for further (old, new) texts."""
    text = (ROOT / "slurm" / "config.yaml").read_text()
    for old, new in (("device: cuda ", "device: cpu "), ("status-checks: 20", "status-checks: 2"), *changes):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "config.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    return changed_profile(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def start(cluster, profile):
    """Return a function that starts ``snakemake --profile slurm`` in a folder, which then has its log."""
    processes = []

    def started(folder, config, *arguments, to="trajectories", profile=profile):
        command = [sys.executable, ROOT / "tests" / "impatient.py", to, "--directory", folder, "--configfile", config]
        environment = cluster.environment | {"ANODIFF_CHECKPOINT_EVERY": "1", "OMP_NUM_THREADS": "1"}
        with (folder / "log").open("a") as log:
            process = subprocess.Popen(
                list(map(str, [*command, "--profile", profile, *arguments])),
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        processes.append(process)
        return process

    yield started
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
    cluster.output("scancel", "--user", str(os.getuid()))
    cluster.wait(lambda: not cluster.jobs("pending,running,completing"), 30)


def locally(folder, config, to=TABLE):
    finished = snakemake(folder, to, config=config)
    assert finished.returncode == 0, finished.stderr


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
    assert re.search(r"resuming at step [1-9]", log)
    head = re.match(r"anodiff train: .*, host (\w+), SLURM job (\d+), GPU 0, attempt (\d+)\n", log)
    assert int(head[3]) == attempt
    return head[2], head[1]


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


def test_a_cancelled_job_is_tried_again(cluster, start, undisturbed, tmp_path):
    process = start(tmp_path, undisturbed[0])
    job = in_training(cluster, tmp_path)
    cluster.output("scancel", job)
    assert came_through(process, tmp_path, undisturbed, attempt=2)[0] != job
    assert "checkpoint written; run again to resume" in (tmp_path / "log").read_text()  # the failed job's last lines


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
