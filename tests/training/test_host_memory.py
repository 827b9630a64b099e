"""Memory that a step frees is there for the next one, without new pages from the operating system."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys
import torch
from anodiff.training.host_memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for step in range(13):
    if step == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(12 * 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the option is glibc's")
def test_ten_steps_take_the_pages_of_less_than_one():
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "give back")
    )
    assert kept < given_back / 10
