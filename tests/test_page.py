"""The page stands alone and says what the table says."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from anodiff.errors import ConfigError, StoreMissingError
from anodiff.figures import FIGURES, draw
from anodiff.page import lost_runs, model_summary, write_page
from anodiff.tables import write_tables

VOID = {"meta", "img", "br", "link", "input"}


class Balance(HTMLParser):
    """Collects tags that do not close, and all text."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def made(make_run, tmp_path):
    """A page of three runs, one of which diverged, its text and its table."""
    folders = [make_run({"seed": seed}) for seed in (0, 1)]
    folders.append(make_run({"optimiser.learning_rate": 9.0}, taken=25, status="diverged", diverged_at=25))
    table = write_tables(folders, tmp_path / "exponents.csv")
    for kind in FIGURES:
        draw(kind, folders, tmp_path / f"{kind}.svg")
    write_page(tmp_path / "exponents.csv", [tmp_path / f"{kind}.svg" for kind in FIGURES], tmp_path / "p.html", title="<b>&")
    return (tmp_path / "p.html").read_text(), table


def test_the_page_is_well_formed_and_needs_nothing_else(made):
    html, _ = made
    page = Balance()
    page.feed(html)
    assert page.open == []
    assert re.findall(r'(?:src|href)="(?!data:image/svg\+xml;base64,|#)', html) == []
    assert not re.search(r"@import|url\(", html)
    assert html.count("data:image/svg+xml;base64,") == len(FIGURES)


def test_every_figure_has_its_caption_and_every_run_its_rows(made):
    html, table = made
    text = " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#39;", "'").split())
    for kind in FIGURES.values():
        assert kind.title in text
        assert kind.caption in text
    for run, rows in table.groupby("run"):
        assert html.count(f'data-key="{run}"') == len(rows)


def test_a_title_cannot_write_html(made):
    assert "<b>" not in made[0]
    assert "&lt;b&gt;&amp;: training as diffusion" in made[0]


def test_a_diverged_run_is_named_with_its_step(made):
    html, table = made
    ((name, step),) = lost_runs(table)
    assert step == 25
    assert f"{name} at step 25" in html
    assert html.count('<tr class="diverged">') == 3


def row(run, window, early, late, seed=0, status="complete"):
    values = {"model": "mlp", "run": run, "seed": seed, "window": window, "beta_max": early, "beta_long": late}
    return values | {"status": status, "test_accuracy": 0.5 + seed / 4, "diverged_at": None}


def test_the_summary_takes_the_first_windows_largest_and_the_last_windows_long_lag_exponent():
    rows = pd.DataFrame([row("a", 0, 1.7, 1.5), row("a", 1, 1.2, 0.8), row("b", 0, 1.4, 1.3, 1), row("b", 1, 1.1, 0.9, 1)])
    (summary,) = model_summary(rows)
    assert (summary["early"], summary["late"], summary["accuracy"]) == ("1.40 … 1.70", "0.80 … 0.90", "0.50 … 0.75")
    assert (summary["runs"], summary["seeds"]) == (2, 2)
    assert summary["verdict"] == "at first superdiffusive in every run; at last, at long lags, subdiffusive in every run"


def test_the_summary_does_not_claim_what_is_not_there():
    rows = pd.DataFrame([row("a", 0, 0.9, 1.5), row("b", 0, 1.4, 0.9, 1)])
    (summary,) = model_summary(rows)
    assert summary["verdict"] == "at first superdiffusive in 1 of 2 runs; at last, at long lags, subdiffusive in 1 of 2 runs"
    nothing = pd.DataFrame([row("a", 0, float("nan"), float("nan"), status="diverged")])
    assert model_summary(nothing)[0]["verdict"] == "nothing to judge by"


def test_missing_and_foreign_files_are_refused(made, tmp_path):
    with pytest.raises(StoreMissingError, match="no such file"):
        write_page(tmp_path / "exponents.csv", [tmp_path / "none.svg"], tmp_path / "q.html", title="t")
    (tmp_path / "other.svg").write_text("<svg/>")
    with pytest.raises(ConfigError, match=r"msd\.svg"):
        write_page(tmp_path / "exponents.csv", [tmp_path / "other.svg"], tmp_path / "q.html", title="t")
