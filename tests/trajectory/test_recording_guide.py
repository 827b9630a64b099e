"""The examples of docs/recording.md work."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from forks import forked

from anodiff.trajectory import open_trajectory

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/recording.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def blocks(language):
    return [content for found, content in BLOCKS if found == language]


def block_with(text):
    (block,) = (block for block in blocks("python") if text in block)
    return block


def run(program, *arguments, folder):
    done = forked("anodiff.__main__:main" if program == "anodiff" else program, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder where the guide's loop has been run."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "loop.py").write_text(blocks("python")[0])
    run("loop.py", folder=folder)
    return folder


def test_a_users_loop_is_recorded_and_analysed(recorded):
    _, notebook, *_ = blocks("python")
    first, *commands = blocks("sh")[0].splitlines()
    assert first == "python loop.py"
    for line in commands:
        run(*shlex.split(line), folder=recorded)
    (recorded / "notebook.py").write_text(notebook)
    displacements = run("notebook.py", folder=recorded)
    short, middle, long = map(float, displacements.strip("[]\n ").split())
    assert 0 < short < middle < long
    exponents = pd.read_csv(recorded / "exponents.csv")
    assert exponents.waiting_time.tolist() == [0, 500, 1000, 1500]
    assert exponents.beta_max.notna().all()


def test_groups_and_walks_are_recorded(recorded, tmp_path):
    loop, parts = blocks("python")[0], block_with("walks=")
    loop = loop.replace("with anodiff.TrajectoryRecorder(", parts + "\nwith anodiff.TrajectoryRecorder(", 1)
    loop = re.sub(r"with anodiff.TrajectoryRecorder\(.*\) as recorder:", "with recorder:", loop).replace(
        "range(2000)", "range(1000)"
    )
    (tmp_path / "loop.py").write_text(loop)
    run("loop.py", folder=tmp_path)
    trajectory = open_trajectory(tmp_path / "parts.zarr")
    assert trajectory.walks == ["gradient", "decay"]
    assert [group["name"] for group in trajectory.groups] == ["0", "2"]
    assert all(trajectory.part_gram("walk_gram", number, 0).any() for number in (0, 1))


def test_a_checkpoint_resumes_the_recorder(recorded, tmp_path):
    loop, save, load = blocks("python")[0], block_with("torch.save("), block_with("torch.load(")
    before, _, body = loop.partition("with anodiff")
    stopped = f"with anodiff{body}".replace("path.zarr", "again.zarr").replace("range(2000)", "range(700)")
    stopped += f"    {save}    torch.save(torch.get_rng_state(), 'generator.pt')\n    raise SystemExit\n"
    again = "torch.set_rng_state(torch.load('generator.pt'))\n"
    again += load.replace("path.zarr", "again.zarr") + "recorder.__enter__()\n"
    again += "for step in range(700, 2000):\n" + body.split("2000):\n")[1] + "recorder.finish()\n"
    again = re.sub(r"^    {4}", "    ", again, flags=re.MULTILINE)
    for name, script in (("stopped", stopped), ("again", again)):
        (tmp_path / f"{name}.py").write_text(before + script)
        run(f"{name}.py", folder=tmp_path)
    one, other = (open_trajectory(path).weights[:] for path in (recorded / "path.zarr", tmp_path / "again.zarr"))
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", ["lightning", "huggingface"])
def test_the_callbacks_are_in_the_named_modules(name):
    block = block_with(f"anodiff.trajectory.callbacks.{name}")
    source = (ROOT / f"anodiff/trajectory/callbacks/{name}.py").read_text()
    assert "class TrajectoryCallback" in source
    assert "TrajectoryCallback(" in block
