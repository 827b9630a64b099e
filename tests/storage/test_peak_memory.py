"""A file says how much memory a process took, also if the process was killed."""

import os
import signal
import subprocess
import sys

import pytest

from anodiff.storage.peak_memory import PEAK_FILE, Peak, peak_memory, read_peak, record_peak_memory

#: Takes 100 MB, after which it waits to be killed.
TAKING = """
import sys, time
from pathlib import Path
from anodiff.storage import peak_memory
peak_memory.LOOK_EVERY = 0.01
with peak_memory.record_peak_memory(Path(sys.argv[1])):
    before = peak_memory.read_peak(Path(sys.argv[1])).megabytes
    taken = b"1" * 100_000_000
    while peak_memory.read_peak(Path(sys.argv[1])).megabytes < before + 90:
        time.sleep(0.01)
    print(before, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_took_is_known(tmp_path):
    environment = os.environ | {"SLURM_JOB_ID": "17"}
    with subprocess.Popen([sys.executable, "-c", TAKING, tmp_path], stdout=subprocess.PIPE, env=environment) as process:
        before = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = -signal.SIGKILL
    peak = read_peak(tmp_path)
    assert peak.job == "17"
    assert before + 90 <= peak.megabytes <= usage.ru_maxrss * 1024 / 1e6 + 1


def test_after_an_error_the_file_stays_and_after_the_end_it_is_gone(tmp_path):
    with pytest.raises(KeyError), record_peak_memory(tmp_path):
        raise KeyError
    assert 0 < read_peak(tmp_path).megabytes <= peak_memory()
    with record_peak_memory(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"megabytes": "many"}'])
def test_a_file_that_is_missing_or_damaged_says_nothing(tmp_path, text):
    assert read_peak(tmp_path) is None
    (tmp_path / PEAK_FILE).write_text(text)
    assert read_peak(tmp_path) is None


def test_a_peak_comes_back_as_it_was_written(tmp_path):
    (tmp_path / PEAK_FILE).write_text('{"megabytes": 700, "seconds": 30, "job": "17"}')
    assert read_peak(tmp_path) == Peak(700, 30.0, "17")
