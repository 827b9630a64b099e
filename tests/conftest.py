"""How tests run, and small stores and run folders, made through the same doors as real ones.

What takes seconds to import is imported in the fixtures, so that tests which need none of it start at once.
"""

import fcntl
import gc
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits
from tiny import whole_sweep

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

# The arrays are small: a second thread for their products waits, awake, for the first. As the workflow does with its jobs.
os.environ |= {"OMP_NUM_THREADS": "1"}
threadpool_limits(1)  # of libraries that are imported already

# A shell without job control starts what it puts in the background with Ctrl-C ignored; the tests send it all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)


#: What takes minutes begins first; what waits for a cluster before what needs a processor.
FIRST = ("slurm", "workflow", "long")

#: How long a campaign of random faults lasts, in seconds, and its random seed, which is another one each time.
os.environ.setdefault("ANODIFF_TEST_SECONDS", "10")
os.environ.setdefault("ANODIFF_TEST_SEED", str(random.SystemRandom().randrange(10**6)))


def pytest_collection_modifyitems(items):
    ranks = {}
    for item in items:
        rank = next((rank for rank, name in enumerate(FIRST) if item.get_closest_marker(name)), len(FIRST))
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


def pytest_collection_finish():
    """What the imports have made stays: the search for garbage passes it by from now on."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter):
    seconds, seed = (os.environ[f"ANODIFF_TEST_{name}"] for name in ("SECONDS", "SEED"))
    terminalreporter.write_line(f"Random faults for {seconds} s; the same again with ANODIFF_TEST_SEED={seed}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Two processes more than processors, as they often wait: for a cluster, for a sweep; six at most, for their memory."""
    return min(len(os.sched_getaffinity(0)) + 2, 6)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Where processes share the tests, one takes whole files, in their order."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """The folder of the test-sized sweep, made to its page on this machine once for all processes; no test changes it.

    What Snakemake said is in swept.done, beside it.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, done = shared / "swept", shared / "swept.done"
    with (shared / "swept.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            finished = whole_sweep(folder, "--verbose")
            assert finished.returncode == 0, finished.stderr
            assert f"The page: {folder}/results/tiny/index.html" in finished.stderr
            done.write_text(finished.stderr)
    return folder


@pytest.fixture
def record_path(tmp_path):
    """Return a function that writes points (T+1, P) as a trajectory.zarr and returns its path."""
    import numpy as np
    import torch

    from anodiff.trajectory import TrajectoryRecorder, Window

    class Walker(torch.nn.Module):
        """A model whose weights one sets."""

        def __init__(self, point):
            super().__init__()
            self.position = torch.nn.Parameter(torch.as_tensor(point, dtype=torch.float32).clone())

        def move(self, point):
            self.position.data.copy_(torch.as_tensor(point, dtype=torch.float32))

    def record(points, windows=None, path=None, *, steps=None, epochs=0, attributes=None, learning_rate=0.1, **ending):
        points = np.asarray(points, np.float32)
        steps = steps or len(points) - 1
        path = path or tmp_path / "trajectory.zarr"
        model = Walker(points[0])
        windows = windows or [Window(0, steps)]
        with TrajectoryRecorder(model, path, steps=steps, windows=windows, epochs=epochs, attributes=attributes) as recorder:
            for number, point in enumerate(points[1:]):
                model.move(point)
                recorder.record(loss=1 / (number + 1), learning_rate=learning_rate)
            for epoch in range(epochs):
                recorder.record_epoch(epoch, train_loss=1 / (epoch + 1), test_accuracy=epoch / 10)
            if ending:
                recorder.finish(**ending)
        return path

    return record


@pytest.fixture(scope="session")
def made_runs(tmp_path_factory):
    """A folder for runs that were made already, and its subfolders by what was asked for."""
    return tmp_path_factory.mktemp("made_runs"), {}


@pytest.fixture
def make_run(tmp_path, record_path, made_runs):
    """Return a function that makes a complete small run folder, of a path that drifts and diffuses, and returns it.

    Each is made once in a session, and then copied.
    """
    import numpy as np

    from anodiff.diffusion.analysis import compute_diffusion
    from anodiff.geometry import compute_geometry
    from anodiff.settings.stages import AnalysisSettings
    from anodiff.settings.sweep import Config
    from anodiff.sweep.runs import sweep_runs
    from anodiff.trajectory import plan_windows

    def make(entry=None, *, sweep="sweep", taken=None, **ending):
        defaults = {"data": "digits", "model": "mlp3", "training": {"batch_size": 64, "steps": 60}}
        values = {"name": sweep, "defaults": defaults | {"recording": {"window_length": 20}}, "runs": [entry or {}]}
        (run,) = sweep_runs(Config.model_validate({"sweep": values})).values()
        folder = Path(tmp_path, "results", sweep, "runs", run.name)
        shared, made = made_runs
        asked = (run.yaml, taken, *sorted(ending.items()))
        if asked not in made:
            made[asked] = shared / str(len(made))
            make_anew(made[asked], run, taken, ending)
        shutil.copytree(made[asked], folder)
        for path in (folder, *folder.rglob("*")):
            os.utime(path)  # as new as if it were made here
        return folder

    def make_anew(folder, run, taken, ending):
        folder.mkdir()
        (folder / "run.yaml").write_text(run.yaml)
        steps, recording = run.settings.training.steps, run.settings.recording
        points = np.cumsum(np.random.default_rng(run.settings.seed).normal(0.2, 1, (steps + 1, 30)), axis=0)
        record_path(
            points[: (steps if taken is None else taken) + 1],
            plan_windows(recording.windows, recording.window_length, steps),
            folder / "trajectory.zarr",
            steps=steps,
            epochs=3,
            attributes={"settings": run.settings.model_dump(mode="json"), "steps_per_epoch": 20},
            **ending,
        )
        compute_geometry(folder / "trajectory.zarr", folder / "geometry.zarr")
        outputs = (folder / name for name in ("diffusion.zarr", "exponents.csv", "tails.csv"))
        compute_diffusion(folder / "geometry.zarr", *outputs, AnalysisSettings(long_lags=(5, 18)))

    return make


@pytest.fixture
def run_folder(make_run):
    return make_run()


@pytest.fixture
def unfit_torchvision(tmp_path, monkeypatch):
    """A torchvision that was built for another torch."""
    folder = tmp_path / "unfit"
    folder.mkdir()
    (folder / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
