"""Whatever standard output and error are, each command ends without a traceback, and as it should."""

import errno
import json
import os
import subprocess
import sys

import pytest
import typer
from tiny import ENVIRONMENT, TINY

from anodiff.cli.app import app

COMMANDS = sorted(typer.main.get_command(app).commands)

#: Runs command lines one after another, for each kind of streams in a process forked from this one.
FORKING = """
import fcntl, json, os, pty, struct, sys, tempfile, termios, threading, traceback
import typer
from anodiff.cli.app import main

module = sys.modules["anodiff.cli.app"]
module.app = typer.main.get_command(module.app)  # built once, not for each command line

def prepare(kind, output, errors, terminal):
    full, (reader, unread) = os.open("/dev/full", os.O_WRONLY), os.pipe()
    os.close(reader)
    os.dup2({"full": full, "no reader": unread, "terminal": terminal}.get(kind, output.fileno()), 1)
    os.dup2({"full errors": full, "terminal": terminal}.get(kind, errors.fileno()), 2)
    encoding = kind if kind in ("ascii", "latin-1") else "utf-8"
    sys.stdout = sys.__stdout__ = open(1, "w", encoding=encoding, closefd=False)
    sys.stderr = sys.__stderr__ = open(2, "w", encoding=encoding, closefd=False)
    if kind == "closed":
        os.close(1)
        sys.stdout = sys.__stdout__ = None
    if kind == "closed errors":
        os.close(2)
        sys.stderr = sys.__stderr__ = None
    if kind in ("narrow", "terminal"):
        os.environ |= {"COLUMNS": "20", "NO_COLOR": "1", "TERM": "xterm"}

def run(arguments):
    sys.argv = ["anodiff", *arguments]
    try:
        main()
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:
        return traceback.format_exc()

def run_all(kind, lines):
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, tempfile.TemporaryFile("w+") as results:
        keeper, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
        child = os.fork()
        if not child:
            prepare(kind, output, errors, terminal)
            found = []
            for line in lines:
                before = [os.lseek(file.fileno(), 0, os.SEEK_END) for file in (output, errors)]
                status = run(line)
                for stream in (sys.stdout, sys.stderr):
                    if kind not in ("full", "closed", "no reader", "full errors", "closed errors"):
                        stream.flush()
                texts = [os.pread(file.fileno(), 10**7, at) for file, at in zip((output, errors), before)]
                found.append([status, *(text.decode("latin-1") for text in texts)])
            json.dump(found, results)
            results.flush()
            os._exit(0)
        os.close(terminal)
        seen = b""
        while True:
            try:
                seen += os.read(keeper, 65536)
            except OSError:
                break
        os.close(keeper)
        os.waitpid(child, 0)
        results.seek(0)
        return [*json.load(results), [0, seen.decode("latin-1"), ""]]

kinds, lines = json.load(sys.stdin)
kept = os.dup(1), os.dup(2)
for number in (1, 2):
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)
for line in lines:
    run(line)  # imports here, once, what the children use
for number in (1, 2):
    os.dup2(kept[number - 1], number)
json.dump({kind: run_all(kind, lines) for kind in kinds}, sys.stdout)
"""

#: The exit status of a command that prints something, and what it then says.
REFUSED = {
    "full": (os.EX_IOERR, os.strerror(errno.ENOSPC)),
    "closed": (os.EX_IOERR, os.strerror(errno.EBADF)),
    "no reader": (141, ""),
}
SHOWN = ["ascii", "latin-1", "full errors", "closed errors", "narrow", "terminal"]

#: Help for each command, wrong ones, and work that needs no torch.
LINES = [
    *([], ["--help"], ["--nonsense"], ["nonsense-β"], *([command, "--help"] for command in COMMANDS)),
    *(["schema"], ["schema", "--format", "markdown"], ["schema", "--format", "β"], ["runs", "β.yaml"], ["status", "β.yaml"]),
    *(
        ["inspect", "β"],
        ["status", "β"],
        ["doctor", "β"],
        ["runs", "nowhere-β.yaml"],
        ["export", "β"],
        ["page", "β", "-o", "x"],
    ),
]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What all command lines did, by kind of streams: exit status, output and errors."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "β").mkdir()
    (folder / "β.yaml").write_text(TINY.read_text())
    finished = subprocess.run(
        [sys.executable, "-c", FORKING],
        input=json.dumps([["usual", *REFUSED, *SHOWN], LINES]),
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | ENVIRONMENT,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_the_commands_print_what_they_should(done):
    for line, (status, output, errors) in zip(LINES, done["usual"][:-1], strict=True):
        assert "Traceback" not in f"{status}{output}{errors}", line
        assert (bool(output), bool(errors)) == (status == 0, status != 0), line


@pytest.mark.parametrize("kind", REFUSED)
def test_output_that_cannot_be_written_is_one_line_and_a_status_of_its_own(done, kind):
    number, reason = REFUSED[kind]
    for line, usual, found in zip(LINES, done["usual"], done[kind][:-1], strict=False):
        if usual[1]:
            said = f"anodiff: standard output: {reason}; not all of it was written\n" if reason else ""
            assert [found[0], found[2]] == [number, said], line
        else:
            assert found == usual, line


@pytest.mark.parametrize("kind", SHOWN)
def test_whatever_the_terminal_the_exit_status_is_the_same_and_there_is_no_traceback(done, kind):
    for line, usual, found in zip(LINES, done["usual"], done[kind][:-1], strict=False):
        assert found[0] == usual[0], (line, found)
        assert "Traceback" not in found[1] + found[2], line
        if kind in ("ascii", "latin-1"):
            question_marks = [text.encode("latin-1").decode().encode(kind, "replace").decode("latin-1") for text in usual[1:]]
            assert all(text in shown for text, *shown in zip(found[1:], usual[1:], question_marks, strict=True)), line
        if kind.endswith("errors"):
            assert found[1] == usual[1], line
    assert "Traceback" not in done[kind][-1][1]  # on the terminal
    assert ("Options:" in done[kind][-1][1]) == (kind == "terminal")
