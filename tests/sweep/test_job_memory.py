"""A later attempt asks for more memory only if memory was the reason, and never for more than there is."""

import os

import pytest

from anodiff.cli.job import describe_job, read_last_job
from anodiff.storage.peak_memory import Peak
from anodiff.sweep.job_memory import LastJob, _ask_about, ask_slurm, largest_node, next_memory


@pytest.fixture(autouse=True)
def slurm(tmp_path, monkeypatch):
    """Return a function that sets what a program of SLURM's says; by default none does."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "bin").mkdir()

    def say(program, text, status=0):
        path = tmp_path / "bin" / program
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n")
        path.chmod(0o755)

    for program in ("sacct", "scontrol", "sinfo"):
        say(program, "", 1)
    for function in (largest_node, _ask_about):
        function.cache_clear()
    yield say
    for function in (largest_node, _ask_about):
        function.cache_clear()


def test_without_a_sign_of_want_each_attempt_asks_for_the_same():
    for attempt in (None, LastJob(), LastJob("17", 800, last_lines="anodiff: interrupted at step 3")):
        assert next_memory(800, attempt) == 800


@pytest.mark.parametrize(
    "line",
    [
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 3 GiB",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried …",
        "OSError: [Errno 12] Cannot allocate memory",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=17.0. Some of the step tasks have been OOM Killed.",
    ],
)
def test_a_log_that_ends_for_want_of_memory_asks_for_half_as_much_again(line):
    assert next_memory(800, LastJob("17", 1000, last_lines=line)) == 1500


SAID = {
    "sacct": "{state}|900M\n{state}|900M\n{step}|",
    "scontrol": "JobId=17 JobName=x JobState={state} Reason=None MinMemoryNode=900M MinTmpDiskNode=0",
}


@pytest.mark.parametrize("program", SAID)
def test_a_job_that_slurm_ended_for_its_memory_asks_for_half_as_much_again(slurm, program):
    slurm(program, SAID[program].format(state="OUT_OF_MEMORY", step="OUT_OF_ME+"))
    assert ask_slurm("17") == LastJob("17", 900, out_of_memory=True)
    assert next_memory(800, ask_slurm("17")) == 1350


@pytest.mark.parametrize("state", ["CANCELLED by 0", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "FAILED"])
@pytest.mark.parametrize("program", SAID)
def test_a_job_that_ended_otherwise_asks_for_the_same(slurm, program, state):
    slurm(program, SAID[program].format(state=state, step=state))
    assert ask_slurm("17") == LastJob("17", 900)
    assert next_memory(900, ask_slurm("17")) == 900


@pytest.mark.parametrize(("text", "megabytes"), [("512K", 1), ("900M", 900), ("2G", 2048), ("1.50G", 1536), ("1T", 2**20)])
def test_memory_is_read_in_slurms_units(slurm, text, megabytes):
    slurm("scontrol", f"JobId=17 JobState=FAILED MinMemoryNode={text} X=1")
    assert ask_slurm("17").asked == megabytes
    _ask_about.cache_clear()
    slurm("scontrol", "", 1)
    slurm("sacct", f"FAILED|{text}")
    assert ask_slurm("17").asked == megabytes


def test_what_an_attempt_needed_is_not_forgotten_by_the_one_after_it():
    assert next_memory(800, LastJob("18", 1200)) == 1200


def test_a_measured_peak_replaces_the_estimate():
    assert next_memory(800, peak=Peak(1000, 5, "17")) == 1250
    assert next_memory(3000, peak=Peak(1000, 3600, "17")) == 1250
    assert next_memory(3000, peak=Peak(1000, 5, "17")) == 3000  # not all buffers are full yet
    assert next_memory(1000, peak=Peak(1000, 5, "17")) == 1000
    assert next_memory(3000, LastJob("17", 3000), Peak(1000, 3600, "17")) == 1250


def test_an_attempt_that_had_taken_nearly_all_that_it_asked_for_asks_for_more():
    assert next_memory(800, LastJob("17", 800), Peak(790, 60, "17")) == 1200
    assert next_memory(800, LastJob("17", 800), Peak(790, 60, "16")) == 800  # of another job
    assert next_memory(800, LastJob("17", 800), Peak(600, 60, "17")) == 800


def test_no_job_asks_for_more_than_the_largest_node_or_the_partition_allows(slurm):
    assert largest_node("gpu") is None
    largest_node.cache_clear()
    slurm("sinfo", "4000\n16000\n4000")
    assert largest_node("gpu") == 16000
    largest_node.cache_clear()
    slurm("scontrol", "PartitionName=gpu MaxMemPerNode=9000 State=UP")
    assert largest_node("gpu") == 9000
    largest_node.cache_clear()
    slurm("scontrol", "PartitionName=gpu MaxMemPerNode=UNLIMITED State=UP")
    assert largest_node("gpu") == 16000
    assert next_memory(20_000, largest=16_000) == 16_000
    assert next_memory(15_000, LastJob(last_lines="MemoryError"), largest=16_000) == 16_000


def test_the_last_job_is_read_from_its_log_and_from_slurm(slurm, tmp_path):
    slurm("scontrol", SAID["scontrol"].format(state="OUT_OF_MEMORY"))
    log = tmp_path / "run.log"
    assert read_last_job(log) == LastJob()
    head = describe_job({"SLURM_JOB_ID": "17", "ANODIFF_ATTEMPT": "2"})
    log.write_text(f"anodiff train: {head}\ntrain: 1/2 steps\n")
    assert read_last_job(log) == LastJob("17", 900, True, f"anodiff train: {head}\ntrain: 1/2 steps")
    log.write_text("Killed\n")
    assert read_last_job(log) == LastJob(last_lines="Killed")
