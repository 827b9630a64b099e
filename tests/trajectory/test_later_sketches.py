"""A sketch of the background thread is that of the point when it was recorded."""

import numpy as np
import torch

from anodiff.trajectory import TrajectoryRecorder, Window, later_sketches, open_trajectory
from anodiff.trajectory.sketch import Sketch


def test_rows_are_the_sketches_of_the_points_however_late_they_are_made(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model, points, calls = torch.nn.Linear(40, 30), [], 0
    plain = Sketch.__call__

    def slow(self, point):
        nonlocal calls
        calls += 1
        torch.linalg.svdvals(torch.randn(200, 200))  # meanwhile the model moves on
        return plain(self, point)

    monkeypatch.setattr(Sketch, "__call__", slow)
    monkeypatch.setattr(later_sketches, "LARGE", 0)
    with TrajectoryRecorder(model, tmp_path / "path.zarr", sketch_size=64, window_length=300, seed=5) as recorder:
        points.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone())
        for _ in range(300):
            with torch.no_grad():
                model.weight.add_(torch.randn_like(model.weight))
            recorder.record()
            points.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone())
    monkeypatch.undo()
    assert calls == 301
    sketch = Sketch(1230, 64, seed=5)
    expected = np.stack([sketch(point).numpy() for point in points])
    np.testing.assert_array_equal(open_trajectory(tmp_path / "path.zarr").points(Window(0, 300)), expected)
