import base64
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from invented import sweep
from jinja2 import Environment, StrictUndefined

from anodiff.diffusion.outputs import COLUMNS
from anodiff.errors import ConfigError, OutputExistsError, StoreMissingError
from anodiff.figures import FIGURES, draw
from anodiff.page import INTERVAL_ENDS, LEFT_OUT, lost_runs, model_summaries, read_table, write_page
from anodiff.tables import NAMING, RUN_COLUMNS, sweep_table, write_tables

VOID = {"meta", "img", "br", "link", "hr", "input"}
REPORT = Path(__file__).parents[1] / "workflow" / "report"


class Page(HTMLParser):
    """A page's elements as (tag, attributes, text), once it is clear that its tags are balanced."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.identifiers = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []
        assert len(self.identifiers) == len(set(self.identifiers))

    def handle_starttag(self, tag, attrs):
        element = [tag, dict(attrs), ""]
        self.elements.append(element)
        if tag == "br":
            self.handle_data(" ")
        self.identifiers += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for element in self.open:
            element[2] += data

    def all(self, tag):
        return [(attributes, " ".join(text.split())) for name, attributes, text in self.elements if name == tag]

    def rows(self, identifier):
        """The cells' texts of a table, by row; only tables of one class or id are asked for."""
        rows, inside = [], False
        for tag, attributes, text in self.elements:
            if tag == "table":
                inside = identifier in (attributes.get("id"), attributes.get("class"))
            elif inside and tag == "tr":
                rows.append([])
            elif inside and tag in ("th", "td"):
                rows[-1].append(" ".join(text.split()))
        return rows


@pytest.fixture
def pages(tmp_path):
    """What a page is made of: the table of an invented sweep, one run of it diverged, and stand-ins for its figures."""
    lost = "vgg9-bs64-lr0.1-seed1"
    runs = sweep(["mlp3", "vgg9"], [64, 128], starts=[0, 1000, 2000], diverged_at={lost: 1200})
    table = tmp_path / "exponents.csv"
    sweep_table(runs).to_csv(table, index=False)
    figures = [tmp_path / f"{kind}.svg" for kind in FIGURES]
    for figure in figures:
        figure.write_text(f"<svg><title>{figure.stem}</title></svg>")
    return SimpleNamespace(lost=lost, table=table, figures=figures, page=tmp_path / "index.html")


def invented_table(**columns):
    """A table as that of `anodiff tables`, with one run per entry of the columns unless they say otherwise."""
    number = len(next(iter(columns.values())))
    usual = {column: [math.nan] * number for column in (*NAMING, *RUN_COLUMNS, *COLUMNS)}
    usual |= {"run": [f"run{index}" for index in range(number)], "model": ["mlp"] * number, "seed": [0] * number}
    return pd.DataFrame(
        usual | {"window": [0] * number, "waiting_time": [0] * number, "status": ["complete"] * number} | columns
    )


def written(pages, **options):
    write_page(pages.table, pages.figures, pages.page, **{"title": "tiny", "overwrite": True, **options})
    return pages.page.read_text(encoding="utf-8")


def test_the_page_is_whole_html_with_every_run_window_and_figure(pages):
    page = Page(written(pages))
    table = pd.read_csv(pages.table)
    rows = page.rows("rows")
    assert len(rows) == 1 + len(table)
    assert [row[0] for row in rows[1:]] == table["run"].tolist()
    assert sorted(rows[0]) == sorted(set(table.columns) - INTERVAL_ENDS - LEFT_OUT)
    titles = [text for _, text in page.all("h2")]
    assert titles == ["In short", *(kind.title for kind in FIGURES.values()), "Every window of every run"]
    assert [text for _, text in page.all("figcaption")] == [kind.caption for kind in FIGURES.values()]


