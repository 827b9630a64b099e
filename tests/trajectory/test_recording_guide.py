"""The examples of docs/recording.md work."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/recording.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def blocks(language):
    return [content for found, content in BLOCKS if found == language]


def run(command, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_users_loop_is_recorded_and_analysed(tmp_path):
    loop, notebook, *_ = blocks("python")
    commands, *_ = blocks("sh")
    (tmp_path / "loop.py").write_text(loop)
    (tmp_path / "notebook.py").write_text(notebook)
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        run([sys.executable, *(["-m", "anodiff"] if program == "anodiff" else []), *arguments], tmp_path)
    displacements = run([sys.executable, "notebook.py"], tmp_path)
    short, middle, long = map(float, displacements.strip("[]\n ").split())
    assert 0 < short < middle < long
    exponents = pd.read_csv(tmp_path / "exponents.csv")
    assert exponents.waiting_time.tolist() == [0, 500, 1000, 1500]
    assert exponents.beta_max.notna().all()


def test_a_checkpoint_resumes_the_recorder(tmp_path):
    loop, _, save, load, *_ = blocks("python")
    before, _, body = loop.partition("with anodiff")
    body = "with anodiff" + body
    stopped = body.replace("path.zarr", "again.zarr").replace("range(2000)", "range(700)") + f"    {save}    raise SystemExit\n"
    again = load.replace("path.zarr", "again.zarr") + "recorder.__enter__()\n"
    again += "for step in range(700, 2000):\n" + body.split("2000):\n")[1] + "recorder.finish()\n"
    again = re.sub(r"^    {4}", "    ", again, flags=re.MULTILINE)
    generator = "torch.save(torch.get_rng_state(), 'generator.pt')\n"
    stopped = stopped.replace("    raise SystemExit", f"    {generator}    raise SystemExit")
    again = "torch.set_rng_state(torch.load('generator.pt'))\n" + again
    for name, script in (("whole", body), ("stopped", stopped), ("again", again)):
        (tmp_path / f"{name}.py").write_text(before + script)
        run([sys.executable, f"{name}.py"], tmp_path)
    one, other = (run([sys.executable, "-c", f"import anodiff; print({DIGEST.format(name)})"], tmp_path) for name in NAMES)
    assert one == other


NAMES = ("path", "again")
DIGEST = "__import__('hashlib').sha256(anodiff.open_trajectory('{}.zarr').weights[:].tobytes()).hexdigest()"


@pytest.mark.parametrize("name", ["lightning", "huggingface"])
def test_the_callbacks_are_in_the_named_modules(name):
    (block,) = (block for block in blocks("python") if f"anodiff.trajectory.callbacks.{name}" in block)
    source = (ROOT / f"anodiff/trajectory/callbacks/{name}.py").read_text()
    assert "class TrajectoryCallback" in source
    assert "TrajectoryCallback(" in block
