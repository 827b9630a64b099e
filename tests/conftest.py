"""Small stores and run folders, made through the same doors as real ones."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from threadpoolctl import threadpool_limits
from tiny import snakemake

from anodiff.diffusion.analysis import compute_diffusion
from anodiff.geometry import compute_geometry
from anodiff.settings.stages import AnalysisSettings
from anodiff.settings.sweep import Config
from anodiff.sweep.runs import sweep_runs
from anodiff.trajectory import TrajectoryRecorder, Window, plan_windows

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

# The arrays are small: a second thread for their products waits, awake, for the first. As the workflow does with its jobs.
threadpool_limits(1)
torch.set_num_threads(1)
os.environ |= {"OMP_NUM_THREADS": "1"}

# A shell without job control starts what it puts in the background with Ctrl-C ignored; the tests send it all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)


#: Files whose tests look at the test-sized sweep, and others that take minutes; they begin first.
SWEEP, LONG = ("test_slurm.py", "test_workflow.py"), ("test_kill.py", "test_window_exponents.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: 0 if item.path.name in SWEEP else 1 if item.path.name in LONG else 2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Where processes share the tests, one takes whole files, in their order, and those of the test-sized sweep together."""
    from xdist.scheduler import LoadScopeScheduling

    class InFiles(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return "sweep" if Path(file).name in SWEEP else file

    config.option.loadscopereorder = False
    return InFiles(config, log)


class Walker(torch.nn.Module):
    """A model whose weights one sets."""

    def __init__(self, point):
        super().__init__()
        self.position = torch.nn.Parameter(torch.as_tensor(point, dtype=torch.float32).clone())

    def move(self, point):
        self.position.data.copy_(torch.as_tensor(point, dtype=torch.float32))


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """The folder of the test-sized sweep, made to its page on this machine; what a test redoes there comes out the same."""
    folder = tmp_path_factory.mktemp("swept")
    finished = snakemake(folder)
    assert finished.returncode == 0, finished.stderr
    assert f"The page: {folder}/results/tiny/index.html" in finished.stderr
    return folder


@pytest.fixture
def record_path(tmp_path):
    """Return a function that writes points (T+1, P) as a trajectory.zarr and returns its path."""

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


@pytest.fixture
def make_run(tmp_path, record_path):
    """Return a function that makes a complete small run folder, of a path that drifts and diffuses, and returns it."""

    def make(entry=None, *, sweep="sweep", taken=None, **ending):
        defaults = {"data": "digits", "model": "mlp3", "training": {"batch_size": 64, "steps": 60}}
        values = {"name": sweep, "defaults": defaults | {"recording": {"window_length": 20}}, "runs": [entry or {}]}
        (run,) = sweep_runs(Config.model_validate({"sweep": values})).values()
        folder = Path(tmp_path, "results", sweep, "runs", run.name)
        folder.mkdir(parents=True)
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
        return folder

    return make


@pytest.fixture
def run_folder(make_run):
    return make_run()