def test_numbers_of_the_table_are_rounded_for_the_eye_and_exact_for_sorting(pages):
    page = Page(written(pages))
    table = pd.read_csv(pages.table)
    heads, *rows = page.rows("rows")
    column = heads.index("beta_max")
    for row, value in zip(rows, table["beta_max"], strict=True):
        assert row[column] == ("" if math.isnan(value) else f"{value:.4g}")
    keys = [attributes["data-key"] for attributes, _ in page.all("td") if "data-key" in attributes]
    exact = {repr(value) for value in table["beta_max"].dropna()}
    assert exact <= set(keys)


def test_figures_are_embedded_as_they_are_and_nothing_comes_from_outside(pages):
    html = written(pages)
    images = [attributes for attributes, _ in Page(html).all("img")]
    for attributes, file in zip(images, pages.figures, strict=True):
        kind, data = attributes["src"].split(",", 1)
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(data) == file.read_bytes()
    assert not re.findall(r"https?:|//\w|@import|url\(|<link", re.sub(r'src="data:[^"]*"', "", html))
    assert not [attributes for tag, attributes, _ in Page(html).elements if tag != "img" and "src" in attributes]


def test_figures_come_in_one_order_however_they_are_given(pages):
    first = written(pages)
    pages.figures.reverse()
    assert written(pages) == first


def test_the_page_can_be_read_without_seeing_it(pages):
    page = Page(written(pages))
    assert page.elements[0][:2] == ["html", {"lang": "en"}]
    captions = set(page.identifiers)
    for attributes, _ in page.all("img"):
        assert attributes["alt"]
        assert attributes["aria-describedby"] in captions
    assert len(page.all("caption")) == len(page.all("table")) == 2
    assert {attributes.get("scope") for attributes, _ in page.all("th")} == {"col", "row"}
    targets = {attributes["href"].removeprefix("#") for attributes, _ in page.all("a")}
    assert targets <= captions


def test_every_column_tells_its_meaning(pages):
    page = Page(written(pages))
    meanings = {text: attributes["title"] for attributes, text in page.all("th") if "title" in attributes}
    for column, meaning in (RUN_COLUMNS | COLUMNS).items():
        assert meanings.get(column, meaning) == meaning
    assert set(RUN_COLUMNS | COLUMNS) - set(meanings) == INTERVAL_ENDS | LEFT_OUT
    assert meanings["learning_rate"] == "the run's setting optimiser.learning_rate"


def test_an_interval_stands_behind_its_value(pages):
    table = pd.read_csv(pages.table)
    table["beta_max"], table["beta_max_low"], table["beta_max_high"] = 1.53, 1.4, 1.6712
    table.loc[1, "beta_max_high"] = math.nan
    table.to_csv(pages.table, index=False)
    heads, *rows = Page(written(pages)).rows("rows")
    assert rows[0][heads.index("beta_max")] == "1.53 [1.4, 1.67]"
    assert rows[1][heads.index("beta_max")] == "1.53"


def test_diverged_runs_are_marked_and_named_with_their_step(pages):
    page = Page(written(pages))
    marked = [text for attributes, text in page.all("tr") if attributes.get("class") == "diverged"]
    assert len(marked) == 3
    assert all(text.startswith(pages.lost) for text in marked)
    (warning,) = [text for attributes, text in page.all("p") if attributes.get("class") == "lost"]
    assert warning == f"1 of 8 runs diverged, and is measured only in windows that ended before: {pages.lost} at step 1,200."


def test_without_diverged_runs_none_are_spoken_of(pages):
    table = pd.read_csv(pages.table)
    table[table["run"] != pages.lost].to_csv(pages.table, index=False)
    assert "diverged, and" not in written(pages)


def test_the_foot_says_how_the_page_was_made(pages):
    ((_, text),) = Page(written(pages)).all("footer")
    assert re.search(r"anodiff \d+\.\d+.* analysed 8 runs of the sweep tiny, 24 windows in all", text)


