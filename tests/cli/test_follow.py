"""`anodiff follow`: the command keeps its exit status, its signals and its output."""

import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

from anodiff.cli.follow import LINE_AFTER_CHANGE, LINE_EVERY, LogLines
from anodiff.cli.overview import Overview, Stage

CONFIG = "sweep: {name: s, runs: [{training.steps: 9}]}\n"
ANODIFF = [sys.executable, "-c", "from anodiff.cli import main; main()"]


@pytest.fixture
def following(tmp_path):
    """Return a function that follows a command of Python's in a process of its own."""
    (tmp_path / "s.yaml").write_text(CONFIG)

    def start(code, **options):
        command = [*ANODIFF, "follow", "s.yaml", "--", sys.executable, "-c", code]
        return subprocess.Popen(command, cwd=tmp_path, **({"stderr": subprocess.PIPE, "text": True} | options))

    return start


def output(tmp_path):
    return (tmp_path / "results/s/logs/snakemake.log").read_text()


@pytest.mark.parametrize(
    ("code", "status"), [("0", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_the_exit_status_is_the_command_s(following, code, status):
    child = following(code)
    child.communicate()
    assert child.returncode == status


def test_the_command_s_output_goes_to_the_log_after_that_of_earlier_attempts(following, tmp_path):
    for word in ("first", "second"):
        _, shown = following(f"import sys; print('{word}'); print('error', file=sys.stderr)").communicate()
        assert "error" not in shown
    assert sorted(output(tmp_path).split()) == ["error", "error", "first", "second"]
    assert shown == f"The output of {sys.executable}: results/s/logs/snakemake.log\n"


def test_a_failure_shows_the_essential_lines_and_where_the_rest_is(following):
    _, shown = following("print(*range(1000), sep='\\n'); raise SystemExit(3)").communicate()
    lines = shown.splitlines()
    assert lines[1] == f"{sys.executable} has ended with status 3"
    assert lines[-2:] == ["    999", "The whole log: results/s/logs/snakemake.log"]
    assert len(lines) < 20


def test_success_ends_with_the_place_of_the_page(following, tmp_path):
    _, shown = following("open('results/s/index.html', 'w').close()").communicate()
    assert shown.splitlines()[-1] == f"The page: {tmp_path}/results/s/index.html"


WAITING = """
import signal, time
def handle(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        raise SystemExit(75)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, handle)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def wait_for(words, tmp_path):
    for _ in range(600):
        if (tmp_path / "results/s/logs").exists() and output(tmp_path).split() == words:
            return
        time.sleep(0.05)
    raise AssertionError(output(tmp_path))


def test_the_command_gets_ctrl_c_once_and_decides_what_follows_and_sigterm_is_passed_on(following, tmp_path):
    child = following(WAITING, start_new_session=True)
    wait_for(["ready"], tmp_path)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does
    wait_for(["ready", "SIGINT"], tmp_path)
    assert child.poll() is None
    child.terminate()
    _, shown = child.communicate()
    assert output(tmp_path).split() == ["ready", "SIGINT", "SIGTERM"]
    assert child.returncode == 75
    assert "Traceback" not in shown


def test_a_terminal_shows_the_overview_and_a_log_has_no_escape_codes(following, tmp_path):
    ours, theirs = pty.openpty()
    child = following("0", stderr=theirs)
    assert child.wait() == 0
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65_536):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode())
    assert "s: 1 run: 1 waiting" in text
    assert "log:  results/s/logs/snakemake.log" in text
    _, logged = following("0").communicate()
    assert "\x1b" not in logged


def test_a_command_that_is_not_there_is_one_line(tmp_path):
    (tmp_path / "s.yaml").write_text(CONFIG)
    finished = subprocess.run([*ANODIFF, "follow", "s.yaml", "--", "snakemoke"], cwd=tmp_path, capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (2, "anodiff: snakemoke: no such command\n")


def test_a_log_gets_a_line_after_a_change_and_otherwise_less_often():
    def overview(done):
        return Overview(None, [Stage("train", "training", 9, done)], [], {})

    lines = LogLines()
    moments = [(0, 0), (9.9, 0), (10, 0), (15, 1), (20, 1), (45, 1), (50, 1), (60, 2), (61, 3), (70, 3)]
    assert (LINE_EVERY, LINE_AFTER_CHANGE) == (30, 10)
    assert [moment for moment, done in moments if lines.is_due(overview(done), moment)] == [10, 20, 50, 60, 70]


def test_following_imports_nothing_heavy():
    check = (
        "import sys, anodiff.cli.app, anodiff.cli.follow, anodiff.settings.loading; "
        "heavy = {'torch', 'pandas', 'matplotlib', 'numpy', 'zarr', 'scipy', 'snakemake'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
