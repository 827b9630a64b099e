import pytest

from anodiff import progress as module


@pytest.fixture
def clock(monkeypatch):
    """A clock that one sets."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_now_and_then_and_one_at_the_end(clock, capsys):
    with module.progress("train", "steps") as report:
        for done in range(1, 1001):
            clock[0] += 0.025
            report(done, 1000, f"loss {done}")
    assert capsys.readouterr().err.splitlines() == [
        "train: 400/1000 steps in 10 s  loss 400",
        "train: 800/1000 steps in 20 s  loss 800",
        "train: 1000/1000 steps in 25 s  loss 1000",
    ]


def test_progress_leaves_standard_output_to_results(capsys):
    with module.progress("train", "steps") as report:
        report(1, 1, "")
    assert capsys.readouterr().out == ""
