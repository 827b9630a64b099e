"""The examples of docs/scale.md work, and its tables are those of benchmarks/scale.py."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from anodiff.trajectory import open_trajectory

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/scale.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_tables_are_those_that_the_benchmark_prints():
    assert runpy.run_path(str(ROOT / "benchmarks/scale.py"))["tables"]() in TEXT


@pytest.mark.long
def test_the_examples_do_what_they_say(tmp_path):
    for language, content in BLOCKS:
        if language == "python":
            (tmp_path / re.match(r"# (\S+)", content)[1]).write_text(content)
        for line in content.splitlines() if language == "sh" else ():
            program, *arguments = shlex.split(line.removesuffix(" || true"))
            module = {"torchrun": "torch.distributed.run", "anodiff": "anodiff"}[program]
            done = subprocess.run(
                [sys.executable, "-m", module, *arguments],
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                timeout=200,
            )
            assert line.endswith("|| true") or done.returncode == 0, done.stderr[-3000:]
    for name in ("replicated", "sharded", "tensor_parallel"):
        store = open_trajectory(tmp_path / f"{name}.zarr")
        assert store.steps_completed == 100
    assert (tmp_path / "geometry.zarr").exists()