def test_the_summary_is_what_the_table_says(pages):
    heads, *shown = Page(written(pages)).rows("summary")
    table = pd.read_csv(pages.table)
    assert [row[0] for row in shown] == ["mlp3", "vgg9"]
    for row in shown:
        cells = dict(zip(heads, row, strict=True))
        of_model = table[table["model"] == row[0]]
        early = of_model.loc[of_model["waiting_time"] == 0, "beta_max"]
        late = of_model.loc[of_model["waiting_time"] == 2000, "beta_long"].dropna()
        accuracy = of_model["test_accuracy"]
        assert (cells["Runs"], cells["Seeds"]) == ("4", "2")
        assert cells["First window, largest β"] == f"{early.min():.2f} – {early.max():.2f}"
        assert cells["Last window, β over long lags"] == f"{late.min():.2f} – {late.max():.2f}"
        assert cells["Test accuracy"].split(" – ") == list(dict.fromkeys([f"{accuracy.min():.2f}", f"{accuracy.max():.2f}"]))
        assert f"superdiffusive at some lag in all {len(early)} measured runs" in cells["Motion"]
        assert f"subdiffusive at long lags in all {len(late)} measured runs" in cells["Motion"]
    assert len(late) == 3


def test_summaries_take_the_first_and_the_last_window_of_each_run():
    table = invented_table(
        run=["a", "a", "a", "b", "b"],
        window=[0, 1, 2, 0, 1],
        waiting_time=[0, 10, 20, 0, 10],
        seed=[0, 0, 0, 1, 1],
        beta_max=[1.5, 9, 9, 1.25, 9],
        beta_long=[9, 9, 0.5, 9, 0.75],
        test_accuracy=[0.9, 0.9, 0.9, 0.8, 0.8],
    )
    (summary,) = model_summaries(table.sample(frac=1, random_state=0))
    assert (summary.runs, summary.seeds) == (2, 2)
    assert (summary.early, summary.late, summary.accuracy) == ("1.25 – 1.50", "0.50 – 0.75", "0.80 – 0.90")
    assert summary.motion == (
        "First window: superdiffusive at some lag in all 2 measured runs; "
        "last window: subdiffusive at long lags in all 2 measured runs."
    )


@pytest.mark.parametrize(
    ("early", "late", "words"),
    [
        (
            [0.9, 0.8],
            [1.1, 1.2],
            ["superdiffusive at some lag in none of 2 measured runs", "subdiffusive at long lags in none of 2 measured runs"],
        ),
        (
            [1.1, 0.8],
            [0.9, 1.2],
            ["superdiffusive at some lag in 1 of 2 measured runs", "subdiffusive at long lags in 1 of 2 measured runs"],
        ),
        ([1.0, 1.0], [1.0, 1.0], ["in none of 2 measured runs; last", "long lags in none of 2 measured runs"]),
        ([1.1], [1.2], ["superdiffusive at some lag in the one measured run", "subdiffusive at long lags in no run (one"]),
        ([np.nan] * 2, [np.nan] * 2, ["nothing was measured", "no run has an exponent over the long lags"]),
        ([1.1, 1.2], [0.9, np.nan], ["in all 2 measured runs", "subdiffusive at long lags in the one measured run"]),
    ],
)
def test_the_summary_does_not_claim_what_was_not_seen(early, late, words):
    (summary,) = model_summaries(invented_table(beta_max=early, beta_long=late))
    for word in words:
        assert word in summary.motion


def test_a_diverged_run_has_no_last_window():
    columns = {"run": ["a", "a"], "window": [0, 1], "waiting_time": [0, 10], "beta_max": [1.5, np.nan]}
    table = invented_table(**columns, beta_long=[0.5, np.nan], status=["diverged"] * 2, steps_completed=[15] * 2)
    (summary,) = model_summaries(table)
    assert (summary.early, summary.late) == ("1.50", "–")
    assert lost_runs(table) == [("a", 15)]


