"""On a real SLURM cluster, with every fault that clusters have: the bits are those of an undisturbed local run.

A run that is to be disturbed is held back until the fault has happened; see `restless.Held`. So it takes seconds, and a fault
always finds it in training.
"""

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
from restless import HOLD
from sameness import same_store
from tiny import ENVIRONMENT, ROOT, TINY, snakemake

from anodiff.settings.loading import load_config
from anodiff.sweep.costs import training_memory
from anodiff.sweep.runs import sweep_runs
from slurm import Cluster, missing_programs

#: Steps of a run that is disturbed: more than it can take, a second each, until the fault.
STEPS = 500

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.workflow,
    pytest.mark.skipif(bool(missing_programs()), reason=f"SLURM is not installed: {', '.join(missing_programs())} missing"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    (run,) = sweep_runs(load_config(config_of(tmp_path_factory.mktemp("config"), "held"))).values()
    cluster = Cluster(tight=training_memory(run.settings, "cpu"))
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


@pytest.fixture(scope="module")
def tight_profile(tmp_path_factory):
    """The profile with a partition that has as much memory for a job as the training of `config_of` asks for, and no more."""
    partition = "default-resources:\n  slurm_partition: "
    return changed_profile(tmp_path_factory.mktemp("tight"), (f"{partition}gpu ", f"{partition}tight "))


@pytest.fixture
def start(cluster, profile):
    """Return a function that starts ``snakemake --profile slurm`` in a folder, which then has its log."""
    processes = []

    def started(folder, config, *arguments, to="trajectories", profile=profile):
        command = [sys.executable, ROOT / "tests" / "impatient.py", to, "--directory", folder, "--configfile", config]
        environment = cluster.environment | ENVIRONMENT | {"ANODIFF_CHECKPOINT_EVERY": "1"}
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


def config_of(folder, name, *changes):
    """One run that can be held back, and others; their landscape and the simplified model are left out."""
    config = yaml.safe_load(TINY.read_text())
    config |= {
        "landscape": {"seeds": "none"},
        "learning": {"seeds": "none"},
        "simplified_model": {"enabled": False},
        "paths": {"data": "nowhere"},
    }
    config["sweep"] |= {"name": name, "grid": [], "runs": [{}, *changes]}
    defaults = config["sweep"]["defaults"]
    defaults |= {"model": {"name": "restless:held"}, "training": {"batch_size": 32, "steps": STEPS}}
    defaults["recording"] |= {"windows": [{"start": STEPS - 200, "length": 200}], "noise_every": 0}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The config of a run that is to be disturbed, and the folder of its undisturbed local training."""
    folder = tmp_path_factory.mktemp("undisturbed")
    config = config_of(folder, "held")
    finished = snakemake(folder, "trajectories", config=config)
    assert finished.returncode == 0, finished.stderr
    return config, folder


def same_trajectories(here, there):
    """The trajectories of all runs there are those here; return the names of the runs."""
    (sweep,) = (there / "results").iterdir()
    runs = sorted(path.name for path in (sweep / "runs").iterdir())
    for run in runs:
        same_store(*(folder / "results" / sweep.name / "runs" / run / "trajectory.zarr" for folder in (here, there)))
    return runs


def three_runs(folder):
    """The test-sized sweep without its second seed: a training more than there are GPUs."""
    config = yaml.safe_load(TINY.read_text())
    config["sweep"]["grid"][0]["seed"] = [0]
    path = folder / "three.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def one_run(folder):
    """The first run of the test-sized sweep, without landscapes."""
    config = yaml.safe_load(TINY.read_text()) | {"landscape": {"seeds": "none"}, "learning": {"seeds": "none"}}
    config["sweep"]["grid"] = [config["sweep"]["grid"][0] | {"seed": [0]}]
    del config["sweep"]["runs"]
    path = folder / "one.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


@pytest.mark.parametrize(
    ("sweep", "count"),
    [(one_run, 1), pytest.param(three_runs, 3, marks=pytest.mark.long)],
    ids=["small", "more runs than GPUs"],
)
def test_a_whole_sweep_is_that_of_one_machine(start, request, tmp_path, sweep, count):
    components = ("--group-components", "landscape=3", "run_figures=3")  # fewer jobs
    process = start(tmp_path, sweep(tmp_path), *components, to="all")
    assert process.wait(timeout=900) == 0, (tmp_path / "log").read_text()
    swept = request.getfixturevalue("swept")  # where processes share the tests, another one has made it meanwhile
    here, there = (folder / "results" / "tiny" for folder in (swept, tmp_path))
    assert (there / "index.html").stat().st_size > 50_000
    runs = sorted(path.name for path in (there / "runs").iterdir())
    assert len(runs) == count
    for run in runs:
        same_stores(here / "runs" / run, there / "runs" / run, but=() if count == 3 else ("landscape", "slices"))
        log = (there / "logs" / "train" / f"{run}.log").read_text()
        assert re.match(r"anodiff train: .*, host node[12], SLURM job \d+, GPU 0, attempt 1\n", log)
    for table in ("exponents", "tails"):
        ours, theirs = (pd.read_csv(folder / "tables" / f"{table}.csv") for folder in (here, there))
        own = ours.loc[ours["run"].isin(runs), list(theirs)].reset_index(drop=True)
        pd.testing.assert_frame_equal(theirs, own, check_exact=True, check_dtype=False)
    log = (tmp_path / "log").read_text()
    assert "The page: " in log
    assert list(tmp_path.glob("logs/slurm/rule_train/*/*.log"))  # those of jobs that went well are kept
    assert len(re.findall(r"\bGroup job analysis", log)) == len(runs)


def same_stores(here, there, but=()):
    """All stores below one folder are those below the other, but for where and when they were made; and but for some here."""
    names = sorted(str(store.relative_to(here)) for store in here.rglob("*.zarr") if store.parent.name not in but)
    assert names == sorted(str(store.relative_to(there)) for store in there.rglob("*.zarr"))
    for name in names:
        same_store(here / name, there / name, but=("provenance", "identity"))  # the identity of a path holds its provenance


class Disturbed:
    """A sweep of one run on the cluster, in a folder, whose training is held back until it is let go."""

    def __init__(self, cluster, start, folder, undisturbed, profile):
        self.cluster, self.folder = cluster, folder
        self.config, self.whole = undisturbed
        self.start = lambda *arguments: start(folder, self.config, *arguments, profile=profile)
        (folder / HOLD).touch()
        self.asked = None  # by the first job
        self.process = self.start()

    def checkpoints(self):
        return set(self.folder.glob("scratch/held/*/checkpoints/*.pt"))

    def trainings(self):
        return [
            process
            for process in psutil.process_iter(["cmdline", "cwd"])
            if {"anodiff", "train"} <= {Path(word).name for word in process.info["cmdline"] or ()}
            and process.info["cwd"] == str(self.folder)
        ]

    def in_training(self, before=frozenset()):
        """Wait until there is a checkpoint that was not there before; return the number of the job and its training."""
        self.cluster.wait(lambda: self.checkpoints() - before, 300)
        (training,) = self.trainings()
        (job,) = (line.split()[0] for line in self.cluster.jobs("running") if "train" in line)
        self.asked = self.asked or self.memory(job)
        return job, training

    def memory(self, job):
        """What a job has asked for."""
        (asked,) = self.cluster.output("squeue", "-h", "--states=all", "-j", job, "-o", "%m").split()
        return asked

    def in_training_again(self, training):
        """Wait until this training has ended and the next one has gone on from its checkpoint; return as above."""
        training.wait(120)
        return self.in_training(self.checkpoints())

    def let_go(self, training=None):
        """Let this training's successor train to its end, once this one has ended."""
        if training:
            training.wait(120)
        (self.folder / HOLD).unlink()

    def came_through(self, attempt):
        """Snakemake has ended well; the training went on where it was; its path is the undisturbed one.

        Return the number of the job that finished it and its node.
        """
        assert self.process.wait(timeout=600) == 0, self.log()
        (run,) = same_trajectories(self.whole, self.folder)
        log = (self.folder / "results" / "held" / "logs" / "train" / f"{run}.log").read_text()
        assert re.search(r"resuming at step [1-9]", log)
        head = re.match(r"anodiff train: .*, host (\w+), SLURM job (\d+), GPU 0, attempt (\d+)\n", log)
        assert int(head[3]) == attempt
        assert attempt == 1 or self.memory(head[2]) == self.asked  # memory was never the reason
        return head[2], head[1]

    def log(self):
        return (self.folder / "log").read_text()


@pytest.fixture
def disturbed(cluster, start, undisturbed, tight_profile, tmp_path):
    return Disturbed(cluster, start, tmp_path, undisturbed, tight_profile)


@pytest.mark.long
def test_a_run_longer_than_its_time_limit_proceeds_over_several_jobs(cluster, disturbed):
    job, training = disturbed.in_training()
    cluster.output("scontrol", "update", f"JobId={job}", "EndTime=now")  # SLURM looks every half minute
    disturbed.let_go(training)
    assert disturbed.came_through(attempt=2)[0] != job
    assert f"SLURM-job '{job}' failed, SLURM status is: 'TIMEOUT'" in disturbed.log()


@pytest.mark.long
def test_a_node_that_dies_loses_no_more_than_since_the_last_checkpoint(cluster, disturbed):
    job, training = disturbed.in_training()
    node = cluster.output("squeue", "-h", "-j", job, "-o", "%N").strip()
    cluster.kill_node(node)
    try:
        disturbed.let_go(training)
        same, other = disturbed.came_through(attempt=1)
        assert same == job
        assert other != node
    finally:
        cluster.start_node(node)


@pytest.mark.long
def test_snakemake_itself_may_be_killed(cluster, disturbed):
    job, training = disturbed.in_training()
    os.killpg(disturbed.process.pid, signal.SIGKILL)
    disturbed.process.wait()
    cluster.output("scancel", job)
    disturbed.let_go(training)
    cluster.wait(lambda: not cluster.jobs("pending,running,completing"), 30)
    assert disturbed.start("--unlock").wait(timeout=240) == 0
    disturbed.process = disturbed.start()
    disturbed.came_through(attempt=1)


@pytest.mark.long
def test_a_job_that_is_requeued_then_preempted_then_cancelled_goes_on_each_time(cluster, disturbed):
    job, training = disturbed.in_training()
    cluster.output("scontrol", "requeue", job)
    same, training = disturbed.in_training_again(training)
    assert same == job
    cluster.output("sbatch", "-p", "urgent", "-N2", "--gpus-per-node=1", "-o", "/dev/null", "--wrap", "sleep 4")
    same, training = disturbed.in_training_again(training)
    assert same == job
    cluster.output("scancel", job)
    disturbed.let_go(training)
    assert disturbed.came_through(attempt=2)[0] != job
    assert "checkpoint written; run again to resume" in disturbed.log()  # the cancelled job's last lines


@pytest.mark.long
def test_the_controller_may_be_away(cluster, disturbed):
    disturbed.in_training()
    cluster.stop_controller()
    disturbed.let_go()
    time.sleep(20)
    cluster.start_controller()
    assert disturbed.process.wait(timeout=600) == 0, disturbed.log()
    same_trajectories(disturbed.whole, disturbed.folder)


@pytest.mark.long
def test_trainings_that_share_a_gpu(start, swept, tmp_path, tmp_path_factory):
    shared = changed_profile(
        tmp_path_factory.mktemp("shared"),
        ("    gpu: 1 ", '    gres: "gpu:1" '),
        ("cpus_per_task: 3 ", "cpus_per_task: 2 "),  # the nodes have four
        ("# groups: train=trainings ", "groups: train=trainings "),
        ("# group-components: trainings=4 ", "group-components: trainings=2 "),
    )
    process = start(tmp_path, three_runs(tmp_path), profile=shared)
    assert process.wait(timeout=900) == 0, (tmp_path / "log").read_text()
    jobs = []
    for run in same_trajectories(swept, tmp_path):
        log = (tmp_path / "results" / "tiny" / "logs" / "train" / f"{run}.log").read_text()
        jobs.append(re.match(r"anodiff train: .*, SLURM job (\d+), GPU 0, attempt 1\n", log)[1])
    assert len(jobs) == 3
    assert len(set(jobs)) == 2


@pytest.mark.long
def test_the_rest_completes_when_a_run_fails_for_good_and_a_table_says_why(start, undisturbed, tmp_path):
    config = config_of(tmp_path, "held", {"data": "cifar10"})
    assert start(tmp_path, config, "--retries", "1", to="tables").wait(timeout=600) == 1
    table = pd.read_csv(tmp_path / "results" / "held" / "tables" / "exponents-partial.csv").set_index("run")
    good, failed = (table.loc[[run]].iloc[0] for run in table.index.unique())
    assert (good["status"], failed["status"]) == ("complete", "missing")
    assert "nowhere" in failed["note"]
    assert "cifar10" in failed.name
    assert "attempt 2" in (tmp_path / "results" / "held" / "logs" / "train" / f"{failed.name}.log").read_text()
    here, there = (folder / "results" / "held" / "runs" / good.name for folder in (undisturbed[1], tmp_path))
    same_store(here / "trajectory.zarr", there / "trajectory.zarr")


@pytest.mark.long
def test_a_job_that_gets_no_gpu_says_so_at_once(start, undisturbed, tmp_path):
    asked = ("train:device=cuda", "train:gpu=1")
    assert start(tmp_path, undisturbed[0], "--set-resources", *asked, "--retries", "0").wait(timeout=240) == 1
    (log,) = (tmp_path / "results" / "held" / "logs" / "train").iterdir()
    assert "--device cuda: " in log.read_text().splitlines()[-1]


@pytest.mark.long
def test_an_unknown_partition_is_named(start, undisturbed, tmp_path):
    asked = ("--set-resources", "train:slurm_partition=nonsense", "--retries", "0")
    assert start(tmp_path, undisturbed[0], *asked).wait(timeout=240) == 1
    assert "invalid partition specified: nonsense" in (tmp_path / "log").read_text()


@pytest.mark.long
def test_a_cluster_that_is_away_is_named(cluster, start, undisturbed, tmp_path):
    cluster.stop_controller()
    try:
        assert start(tmp_path, undisturbed[0], "--retries", "0").wait(timeout=600) != 0
    finally:
        cluster.start_controller()
    assert "Unable to contact slurm controller" in (tmp_path / "log").read_text()
