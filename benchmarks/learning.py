"""What does the stage `learning` cost beside the training that it looks at?

    python benchmarks/learning.py [CONFIG]

For the first run of each network in a config with full weights, CPU seconds of the training, of the stage (the second
of two calls in one process, so without imports), and its parts: outputs at the points, curves with their intervals,
laws, and the gradients of modes.
"""

import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from anodiff.learning import measure, parts, window_table
from anodiff.learning.recorded_outputs import Evaluated, RecordedNetwork
from anodiff.settings.loading import load_config
from anodiff.sweep.runs import sweep_runs
from anodiff.training.run import train_run

#: Functions that are timed: where they are looked up, their name, and the part that they count for.
TIMED = (
    (RecordedNetwork, "set", "outputs"),
    (Evaluated, "fill", "outputs"),
    (parts, "learning_curve", "curves"),
    (parts, "fit_laws", "laws"),
    (window_table, "mode_motion", "gradients"),
)


@contextmanager
def timed(seconds):
    """Add the CPU seconds of the parts to ``seconds``; a call within another part counts for that."""
    patches, inside = [], []

    def counting(function, part):
        def call(*arguments, **options):
            begin, outer = time.process_time(), not inside
            inside.append(part)
            try:
                return function(*arguments, **options)
            finally:
                inside.pop()
                seconds[part] += (time.process_time() - begin) if outer else 0.0

        return call

    for place, name, part in TIMED:
        patches.append(mock.patch.object(place, name, counting(getattr(place, name), part)))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def main(path="config/config.yaml"):
    config = load_config(path)
    firsts = {}
    for run in sweep_runs(config).values():
        if run.settings.recording.weights == "full":
            firsts.setdefault((run.settings.model.model_dump_json(), run.settings.training.batch_size), run)
    for run in firsts.values():
        with tempfile.TemporaryDirectory() as folder:
            trajectory = Path(folder, "trajectory.zarr")
            begin = time.process_time()
            train_run(run.settings, trajectory, scratch=Path(folder, "scratch"), data_root=config.paths.data, device="cpu")
            training = time.process_time() - begin
            for _ in range(2):
                seconds = defaultdict(float)
                begin = time.process_time()
                with timed(seconds):
                    measure.measure_learning(
                        trajectory,
                        Path(folder, "learning.zarr"),
                        config.learning,
                        data_root=config.paths.data,
                        device="cpu",
                        overwrite=True,
                    )
                whole = time.process_time() - begin
            rest = whole - sum(seconds.values())
            listed = ", ".join(f"{part} {value:.2f}" for part, value in [*seconds.items(), ("reading and writing", rest)])
            print(f"{run.name:52} training {training:6.2f} s, learning {whole:5.2f} s = {whole / training:6.1%} ({listed})")


if __name__ == "__main__":
    main(*sys.argv[1:])
