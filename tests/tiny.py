"""The test-sized sweep, and the project's workflow on this machine."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests" / "configs" / "tiny.yaml"


def snakemake(folder, *arguments, config=TINY):
    """Run the project's workflow with its results under ``folder``."""
    command = [sys.executable, "-m", "snakemake", "--directory", str(folder), "--configfile", str(config), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
