"""The page of an unfinished sweep: what it shows, how often it is renewed, and what it never does."""

import fcntl
import os
import re
import time

import pytest

from anodiff.cli.commands.report import _renew
from anodiff.errors import StoreMissingError
from anodiff.report.page import write_page
from anodiff.report.page.early import renew_page
from anodiff.report.page_state import RENEW_EVERY, RENEW_EVERY_PER_RUN, renewal_is_due, runs_so_far
from anodiff.sweep.tables import write_tables

PICTURE = '<svg width="10pt" height="10pt"></svg>'


@pytest.fixture
def sweep(make_run):
    """The folder of a sweep of four runs, two of which have figures, and a third only its results."""
    finished = [make_run({"seed": seed}) for seed in range(3)]
    for run in finished[:2]:
        (run / "figures").mkdir()
        (run / "figures" / "msd.svg").write_text(PICTURE)
    results = finished[0].parents[1]
    (results / "runs.txt").write_text("".join(f"{run.name}\n" for run in finished) + "not-begun\n")
    return results


def text_of(page):
    return " ".join(re.sub("<[^>]+>", "", page.read_text().split("</head>")[1]).split())


def test_an_early_page_shows_the_runs_with_figures_and_says_how_many_there_will_be(sweep):
    page = sweep / "index.html"
    assert renew_page(page, lambda: 0.0)
    assert runs_so_far(page) == (2, 4)
    html = page.read_text()
    assert re.findall(r'data-run="([^"]+)"', html) == [run.name for run in sorted(sweep.glob("runs/*"))][:2]
    clock = time.strftime("%H:%M", time.localtime(0))
    assert f"So far: 2 of 4 runs. Renewed at {clock}." in text_of(page)
    assert "It will be replaced when the sweep is finished" in text_of(page)
    assert f'<meta http-equiv="refresh" content="{RENEW_EVERY}">' in html
    assert f"runs/{min(sweep.glob('runs/*')).name}/figures/msd.svg" in html
    assert "Nothing measures it so far." in text_of(page)
    assert "in this sweep measures it" not in html


def test_an_early_page_is_older_than_whatever_the_whole_page_is_made_from(sweep):
    page = sweep / "index.html"
    for path in sweep.rglob("*"):
        os.utime(path, (1e9, 1e9))
    renew_page(page)
    oldest = min(path.stat().st_mtime for path in sweep.rglob("*") if path not in (page, sweep))
    assert 0 < page.stat().st_mtime < oldest  # Snakemake takes no notice of 0
    assert sorted(path.name for path in sweep.iterdir()) == ["index.html", "runs", "runs.txt"]


def test_a_whole_page_is_never_replaced_by_an_early_one(sweep):
    page = sweep / "index.html"
    renew_page(page)
    exponents = sweep / "exponents.csv"
    write_tables(sorted(sweep.glob("runs/*")), exponents)
    write_page([exponents], page, title="whole", overwrite=True)
    whole = page.read_bytes()
    assert runs_so_far(page) is None
    assert b"http-equiv" not in whole
    assert not renew_page(page, lambda: time.time() + 1e6)
    assert page.read_bytes() == whole


def test_an_early_page_is_renewed_at_most_every_minute(sweep):
    page = sweep / "index.html"
    assert renewal_is_due(page)
    renew_page(page)
    published = page.stat().st_ctime
    for seconds, due in ((0, False), (RENEW_EVERY - 0.1, False), (RENEW_EVERY, True)):
        assert renew_page(page, lambda: published + seconds) == due  # noqa: B023


def test_an_early_page_of_many_runs_is_renewed_less_often(tmp_path):
    page = tmp_path / "index.html"
    page.write_text('<meta name="runs-so-far" content="200 of 300">')
    published = page.stat().st_ctime
    assert not renewal_is_due(page, lambda: published + 200 * RENEW_EVERY_PER_RUN - 1)
    assert renewal_is_due(page, lambda: published + 200 * RENEW_EVERY_PER_RUN + 1)


def test_two_processes_do_not_renew_the_page_at_once_and_a_killed_one_does_not_stop_it(sweep):
    page, claim = sweep / "index.html", sweep / ".index.html.renewing"
    with claim.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not renew_page(page)
        assert not page.exists()
    assert claim.exists()  # as after a kill
    assert renew_page(page)
    assert not claim.exists()


def test_without_a_finished_run_there_is_no_page(sweep):
    for figure in sweep.glob("runs/*/figures/*"):
        figure.unlink()
        figure.parent.rmdir()
    assert not renew_page(sweep / "index.html")
    assert sorted(path.name for path in sweep.iterdir()) == ["runs", "runs.txt"]
    (sweep / "runs.txt").unlink()
    with pytest.raises(StoreMissingError, match=r"runs\.txt: no list of the sweep's runs"):
        renew_page(sweep / "index.html")


def test_figures_of_the_sweep_are_shown_unless_they_are_older_than_a_run(sweep):
    page, figures = sweep / "index.html", sweep / "figures"
    figures.mkdir()
    for kind, age in (("msd", -10), ("beta", 10)):
        (figures / f"{kind}.svg").write_text(PICTURE)
        at = max(path.stat().st_mtime for path in sweep.glob("runs/*/diffusion.zarr")) + age
        os.utime(figures / f"{kind}.svg", (at, at))
    renew_page(page)
    assert re.findall(r'id="packed-(\w+)"', page.read_text()) == ["beta"]


def test_claims_of_stages_that_have_not_ended_are_not_judged(sweep):
    renew_page(sweep / "index.html")
    answers = re.findall(r'<article id="claim-(\d)".*?</article>', (sweep / "index.html").read_text(), re.DOTALL)
    assert answers == list("123456789")
    assert text_of(sweep / "index.html").count("Nothing measures it so far.") == 6


def test_a_renewal_that_fails_is_a_line_of_the_log_of_the_run(sweep, capsys):
    (sweep / "runs.txt").unlink()
    _renew(sweep / "index.html")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{sweep}/index.html was not renewed: StoreMissingError: {sweep}/runs.txt: no list")
