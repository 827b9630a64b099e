"""The test-sized sweep, and the project's workflow on this machine."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests" / "configs" / "tiny.yaml"


def snakemake(folder, *arguments, config=TINY):
    """Run the project's workflow with its results under ``folder``."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--directory", folder, "--configfile", config]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT)