def test_models_keep_the_order_of_the_sweep():
    table = invented_table(model=["vgg9", "mlp", "alexnet"], waiting_time=[5, 0, 3])
    assert [summary.model for summary in model_summaries(table)] == ["vgg9", "mlp", "alexnet"]


def test_a_hostile_name_stays_text(pages):
    hostile = "<script>alert('1')</script>\"&"
    html = written(pages, title=hostile)
    assert "<script>alert" not in html
    assert Page(html).all("h1") == [({}, f"{hostile}: training as diffusion")]
    table = pd.read_csv(pages.table)
    table["run"] = hostile
    table.to_csv(pages.table, index=False)
    page = Page(written(pages))
    assert len(page.all("script")) == 1
    assert page.rows("rows")[1][0] == hostile


def test_of_a_table_too_long_for_a_browser_each_run_shows_its_ends(pages):
    windows = 900
    runs = np.repeat(["a", "b", "c"], windows)
    table = invented_table(run=runs, window=np.tile(range(windows), 3), waiting_time=np.tile(range(windows), 3))
    table.to_csv(pages.table, index=False)
    page = Page(written(pages))
    heads, *rows = page.rows("rows")
    assert [(row[0], row[heads.index("window")]) for row in rows] == [(run, end) for run in "abc" for end in ("0", "899")]
    text = page.all("main")[0][1]
    assert "First and last window of every run" in text
    assert "All 2,700 windows stand in tables/exponents.csv." in text


def test_what_cannot_be_shown_is_one_line_and_leaves_no_page(pages, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("run,group\na,b\n")
    empty = tmp_path / "empty.csv"
    empty.touch()
    for table, figures, error, message in (
        (tmp_path / "no.csv", pages.figures, StoreMissingError, "no.csv: no such file"),
        (pages.table, [tmp_path / "no.svg"], StoreMissingError, "no.svg: no such file"),
        (pages.table, [other], ConfigError, "other.csv: the page takes SVG files called msd.svg, beta.svg"),
        (other, pages.figures, ConfigError, "other.csv: no table of a sweep, it has no column 'data'"),
        (empty, pages.figures, ConfigError, "empty.csv: no table of a sweep"),
    ):
        with pytest.raises(error, match=message) as caught:
            write_page(table, figures, pages.page, title="tiny")
        assert "\n" not in str(caught.value)
        assert not pages.page.exists()
    written(pages)
    with pytest.raises(OutputExistsError):
        written(pages, overwrite=False)


def test_the_page_of_real_results(make_run, tmp_path):
    folders = [make_run(), make_run({"seed": 1}, taken=30, status="diverged", diverged_at=30)]
    write_tables(folders, tmp_path / "exponents.csv")
    draw("beta", folders, tmp_path / "beta.svg")
    write_page(tmp_path / "exponents.csv", [tmp_path / "beta.svg"], tmp_path / "index.html", title="tiny")
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert {row[0] for row in page.rows("rows")[1:]} == {folder.name for folder in folders}
    assert page.rows("summary")[1][:2] == ["mlp3", "2"]


def test_the_table_is_read_as_it_was_written(pages):
    assert read_table(pages.table).equals(pd.read_csv(pages.table))


@pytest.mark.parametrize("file", sorted(REPORT.glob("*.rst")), ids=lambda file: file.name)
def test_the_report_s_texts_can_be_filled_in(file):
    params = SimpleNamespace(runs=["a", "b"], kind="msd", caption=FIGURES["msd"].caption, title="tiny")
    job = SimpleNamespace(config={"sweep": {"name": "tiny"}}, params=params, wildcards=SimpleNamespace(kind="msd"))
    text = Environment(undefined=StrictUndefined, autoescape=False).from_string(file.read_text(encoding="utf-8"))
    filled = text.render(snakemake=job)
    assert "{" not in filled
    assert "tiny" in filled
