import io
import re

import pytest
from rich.console import Console

from anodiff.cli import progress as module


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_now_and_then_and_one_at_the_end(clock, capsys):
    with module.progress("train", "steps") as report:
        for done in range(1, 1001):
            clock[0] += 0.025
            report(done, 1000, f"loss {done}")
    assert capsys.readouterr().err.splitlines() == [
        "train: 400/1000 steps in 10 s, 40.0/s, 15 s left  loss 400",
        "train: 800/1000 steps in 20 s, 40.0/s, 5 s left  loss 800",
        "train: 1000/1000 steps in 25 s, 40.0/s  loss 1000",
    ]


def test_the_rate_of_a_resumed_training_is_that_since_it_resumed(clock, capsys):
    with module.progress("train", "steps") as report:
        for done in range(5000, 5012):
            report(done, 6000, "")
            clock[0] += 1.0
    assert capsys.readouterr().err.splitlines() == ["train: 5010/6000 steps in 10 s, 1.00/s, 16 min 30 s left"]


def test_the_rate_follows_a_machine_that_slows_down(clock):
    pace = module.Pace()
    for second in range(300):
        fast = pace.update(100 * second, float(second))
    for second in range(300, 400):
        slow = pace.update(29_900 + (second - 299), float(second))
    assert fast == pytest.approx(100)
    assert slow == pytest.approx(1)


def test_a_phase_that_starts_again_has_its_own_rate(clock):
    pace = module.Pace()
    pace.update(0, 0.0)
    assert pace.update(625, 5.0) == 125
    assert pace.update(25, 6.0) == 0  # nothing is known about the next slice yet
    assert pace.update(75, 7.0) == 50


def test_every_line_of_a_log_can_be_read_back(clock, capsys):
    with module.progress("train mlp-bs64", "steps") as report:
        for done in (1, 2, 50_000, 200_000):
            clock[0] += 20
            report(done, 200_000, "loss 1.2, test accuracy 0.5")
    lines = capsys.readouterr().err.splitlines()
    read = [module.read_log_line(line) for line in lines]
    assert [(line.done, line.total, line.unit) for line in read] == [
        (done, 200_000, "steps") for done in (1, 2, 50_000, 200_000)
    ]
    assert [line.rate for line in read] == ["", "20 s each", "1.25 k/s", "3.33 k/s"]
    assert read[0].left == read[-1].left == ""
    assert read[2].left == "2 min 00 s"


def test_a_terminal_shows_progress_rate_and_time_left(clock, monkeypatch):
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=200, color_system=None)
    monkeypatch.setattr("rich.console.Console", lambda stderr: terminal)
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    with module.progress("train", "steps") as report:
        for done in range(0, 101):
            report(done, 200, "loss [1]")
            clock[0] += 0.5
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue())
    assert "100/200 steps in 50 s, 2.00/s, 50 s left  loss [1]" in " ".join(shown.split("\r")[-1].split(" ")).replace("━", "")


def test_progress_leaves_standard_output_to_results(capsys):
    with module.progress("train", "steps") as report:
        report(1, 1, "")
    assert capsys.readouterr().out == ""
